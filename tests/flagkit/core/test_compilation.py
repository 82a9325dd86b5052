"""A flag in use becomes one generated Python function: when, what it is made of, and what happens where it can't."""

import json
import linecache
import re
import traceback
from pathlib import Path

import pytest

from flagkit.core.context import instant_of
from flagkit.core.evaluation import ErrorCode, Evaluation, Reason
from flagkit.core.rules import shapes as shapes_module
from flagkit.core.rules import values as values_module
from flagkit.core.rules.ast import And, Boolean, Compare, Key, Membership, Number, Or, Text, TextTest
from flagkit.core.rules.generator import MAX_TESTS, TooLargeError
from flagkit.core.rules.parser import parse_rule
from flagkit.core.snapshot import Snapshot
from flagkit.core.variants import READS_BEFORE_COMPILING, WalkedFlag
from tests.laws.evaluators import evaluators


def snapshot(*rules: str, key: str = "flag", name: str = "on") -> Snapshot:
    variants = [
        {"name": f"{name}{index}", "enabled": True, "attributeValues": {"value": index}, "rule": rule}
        for index, rule in enumerate(rules)
    ]
    values = {key: {"_variants": [*variants, {"name": "off", "enabled": False}]}, "basic": {"enabled": True}}
    return Snapshot.from_document({"version": "1", "values": values}, version="7")


def is_walked(found: Snapshot, key: str = "flag") -> bool:
    return isinstance(found.flags[key], WalkedFlag)


def test_a_flag_walks_its_rules_until_it_is_in_use():
    flags = snapshot('(eq $country "US")')
    for _ in range(READS_BEFORE_COMPILING - 1):
        flags.evaluate("flag", "u", {"country": "US"})
    assert is_walked(flags)
    before = flags.evaluate("flag", "u", {"country": "US"})
    assert not is_walked(flags)
    assert flags.evaluate("flag", "u", {"country": "US"}) is before, "answers are built once"


def test_compiling_can_be_left_to_another_thread():
    flags, waiting = snapshot('(eq $country "US")'), []
    flags.defer = waiting.append
    for _ in range(3 * READS_BEFORE_COMPILING):
        assert flags.evaluate("flag", "u", {"country": "US"}).is_on
    assert (is_walked(flags), len(waiting)) == (True, 1)
    waiting.pop()()
    assert not is_walked(flags)


def test_flags_can_be_compiled_before_their_first_read():
    flags = snapshot('(eq $country "US")')
    flags.prepare(["absent", "basic"])
    assert flags.flags["flag"](None, None).variant == "off"
    assert is_walked(flags)
    flags.prepare()
    assert not is_walked(flags)


def test_flags_in_use_are_compiled_again_with_the_next_version():
    before = snapshot('(eq $country "US")', '(eq $country "FR")')
    before.prepare()
    after = snapshot('(eq $country "FR")')
    after.prepare_like(before)
    assert not is_walked(after)
    assert after.evaluate("flag", "u", {"country": "FR"}).is_on


@pytest.mark.parametrize(
    "hostile", ["'''\"\"\"\\\n#{}", "__import__('os').abort()", "\x00\u2028\r", "{0.__class__}", "x" * 9000]
)
def test_nothing_of_a_document_is_text_in_the_source(hostile):
    rule = And(
        (
            Compare("eq", Key(hostile), Text(hostile)),
            Membership(Key("a"), (Text(hostile), Number(4711))),
            Or((Compare("gt", Key("b"), Number(4712)), Boolean(True))),
        )
    )
    source = evaluators([rule], default_seed=hostile)[0].generated().source
    plain = And(
        (
            Compare("eq", Key("a.path" if "." in hostile else "k"), Text("t")),
            Membership(Key("a"), (Text("t"), Number(1))),
            Or((Compare("gt", Key("b"), Number(2)), Boolean(True))),
        )
    )
    assert source == evaluators([plain])[0].generated().source
    assert "471" not in source
    _, flag = evaluators([rule], default_seed=hostile)
    assert flag("u", {hostile: hostile, "a": hostile, "b": 9999}).enabled


