"""What rules mean to both evaluators: scope, clock, patterns, splits of one bucket."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from flagkit.core.bucketing import BUCKETS, bucket
from flagkit.core.rules import buckets as buckets_module
from flagkit.core.rules import shapes as shapes_module
from flagkit.core.rules import values as values_module
from flagkit.core.rules.ast import And, Boolean, Key, Membership, Number, Split, Text
from flagkit.core.rules.buckets import BucketRanges, ranges_of
from flagkit.core.rules.parser import parse_rule
from flagkit.errors import RuleError
from tests.laws.evaluators import compile_rule, evaluators

START = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


def compiled(text: str, **options):
    return compile_rule(parse_rule(text), **{"default_seed": "flag", **options})


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Everything that is hashed, in order."""
    seen: list[str] = []

    def spy(data: str | bytes, *_how: object) -> int:
        text = data.decode() if isinstance(data, bytes) else data
        seen.append(text)
        return bucket(*text.split(":", 1))

    monkeypatch.setitem(shapes_module._GLOBALS, "murmur3", spy)
    monkeypatch.setattr(values_module, "murmur3", spy)
    return seen


def generated(text: str, **options):
    """The predicate of the generated function alone."""
    flag = evaluators([parse_rule(text)], **options)[1]
    return lambda user_id, context: flag(user_id, context).enabled


def test_a_part_of_a_rule_can_be_compiled_even_a_boolean():
    assert compile_rule(Boolean(True), default_seed="f")(None, {}) is True


def test_the_positional_user_id_wins_over_the_context():
    test = compiled('(eq $userId "a")')
    assert test("a", {"userId": "b"}) is True
    assert test(None, {"userId": "a"}) is True
    assert test("", {"userId": "a"}) is False, "an empty id is an id"


def test_the_name_of_the_user_id_can_be_chosen():
    test = compiled('(and (eq $account "a") (eq $userId "b"))', user_key="account")
    assert test("a", {"userId": "b"}) is True
    assert test("b", {"userId": "b"}) is False


def test_the_user_id_may_have_the_name_of_the_clock():
    assert compiled('(eq $now "a")', user_key="now", now=lambda: START)("a", {}) is True


def test_a_rule_that_asks_for_the_time_sees_it_pass():
    times = iter([START, START, START + timedelta(seconds=2), START + timedelta(seconds=2)])
    test = compiled("(gt $now 2026-11-23T02:30:01Z)", now=lambda: next(times))
    assert [test(None, {}), test(None, {})] == [False, True]


def test_a_rule_that_does_not_ask_for_the_time_never_calls_the_clock():
    def now() -> datetime:
        raise AssertionError("nobody asked")

    assert compiled('(and (exists key::"a") (split pct::100 by::$userId))', now=now)("u", {"a": 1}) is True
    assert compiled("(gt $now 2026-11-23T02:30:01Z)", now=now)(None, {"now": "2027"}) is True


def test_without_a_clock_the_time_is_missing_unless_the_caller_gives_it():
    test = compiled("(gt $currentTime 2026T)")
    assert test(None, {}) is False
    assert test(None, {"currentTime": START}) is True


def test_ten_thousand_elements_are_one_look_up():
    rule = Membership(Key("userId"), tuple(Text(f"u{number}") for number in range(10_000)))
    test = compile_rule(rule, default_seed="f")
    assert test("u9999", {}) is True
    assert test("u10000", {}) is False


def test_a_constant_can_be_looked_up_as_well():
    assert compiled('(in "a" ["a"])')(None, {}) is True
    assert compiled("(in $userId [1, 2024T, true])")("1.0", {}) is True


@pytest.mark.parametrize("pattern", ["[", "(?=a)", "(a)\\\\1", "*"])
def test_a_pattern_that_re2_refuses_is_a_rule_error_at_the_pattern(pattern):
    with pytest.raises(RuleError, match="pattern") as caught:
        compiled(f'(and true (matches in::$a pattern::"{pattern}"))')
    error = caught.value
    assert (error.reason, error.path) == ("BadOperand", "matches")
    assert error.rule[error.position :].startswith('"')


def test_re2_is_imported_only_for_a_pattern_and_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    assert compiled('(contains $a "x")')(None, {"a": "x"}) is True
    with pytest.raises(RuleError, match="not installed") as caught:
        compiled('(matches in::$a pattern::"x")')
    assert (caught.value.reason, caught.value.hint) == (
        "PatternsMissing",
        "Install flagkit-canary[patterns] where flags with patterns are evaluated.",
    )


