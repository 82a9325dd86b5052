"""Whether one rule implies another, and which conditions time has decided. Sound, not complete; evaluates no users.

Every "yes" is certain; a "no" only says that it was not shown. Splits are compared exactly, as ranges of the bucket
line (`flagkit.core.rules.buckets`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from flagkit.core.context import instant_of
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    Condition,
    Constant,
    Key,
    Matches,
    Membership,
    Not,
    Or,
    Split,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.buckets import BucketRanges, combine, ranges_of
from flagkit.core.rules.keys import CLOCK_KEYS

TRUE, FALSE = Boolean(True), Boolean(False)
_FLIPPED = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte"}


def keys_of(node: Condition) -> Iterator[str]:
    """Yield the context keys that one expression itself looks at."""
    match node:
        case Compare(_, left, right) | TextTest(_, left, right):
            yield from (operand.name for operand in (left, right) if isinstance(operand, Key))
        case Membership(value) | Matches(value):
            yield from (operand.name for operand in (value,) if isinstance(operand, Key))
        case Split(_, by):
            yield by.name
        case _:
            pass


def settle(node: Condition, now: datetime) -> Condition:
    """Return a condition without what the clock has decided for good."""
    match node:
        case Compare():
            return _settled_time(node, now)
        case Not(operand):
            inner = settle(operand, now)
            return Boolean(not inner.value) if isinstance(inner, Boolean) else Not(inner)
        case And(operands):
            return _joined(And, [settle(operand, now) for operand in operands], neutral=TRUE, ruling=FALSE)
        case Or(operands):
            return _joined(Or, [settle(operand, now) for operand in operands], neutral=FALSE, ruling=TRUE)
        case _:
            return node


def _joined(join: type[And] | type[Or], parts: list[Condition], *, neutral: Boolean, ruling: Boolean) -> Condition:
    left = tuple(part for part in parts if part != neutral)
    if ruling in left or not left:
        return ruling if left else neutral
    return left[0] if len(left) == 1 else join(left)


def _settled_time(node: Compare, now: datetime) -> Condition:
    key, moment, operator = node.left, node.right, str(node.operator)
    if isinstance(moment, Key):
        key, moment, operator = moment, key, _FLIPPED.get(operator, operator)
    if not (isinstance(key, Key) and key.name in CLOCK_KEYS and isinstance(moment, Timestamp)):
        return node
    past = instant_of(now), instant_of(moment.text)
    if past[0] is None or past[1] is None or past[0] <= past[1] or operator not in _FLIPPED:
        return node
    return Boolean(operator in {"gt", "gte"})


class Logic:
    """Implication between the rules of one flag; remembers what it has shown.

    Args:
        default_seed: the seed of a `split` without one: the flag's key.
    """

    def __init__(self, default_seed: str) -> None:
        self._seed = default_seed
        self._ranges: dict[int, BucketRanges | None] = {}
        self._shown: dict[tuple[int, int], bool] = {}
        self._parts: dict[int, tuple[Condition, ...]] = {}
        self._joined: dict[int, tuple[Condition, ...]] = {}
        self._facts: dict[int, _Facts] = {}
        self._kept: list[Condition] = []  # everything above remembers by identity

    def ranges(self, node: Condition) -> BucketRanges | None:
        """Return the ranges of a condition that depends on one bucket only; None for any other."""
        self._kept.append(node)
        return ranges_of(node, self._seed, self._ranges)

    def joined(self, alternatives: Condition, rule: Condition) -> Condition:
        """Return alternatives on one bucket line with one more; their ranges are known, so they aren't read again."""
        ranges = [found for node in (alternatives, rule) if (found := self.ranges(node)) is not None]
        operands = (*self._joined.get(id(alternatives), (alternatives,)), rule)
        joined = Or(operands)
        self._kept.append(joined)
        self._joined[id(joined)] = operands
        self._ranges[id(joined)] = combine(ranges, any)
        return joined

    def is_never(self, node: Condition) -> bool:
        """Whether a condition is true for no user, shown from its splits alone: 0 %, or disjoint ranges."""
        ranges = self.ranges(node)
        if ranges is not None:
            return not any(ranges.truths)
        match node:
            case And(operands):
                return any(self.is_never(part) for part in self.parts(node)) or _contradicts(operands)
            case Or():
                return all(self.is_never(part) for part in self.parts(node))
            case _:
                return node == FALSE

    def is_always(self, node: Condition) -> bool:
        """Whether a condition is true for all users by its splits alone: not among 0 %."""
        ranges = self.ranges(node)
        return ranges is not None and all(ranges.truths)

    def is_never_on_purpose(self, node: Condition) -> bool:
        """Whether a condition is `is_never` on purpose: it has a 0 % that decides it."""
        match node:
            case Split():
                return self.is_never(node)
            case And(operands):
                return any(self.is_never_on_purpose(part) for part in operands)
            case Or(operands):
                return all(self.is_never_on_purpose(part) for part in operands)
            case _:
                return node == FALSE

    def implies(self, node: Condition, other: Condition) -> bool:
        """Whether `other` is certainly true for every user for whom `node` is true."""
        pair = id(node), id(other)
        if pair not in self._shown:
            self._kept += (node, other)
            self._shown[pair] = self._implies(node, other)
        return self._shown[pair]

    def parts(self, node: And | Or) -> tuple[Condition, ...]:
        """Return the operands, those on one bucket line joined to one, so that ranges add up."""
        if id(node) not in self._parts:
            self._kept.append(node)
            self._parts[id(node)] = tuple(self._grouped(node))
        return self._parts[id(node)]

    def _grouped(self, node: And | Or) -> Iterator[Condition]:
        lines: dict[tuple[str, str], list[Condition]] = defaultdict(list)
        for operand in node.operands:
            ranges = self.ranges(operand)
            if ranges is None:
                yield operand
            else:
                lines[ranges.by, ranges.seed].append(operand)
        for group in lines.values():
            if len(group) == len(node.operands):  # joined they would be the node itself again
                yield from group
            else:
                yield group[0] if len(group) == 1 else type(node)(tuple(group))

    def _implies(self, node: Condition, other: Condition) -> bool:
        if node in (other, FALSE) or other == TRUE:
            return True
        first, second = self.ranges(node), self.ranges(other)
        if first is not None and not any(first.truths):
            return True  # nobody, such as the split of 0 % that carries a name
        if first is not None and second is not None and (first.by, first.seed) == (second.by, second.seed):
            return _is_within(first, second)
        return self._by_parts(node, other)

    def _by_parts(self, node: Condition, other: Condition) -> bool:
        if isinstance(node, Or):
            return all(self.implies(part, other) for part in self.parts(node))
        if isinstance(other, And):
            return all(self.implies(node, part) for part in self.parts(other))
        if isinstance(other, Or) and any(
            self._may_imply(node, part) and self.implies(node, part) for part in self.parts(other)
        ):
            return True
        if isinstance(node, And):
            return any(self.implies(part, other) for part in self.parts(node))
        if isinstance(node, Not) and isinstance(other, Not):
            return self.implies(other.operand, node.operand)
        narrow, wide = _choices(node), _choices(other)
        return narrow is not None and wide is not None and narrow[0] == wide[0] and narrow[1] <= wide[1]

    def _may_imply(self, node: Condition, other: Condition) -> bool:
        """Tell, at little cost, whether it is worth comparing two conditions; a "no" is what `implies` would say."""
        first, second = self._facts_of(node), self._facts_of(other)
        if not first.is_plain:
            return True
        if not (second.others <= first.others and second.lines <= first.lines):
            return False
        return all(
            any(mine <= items for mine in first.choices.get(key, ()))
            for key, found in second.choices.items()
            for items in found
        )

    def _facts_of(self, node: Condition) -> _Facts:
        if id(node) not in self._facts:
            self._kept.append(node)
            self._facts[id(node)] = self._read_facts(node)
        return self._facts[id(node)]

    def _read_facts(self, node: Condition) -> _Facts:
        choices: dict[Key, list[frozenset[Constant]]] = {}
        lines: set[tuple[str, str]] = set()
        others: set[Condition] = set()
        plain = True
        for part in node.operands if isinstance(node, And) else (node,):
            choice, ranges = _choices(part), self.ranges(part)
            if ranges is not None:
                lines.add((ranges.by, ranges.seed))
            elif choice is not None:
                choices.setdefault(choice[0], []).append(choice[1])
            elif isinstance(part, And | Or | Boolean):
                plain = False  # what they imply isn't read off them
            elif not isinstance(part, Not):
                others.add(part)  # a negation implies, and is implied by, negations only
        return _Facts(choices, lines, others, plain)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a condition asks for, part by part: constants of a key, bucket lines, and what only its equal implies."""

    choices: Mapping[Key, Sequence[frozenset[Constant]]]
    lines: AbstractSet[tuple[str, str]]
    others: AbstractSet[Condition]
    is_plain: bool
    """Whether that is all, but for negations."""


def _is_within(first: BucketRanges, second: BucketRanges) -> bool:
    outside = combine((first, second.negated()), all)
    return not any(outside.truths)


def _contradicts(operands: tuple[Condition, ...]) -> bool:
    """Whether one context key must be two different constants at once."""
    allowed: dict[Key, frozenset[Constant]] = {}
    for operand in operands:
        choice = _choices(operand)
        if choice is None:
            continue
        key, items = choice
        # Constants of different types can be equal: "1" and 1 (decision 0021).
        if key in allowed and not items & allowed[key] and len({type(item) for item in items | allowed[key]}) == 1:
            return True
        allowed[key] = items & allowed[key] if key in allowed else items
    return False


def _choices(node: Condition) -> tuple[Key, frozenset[Constant]] | None:
    """Return the constants among which a key must be."""
    match node:
        case Compare("eq", Key() as key, right) if not isinstance(right, Key):
            return key, frozenset((right,))
        case Compare("eq", left, Key() as key) if not isinstance(left, Key):
            return key, frozenset((left,))
        case Membership(Key() as key, items):
            return key, frozenset(items)
        case _:
            return None