def test_flags_of_one_shape_share_one_code_object():
    one, other = snapshot('(eq $country "US")'), snapshot('(eq $plan "pro")', key="other", name="variant")
    one.prepare()
    other.prepare()
    assert one.flags["flag"].__code__ is other.flags["other"].__code__
    assert other.evaluate("other", "u", {"plan": "pro"}).variant == "variant0"
    assert one.evaluate("flag", "u", {"plan": "pro"}).variant == "off"


def test_tracebacks_and_profilers_find_the_source():
    flags = snapshot('(eq $country "US")')
    flags.prepare()
    code = flags.flags["flag"].__code__
    linecache.checkcache()
    assert linecache.getline(code.co_filename, code.co_firstlineno).strip() == "def flag(user_id, context):"


def test_the_source_can_be_shown_with_its_values():
    flags = snapshot('(and (eq $country "US") (split pct::25 by::$userId))')
    text = flags.source("flag")
    assert "# text_1 = 'US'" in text
    assert "# limit_1 = 1073741824" in text
    assert "# answer_1 = 'on0'" in text
    assert flags.source("basic") == ""
    with pytest.raises(KeyError):
        flags.source("absent")


def test_long_values_are_shown_shortened():
    flags = snapshot(f'(in $userId ["{"x" * 500}"])')
    assert max(map(len, flags.source("flag").splitlines()[-4:])) < 130


def test_the_code_of_old_shapes_is_dropped(monkeypatch):
    monkeypatch.setattr(shapes_module, "SHAPES_KEPT", 3)
    for count in range(20, 28):  # shapes that no other test has
        flags = snapshot(f"(and {' '.join(f'(eq $k{index} {index})' for index in range(count))})")
        flags.prepare()
        assert not is_walked(flags)
        assert len(shapes_module._shapes) <= 3
    assert sum(name.startswith("<flagkit shape") for name in linecache.cache) <= 3


def test_a_flag_with_too_many_tests_stays_with_the_walker():
    tests = " ".join(f'(eq $k{index} "x")' for index in range(MAX_TESTS + 1))
    flags = snapshot(f"(or {tests})")
    flags.prepare()
    assert is_walked(flags)
    assert flags.evaluate("flag", "u", {f"k{MAX_TESTS}": "x"}).is_on
    assert f"More than {MAX_TESTS} tests" in flags.source("flag")
    assert f"More than {MAX_TESTS} tests" in flags.uncompiled["flag"]
    with pytest.raises(TooLargeError):
        flags.walked("flag").generated()


@pytest.mark.parametrize("depth", [10, 40, 62])
@pytest.mark.parametrize("operator", ["not", "and", "or", "either"])
def test_deep_nesting_compiles(operator, depth):
    inner = '(or (eq $a "1") (split pct::50 by::$userId))'
    for _ in range(depth):
        inner = {
            "not": f"(not {inner})",
            "and": f'(and (eq $b "1") {inner})',
            "or": f'(or (eq $b "1") {inner})',
            "either": f'(or (split pct::1 by::$c) (and (eq $b "1") {inner}))' if inner.count("(or") < 30 else inner,
        }[operator]
    walked, generated = evaluators([parse_rule(inner)])
    for user_id in ("u1", "u2", "u3"):
        for context in ({}, {"a": "1"}, {"b": "1"}, {"a": "1", "b": "1", "c": "x"}):
            assert generated(user_id, context) == walked(user_id, context)


def test_a_hundred_variants_and_ten_thousand_elements_compile():
    many = [f'(and (eq $country "C{index}") (split pct::{index} by::$userId))' for index in range(100)]
    ids = ", ".join(f'"u{number}"' for number in range(10_000))
    flags = snapshot(*many, f"(in $userId [{ids}])")
    walked = flags.walked("flag")
    flags.prepare()
    assert not is_walked(flags)
    for user_id in ("u1", "u9999", "x", "x2", "x3"):
        for country in ("C0", "C50", "C99", "C100", None, 5):
            context = {"country": country}
            assert flags.evaluate("flag", user_id, context) == walked(user_id, context)


BY_TEXT = [
    [f'(eq $region "R{number}")' for number in (1, 2, 3, 2)],
    [f'(and (eq $region "R{number}") (split pct::50 by::$userId))' for number in (1, 2, 3, 4)],
    [f'(and (eq $region "R{number}") (eq $plan "pro") (gt $age 17))' for number in (1, 2, 3)],
    [f'(and (eq $region "R{number}") (or (eq $plan "pro") (split pct::50 by::$userId)))' for number in (1, 2, 3)],
    ['(eq $plan "x")', *(f'(eq $userId "u{number}")' for number in (1, 2, 3)), '(eq $region "R1")'],
]


