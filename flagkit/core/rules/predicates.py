"""What each leaf of a rule means, as a closure over what is known before anybody asks. It must not combine leaves.

A predicate is `(user_id, context) -> bool` and never raises for a value a caller may give: a missing key, a value that
isn't the literal's type or has no text is false (decision 0021, docs/rules.md). Constants are converted once, here. The
shapes that most rules have get a closure of their own, because a call costs more than what it does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias, TypeGuard, assert_never

from flagkit.core.context import boolean_of, instant_of, number_of, text_of
from flagkit.core.rules.ast import (
    Boolean,
    Compare,
    CompareOperator,
    Constant,
    Exists,
    Key,
    Matches,
    Membership,
    Number,
    Operand,
    Text,
    TextOperator,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.keys import CLOCK_KEYS, Context, special_key
from flagkit.core.rules.printer import print_operand, print_rule
from flagkit.errors import RuleError

Predicate: TypeAlias = Callable[[object, Context], bool]
Getter: TypeAlias = Callable[[object, Context], object]
Comparable: TypeAlias = str | int | Decimal | bool

_MIRRORED: dict[CompareOperator, CompareOperator] = {"eq": "eq", "gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
_COMPARISONS: dict[CompareOperator, Callable[[Comparable, Comparable], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_TEXT_TESTS: dict[TextOperator, Callable[[str, str], bool]] = {
    "begins_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule is compiled for.

    Attributes:
        default_seed: the seed of a `split` that has none: the flag's key.
        user_key: the context key that the positional user id stands for.
        now: tells the time to rules that ask for it.
    """

    default_seed: str
    user_key: str = "userId"
    now: Callable[[], datetime] | None = None

    def is_plain(self, operand: Operand) -> TypeGuard[Key]:
        """Whether an operand is a context key that only the context can hold."""
        if not isinstance(operand, Key) or operand.name == self.user_key:
            return False
        return operand.name not in CLOCK_KEYS and special_key(operand.name, self.now) is None


def getter(node: Operand, scope: Scope) -> Getter:
    """Return the function that reads an operand."""
    if not isinstance(node, Key):
        value: object = node.text if isinstance(node, Timestamp) else node.value
        return lambda _user_id, _context: value
    name, now = node.name, scope.now
    if name == scope.user_key:
        return lambda user_id, context: context.get(name) if user_id is None else user_id
    special = special_key(name, now)
    if special is not None:
        return lambda _user_id, context: special(context)
    return lambda _user_id, context: context.get(name)


def compare(rule: Compare, scope: Scope) -> Predicate:
    """Return the predicate of `eq`, `gt`, `gte`, `lt` or `lte`."""
    if not isinstance(rule.right, Key):
        return _compare_constant(rule.operator, rule.left, rule.right, scope)
    if not isinstance(rule.left, Key):
        return _compare_constant(_MIRRORED[rule.operator], rule.right, rule.left, scope)
    return _compare_keys(rule.operator, getter(rule.left, scope), getter(rule.right, scope))


def _compare_constant(name: CompareOperator, value: Operand, constant: Constant, scope: Scope) -> Predicate:
    holds, read, wanted = _COMPARISONS[name], reader(constant), constant_value(constant)
    if scope.is_plain(value) and name == "eq" and isinstance(constant, Text):
        key = value.name
        return lambda _user_id, context: (
            found == wanted if type(found := context.get(key)) is str else text_of(found) == wanted
        )
    get = getter(value, scope)

    def test(user_id: object, context: Context) -> bool:
        found = read(get(user_id, context))
        return found is not None and holds(found, wanted)

    return test


def _compare_keys(name: CompareOperator, left: Getter, right: Getter) -> Predicate:
    holds = _COMPARISONS[name]

    def test(user_id: object, context: Context) -> bool:
        """No literal says what is meant: numbers if both are, else times if both are, else text."""
        first, second = left(user_id, context), right(user_id, context)
        for read in (number_of, instant_of, text_of):
            one, other = read(first), read(second)
            if one is not None and other is not None:
                return holds(one, other)
        return False

    return test


