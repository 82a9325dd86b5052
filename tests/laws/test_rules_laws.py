"""Laws of the rule language: printing and reading are inverse, merging changes nothing, only declared errors escape."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest
from evaluators import compile_rule, evaluators
from hostile_rules import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st
from naive_evaluator import Question, holds, murmur3_32
from rule_generator import NOW, Generator

from flagkit.core.bucketing import bucket
from flagkit.core.context import bound
from flagkit.core.evaluation import Evaluation, Reason
from flagkit.core.explanation import explain
from flagkit.core.rules import ast
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, RuleError

pytestmark = pytest.mark.sweep

CONFORMANCE = Path(__file__).parents[2] / "conformance"
NASTY = st.sampled_from(
    ["", '"', "\\", "\\\\", "'", "'''", '"""', "\0", "\n", "\r\n", "//", "/*", "😀", "e\u0301", "\u2028", "$", "::"]
)
TEXTS = st.builds(
    ast.Text, st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(NASTY).map("".join)
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)
NUMBERS = st.builds(ast.Number, st.integers(-(10**100), 10**100) | FINITE | DECIMALS)
DATETIMES = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
TIMES = st.builds(
    ast.Timestamp, DATETIMES | st.sampled_from(["2024T", "2024-01T", "2024-01-31", "2024-01-31T10:00-23:59"])
)
KEYS = st.builds(
    ast.Key,
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(["a", "1", "$", "'"]),
)
CONSTANTS = TEXTS | NUMBERS | TIMES | st.builds(ast.Boolean, st.booleans())
ORDERED = TEXTS | NUMBERS | TIMES | KEYS
PERCENTS = st.builds(ast.Number, st.integers(0, 100) | st.decimals(0, 100) | st.floats(0, 100))
LEAVES = st.one_of(
    st.builds(ast.Compare, st.just("eq"), CONSTANTS | KEYS, CONSTANTS | KEYS),
    st.builds(ast.Compare, st.sampled_from(["gt", "gte", "lt", "lte"]), ORDERED, ORDERED),
    st.builds(ast.TextTest, st.sampled_from(ast.TEXT_OPERATORS), TEXTS | KEYS, TEXTS | KEYS),
    st.builds(ast.Membership, CONSTANTS | KEYS, st.lists(CONSTANTS, max_size=5).map(tuple)),
    st.builds(ast.Matches, TEXTS | KEYS, TEXTS),
    st.builds(ast.Exists, KEYS),
    st.builds(ast.Split, PERCENTS, KEYS, st.none() | TEXTS),
)


def combined(inner):
    operands = st.lists(inner | st.builds(ast.Boolean, st.booleans()), min_size=1, max_size=3).map(tuple)
    return st.builds(ast.And, operands) | st.builds(ast.Or, operands) | st.builds(ast.Not, inner)


RULES = st.recursive(LEAVES, combined, max_leaves=8)


@given(RULES)
@example(ast.Compare("eq", ast.Key("a'\"\\\n"), ast.Text("\"'\\\0😀")))
@example(ast.Membership(ast.Number(0.0), (ast.Number(5), ast.Boolean(False))))
def test_a_printed_rule_reads_as_the_same_tree_and_prints_the_same(rule):
    text = print_rule(rule)
    read = parse_rule(text, max_chars=10**6)
    assert read == rule
    assert repr(read) == repr(rule), "not only equal: each number keeps its type and digits"
    assert print_rule(read) == text


@given(
    st.text(max_size=200)
    | st.lists(NASTY | st.sampled_from(["(eq ", "$a", ")", "[", "]", ",", "1", "2024-01", "by::"])).map("".join)
)
def test_any_text_is_a_rule_or_a_rule_error(text):
    try:
        parse_rule(text)
    except RuleError as error:
        refusal = error
    else:
        return
    assert 0 <= refusal.position <= len(text)
    assert refusal.caret


@given(st.integers(0, 2**32))
def test_merged_splits_answer_as_each_one_by_itself(seed):
    generator = Generator(seed)
    rule = generator.rule(4)
    user_id, context = generator.user_id(), generator.context() or {}
    question = Question(user_id, context, "flag", now=NOW)
    assert compile_rule(rule, default_seed="flag", now=lambda: NOW)(user_id, context) is (holds(rule, question) is True)


@given(st.integers(0, 2**32))
def test_both_evaluators_give_the_same_answer_for_the_same_reason(seed):
    """Value, variant, attributes and reason, for users and contexts that raise in every way they can."""
    generator = Generator(seed)
    rules = [generator.rule(3) for _ in range(generator.random.randrange(1, 5))]
    walked, generated = evaluators(rules, now=lambda: NOW)
    for _ in range(4):
        user_id, context = generator.user_id(), generator.random.choice([generator.context(), [1], "text", 5])
        assert generated(user_id, context) == walked(user_id, context)


@given(st.integers(0, 2**32))
def test_a_bound_user_gets_the_same_answers(seed):
    generator = Generator(seed)
    test = compile_rule(generator.rule(4), default_seed="flag", now=lambda: NOW)
    user_id, context = generator.user_id(), generator.context() or {}
    assert test(*bound(user_id, context)) == test(user_id, context)


