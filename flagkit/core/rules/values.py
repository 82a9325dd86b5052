"""What operands and comparisons mean: how a context value is read beside a constant. It must not combine conditions.

A missing key, and a value that isn't the constant's type or has no text, make a comparison false (decision 0021,
docs/rules.md). Both evaluators, `walker` and `generator`, are built on this.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias, assert_never

from mmh3 import mmh3_32_uintdigest as murmur3

from flagkit.core.bucketing import BUCKETS
from flagkit.core.context import MAX_NUMBER_CHARS, boolean_of, instant_of, number_of, text_of
from flagkit.core.rules.ast import Boolean, CompareOperator, Constant, Number, Text, TextOperator, Timestamp
from flagkit.core.rules.patterns import Patterns

Comparable: TypeAlias = str | int | Decimal | bool

NO_BUCKET = BUCKETS
"""The bucket of a value that has none: above every percentage, so that a `split` is false."""

MOST_INSTANTS = 1_024

MIRRORED: Mapping[CompareOperator, CompareOperator] = {"eq": "eq", "gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
COMPARISONS: Mapping[CompareOperator, Callable[[Comparable, Comparable], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
TEXT_TESTS: Mapping[TextOperator, Callable[[str, str], bool]] = {
    "begins_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rules of a flag are evaluated with.

    Attributes:
        default_seed: the seed of a `split` that has none: the flag's key.
        user_key: the context key that the positional user id stands for.
        now: tells the time to rules that use a key of the clock; others never call it.
        patterns: the compiled patterns of the document.
    """

    default_seed: str
    user_key: str = "userId"
    now: Callable[[], datetime] | None = None
    patterns: Patterns = field(default_factory=Patterns)


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
            exact = Decimal(repr(value) if isinstance(value, float) else value)
            return int(exact) if exact == exact.to_integral_value() else exact  # Python compares integers faster
        case Timestamp(text):
            instant = instant_of(text)
            assert instant is not None  # Timestamp checked it
            return instant
        case _:
            assert_never(constant)


def compare_values(name: CompareOperator, first: object, second: object) -> bool:
    """Compare two context values: no constant says what is meant, so as numbers, else as times, else as text."""
    for read in (number_of, instant_of, text_of):
        one, other = read(first), read(second)
        if one is not None and other is not None:
            return COMPARISONS[name](one, other)
    return False


def test_texts(name: TextOperator, first: object, second: object) -> bool:
    """Test the texts of two values; false if one has none."""
    text, part = text_of(first), text_of(second)
    return text is not None and part is not None and TEXT_TESTS[name](text, part)


def after_prefix(prefix: str) -> str | None:
    """Return the least text after all that begin with a prefix; None if there is none."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix and prefix[-1] != chr(sys.maxunicode) else None


def is_quick(number: Comparable) -> bool:
    """Whether Python's own comparison with an integer means what the texts of both mean."""
    return -(2**63) <= int(number) < 2**63


class Instants(dict[str, "int | None"]):
    """The instants of texts, remembered: many users share a day."""

    def __missing__(self, text: str) -> int | None:
        instant = instant_of(text)
        if len(self) >= MOST_INSTANTS:
            self.clear()
        if len(text) <= MAX_NUMBER_CHARS:
            self[text] = instant
        return instant


def bucket_of_value(prefix: str, value: object) -> int:
    """Return the bucket of a context value, or NO_BUCKET; `prefix` is the seed and a colon."""
    text = value if type(value) is str else text_of(value)
    if text is None:
        return NO_BUCKET
    try:
        return murmur3((prefix + text).encode())
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form to hash
        return NO_BUCKET
