"""Rules that only look at a user's bucket, as ranges of the bucket line: many splits, one hash. It must not hash.

`(and (split pct::60 …) (not (split pct::50 …)))` is the range from 50 to 60 %. All of AWS's own experiment rules and
everything that `flagkit.authoring` allocates are made of such ranges (appconfig.md §2.5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flagkit.core.rules.ast import And, Condition, Not, Or, Split


@dataclass(frozen=True, slots=True)
class BucketRanges:
    """A truth value for each range of the bucket line; a value without a bucket is at its end, NO_BUCKET.

    Attributes:
        by: the context key whose value is bucketed.
        seed: the seed of the buckets.
        bounds: where one range ends and the next begins, ascending.
        truths: one more than `bounds`: the truth before, between and after them.
    """

    by: str
    seed: str
    bounds: tuple[int, ...]
    truths: tuple[bool, ...]

    def at(self, bucket: int) -> bool:
        """Return the truth for one bucket."""
        return self.truths[bisect_right(self.bounds, bucket)]

    def negated(self) -> BucketRanges:
        """Return the ranges with the opposite truths."""
        return BucketRanges(self.by, self.seed, self.bounds, tuple(not truth for truth in self.truths))


def ranges_of(rule: Condition, default_seed: str, known: dict[int, BucketRanges | None]) -> BucketRanges | None:
    """Return the ranges of a rule that depends on one bucket and nothing else; None for any other.

    Args:
        rule: the rule or a part of one.
        default_seed: the seed of a `split` without one.
        known: what was found for parts of the same tree, by identity; without it deep rules cost their depth squared.
    """
    if id(rule) not in known:
        known[id(rule)] = _find(rule, default_seed, known)
    return known[id(rule)]


def _find(rule: Condition, default_seed: str, known: dict[int, BucketRanges | None]) -> BucketRanges | None:
    match rule:
        case Split(_, by, seed):
            bounds, truths = ((rule.limit,), (True, False)) if rule.limit else ((), (False,))
            return BucketRanges(by.name, default_seed if seed is None else seed.value, bounds, truths)
        case Not(operand):
            inner = ranges_of(operand, default_seed, known)
            return None if inner is None else inner.negated()
        case And(operands) | Or(operands):
            found = [ranges_of(operand, default_seed, known) for operand in operands]
            ranges = [item for item in found if item is not None]
            if len(ranges) < len(found) or len({(item.by, item.seed) for item in ranges}) > 1:
                return None
            return combine(ranges, all if isinstance(rule, And) else any)
        case _:
            return None


def combine(ranges: Sequence[BucketRanges], rule: Callable[[Iterable[bool]], bool]) -> BucketRanges:
    """Return what `all` or `any` of some ranges of one key and seed are."""
    # Halves rather than a fold: a rule of thousands of splits stays fast to compile.
    if len(ranges) == 1:
        return ranges[0]
    middle = len(ranges) // 2
    first, second = combine(ranges[:middle], rule), combine(ranges[middle:], rule)
    bounds: list[int] = []
    truths = [rule((first.truths[0], second.truths[0]))]
    for bound in sorted({*first.bounds, *second.bounds}):
        truth = rule((first.at(bound), second.at(bound)))
        if truth is not truths[-1]:
            bounds.append(bound)
            truths.append(truth)
    return BucketRanges(first.by, first.seed, tuple(bounds), tuple(truths))