@given(st.integers(0, 2**32))
def test_an_explanation_agrees_with_the_answer_and_with_itself(seed):
    generator = Generator(seed)
    rules = [generator.rule(3) for _ in range(generator.random.randrange(1, 4))]
    variants = [{"name": f"v{index}", "enabled": True, "rule": print_rule(rule)} for index, rule in enumerate(rules)]
    document = {"version": "1", "values": {"flag": {"_variants": [*variants, {"name": "default", "enabled": True}]}}}
    snapshot = Snapshot.from_document(document, now=lambda: NOW)
    user_id, context = generator.user_id(), generator.context()
    explanation = explain(snapshot, "flag", user_id, context)
    assert explanation.evaluation == snapshot.evaluate("flag", user_id, context)
    outcomes = [rule.outcome for rule in explanation.rules]
    reached = outcomes.index("match") if "match" in outcomes else len(rules)
    assert explanation.rules[reached].variant == explanation.evaluation.variant
    assert outcomes == ["no match"] * reached + (["default"] if reached == len(rules) else ["match"]) + [
        "not reached"
    ] * (len(rules) - reached)
    for rule in explanation.rules:
        if rule.step is not None:
            check_step(rule.step, parse_rule(rule.rule))
    json.dumps(explanation.to_dict())
    assert explanation.to_text()


def check_step(step, tree):
    results = [inner.result for inner in step.steps]
    match tree:
        case ast.And(operands):
            assert step.result == all(results)
        case ast.Or(operands):
            assert step.result == any(results)
        case ast.Not(operand):
            operands = (operand,)
            assert results == [not step.result] or "too long for the pattern" in str(step)
        case ast.Split():
            operands = ()
            assert step.result == (step.bucket is not None and step.bucket < step.threshold)
        case _:
            operands = ()
    for inner, operand in zip(step.steps, operands, strict=True):
        check_step(inner, operand)


@given(st.integers(0, 2**32))
def test_the_reason_is_split_exactly_if_a_split_decided(seed):
    generator = Generator(seed)
    rule = generator.rule(4)
    document = {
        "version": "1",
        "values": {
            "flag": {
                "_variants": [
                    {"name": "on", "enabled": True, "rule": print_rule(rule)},
                    {"name": "off", "enabled": False},
                ]
            }
        },
    }
    user_id, context = generator.user_id(), generator.context()
    found = Snapshot.from_document(document, now=lambda: NOW).evaluate("flag", user_id, context)
    question = Question(user_id, context or {}, "flag", now=NOW)
    if not holds(rule, question):
        assert found.reason is Reason.DEFAULT
    else:
        assert found.reason is (Reason.SPLIT if decided_by_split(rule, question) else Reason.TARGETING_MATCH)


def decided_by_split(rule, question) -> bool:
    match rule:
        case ast.Split():
            return True
        case ast.Not(operand):
            return "(split " in print_rule(operand).replace('"(split', "")
        case ast.And(operands):
            return any(decided_by_split(operand, question) for operand in operands)
        case ast.Or(operands):
            return decided_by_split(next(operand for operand in operands if holds(operand, question)), question)
        case _:
            return False


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_hash_is_murmur3_of_seed_colon_value(value, seed):
    if ast.is_unicode(value):
        assert bucket(seed, value) == murmur3_32(f"{seed}:{value}".encode())


def reason_of(text: str) -> str:
    try:
        rule = parse_rule(text)
        test = compile_rule(rule, default_seed="f")
    except RuleError as error:
        return error.reason
    assert parse_rule(print_rule(rule), max_chars=10**6) == rule
    for user_id, context in ((None, {}), ("u", {"a": "x" * 1000}), ("\ud800", {"a": "\ud800"})):
        assert test(user_id, context) in {True, False}
    return ""


@pytest.mark.parametrize(
    "case", json.loads((CONFORMANCE / "rules.json").read_text("utf-8")), ids=lambda case: case["why"]
)
def test_a_rule_that_once_failed_answers_now(case):
    assert reason_of(case["rule"]) == case["reason"]


@pytest.mark.parametrize(
    "case", json.loads((CONFORMANCE / "documents.json").read_text("utf-8")), ids=lambda case: case["why"]
)
def test_a_document_that_once_failed_answers_now(case):
    if case["outcome"] == "refused":
        with pytest.raises(DocumentError) as caught:
            Snapshot.from_json(case["document"])
        assert caught.value.violations
        return
    snapshot = Snapshot.from_json(case["document"])
    assert sorted(snapshot.check()) == case["outcome"]
    assert all(isinstance(snapshot.evaluate(key, "u", {}), Evaluation) for key in snapshot.flags)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_for_a_hostile_rule_grows_with_its_length_and_no_faster(name):
    """Counts calls, not time: the costliest rule needs 37 a character, and a quadratic reader would need thousands."""
    assert calls_during(reason_of, HOSTILE[name]) < 150 * len(HOSTILE[name])


def calls_during(function, *args) -> int:
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return calls


def test_a_slice_of_the_differential_run_agrees():
    assert list(benchmark("differential").differences(4_000, seed=5)) == []


def test_a_slice_of_the_fuzz_run_finds_nothing():
    outcomes, _, _ = benchmark("fuzz").run(3_000, seed=5, limit_s=math.inf)
    assert {"rule read", "BadToken", "document read", "document refused", "document with problems"} <= outcomes.keys()


def benchmark(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
