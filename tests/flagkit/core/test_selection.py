"""Which variant answers, and with which reason (decision 0021)."""

import json

import pytest

from flagkit.core.bucketing import BUCKETS, bucket
from flagkit.core.evaluation import ErrorCode, Reason
from flagkit.core.rules.parser import parse_rule
from flagkit.core.snapshot import Snapshot
from tests.laws.evaluators import compile_rule


def variants(*rules: str | None, on: bool = True, **attributes: object) -> dict:
    """v0, v1, … with these rules; the last is the default and off."""
    entries = [{"name": f"v{index}", "enabled": on, "attributeValues": attributes} for index in range(len(rules))]
    for entry, rule in zip(entries, rules, strict=True):
        if rule is not None:
            entry["rule"] = rule
    entries[-1]["enabled"] = False
    return {"_variants": entries}


def snapshot(**values: object) -> Snapshot:
    return Snapshot.from_json(json.dumps({"version": "1", "values": values}), version="7", label="v7")


def test_a_basic_flag_answers_with_its_value_or_with_enabled():
    flags = snapshot(
        a={"enabled": True}, b={"enabled": True, "value": False}, c={"enabled": True, "value": "red"}, d={"value": 1}
    )
    found = [flags.evaluate(key) for key in "abcd"]
    assert [(item.value, item.is_on, item.enabled) for item in found] == [
        (True, True, True),
        (False, False, True),
        ("red", True, True),
        (False, False, False),
    ]
    assert [item.reason for item in found] == [Reason.STATIC, Reason.STATIC, Reason.STATIC, Reason.DISABLED]
    assert {item.version for item in found} == {"7"}


def test_attributes_are_served_only_when_on():
    flags = snapshot(on={"enabled": True, "color": "red"}, off={"enabled": False, "color": "red"})
    assert dict(flags.evaluate("on").attributes) == {"color": "red"}
    assert dict(flags.evaluate("off").attributes) == {}


def test_the_first_true_rule_wins_and_names_its_variant():
    flags = snapshot(a=variants('(eq $x "1")', '(exists key::"x")', None, value="v"))
    first, second, default = (flags.evaluate("a", None, context) for context in ({"x": "1"}, {"x": "2"}, {}))
    assert [item.variant for item in (first, second, default)] == ["v0", "v1", "v2"]
    assert [item.reason for item in (first, second, default)] == [Reason.TARGETING_MATCH] * 2 + [Reason.DEFAULT]
    assert [item.value for item in (first, second, default)] == ["v", "v", False]


def test_a_disabled_variant_can_match_and_win():
    flags = snapshot(
        a={"_variants": [{"name": "out", "enabled": False, "rule": "(eq $x 1)"}, {"name": "in", "enabled": True}]}
    )
    found = flags.evaluate("a", None, {"x": 1})
    assert (found.variant, found.enabled, found.reason) == ("out", False, Reason.TARGETING_MATCH)


def test_only_a_default_variant_is_static():
    flags = snapshot(a={"_variants": [{"name": "only", "enabled": True, "attributeValues": {"value": 3}}]})
    found = flags.evaluate("a", "u")
    assert (found.variant, found.value, found.reason) == ("only", 3, Reason.STATIC)


def test_answers_are_built_once():
    flags = snapshot(a=variants("(split pct::50 by::$userId)", None))
    assert len({id(flags.evaluate("a", f"u{number}")) for number in range(100)}) == 2