@pytest.mark.parametrize("rules", BY_TEXT)
def test_variants_that_differ_in_one_text_are_decided_as_one_by_one(rules):
    walked, generated = evaluators([parse_rule(rule) for rule in rules])
    for user_id in ("u1", "u2", "u3", "u4", None, 3):
        for region in ("R1", "R2", "R3", "R4", "R5", None, 5, Word("R1")):
            for context in ({"region": region}, {"region": region, "plan": "pro", "age": 18}):
                assert generated(user_id, context) == walked(user_id, context)


NUMBERS = (17, 18, 19, 18.0, "18", "19.5", True, None, 10**130, -(10**130), 2**70, -(2**70), "x")
TEXTS = ("", "user", "user-1", "uses", "a user", "u\U0010ffff", "u\U0010ffffx", "v", "\ud7ffx", "\ud800", "é", None, 5)


@pytest.mark.parametrize("constant", ["18", "18.5", f"{2**64}", f"{10**125}", f"-{2**64}"])
@pytest.mark.parametrize("operator", ["eq", "gt", "gte", "lt", "lte"])
def test_numbers_of_any_size_and_type_compare_as_their_texts_do(operator, constant):
    walked, generated = evaluators([parse_rule(f"({operator} $a {constant})")])
    for value in NUMBERS:
        assert generated(None, {"a": value}) == walked(None, {"a": value}), value


@pytest.mark.parametrize("operator", ["begins_with", "ends_with", "contains"])
@pytest.mark.parametrize("part", ["", "user", "u\U0010ffff", "\ud7ff", "é"])
def test_parts_of_texts_are_found_wherever_they_are(operator, part):
    walked, generated = evaluators([TextTest(operator, Key("a"), Text(part))])
    for value in TEXTS:
        assert generated(None, {"a": value}) == walked(None, {"a": value}), value
    expected = {"begins_with": str.startswith, "ends_with": str.endswith, "contains": str.__contains__}[operator]
    assert generated(None, {"a": "user-1"}).enabled is expected("user-1", part)


def test_text_tests_of_two_values_are_compiled():
    walked, generated = evaluators(
        [TextTest("contains", Key("a"), Key("b")), TextTest("begins_with", Text("user"), Key("a"))]
    )
    for a in ("user-1", "us", None, 5, ""):
        for b in ("1", "", None, 5):
            assert generated("u", {"a": a, "b": b}) == walked("u", {"a": a, "b": b})


def test_more_ranges_than_a_chain_has_are_looked_up():
    rules = [f'(split pct::{percent} by::$userId seed::"s")' for percent in range(10, 100, 10)]
    for count in (2, 4, 5, 9):
        walked, generated = evaluators([parse_rule(rule) for rule in rules[:count]])
        users = [f"u{number}" for number in range(400)]
        assert {generated(user, {}).variant for user in users} == {f"v{index}" for index in range(count + 1)}
        assert all(generated(user, None) == walked(user, None) for user in users)


def test_where_more_than_one_part_tells_what_decided_the_walker_does():
    either = '(or (eq ${} 1) (split pct::50 by::$userId seed::"{}"))'
    rule = f"(and {either.format('a', 'a')} {either.format('b', 'b')} (eq $c 1))"
    walked, generated = evaluators([parse_rule(rule)])
    for user_id in ("u1", "u2", "u3", "u4"):
        for bits in range(8):
            context = {name: bits >> index & 1 for index, name in enumerate("abc")}
            assert generated(user_id, context) == walked(user_id, context)


def test_instants_are_remembered_but_not_all_of_them(monkeypatch):
    monkeypatch.setattr(values_module, "MOST_INSTANTS", 3)
    instants = values_module.Instants()
    texts = ["2024-01-01", "2024-01-02", "no date", "2024-01-03", "2024-01-01T", "x" * 1000]
    for text in [*texts, *texts]:
        assert instants[text] == instant_of(text)
        assert len(instants) <= 3
    assert "x" * 1000 not in instants


