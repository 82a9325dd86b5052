"""Explanations in words and as data; that they agree with the answers is a law (tests/laws/test_rules_laws.py)."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from flagkit.core.bucketing import bucket
from flagkit.core.evaluation import ErrorCode
from flagkit.core.explanation import explain
from flagkit.core.snapshot import Snapshot

START = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


def snapshot(rule: str | None, **options) -> Snapshot:
    ruled = (
        []
        if rule is None
        else [{"name": "on", "enabled": True, "rule": rule, "attributeValues": {"value": ["a", {"b": 1}]}}]
    )
    values = {"flag": {"_variants": [*ruled, {"name": "off", "enabled": False}]}, "basic": {"enabled": True}}
    return Snapshot.from_json(json.dumps({"version": "1", "values": values}), version="7", **options)


def lines(rule: str, user_id: object = None, context: dict | None = None, **options) -> list[str]:
    return explain(snapshot(rule, **options), "flag", user_id, context).to_text().splitlines()


def test_the_text_goes_rule_by_rule_and_operand_by_operand():
    position = f"{bucket('flag', 'u1') * 100 / 2**32:.4f}"
    text = lines(
        '(and (eq $country "US") (gt $age 17) (not (split pct::100 by::$userId)))', "u1", {"country": "DE", "age": 18}
    )
    assert text[:6] == [
        'flag for "u1": off, variant off (DEFAULT)',
        "  on: no match",
        '    - (and (eq $country "US") (gt $age 17) (not (split pct::100 by::$userId)))',
        '      - (eq $country "US")   $country is "DE"',
        '      + (gt $age 17)   $age is "18"',
        "      - (not (split pct::100 by::$userId))",
    ]
    assert text[6].startswith('        + (split pct::100 by::$userId)   $userId is "u1", bucket ')
    assert position[:4] in text[6]
    assert text[6].endswith(" % < 100 %")
    assert text[7] == "  off: default"


def test_rules_after_the_match_are_not_reached():
    found = explain(snapshot('(exists key::"a")'), "flag", None, {"a": 1})
    assert [rule.outcome for rule in found.rules] == ["match", "not reached"]
    assert found.rules[1].step is None


@pytest.mark.parametrize(
    ("rule", "context", "words"),
    [
        ("(eq $a 1)", {}, "$a is missing"),
        ("(eq $a 1)", {"a": None}, "$a is missing"),
        ("(eq $a 1)", {"a": "x"}, '$a is "x", which is not a number'),
        ("(gt $a 2024T)", {"a": "x"}, '$a is "x", which is not a time'),
        ("(eq $a true)", {"a": "x"}, '$a is "x", which is not true or false'),
        ("(eq 1 $a)", {"a": "x"}, '$a is "x", which is not a number'),
        ("(eq $a $b)", {"a": "x", "b": 1}, '$a is "x", $b is "1"'),
        ('(eq $a "x")', {"a": {}}, "$a has no text: dict"),
        ('(eq $a "x")', {"a": [1]}, '$a is "[\\"1\\"]"'),
        ("(contains $a $b)", {"a": "xy", "b": "y"}, '$a is "xy", $b is "y"'),
        ("(in $a [1, 2])", {"a": "1"}, '$a is "1"'),
        ('(matches in::$a pattern::"x")', {"a": "x"}, '$a is "x"'),
        ('(exists key::"a")', {"a": ""}, '$a is ""'),
        ("(split pct::10 by::$a)", {}, "$a is missing"),
        ("(split pct::10 by::$a)", {"a": "\ud800"}, '$a is "\ud800"'),
        ("(eq '$user-id' 1)", {"user-id": 1}, "'$user-id' is \"1\""),
        ('(eq $a "x")', {"a": "y" * 1000}, '$a is "' + "y" * 58 + "…"),
    ],
)
def test_an_operand_is_said_in_words(rule, context, words):
    assert lines(rule, None, context)[2].split("   ", 1)[1].split("   ")[-1] == words


def test_a_boolean_needs_no_words():
    assert lines('(and true (exists key::"a"))')[3] == "      + true"


def test_a_long_rule_is_shortened_in_the_text_only():
    rule = f"(in $a [{', '.join(str(number) for number in range(1000))}])"
    assert len(lines(rule)[2]) < 160
    assert explain(snapshot(rule), "flag").to_dict()["rules"][0]["step"]["text"] == rule


def test_the_data_is_json_and_complete():
    found = explain(snapshot("(or (split pct::12.5 by::$userId) (eq $x 1))"), "flag", 42, {"x": 1}).to_dict()
    assert json.loads(json.dumps(found)) == found
    number = bucket("flag", "42")
    assert found == {
        "key": "flag",
        "user_id": "42",
        "enabled": True,
        "variant": "on",
        "value": ["a", {"b": 1}],
        "attributes": {"value": ["a", {"b": 1}]},
        "reason": "TARGETING_MATCH",
        "version": "7",
        "error": None,
        "message": "",
        "rules": [
            {
                "variant": "on",
                "rule": "(or (split pct::12.5 by::$userId) (eq $x 1))",
                "outcome": "match",
                "step": {
                    "text": "(or (split pct::12.5 by::$userId) (eq $x 1))",
                    "result": True,
                    "steps": [
                        {
                            "text": "(split pct::12.5 by::$userId)",
                            "result": False,
                            "seen": [{"name": "$userId", "value": "42", "note": ""}],
                            "bucket": number,
                            "bucket_percent": number / 2**32 * 100,
                            "threshold": 2**29,
                            "threshold_percent": 12.5,
                        },
                        {"text": "(eq $x 1)", "result": True, "seen": [{"name": "$x", "value": "1", "note": ""}]},
                    ],
                },
            },
            {"variant": "off", "rule": "", "outcome": "not reached", "step": None},
        ],
    }


def test_a_missing_bucket_is_null():
    step = explain(snapshot("(split pct::10 by::$userId)"), "flag").to_dict()["rules"][0]["step"]
    assert (step["bucket"], step["bucket_percent"]) == (None, None)


def test_a_bucket_just_below_the_threshold_is_not_shown_as_the_threshold():
    from flagkit.core.explanation import Step

    assert Step("", True, bucket=2**30 - 1, threshold=2**30, percent=25.0).to_text() == "bucket 24.999999 % < 25 %"
    assert Step("", False, bucket=2**30, threshold=2**30, percent=25.0).to_text() == "bucket 25.000000 % >= 25 %"


def test_a_flag_without_rules_needs_no_reasons():
    found = explain(snapshot(None), "basic", "u")
    assert found.to_text() == 'basic for "u": on (STATIC)'
    assert found.rules == ()


@pytest.mark.parametrize(
    ("key", "rule", "context", "error"),
    [
        ("flag", "(nope)", {}, ErrorCode.PARSE_ERROR),
        ("flag", '(matches in::$a pattern::"[")', {}, ErrorCode.PARSE_ERROR),
        ("nowhere", None, {}, ErrorCode.FLAG_NOT_FOUND),
        ("flag", "(eq $a 1)", [1], ErrorCode.INVALID_CONTEXT),
    ],
)
def test_an_error_is_explained_by_its_message(key, rule, context, error):
    found = explain(snapshot(rule), key, None, context)
    assert found.evaluation.error is error
    first, second = found.to_text().splitlines()
    assert first == f"{key}: error: {error.value} (ERROR)"
    assert second.strip() == found.evaluation.message
    assert found.to_dict()["error"] == error.value


def test_a_context_that_refuses_what_the_answer_could_do_without_is_explained_by_the_answer():
    class Refusing(dict):
        def get(self, name, default=None):
            return {"a": "1"}[name]

    found = explain(snapshot('(or (eq $a "1") (eq $b "1"))'), "flag", None, Refusing())
    assert (found.evaluation.variant, found.rules) == ("on", ())


def test_answer_and_explanation_see_the_same_time():
    times = iter(START + timedelta(seconds=second) for second in range(10))
    found = explain(
        snapshot(
            "(and (lt $now 2026-11-23T02:30:01Z) (lt $currentTime 2026-11-23T02:30:01Z))", now=lambda: next(times)
        ),
        "flag",
    )
    assert found.evaluation.variant == "on"
    assert found.rules[0].step.result is True


def test_unseen_rules_are_said():
    flags = Snapshot.from_retrieved('{"a":{"_variant":"default","enabled":true}}')
    assert "RULES_UNSEEN" in explain(flags, "a").to_text()
    assert "delivers only" in explain(flags, "a").to_text()