SHAPES = {
    "one rule": ['(eq $x "1")', None],
    "two rules": ['(eq $x "1")', '(eq $x "2")', None],
    "three rules": ['(eq $x "1")', '(eq $x "2")', '(eq $x "3")', None],
    "rollout": ["(split pct::30 by::$userId)", None],
    "rollout by another key": ["(split pct::30 by::$x)", None],
    "reversed rollout": ["(not (split pct::30 by::$userId))", None],
    "bands": ["(split pct::30 by::$userId)", "(split pct::60 by::$userId)", "(not (split pct::90 by::$userId))", None],
    "everybody": ["(split pct::100 by::$userId)", None],
    "nobody": ["(split pct::0 by::$userId)", None],
    "list and rollout": ['(in $userId ["u1"])', "(split pct::30 by::$userId)", None],
    "rollout and rule": ["(split pct::30 by::$userId)", '(eq $x "1")', "(split pct::60 by::$userId)", None],
    "two rollouts and a rule": ["(split pct::30 by::$userId)", "(split pct::60 by::$userId)", '(eq $x "1")', None],
    "ranges in or": ['(or (eq $x "1") (split pct::10 by::$userId) (not (split pct::90 by::$userId)))', None],
    "a hole": ["(or (eq $x 1) (or (split pct::10 by::$userId) (not (split pct::90 by::$userId))))", None],
    "three ranges": [
        "(or (eq $x 1) (and (not (split pct::10 by::$userId))"
        " (or (split pct::30 by::$userId) (not (split pct::90 by::$userId)))))",
        None,
    ],
    "two seeds": ['(split pct::30 by::$userId seed::"s")', '(split pct::30 by::$userId seed::"t")', None],
    "mixed or": ['(or (eq $x "1") (split pct::30 by::$userId))', None],
    "default only": [None],
}
ASKED = [
    (user, context)
    for user in ("u1", "u2", "u3", 7, None, "\ud800")
    for context in (None, {}, {"x": "1"}, {"x": "2", "userId": "u9"})
]


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_flag_answers_like_its_rules_one_by_one(name):
    rules = SHAPES[name]
    flag = snapshot(a=variants(*rules)).flags["a"]
    flags = snapshot(a=variants(*rules))
    flags.prepare()
    tests = [compile_rule(parse_rule(rule), default_seed="a") for rule in rules if rule is not None]
    for user_id, context in ASKED:
        truths = [test(user_id, context or {}) for test in tests]
        expected = truths.index(True) if True in truths else len(tests)
        assert flag(user_id, context).variant == f"v{expected}", (user_id, context)
        assert flags.evaluate("a", user_id, context) == flag(user_id, context)


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "default only"])
@pytest.mark.parametrize("context", [[1], "text", 5, object()], ids=lambda value: type(value).__name__)
def test_a_context_that_is_no_mapping_is_an_error_not_an_exception(name, context):
    flags = snapshot(a=variants(*SHAPES[name]))
    for _ in ("walked", "generated"):
        found = flags.evaluate("a", None, context)
        assert (found.error, found.reason, found.is_on) == (ErrorCode.INVALID_CONTEXT, Reason.ERROR, None)
        assert found.version == "7"
        flags.prepare()


def test_the_reason_is_split_only_if_a_percentage_decided():
    flags = snapshot(
        either=variants('(or (eq $x "1") (split pct::100 by::$userId))', None),
        both=variants('(and (eq $x "1") (or (eq $y 1) (split pct::100 by::$userId)))', None),
        held=variants("(and (eq $x 1) (not (or (eq $y 1) (split pct::0 by::$userId))))", None),
        twice=variants("(not (not (and (eq $x 1) (split pct::100 by::$userId))))", None),
        plain=variants("(or (eq $x 1) (and (eq $x 1) (not (eq $y 1))))", None),
    )
    asked = [
        ("either", {"x": "1"}),
        ("either", {}),
        ("both", {"x": "1", "y": 1}),
        ("both", {"x": "1"}),
        ("held", {"x": 1}),
        ("twice", {"x": 1}),
        ("plain", {"x": 1}),
    ]
    assert [flags.evaluate(key, "u", context).reason for key, context in asked] == [
        Reason.TARGETING_MATCH,
        Reason.SPLIT,
        Reason.TARGETING_MATCH,
        Reason.SPLIT,
        Reason.SPLIT,
        Reason.SPLIT,
        Reason.TARGETING_MATCH,
    ]


def test_the_seed_defaults_to_the_key_of_the_flag():
    flags = snapshot(alpha=variants("(split pct::50 by::$userId)", None))
    assert [flags.evaluate("alpha", f"u{number}").is_on for number in range(50)] == [
        bucket("alpha", f"u{number}") < BUCKETS // 2 for number in range(50)
    ]


def test_a_user_id_may_be_a_number_or_in_the_context():
    flags = snapshot(a=variants("(split pct::50 by::$userId)", None))
    assert [flags.evaluate("a", number) for number in range(50)] == [
        flags.evaluate("a", str(number)) for number in range(50)
    ]
    assert [flags.evaluate("a", None, {"userId": f"{number}"}) for number in range(50)] == [
        flags.evaluate("a", str(number)) for number in range(50)
    ]
