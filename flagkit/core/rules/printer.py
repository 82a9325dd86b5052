"""The tree of a rule back to text, in one canonical form. It must not parse, simplify or evaluate.

For every tree that can be built, `parse_rule(print_rule(tree)) == tree`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import assert_never

from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    Condition,
    Constant,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Operand,
    Or,
    Split,
    Text,
    TextTest,
    Timestamp,
)

# What a string must escape, and a lone DEL because nobody sees it.
_SPECIAL = re.compile(r"[\"\\\x00-\x1f\x7f]")
_SHORTHANDS = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_PLAIN_KEY = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_$]+")


def print_rule(rule: Condition) -> str:  # noqa: PLR0911 - one case per node
    """Return the text of a rule, or of a part of one."""
    match rule:
        case Boolean():
            return print_operand(rule)
        case Compare(operator, left, right) | TextTest(operator, left, right):
            return f"({operator} {print_operand(left)} {print_operand(right)})"
        case Membership(value, items):
            return f"(in {print_operand(value)} [{', '.join(print_operand(item) for item in items)}])"
        case Matches(value, pattern):
            return f"(matches in::{print_operand(value)} pattern::{print_operand(pattern)})"
        case Exists(key):
            return f"(exists key::{_quote(key.name)})"
        case Split(percent, by, seed):
            ending = "" if seed is None else f" seed::{print_operand(seed)}"
            return f"(split pct::{print_operand(percent)} by::{print_operand(by)}{ending})"
        case Not(operand):
            return f"(not {print_rule(operand)})"
        case And(operands):
            return f"(and {' '.join(print_rule(operand) for operand in operands)})"
        case Or(operands):
            return f"(or {' '.join(print_rule(operand) for operand in operands)})"
        case _:
            assert_never(rule)


def print_operand(operand: Operand | Constant) -> str:
    """Return the text of a constant or a context key."""
    match operand:
        case Text(value):
            return _quote(value)
        case Number(value):
            return _print_number(value)
        case Boolean(value):
            return "true" if value else "false"
        case Timestamp(text):
            return text
        case Key(name):
            if _PLAIN_KEY.fullmatch(name):
                return f"${name}"
            return "'$" + _escape(name).replace("'", "\\'") + "'"
        case _:
            assert_never(operand)


def _quote(text: str) -> str:
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda match: _SHORTHANDS.get(match[0]) or f"\\x{ord(match[0]):02x}", text)


def _print_number(value: int | Decimal | float) -> str:
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" in text else f"{text}e0"
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # Number refuses nan and infinity
    if exponent >= 0 or exponent < -20:
        return f"{'-' if sign else ''}{''.join(map(str, digits))}d{exponent}"
    return f"{value:f}"
