"""The rule language of composite alarms. Facts: API_PutCompositeAlarm; [stackd] alarm_composites, captured."""

from __future__ import annotations

import itertools

import pytest

from canary.testing.cloudwatch.composite import RuleError, parse_rule

RULES = {
    "TRUE": lambda a, b: True,
    "FALSE": lambda a, b: False,
    "NOT TRUE": lambda a, b: False,
    "NOT NOT FALSE": lambda a, b: False,
    "ALARM(a)": lambda a, b: a == "ALARM",
    "OK(a)": lambda a, b: a == "OK",
    "INSUFFICIENT_DATA(a)": lambda a, b: a == "INSUFFICIENT_DATA",
    "ALARM(a) AND ALARM(b)": lambda a, b: a == b == "ALARM",
    "ALARM(a) OR ALARM(b)": lambda a, b: "ALARM" in {a, b},
    "ALARM(a) AND NOT OK(b)": lambda a, b: a == "ALARM" and b != "OK",
    "NOT (ALARM(a) OR ALARM(b))": lambda a, b: "ALARM" not in {a, b},
    "ALARM(a) OR ALARM(b) AND OK(a)": lambda a, b: a == "ALARM" or (b == "ALARM" and a == "OK"),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_mean_what_their_words_say(rule):
    """API_PutCompositeAlarm: AlarmRule; AND binds closer than OR."""
    for a, b in itertools.product(("OK", "ALARM", "INSUFFICIENT_DATA"), repeat=2):
        truth, witnesses = parse_rule(rule).holds({"a": a, "b": b})
        assert truth == RULES[rule](a, b)
        assert set(witnesses) <= {"a", "b"}


@pytest.mark.parametrize(
    ("rule", "states", "witnesses"),
    [
        ("ALARM(a) OR ALARM(b)", ("ALARM", "OK"), ("a",)),
        ("ALARM(a) OR ALARM(b)", ("OK", "ALARM"), ("b",)),
        ("ALARM(a) OR ALARM(b)", ("OK", "OK"), ("a", "b")),
        ("ALARM(a) AND ALARM(b)", ("ALARM", "OK"), ("b",)),
        ("ALARM(a) AND ALARM(a)", ("ALARM", "OK"), ("a",)),
    ],
)
def test_triggering_alarms_are_those_that_decided(rule, states, witnesses):
    """StateReasonData names the children that made the rule what it is."""
    assert parse_rule(rule).holds(dict(zip("ab", states, strict=True)))[1] == witnesses


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("ALARM(", "Unsupported token '<EOF>' at char 6, must be: alarm name or ARN"),
        ("ALARM(,)", "Unsupported token ',' at char 6, must be: alarm name or ARN"),
        ("(TRUE", "Unsupported token '<EOF>' at char 5, must be: ')'"),
        ("AT_LEAST(1, ALARM, (a))", "The stand-in has no AT_LEAST"),
        (" OR ".join(f"ALARM(a{number})" for number in range(101)), "The rule references more than 100 alarms"),
        (" OR ".join(["TRUE"] * 251), "The rule exceeds 500 elements"),
    ],
)
def test_other_texts_that_are_no_rule(rule, message):
    """API_PutCompositeAlarm: at most 100 children and 500 elements."""
    with pytest.raises(RuleError) as caught:
        parse_rule(rule)
    assert str(caught.value) == message