def test_a_pattern_meets_no_lone_surrogate():
    assert compiled('(matches in::$a pattern::"x")')(None, {"a": "x\ud800"}) is False


def test_splits_of_one_bucket_hash_once(hashed):
    test = generated('(and (split pct::60 by::$a seed::"s") (eq $b 1) (not (split pct::50 by::$a seed::"s")))')
    for number in range(50):
        inside = 0.5 <= bucket("s", str(number)) / BUCKETS < 0.6
        assert test(None, {"a": number, "b": 1}) is inside
    assert len(hashed) == 50


def test_splits_of_different_buckets_are_not_merged(hashed):
    test = generated('(or (split pct::1 by::$a seed::"s") (split pct::1 by::$b seed::"s") (split pct::1 by::$a))')
    test(None, {"a": "x", "b": "y"})
    assert hashed == ["s:x", "s:y", "flag:x"]


def test_a_split_nobody_or_everybody_falls_under_still_needs_a_value():
    assert compiled("(split pct::100 by::$a)")(None, {"a": "\ud800"}) is False
    assert compiled("(not (split pct::0 by::$a))")(None, {}) is True
    assert compiled("(or (split pct::100 by::$a) (not (split pct::100 by::$a)))")(None, {}) is True


def test_by_another_key_than_the_user(hashed):
    test = compiled("(split pct::100 by::$a)")
    assert [test("u", {"a": "x"}), test("u", {})] == [True, False]
    rollout = compiled("(split pct::50 by::$a)")
    assert [rollout(None, {"a": value}) for value in ("1", 1)] == [bucket("flag", "1") < BUCKETS // 2] * 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("operator", ["and", "or"])
def test_and_and_or_of_any_size(operator, count):
    test = compiled(f"({operator} {' '.join(f'(eq $k{index} 1)' for index in range(count))})")
    for pattern in range(2**count):
        bits = [pattern >> index & 1 for index in range(count)]
        expected = all(bits) if operator == "and" else any(bits)
        assert test(None, {f"k{index}": bit for index, bit in enumerate(bits)}) is expected


def ranges(text: str) -> BucketRanges | None:
    return ranges_of(parse_rule(text), "flag", {})


def test_a_range_is_a_stretch_of_the_bucket_line():
    found = ranges("(and (split pct::75 by::$a) (not (split pct::25 by::$a)))")
    assert found == BucketRanges("a", "flag", (2**30, 3 * 2**30), (False, True, False))


def test_ranges_drop_bounds_that_change_nothing():
    found = ranges("(or (split pct::25 by::$a) (split pct::50 by::$a) (split pct::10 by::$a))")
    assert found == BucketRanges("a", "flag", (2**31,), (True, False))


@pytest.mark.parametrize(
    "text",
    [
        '(exists key::"a")',
        "(not (eq $a 1))",
        "(and (split pct::1 by::$a) true)",
        "(and (split pct::1 by::$a) (split pct::1 by::$b))",
        '(or (split pct::1 by::$a) (split pct::1 by::$a seed::"s"))',
    ],
)
def test_what_looks_at_more_than_one_bucket_is_no_range(text):
    assert ranges(text) is None


def test_parts_are_found_once_however_deep(monkeypatch):
    rule = Split(Number(50), Key("a"))
    for _ in range(40):
        rule = And((rule, rule))
    calls = []
    monkeypatch.setattr(
        buckets_module, "_find", lambda *given, real=buckets_module._find: calls.append(1) or real(*given)
    )
    assert ranges_of(rule, "flag", {}) is not None
    assert len(calls) == 41


@pytest.mark.parametrize("word", ["and", "or"])
def test_splits_of_one_bucket_within_a_not_are_looked_up_once(word, hashed):
    rule = f'(not ({word} (eq $a 1) (split pct::60 by::$userId seed::"s") (not (split pct::20 by::$userId seed::"s"))))'
    test = generated(rule)
    for number in range(50):
        share = bucket("s", str(number)) / BUCKETS
        splits = [share < 0.6, share >= 0.2]
        inner = all(splits) if word == "and" else any(splits)
        hashed.clear()
        assert test(str(number), {"a": 1}) is not (inner if word == "and" else True)
        assert test(str(number), {"a": 2}) is not (False if word == "and" else inner)
        assert len(hashed) == 1, "both splits share one hash"
