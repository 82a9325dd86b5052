"""What context values mean (docs/rules.md, Values)."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from uuid import UUID

import pytest

from flagkit.core.context import boolean_of, bound, instant_of, number_of, text_of


class Plan(StrEnum):
    PRO = "pro"


class Level(IntEnum):
    HIGH = 3


class Liar(str):
    __slots__ = ()

    def __str__(self):
        return "lie"


class Broken(int):
    def __repr__(self):
        raise RuntimeError

    def __sub__(self, _other):
        raise RuntimeError


class BrokenZone(tzinfo):
    def utcoffset(self, _moment):
        raise RuntimeError


class BrokenFloat(float):
    def __sub__(self, _other):
        raise RuntimeError


class NumpyLike(Fraction):
    """Registered as an Integral below, like numpy's integers, but no int."""

    def __int__(self):
        return 7


class UUIDLike:
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("é😀\ud800", "é😀\ud800"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**70), str(-(2**70))),
        (1.0, "1.0"),
        (1e22, "1e+22"),
        (-0.0, "-0.0"),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 11, 23, 2, 30, tzinfo=UTC), "2026-11-23T02:30:00Z"),
        (datetime(2026, 11, 23, 2, 30, 0, 5), "2026-11-23T02:30:00.000005Z"),  # noqa: DTZ001
        (datetime(2026, 11, 23, 2, 30, tzinfo=timezone(timedelta(hours=2))), "2026-11-23T00:30:00Z"),
        (date(2026, 11, 23), "2026-11-23"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Plan.PRO, "pro"),
        (Level.HIGH, "3"),
        (Liar("truth"), "truth"),
        ([], "[]"),
        (("a", 1, True, None, {}, ["b"]), '["a","1","true"]'),
        ({'say "hi", \\'}, '["say \\u0022hi\\u0022\\u002c \\\\"]'),
    ],
)
def test_a_value_has_one_text(value, text):
    assert text_of(value) == text


TOO_EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
# fmt: off
TEXTLESS = [None, {}, {"a": 1}, object(), b"a", 1j, float("nan"), float("inf"), Decimal("nan"), Decimal("sNaN"),
            Decimal("inf"), 10**5000, TOO_EARLY, BrokenFloat(1.0), UUIDLike(), Fraction(1, 2)]
NO_INSTANTS = ["", "24", "0000", "2024-13", "2024-00", "2023-02-29", "2024-02-29T10:11", "2024-02-29T24:00Z",
               "2024-02-29T10:60Z", "2024-02-29T10:11:60Z", "2024-02-29T10:11:12.Z", "2024-02-29T10:11:12.1234567890Z",
               "2024-02-29 10:11Z", "2024-02-29T10:11ZT", "2024-02-29T10:11+24:00", "2024-02-29T10:11+01:60",
               "2024-02-29t10:11z", "٢٠٢٤", "2" * 200, datetime(2024, 1, 1, tzinfo=BrokenZone())]
# fmt: on


@pytest.mark.parametrize("value", TEXTLESS, ids=lambda value: type(value).__name__)
def test_what_is_no_text_is_none_and_never_raises(value):
    assert text_of(value) is None
    assert number_of(value) is None
    assert boolean_of(value) is None
    assert instant_of(value) is None


def test_what_a_subclass_overrides_is_not_called():
    assert text_of(Broken(5)) == "5"
    assert number_of(Broken(5)) == 5


def test_integers_of_other_libraries_count():
    from numbers import Integral

    Integral.register(NumpyLike)
    assert text_of(NumpyLike(7)) == "7"
    assert number_of(NumpyLike(7)) == 7


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (65, 65),
        (2**63, Decimal(2**63)),
        ("65", 65),
        ("+65", 65),
        ("-65.50", Decimal("-65.5")),
        (".5", Decimal("0.5")),
        ("5.", 5),
        ("6.5e1", 65),
        ("1E-3", Decimal("0.001")),
        ("007", 7),
        (0.1, Decimal("0.1")),
        (Decimal("0.10"), Decimal("0.1")),
        ("9" * 128, Decimal("9" * 128)),
        (Level.HIGH, 3),
    ],
)
def test_a_text_is_a_number(value, number):
    assert number_of(value) == number