class Word(str):
    """A text that isn't exactly a string."""

    __slots__ = ()


class Raising:
    """A context whose look-ups raise."""

    def get(self, _name):
        raise RuntimeError


@pytest.mark.parametrize("context", [[1], "text", 5, object(), Raising()], ids=lambda value: type(value).__name__)
def test_what_raises_in_the_function_is_answered_by_the_walker(context):
    flags = snapshot('(or (in $userId ["u1"]) (eq $country "US"))')
    flags.prepare()
    assert flags.evaluate("flag", "u1", context).is_on, "nothing of the context is needed"
    for _ in range(2):
        found = flags.evaluate("flag", "u2", context)
        assert (found.error, found.reason, found.version) == (ErrorCode.INVALID_CONTEXT, Reason.ERROR, "7")


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize(
    "rule",
    [
        "(and (or (eq $a 1) (split pct::50 by::$userId)) (eq $b 1) (eq $c 1))",
        "(and (eq $a 1) (and (or (eq $b 1) (split pct::50 by::$userId)) (eq $c 1)))",
        "(or (and (or (eq $a 1) (split pct::50 by::$userId)) (eq $b 1)) (eq $c 1))",
    ],
)
def test_attributes_are_read_in_the_order_of_the_rule(rule, name):
    """A context that raises for one attribute fails, or not, as it does for the walker."""

    class Lazy(dict):
        def get(self, key, default=None):
            if key == name:
                raise OSError
            return super().get(key, default)

    walked, generated = evaluators([parse_rule(rule)])
    for user_id in ("u1", "u2", "u3"):
        for bits in range(8):
            context = Lazy({key: bits >> index & 1 for index, key in enumerate("abc")})
            assert generated(user_id, context) == walked(user_id, context)


def test_a_lone_surrogate_has_no_bucket_and_is_no_error():
    flags = snapshot("(split pct::100 by::$userId)")
    flags.prepare()
    assert flags.evaluate("flag", "\ud800").variant == "off"
    assert flags.evaluate("flag", "u").variant == "on0"


def test_the_end_of_the_stack_is_an_answer(monkeypatch):
    flags = snapshot('(eq $country "US")')
    flags.prepare()

    def too_deep(*_args, **_options):
        raise RecursionError

    monkeypatch.setattr(Snapshot, "walked", too_deep)
    found = flags.evaluate("flag", "u", 5)
    assert isinstance(found, Evaluation)
    assert found.error is ErrorCode.GENERAL


def test_what_fails_to_compile_goes_on_walking(monkeypatch):
    flags = snapshot('(eq $country "US")')

    def broken(_source):
        raise MemoryError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(shapes_module, "_compiled", broken)
        patch.setattr(shapes_module, "_shapes", {})
        for _ in range(2 * READS_BEFORE_COMPILING):
            assert flags.evaluate("flag", "u", {"country": "US"}).is_on
    assert is_walked(flags)
    assert flags.uncompiled == {"flag": "MemoryError: no memory"}
    flags.prepare()
    assert not is_walked(flags)
    assert flags.uncompiled == {}


def test_an_exception_in_the_source_names_its_line():
    """A generated function lets nothing out; its frames show up in profilers and in an exception of the clock."""
    walked, _ = evaluators([parse_rule("(gt $now 2024T)")], now=lambda: 1 / 0)
    frames = []

    def fallback(_user_id, _context):
        frames.extend(traceback.format_exc().splitlines())
        return walked(None, None)

    walked.generated().compile(fallback)("u", {})
    assert any("instant_of(value_1)" in line for line in frames)


def test_the_page_shows_the_generated_function():
    page = (Path(__file__).parents[3] / "docs" / "compilation.md").read_text("utf-8")
    rule = re.search(r"rule = '(.*)'", page)[1]
    values = {"new_checkout": {"_variants": [{"name": "on", "enabled": True, "rule": rule}, {"name": "off"}]}}
    values["new_checkout"]["_variants"][1]["enabled"] = False
    source = Snapshot.from_json(json.dumps({"version": "1", "values": values})).source("new_checkout")
    # The order of a set is another one in each process.
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1].replace("{'team', 'pro'}", "{'pro', 'team'}")
    assert shown == source.replace("{'team', 'pro'}", "{'pro', 'team'}")
