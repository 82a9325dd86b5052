"""Native conditions as people write them: the inverse of the grammar. It must not read text on its own.

What has no phrase is None; what has one reads back as the same condition (`show_condition` makes sure).
"""

from __future__ import annotations

import json

from flagkit.authoring.conditions import name_of, read_required, unexpanded
from flagkit.authoring.language.clock import show_window
from flagkit.authoring.language.grammar import KEYWORDS, moment_test, read_condition
from flagkit.authoring.language.lexer import is_bare, quoted
from flagkit.authoring.language.patterns import (
    CaselessTest,
    CaseTest,
    NetworkTest,
    VersionTest,
    network_text,
    read_pattern,
)
from flagkit.core.rules.ast import (
    And,
    Compare,
    CompareOperator,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Operand,
    Or,
    Text,
    TextOperator,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.keys import IPV6
from flagkit.core.rules.printer import print_operand
from flagkit.core.shares import REQUIRES
from flagkit.errors import EditError

_SIGNS: dict[CompareOperator, str] = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TEXT_TESTS: dict[TextOperator, str] = {"begins_with": "starts with", "ends_with": "ends with", "contains": "contains"}
_CASELESS: dict[CaseTest, str] = {"starts": "starts with", "ends": "ends with", "has": "contains"}


def show_condition(condition: Condition) -> str | None:
    """Return a condition as people write it, e.g. `country in US, CA and plan = pro`; None if it has no such form."""
    shown, _ = _shown(condition)
    if shown is None or not shown.isprintable():
        return None  # the language has no escapes for control characters
    return shown if _reads_as(shown, condition) else None


def _reads_as(text: str, condition: Condition) -> bool:
    try:
        return read_condition(text) == unexpanded(condition)
    except EditError:
        return False


def _shown(node: Condition) -> tuple[str | None, type[And | Or] | None]:
    """Return the phrase, and what joins it if it would need parentheses beside another word."""
    if isinstance(node, Not):
        return _negated(node.operand), None
    entry = name_of(node, REQUIRES)
    if entry is not None:
        return _prerequisite(entry), None
    special = _window(node.operands if isinstance(node, And) else (node,))
    if isinstance(node, Or):
        special = special or _moment(node) or _networks(node.operands)
    if special is None and isinstance(node, And | Or):
        return _joined(node), type(node)
    return special or _test(node, negated=False), None


def _joined(node: And | Or) -> str | None:
    parts = []
    for operand in node.operands:
        shown, joined_by = _shown(operand)
        if shown is None:
            return None
        is_tighter = joined_by is None or (joined_by is And and isinstance(node, Or))
        parts.append(shown if is_tighter else f"({shown})")
    return (" and " if isinstance(node, And) else " or ").join(parts) if len(parts) > 1 else None


def _prerequisite(entry: str) -> str:
    key, answer = read_required(entry)
    return f"requires {key}" if answer is None else f"requires {key} = {_word(answer)}"


def _window(parts: tuple[Condition, ...]) -> str | None:
    shown = show_window(parts)
    return None if shown is None else f"now in {shown}"


def _moment(node: Or) -> str | None:
    match node:
        case Or((Compare("lt" | "gt" as operator, Key(name) as key, Timestamp() as date), _)):
            word = "before" if operator == "lt" else "after"
            return f"{name} {word} {date.text}" if node == moment_test(key, word, date) else None
        case _:
            return None


def _networks(operands: tuple[Condition, ...]) -> str | None:
    """Several ranges of one attribute: `ip in cidr 10.0.0.0/8, 192.168.0.0/16`."""
    names, networks = set(), []
    for operand in operands:
        test = read_pattern(operand.pattern.value) if isinstance(operand, Matches) else None
        if not isinstance(operand, Matches) or not isinstance(operand.value, Key) or not isinstance(test, NetworkTest):
            return None
        names.add(_address(operand.value.name, test))
        networks.append(network_text(test.network))
    return f"{names.pop()} in cidr {', '.join(networks)}" if len(names) == 1 else None


def _address(name: str, test: NetworkTest) -> str:
    return name.removeprefix(IPV6) if test.network.version == 6 else name


def _negated(operand: Condition) -> str | None:
    window = _window(operand.operands if isinstance(operand, And) else (operand,))
    if window is not None:
        return f"now not {window.removeprefix('now ')}"
    shown = None if isinstance(operand, And | Or | Not) else _test(operand, negated=True)
    if shown is not None:
        return shown
    inner, _ = _shown(operand)
    return None if inner is None else f"not ({inner})"


def _test(node: Condition, *, negated: bool) -> str | None:
    """Return the phrase of one test, or of its opposite where that has a phrase."""
    among = "not in" if negated else "in"
    match node:
        case Exists(key):
            return f"{key.name} {'is missing' if negated else 'exists'}"
        case Membership(Key(name), items) if items and all(isinstance(item, Text) for item in items):
            return f"{name} {among} {_values(tuple(item.value for item in items if isinstance(item, Text)))}"
        case Compare("eq", Key(name), value) if not isinstance(value, Key):
            return f"{name} {'!=' if negated else '='} {_value(value)}"
        case TextTest("contains", Key(name), Text(text)) if (element := _element(text)) is not None:
            return f"{quoted(element)} {among} {name}"
        case Matches(Key(name), pattern) if (test := read_pattern(pattern.value)) is not None:
            return _pattern(name, test, negated=negated)
        case _:
            return None if negated else _positive_test(node)


def _positive_test(node: Condition) -> str | None:
    """Return the phrase of a test whose opposite needs a `not`."""
    match node:
        case Compare(operator, Key(name), value) if not isinstance(value, Key):
            return f"{name} {_SIGNS[operator]} {_value(value)}"
        case TextTest(operator, Key(name), Text(text)):
            return f"{name} {_TEXT_TESTS[operator]} {_word(text)}"
        case Matches(Key(name), pattern):
            return f"{name} matches {quoted(pattern.value)}"
        case _:
            return None


def _pattern(name: str, test: VersionTest | NetworkTest | CaselessTest, *, negated: bool) -> str | None:
    among = "not in" if negated else "in"
    match test:
        case NetworkTest(network):
            return f"{_address(name, test)} {among} cidr {network}"
        case VersionTest("eq", version):
            return f"{name} {'!=' if negated else '='} {version}"
        case CaselessTest("is", (text,)) if not negated:
            return f"{name} = {_word(text)} ignoring case"
        case CaselessTest("is", texts):
            return f"{name} {among} {_values(texts)} ignoring case"
        case CaselessTest("has", (text,)) if (element := _element(text)) is not None:
            return f"{quoted(element)} {among} {name} ignoring case"
        case CaselessTest(kind, (text,)) if not negated:
            return f"{name} {_CASELESS[kind]} {_word(text)} ignoring case"
        case VersionTest(operator, version) if not negated:
            return f"{name} {_SIGNS[operator]} {version}"
        case _:
            return None


def _element(text: str) -> str | None:
    """Return the element that `contains` looks for in the text of a list."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _values(texts: tuple[str, ...]) -> str:
    return ", ".join(map(_word, texts))


def _value(operand: Operand) -> str:
    match operand:
        case Text(text):
            return text if _plain(text) and _reads_as(f"a = {text}", Compare("eq", Key("a"), operand)) else quoted(text)
        case _:
            return print_operand(operand)


def _word(text: str) -> str:
    return text if _plain(text) else quoted(text)


def _plain(text: str) -> bool:
    return is_bare(text) and text.lower() not in KEYWORDS
