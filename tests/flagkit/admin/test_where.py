"""Conditions as people say them become native rules; what can't be read is named."""

from __future__ import annotations

import pytest

from flagkit.admin.where import read_where, say_where
from flagkit.errors import EditError


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("country in US,CA", '(in $country ["US", "CA"])'),
        ('city in "Paris, Texas",Rome', '(in $city ["Paris, Texas", "Rome"])'),
        ("country not in US", '(not (in $country ["US"]))'),
        ("plan = pro", '(eq $plan "pro")'),
        ("plan is pro", '(eq $plan "pro")'),
        ("plan != pro", '(not (eq $plan "pro"))'),
        ("plan is not pro", '(not (eq $plan "pro"))'),
        ("age >= 18", "(gte $age 18)"),
        ("age<65.5", "(lt $age 65.5)"),
        ("beta = true", "(eq $beta true)"),
        ('zip = "01234"', '(eq $zip "01234")'),
        ("x = nan", '(eq $x "nan")'),
        ("email ends with @example.com", '(ends_with $email "@example.com")'),
        ("email starts with a", '(begins_with $email "a")'),
        ('name contains "and more"', '(contains $name "and more")'),
        ('name matches "^a.*b$"', '(matches in::$name pattern::"^a.*b$")'),
        ("country exists", '(exists key::"country")'),
        ("country is missing", '(not (exists key::"country"))'),
        ("a = 1 and b = 2", "(and (eq $a 1) (eq $b 2))"),
        ("a = 1 or b = 2 and c = 3", "(or (eq $a 1) (and (eq $b 2) (eq $c 3)))"),
        ('a = "x and y"', '(eq $a "x and y")'),
        ("industry = it", '(eq $industry "it")'),
        ('  (eq $a "US") ', '(eq $a "US")'),
    ],
)
def test_a_phrase_becomes_a_rule(text, rule):
    assert read_where(text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "country", "country in", "country in US,,CA", "a ~ b", "country exists now", "(nope $a)", "= 1", "a = "],
)
def test_what_can_not_be_read_is_refused(text):
    with pytest.raises(EditError) as error:
        read_where(text)
    assert error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "country in US, CA",
        'city in "Paris, Texas", Rome',
        "country not in US",
        "plan = pro",
        "plan != pro",
        "age >= 18",
        "age < 65.5",
        "beta = true",
        'zip = "01234"',
        "email ends with @example.com",
        'name contains "and more"',
        "country exists",
        "country is missing",
        "a = 1 and b = 2",
        "a = 1 or b = 2 and c = 3",
    ],
)
def test_a_rule_is_said_in_the_words_that_make_it(text):
    assert say_where(read_where(text)) == text


@pytest.mark.parametrize(
    "rule",
    [
        "(and (or (eq $a 1) (eq $b 2)) (eq $c 3))",
        "(not (and (eq $a 1) (eq $b 2)))",
        "(in $a [1, 2])",
        '(split pct::5 by::$userId seed::"x")',
        "(eq 1 $a)",
        '(eq $a "x\\ny")',
        "(not (gt $a 1))",
        "(broken",
    ],
)
def test_a_rule_that_has_no_words_stays_as_it_is(rule):
    assert say_where(rule) == rule