def text_test(rule: TextTest, scope: Scope) -> Predicate:
    """Return the predicate of `begins_with`, `ends_with` or `contains`."""
    holds, get, get_part = _TEXT_TESTS[rule.operator], getter(rule.left, scope), getter(rule.right, scope)
    if isinstance(rule.right, Text):
        part = rule.right.value

        def test_constant(user_id: object, context: Context) -> bool:
            text = text_of(get(user_id, context))
            return text is not None and holds(text, part)

        return test_constant

    def test(user_id: object, context: Context) -> bool:
        text, wanted = text_of(get(user_id, context)), text_of(get_part(user_id, context))
        return text is not None and wanted is not None and holds(text, wanted)

    return test


def membership(rule: Membership, scope: Scope) -> Predicate:
    """Return the predicate of `in`: constant time, however long the list."""
    texts = frozenset(item.value for item in rule.items if isinstance(item, Text))
    others = [
        (reader(kind), frozenset(constant_value(item) for item in rule.items if type(item) is type(kind)))
        for kind in {type(item): item for item in rule.items if not isinstance(item, Text)}.values()
    ]
    if scope.is_plain(rule.value) and not others:
        key = rule.value.name
        return lambda _user_id, context: (
            value in texts if type(value := context.get(key)) is str else text_of(value) in texts
        )
    if isinstance(rule.value, Key) and rule.value.name == scope.user_key and not others:
        key = rule.value.name

        def test_user(user_id: object, context: Context) -> bool:
            if type(user_id) is str:
                return user_id in texts
            return text_of(context.get(key) if user_id is None else user_id) in texts

        return test_user
    get = getter(rule.value, scope)

    def test(user_id: object, context: Context) -> bool:
        value = get(user_id, context)
        return text_of(value) in texts or any(read(value) in items for read, items in others)

    return test


def matches(rule: Matches, scope: Scope) -> Predicate:
    """Return the predicate of `matches`: RE2, so linear in the text, found anywhere in it.

    Raises:
        RuleError: RE2 can't compile the pattern.
    """
    # Here and not above: RE2 costs start-up time and memory, and most documents have no pattern.
    try:
        import re2
    except ImportError as error:  # no wheel for this platform: only flags with patterns go off
        raise _pattern_error(rule, "google-re2 is not installed") from error
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # groups cost a factor of 30
    try:
        pattern = re2.compile(rule.pattern.value, options)
    except re2.error as error:
        message = error.args[0]
        raise _pattern_error(
            rule, message.decode(errors="replace") if isinstance(message, bytes) else message
        ) from error
    search, get = pattern.search, getter(rule.value, scope)

    def test(user_id: object, context: Context) -> bool:
        text = text_of(get(user_id, context))
        try:
            return text is not None and search(text) is not None
        except UnicodeEncodeError:  # a lone surrogate: RE2 reads UTF-8
            return False

    return test


def _pattern_error(rule: Matches, why: str) -> RuleError:
    text = print_rule(rule)
    position = len(f"(matches in::{print_operand(rule.value)} pattern::")
    hint = "Patterns are RE2: no backreferences, no lookaround."
    message = f"the pattern can't be used: {why}"
    return RuleError(message, reason="BadOperand", position=position, rule=text, path="matches", hint=hint)


def exists(rule: Exists, scope: Scope) -> Predicate:
    """Return the predicate of `exists`: any value but None."""
    get = getter(rule.key, scope)
    return lambda user_id, context: get(user_id, context) is not None


def reader(constant: Constant) -> Callable[[object], Comparable | None]:
    """Return the function that reads a context value as the type of `constant`."""
    match constant:
        case Text():
            return text_of
        case Number():
            return number_of
        case Boolean():
            return boolean_of
        case Timestamp():
            return instant_of
        case _:
            assert_never(constant)


def constant_value(constant: Constant) -> Comparable:
    """Return a constant as its reader would read it."""
    match constant:
        case Text(value) | Boolean(value):
            return value
        case Number(value):
            return Decimal(repr(value)) if isinstance(value, float) else value
        case Timestamp(text):
            instant = instant_of(text)
            assert instant is not None  # Timestamp checked it
            return instant
        case _:
            assert_never(constant)
