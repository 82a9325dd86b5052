"""Conditions as people say them, `country in US,CA and age >= 18`, as native rules. Pure; native rules pass through."""

from __future__ import annotations

import re
from decimal import Decimal, DecimalException

from flagkit.authoring.conditions import all_of, any_of
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Operand,
    Or,
    Rule,
    Text,
    TextOperator,
    TextTest,
)
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_operand, print_rule
from flagkit.errors import EditError, RuleError

_COMPARE: dict[str, CompareOperator] = {
    "=": "eq",
    "==": "eq",
    "is": "eq",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
}
_TEXT: dict[str, TextOperator] = {"starts with": "begins_with", "ends with": "ends_with", "contains": "contains"}
_SIGNS: dict[str, str] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PHRASES: dict[str, str] = {operator: words for words, operator in _TEXT.items()}
# What needs no quotes; numbers and truths without them would be read as such.
_PLAIN = re.compile(r"(?!true$|false$)[A-Za-z@._][A-Za-z0-9@._-]*")
_WORDS = "not in|in|starts with|ends with|contains|matches|exists|is missing|is not|is|==|=|!=|>=|<=|>|<"
_PHRASE = re.compile(
    rf"\s*(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<word>\b(?:{_WORDS})(?![A-Za-z])|[=!<>]=?)\s*(?P<rest>.*)", re.DOTALL
)
_JOIN = re.compile(r"""\s+(and|or)\s+(?=(?:[^"]*"[^"]*")*[^"]*$)""")
_EXAMPLES = 'For example: country in US,CA · plan = pro · age >= 18 · email ends with "@example.com" · a = 1 and b = 2.'


def read_where(text: str) -> str:
    """Return the native rule of a condition.

    Args:
        text: phrases such as `country in US,CA`, joined by `and` or `or` (`and` binds tighter); or a native rule in
            parentheses. Values with commas or the words and/or are put in double quotes.

    Raises:
        EditError: it can't be read; the phrase is named.
    """
    if text.lstrip().startswith("("):
        try:
            parse_rule(text)
        except RuleError as error:
            raise EditError(f"{error.message}\n{error.caret}", hint=error.hint) from error
        return text.strip()
    groups: list[list[Condition]] = [[]]
    pieces = _JOIN.split(text)
    groups[-1].append(_phrase(pieces[0]))
    for joint, phrase in zip(pieces[1::2], pieces[2::2], strict=True):
        if joint == "or":
            groups.append([])
        groups[-1].append(_phrase(phrase))
    condition = any_of([all_of(group) for group in groups])
    assert not isinstance(condition, Boolean)
    rule: Rule = condition
    return print_rule(rule)


def say_where(rule: str) -> str:
    """Return a native rule as people say it, where `read_where` reads the same rule from that; otherwise as it is."""
    try:
        tree = parse_rule(rule)
        said = _said(tree)
        return said if said and read_where(said) == print_rule(tree) else rule
    except (EditError, RuleError):
        return rule


def _said(node: Condition) -> str:
    """Return the phrases of a tree; empty where a part has none."""
    if isinstance(node, And | Or):
        parts = [_said(operand) for operand in node.operands]
        return (" and " if isinstance(node, And) else " or ").join(parts) if all(parts) else ""
    negated = isinstance(node, Not)
    match node.operand if isinstance(node, Not) else node:
        case Exists(key):
            return f"{key.name} {'is missing' if negated else 'exists'}"
        case Membership(Key(name), items) if all(isinstance(item, Text) for item in items):
            return f"{name} {'not in' if negated else 'in'} {', '.join(_spelt(item) for item in items)}"
        case Compare("eq", Key(name), value):
            return f"{name} {'!=' if negated else '='} {_spelt(value)}"
        case Compare(operator, Key(name), value) if not negated:
            return f"{name} {_SIGNS[operator]} {_spelt(value)}"
        case TextTest(operator, Key(name), value) if not negated:
            return f"{name} {_PHRASES[operator]} {_spelt(value)}"
        case _:
            return ""


def _spelt(operand: Operand) -> str:
    if isinstance(operand, Text) and _PLAIN.fullmatch(operand.value):
        return operand.value
    return print_operand(operand)


def _phrase(text: str) -> Condition:
    match = _PHRASE.fullmatch(text)
    if match is None:
        raise EditError(f"{text.strip()!r} can't be read as a condition", hint=_EXAMPLES)
    key, word, rest = Key(match["key"]), match["word"], match["rest"].strip()
    if word in {"exists", "is missing"}:
        if rest:
            raise EditError(f"{text.strip()!r}: nothing comes after {word}", hint=_EXAMPLES)
        return Exists(key) if word == "exists" else Not(Exists(key))
    if not rest:
        raise EditError(f"{text.strip()!r}: a value is missing", hint=_EXAMPLES)
    if word in {"in", "not in"}:
        among = Membership(key, tuple(_text(item) for item in _items(rest)))
        return among if word == "in" else Not(among)
    if word in _TEXT:
        return TextTest(_TEXT[word], key, _text(rest))
    if word == "matches":
        return Matches(key, _text(rest))
    if word in {"!=", "is not"}:
        return Not(Compare("eq", key, _value(rest)))
    return Compare(_COMPARE[word], key, _value(rest))


def _items(text: str) -> list[str]:
    items = [item.strip() for item in re.split(r""",(?=(?:[^"]*"[^"]*")*[^"]*$)""", text.strip("[] "))]
    if not all(items):
        raise EditError(f"{text!r} has an empty value between commas", hint=_EXAMPLES)
    return items


def _text(text: str) -> Text:
    stripped = text.strip()
    return Text(stripped[1:-1] if len(stripped) > 1 and stripped[0] == stripped[-1] == '"' else stripped)


def _value(text: str) -> Operand:
    stripped = text.strip()
    if stripped.startswith('"'):
        return _text(stripped)
    if stripped in {"true", "false"}:
        return Boolean(stripped == "true")
    try:
        number = Decimal(stripped)
    except DecimalException:
        return Text(stripped)
    if not number.is_finite():
        return Text(stripped)
    return Number(int(number) if number == number.to_integral_value() and "." not in stripped else number)