@pytest.mark.parametrize(
    "value",
    ["", " 65", "65 ", "6_5", "٣", "1e", "e5", "1e12345", "0x10", "--1", "nan", "inf", "1,5", True, "9" * 129, 10**130],
)
def test_a_text_is_no_number(value):
    assert number_of(value) is None


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2024", "2024-01-01T00:00:00+00:00"),
        ("2024T", "2024-01-01T00:00:00+00:00"),
        ("2024-03", "2024-03-01T00:00:00+00:00"),
        ("2024-03T", "2024-03-01T00:00:00+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T", "2024-02-29T00:00:00+00:00"),
        ("2024-02-29T10:11Z", "2024-02-29T10:11:00+00:00"),
        ("2024-02-29T10:11:12Z", "2024-02-29T10:11:12+00:00"),
        ("2024-02-29T10:11:12.5-01:30", "2024-02-29T11:41:12.500000+00:00"),
        ("2024-02-29T10:11:12.000001+23:59", "2024-02-28T10:12:12.000001+00:00"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000+00:00"),
        (datetime(2024, 2, 29, 10, tzinfo=timezone(timedelta(hours=2))), "2024-02-29T08:00:00+00:00"),
        (datetime(2024, 2, 29, 10), "2024-02-29T10:00:00+00:00"),  # noqa: DTZ001
        (date(2024, 2, 29), "2024-02-29T00:00:00+00:00"),
    ],
)
def test_a_value_is_an_instant(value, iso):
    moment = datetime.fromisoformat(iso) - datetime(1970, 1, 1, tzinfo=UTC)
    assert instant_of(value) == moment // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(
    "text", ["2024-01-31", "2024-01-31T10:00:00Z", "2024-02-29", "0001-01-01", "9999-12-31T23:59:59Z"]
)
def test_the_usual_forms_are_the_instants_of_the_long_ones(text):
    longer = f"{text}T00:00:00.0Z" if len(text) == 10 else f"{text[:-1]}.0Z"
    assert instant_of(text) == instant_of(longer) is not None


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "0000-01-01", "2024-W05-1", "2024-01-31 10:00:00Z", "2024-01-31T24:00:00Z", "2024-01-3\u0661"],
)
def test_what_looks_like_the_usual_forms_and_is_none_of_them_is_no_instant(text):
    assert instant_of(text) is None


def test_an_instant_is_exact_to_the_nanosecond():
    assert instant_of("1970-01-01T00:00:00.000000001Z") == 1
    assert instant_of("1969-12-31T23:59:59.999999999Z") == -1


@pytest.mark.parametrize("value", NO_INSTANTS, ids=lambda value: type(value).__name__)
def test_a_value_is_no_instant(value):
    assert instant_of(value) is None


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", "t", "T", "1", 1])
def test_gos_spellings_of_true(value):
    assert boolean_of(value) is True


@pytest.mark.parametrize("value", [False, "false", "False", "FALSE", "f", "F", "0", 0])
def test_gos_spellings_of_false(value):
    assert boolean_of(value) is False


@pytest.mark.parametrize("value", ["", "yes", "tRuE", "on", " true", "1.0", 1.0, 2])
def test_other_spellings_are_neither(value):
    assert boolean_of(value) is None


def test_a_bound_user_is_converted_once():
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    context = {
        "plan": Plan.PRO,
        "id": UUID(int=1),
        "age": 3,
        "ratio": 0.5,
        "beta": True,
        "at": moment,
        "none": None,
        "company": {"plan": "pro"},
        "roles": ["a", 1],
    }
    user_id, found = bound(UUID(int=2), context)
    assert user_id == str(UUID(int=2))
    assert found == {**context, "plan": "pro", "id": str(UUID(int=1)), "roles": '["a","1"]'}
    assert type(found["plan"]) is str
    assert found["company"] is context["company"], "what has no text stays, because it exists"


def test_binding_copies_the_context_and_leaves_alone_what_is_none():
    context = {"a": 1}
    _, found = bound("u", context)
    context["a"] = 2
    assert found == {"a": 1}
    assert bound("u", None) == ("u", None)


def test_binding_never_raises():
    assert bound("u", [1]) == ("u", [1])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_list_has_the_text_of_its_own_elements_whatever_iterates_over_it(kind):
    """An iterator of a subclass can raise, or go on for ever."""
    odd = type("Odd", (kind,), {"__iter__": lambda _self: 1 / 0})
    assert text_of(odd(["x"])) == '["x"]'
    pretender = type("Pretender", (), {"__class__": kind, "__getitem__": lambda _self, _index: "x"})
    assert text_of(pretender()) is None
