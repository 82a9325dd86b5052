"""Evaluates a rule by walking its tree: the plain evaluator, for first reads and explanations, and for tests to trust.

It must not be clever: what is fast is generated (`generator`), and held to this by a differential law.
"""

from __future__ import annotations

from typing import assert_never

from flagkit.core.context import text_of
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Operand,
    Or,
    Split,
    TextTest,
    Timestamp,
    has_split,
)
from flagkit.core.rules.keys import Context, special_key
from flagkit.core.rules.patterns import TextTooLongError
from flagkit.core.rules.values import (
    COMPARISONS,
    MIRRORED,
    Scope,
    bucket_of_value,
    compare_values,
    constant_value,
    reader,
    test_texts,
)

FALSE, TRUE, SPLIT, UNKNOWN = 0, 1, 2, 3
"""Results of a condition: false, true, true because a percentage decided, and neither true nor false."""


class Walker:
    """Evaluates the rules of one flag for one user and context.

    Args:
        scope: the flag's.
        user_id: the user.
        context: the other attributes.
    """

    __slots__ = ("context", "scope", "user_id")

    def __init__(self, scope: Scope, user_id: object, context: Context) -> None:
        self.scope = scope
        self.user_id = user_id
        self.context = context

    def evaluate(self, rule: Condition) -> int:
        """Return FALSE, TRUE, SPLIT or UNKNOWN for a condition.

        A percentage decides if the condition is a `split`, or needs one to be true (in `and`) or false (in `not`); in
        an `or` the first true operand counts. What no operand that is known decides is UNKNOWN.
        """
        match rule:
            case And(operands):
                result = TRUE
                for operand in operands:
                    found = self.evaluate(operand)
                    if not found:
                        return FALSE
                    result = max(result, found)
                return result
            case Or(operands):
                result = FALSE
                for operand in operands:
                    found = self.evaluate(operand)
                    if is_true(found):
                        return found
                    result = max(result, found)
                return result
            case Not(operand):
                opposites = (SPLIT if has_split(operand) else TRUE, FALSE, FALSE, UNKNOWN)
                return opposites[self.evaluate(operand)]
            case Split():
                return SPLIT if self.bucket(rule) < rule.limit else FALSE
            case _:
                return self._test(rule)

    def _test(self, rule: Boolean | Compare | TextTest | Membership | Matches | Exists) -> int:
        match rule:
            case Compare():
                return self._compare(rule)
            case Membership(operand, _):
                value = self.value(operand)
                return text_of(value) in rule.texts or any(
                    reader(item)(value) == constant_value(item) for item in rule.others
                )
            case TextTest(name, left, right):
                return test_texts(name, self.value(left), self.value(right))
            case Matches(operand, pattern):
                text = text_of(self.value(operand))
                try:
                    return text is not None and self.scope.patterns.search(pattern.value)(text) is not None
                except UnicodeEncodeError:  # a lone surrogate: RE2 reads UTF-8
                    return FALSE
                except TextTooLongError:
                    return UNKNOWN
            case Exists(key):
                return self.value(key) is not None
            case Boolean(value):
                return value
            case _:
                assert_never(rule)

    def _compare(self, rule: Compare) -> bool:
        name, operand, constant = rule.operator, rule.left, rule.right
        if isinstance(constant, Key):
            if isinstance(operand, Key):
                return compare_values(name, self.value(operand), self.value(constant))
            return self._compare(Compare(MIRRORED[name], constant, operand))
        found = reader(constant)(self.value(operand))
        return found is not None and COMPARISONS[name](found, constant_value(constant))

    def value(self, operand: Operand) -> object:
        """Return the value of an operand; None for a missing key."""
        if not isinstance(operand, Key):
            return operand.text if isinstance(operand, Timestamp) else operand.value
        name = operand.name
        if name == self.scope.user_key:
            return self.context.get(name) if self.user_id is None else self.user_id
        read = special_key(name, self.scope.now)
        return self.context.get(name) if read is None else read(self.context)

    def bucket(self, rule: Split) -> int:
        """Return the bucket that a `split` looks at, or NO_BUCKET."""
        return bucket_of_value(f"{seed_of(rule, self.scope)}:", self.value(rule.by))


def is_true(result: int) -> bool:
    """Whether a result is true; UNKNOWN isn't."""
    return FALSE < result < UNKNOWN


def seed_of(rule: Split, scope: Scope) -> str:
    """Return the seed of a `split`."""
    return scope.default_seed if rule.seed is None else rule.seed.value
