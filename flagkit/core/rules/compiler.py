"""The tree of a rule to one closure. It must not read text or documents, and evaluates nothing itself.

Operands of `and` and `or` that look at the same bucket become one predicate with one hash (see `ranges`); all
predicates are pure, so the order of evaluation can't be seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias, assert_never

from mmh3 import mmh3_32_uintdigest as murmur3

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
    Or,
    Split,
    TextTest,
)
from flagkit.core.rules.buckets import BucketRanges, combine, ranges_of
from flagkit.core.rules.keys import Context
from flagkit.core.rules.predicates import Predicate, Scope, compare, exists, getter, matches, membership, text_test

Decider: TypeAlias = bool | Predicate
"""Whether a percentage decided a rule that is true: known beforehand, or a question to the user and context."""


def compile_rule(
    rule: Condition,
    *,
    default_seed: str,
    user_key: str = "userId",
    now: Callable[[], datetime] | None = None,
) -> Predicate:
    """Return the predicate `(user_id, context) -> bool` of a rule or a part of one.

    Args:
        rule: the tree.
        default_seed: the seed of a `split` without one: the flag's key.
        user_key: the context key that the positional user id stands for.
        now: tells the time to rules that ask for `$now` or `$currentTime`; others never call it.

    Raises:
        RuleError: RE2 can't compile a pattern.
    """
    return RuleCompiler(Scope(default_seed, user_key, now)).predicate(rule)


class RuleCompiler:
    """Compiles the rules of one flag; remembers parts by identity, so keep the trees while it is in use."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._ranges: dict[int, BucketRanges | None] = {}
        self._predicates: dict[int, Predicate] = {}

    def predicate(self, rule: Condition) -> Predicate:
        """Return the predicate of a rule or a part of one."""
        known = self._predicates.get(id(rule))
        if known is None:
            known = self._predicates[id(rule)] = self._compile(rule)
        return known

    def ranges(self, rule: Condition) -> BucketRanges | None:
        """Return the ranges of the bucket line that a rule is about, if it is about nothing else."""
        return ranges_of(rule, self.scope.default_seed, self._ranges)

    def split_decides(self, rule: Condition) -> Decider:
        """Return whether a percentage decides when `rule` is true.

        It does if the rule is a `split`, or has to have one true (in `and`) or false (in `not`); of an `or`, the first
        true operand counts.
        """
        match rule:
            case Split():
                return True
            case Not(operand):
                return _has_split(operand)
            case And(operands):
                deciders = [self.split_decides(operand) for operand in operands]
                asked = [decider for decider in deciders if not isinstance(decider, bool)]
                return True in deciders or (bool(asked) and _any(asked))
            case Or(operands):
                deciders = [self.split_decides(operand) for operand in operands]
                if isinstance(deciders[0], bool) and all(decider is deciders[0] for decider in deciders):
                    return deciders[0]
                return _first_true([self.predicate(operand) for operand in operands], deciders)
            case _:
                return False

    def _compile(self, rule: Condition) -> Predicate:
        ranges = self.ranges(rule)
        if ranges is not None:
            return _in_ranges(ranges, self.scope)
        match rule:
            case Not(operand):
                inner = self.predicate(operand)
                return lambda user_id, context: not inner(user_id, context)
            case And(operands):
                return _all(self._merged(operands, all))
            case Or(operands):
                return _any(self._merged(operands, any))
            case _:
                assert not isinstance(rule, Split)  # a split always has ranges
                return _leaf(rule, self.scope)

    def _merged(self, operands: tuple[Condition, ...], rule: Callable[[Iterable[bool]], bool]) -> list[Predicate]:
        """Compile operands; those that look at the same bucket become one, in the first one's place."""
        groups: dict[tuple[str, str], list[BucketRanges]] = {}
        for operand in operands:
            if (ranges := self.ranges(operand)) is not None:
                groups.setdefault((ranges.by, ranges.seed), []).append(ranges)
        predicates: list[Predicate] = []
        for operand in operands:
            if (ranges := self.ranges(operand)) is None:
                predicates.append(self.predicate(operand))
            elif group := groups.pop((ranges.by, ranges.seed), None):
                predicates.append(_in_ranges(combine(group, rule), self.scope))
        return predicates


