"""The canonical text of a tree; that it reads as the same tree is a law (tests/laws/test_rules_laws.py)."""

from decimal import Decimal

import pytest

from flagkit.core.rules.ast import Boolean, Key, Number, Split, Text, Timestamp
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_operand, print_rule


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("( and true(eq $a 1)//x\n)", "(and true (eq $a 1))"),
        ("(or (not false))", "(or (not false))"),
        ("(in $a [1,'''x''' '''y''',2024-01T,])", '(in $a [1, "xy", 2024-01T])'),
        ('(matches pattern::"\\\\d" in::$a)', '(matches in::$a pattern::"\\\\d")'),
        ('(exists key::"user-id")', '(exists key::"user-id")'),
        ('(split seed::"s" pct::0x10 by::$a)', '(split pct::16 by::$a seed::"s")'),
        ("(split by::$a pct::12.50)", "(split pct::12.50 by::$a)"),
        ('(ends_with $a "x")', '(ends_with $a "x")'),
        ("(gte $a 0b11)", "(gte $a 3)"),
    ],
)
def test_a_rule_has_one_text(written, printed):
    assert print_rule(parse_rule(written)) == printed


@pytest.mark.parametrize(
    ("operand", "printed"),
    [
        (Text(""), '""'),
        (Text('"\\\n\t\r\0\x1f\x7f'), r'"\"\\\n\t\r\x00\x1f\x7f"'),
        (Text("é 😀 '\u2028"), '"é 😀 \'\u2028"'),
        (Number(-17), "-17"),
        (Number(1.5), "1.5e0"),
        (Number(1e-7), "1e-07"),
        (Number(Decimal("1.50")), "1.50"),
        (Number(Decimal(5)), "5d0"),
        (Number(Decimal("-1E+3")), "-1d3"),
        (Number(Decimal("1E-30")), "1d-30"),
        (Boolean(True), "true"),
        (Timestamp("2024-01-31T10:00Z"), "2024-01-31T10:00Z"),
        (Key("a_1"), "$a_1"),
        (Key("$"), "$$"),
        (Key("10"), "'$10'"),
        (Key("user-id"), "'$user-id'"),
        (Key("it's \"\\\n"), r"""'$it\'s \"\\\n'"""),
        (Key("ключ"), "'$ключ'"),
    ],
)
def test_an_operand_has_one_text(operand, printed):
    assert print_operand(operand) == printed


def test_a_hostile_name_stays_a_name():
    rule = Split(Number(1), Key("a) (eq 1 1"))
    assert print_rule(rule) == "(split pct::1 by::'$a) (eq 1 1')"
    assert parse_rule(print_rule(rule)) == rule
