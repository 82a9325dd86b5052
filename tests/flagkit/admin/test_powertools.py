"""Powertools' feature flags: a flag means the same after the import, or it isn't imported."""

from __future__ import annotations

import pytest

from flagkit.admin.powertools import read_powertools
from flagkit.core.snapshot import Snapshot
from flagkit.errors import EditError

# The example of Powertools' documentation, with more actions.
SCHEMA = {
    "premium_features": {
        "default": False,
        "rules": {
            "customer tier equals premium": {
                "when_match": True,
                "conditions": [{"action": "EQUALS", "key": "tier", "value": "premium"}],
            },
            "not for some": {
                "when_match": False,
                "conditions": [
                    {"action": "NOT_IN", "key": "country", "value": ["US", "CA"]},
                    {"action": "KEY_GREATER_THAN_OR_EQUAL_VALUE", "key": "age", "value": 18.5},
                ],
            },
        },
    },
    "ten_percent_off_campaign": {"default": True},
    "list_of_features": {
        "boolean_type": False,
        "default": ["basic"],
        "rules": {
            "pro": {
                "when_match": ["basic", "pro"],
                "conditions": [{"action": "STARTSWITH", "key": "email", "value": "pro-"}],
            }
        },
    },
}


def test_the_documented_example_means_the_same():
    found = read_powertools(SCHEMA)
    assert found.problems == ()
    snapshot = Snapshot.from_document(found.document.to_dict())
    assert snapshot.evaluate("premium_features", None, {"tier": "premium"}).enabled
    assert not snapshot.evaluate("premium_features", None, {"tier": "standard"}).enabled
    assert snapshot.evaluate("ten_percent_off_campaign").enabled
    assert snapshot.evaluate("list_of_features", None, {"email": "pro-1"}).attributes["value"] == ("basic", "pro")
    assert snapshot.evaluate("list_of_features").attributes["value"] == ("basic",)


def one(condition, **feature):
    rule = {"when_match": True, "conditions": [condition]}
    return read_powertools({"f": {"default": False, "rules": {"r": rule}, **feature}})


def condition(action, value, key="k"):
    return {"action": action, "key": key, "value": value}


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (condition("EQUALS", True), "(eq $k true)"),
        (condition("NOT_EQUALS", 1), '(and (exists key::"k") (not (eq $k 1)))'),
        (condition("NOT_IN", ["a"]), '(and (exists key::"k") (not (in $k ["a"])))'),
        (condition("KEY_NOT_IN_VALUE", []), '(exists key::"k")'),
        (condition("KEY_LESS_THAN_VALUE", 3), "(lt $k 3)"),
        (condition("KEY_IN_VALUE", ["a", "b"]), '(in $k ["a", "b"])'),
        (condition("IN", ["a"]), '(in $k ["a"])'),
        (condition("ENDSWITH", "x"), '(ends_with $k "x")'),
        (
            condition(
                "SCHEDULE_BETWEEN_DATETIME_RANGE",
                {"START": "2026-10-05T12:15:00", "END": "2026-10-10T00:00:00", "TIMEZONE": "America/New_York"},
                "CURRENT_DATETIME",
            ),
            "(and (gte $now 2026-10-05T16:15:00Z) (lte $now 2026-10-10T04:00:00Z))",
        ),
    ],
)
def test_an_action_becomes_a_rule(given, rule):
    found = one(given)
    assert found.problems == ()
    assert found.document.values["f"].variants[0].rule == rule


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (condition("VALUE_IN_KEY", 1), "can't express VALUE_IN_KEY"),
        (condition("MODULO_RANGE", {"BASE": 100, "START": 0, "END": 29}), "can't express MODULO_RANGE"),
        (condition("SCHEDULE_BETWEEN_TIME_RANGE", {"START": "09:00"}), "START and END must be times"),
        (condition("SCHEDULE_BETWEEN_DATETIME_RANGE", {"START": "soon"}), "START is not a valid time"),
        (condition("STARTSWITH", 3), "can't express STARTSWITH"),
        (condition("EQUALS", {"a": 1}), "not text"),
        (condition("SCHEDULE_BETWEEN_DATETIME_RANGE", {"START": "2026-01-01T00:00:00Z"}), "START is not a valid time"),
        (condition("EQUALS", float("nan")), "not text"),
        (condition("EQUALS", "x", key="now"), "context key"),
        (condition("IN", "part of a text"), "needs a list"),
        (condition("EQUALS", "x", key="user.id"), "context key"),
        (condition("EQUALS", "\ud800"), "surrogate"),
        ("nonsense", "is not an object"),
    ],
)
def test_a_flag_that_can_not_be_expressed_is_refused_with_the_reason(given, words):
    found = one(given)
    assert words in found.problems[0].reason
    assert found.problems[0].place.startswith("f.rules.r")
    assert found.refused == ("f",)
    assert not found.document.values


def test_a_rule_that_would_deny_is_not_left_out():
    """Without its rule, the flag would be on for those who were denied."""
    deny = {"when_match": False, "conditions": [condition("ALL_IN_VALUE", ["blocked"])]}
    found = read_powertools({"f": {"default": True, "rules": {"deny": deny}}, "g": {"default": True}})
    assert found.refused == ("f",)
    assert set(found.document.values) == {"g"}


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({}, "no default"),
        ({"default": "x"}, "needs a value that is true or false"),
        ({"default": {"a": 1}, "boolean_type": False}, "can't be an object"),
        ({"default": False, "rules": ["x"]}, "is not an object"),
        ({"default": False, "rules": {"r": {}}}, "no when_match"),
        ({"default": False, "rules": {"r": {"when_match": True}}}, "no conditions"),
        (
            {
                "default": 1,
                "boolean_type": False,
                "rules": {"r": {"when_match": "x", "conditions": [condition("EQUALS", 1)]}},
            },
            "value",
        ),
    ],
)
def test_what_is_not_a_feature_is_refused(feature, words):
    assert words in read_powertools({"f": feature}).problems[0].reason


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"default": False, "rules": []}, "is empty"),
        ({"default": False, "rules": {}}, "is empty"),
        ({"default": False, "colour": 1}, "is not a key"),
    ],
)
def test_what_changes_no_answer_is_a_remark(feature, words):
    found = read_powertools({"f": feature})
    assert found.problems == ()
    assert words in found.remarks[0].reason
    assert "f" in found.document.values


def test_long_names_of_rules_are_shortened_and_stay_apart():
    rules = {
        "x" * 64 + end: {"when_match": True, "conditions": [condition("EQUALS", end)]} for end in ("", "a", "b\nc")
    }
    found = read_powertools({"f": {"default": False, "rules": rules}})
    names = [variant.name for variant in found.document.values["f"].variants]
    assert names == ["x" * 64, "x" * 62 + " 2", "x" * 62 + " 3", "default"]
    assert len(found.remarks) == 2


def test_names_that_aws_does_not_take_are_listed():
    assert "rename" in read_powertools({"Premium": {"default": True}}).problems[0].reason


def test_a_rule_called_default_does_not_collide():
    rule = {"when_match": True, "conditions": [condition("EQUALS", 1)]}
    found = read_powertools({"f": {"default": False, "rules": {"default": rule}}})
    assert [variant.name for variant in found.document.values["f"].variants] == ["default", "default_"]


@pytest.mark.parametrize("schema", [[], {}, {"f": True}])
def test_another_format_is_refused(schema):
    with pytest.raises(EditError):
        read_powertools(schema)