def bucket_of(by: str, seed: str, scope: Scope) -> Callable[[object, Context], int]:
    """Return the function that finds the bucket of a key's value; -1 if it has none."""
    prefix = f"{seed}:"
    get = getter(Key(by), scope)
    return lambda user_id, context: bucket_of_value(prefix, get(user_id, context))


def bucket_of_value(prefix: str, value: object) -> int:
    """Return the bucket of a context value; `prefix` is the seed and a colon. -1 if it has no text."""
    text = value if type(value) is str else text_of(value)
    if text is None:
        return -1
    try:
        return murmur3((prefix + text).encode())
    except UnicodeEncodeError:  # a lone surrogate has no bytes to hash
        return -1


def _leaf(rule: Boolean | Compare | TextTest | Membership | Matches | Exists, scope: Scope) -> Predicate:
    match rule:
        case Boolean(value):
            return lambda _user_id, _context: value
        case Compare():
            return compare(rule, scope)
        case TextTest():
            return text_test(rule, scope)
        case Membership():
            return membership(rule, scope)
        case Matches():
            return matches(rule, scope)
        case Exists():
            return exists(rule, scope)
        case _:
            assert_never(rule)


def _in_ranges(ranges: BucketRanges, scope: Scope) -> Predicate:
    bounds, truths, missing = ranges.bounds, ranges.truths, ranges.missing
    if not bounds and truths[0] is missing:
        return lambda _user_id, _context: missing
    locate = bucket_of(ranges.by, ranges.seed, scope)
    if truths == (True, False) and not missing and ranges.by == scope.user_key:
        return _below(bounds[0], ranges.seed, locate)
    if truths == (False, True, False) and not missing:
        low, high = bounds
        return lambda user_id, context: low <= locate(user_id, context) < high

    def test(user_id: object, context: Context) -> bool:
        bucket = locate(user_id, context)
        return missing if bucket < 0 else truths[bisect_right(bounds, bucket)]

    return test


def _below(limit: int, seed: str, locate: Callable[[object, Context], int]) -> Predicate:
    """The shape of nearly every rollout, with the hash in line."""
    prefix = f"{seed}:"

    def test(user_id: object, context: Context) -> bool:
        if type(user_id) is str:
            try:
                return murmur3((prefix + user_id).encode()) < limit
            except UnicodeEncodeError:
                return False
        return 0 <= locate(user_id, context) < limit

    return test


def _all(predicates: list[Predicate]) -> Predicate:
    match predicates:
        case [only]:
            return only
        case [first, second]:
            return lambda user_id, context: first(user_id, context) and second(user_id, context)
        case [first, second, third]:
            return lambda user_id, context: (
                first(user_id, context) and second(user_id, context) and third(user_id, context)
            )
        case _:

            def test(user_id: object, context: Context) -> bool:
                for predicate in predicates:  # noqa: SIM110 - a generator costs 100 ns more
                    if not predicate(user_id, context):
                        return False
                return True

            return test


def _any(predicates: list[Predicate]) -> Predicate:
    match predicates:
        case [only]:
            return only
        case [first, second]:
            return lambda user_id, context: first(user_id, context) or second(user_id, context)
        case _:

            def test(user_id: object, context: Context) -> bool:
                for predicate in predicates:  # noqa: SIM110 - as above
                    if predicate(user_id, context):
                        return True
                return False

            return test


def _first_true(predicates: list[Predicate], deciders: list[Decider]) -> Predicate:
    pairs = list(zip(predicates, deciders, strict=True))

    def decide(user_id: object, context: Context) -> bool:
        decider = next((decider for predicate, decider in pairs if predicate(user_id, context)), False)
        return decider if isinstance(decider, bool) else decider(user_id, context)

    return decide


def _has_split(rule: Condition) -> bool:
    match rule:
        case Split():
            return True
        case Not(operand):
            return _has_split(operand)
        case And(operands) | Or(operands):
            return any(_has_split(operand) for operand in operands)
        case _:
            return False
