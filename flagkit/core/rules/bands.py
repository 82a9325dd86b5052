"""Rules that only look at a user's bucket, as stretches of the bucket line: many splits, one hash. It must not hash.

`(and (split pct::60 …) (not (split pct::50 …)))` is the stretch from 50 to 60 %. All of AWS's own experiment rules and
everything that `flagkit.authoring` cuts are made of such stretches (appconfig.md §2.5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flagkit.core.bucketing import BUCKETS, threshold
from flagkit.core.rules.ast import And, Condition, Not, Number, Or, Split


@dataclass(frozen=True, slots=True)
class Bands:
    """A truth value for each stretch of the bucket line.

    Attributes:
        by: the context key whose value is bucketed.
        seed: the seed of the buckets.
        cuts: where one stretch ends and the next begins, ascending.
        truths: one more than `cuts`: the truth before, between and after them.
        missing: the truth when the key has no value (every split is false then).

    Since 0.1.
    """

    by: str
    seed: str
    cuts: tuple[int, ...]
    truths: tuple[bool, ...]
    missing: bool

    def at(self, bucket: int) -> bool:
        """Return the truth for one bucket. Since 0.1."""
        return self.truths[bisect_right(self.cuts, bucket)]


def bands_of(rule: Condition, default_seed: str, known: dict[int, Bands | None]) -> Bands | None:
    """Return the stretches of a rule that depends on one bucket and nothing else; None for any other.

    Args:
        rule: the rule or a part of one.
        default_seed: the seed of a `split` without one.
        known: what was found for parts of the same tree, by identity; without it deep rules cost their depth squared.

    Since 0.1.
    """
    if id(rule) not in known:
        known[id(rule)] = _find(rule, default_seed, known)
    return known[id(rule)]


def _find(rule: Condition, default_seed: str, known: dict[int, Bands | None]) -> Bands | None:
    match rule:
        case Split():
            return _split(rule, default_seed)
        case Not(operand):
            inner = bands_of(operand, default_seed, known)
            return None if inner is None else _negated(inner)
        case And(operands) | Or(operands):
            found = [bands_of(operand, default_seed, known) for operand in operands]
            bands = [item for item in found if item is not None]
            if len(bands) < len(found) or len({(item.by, item.seed) for item in bands}) > 1:
                return None
            return combine(bands, all if isinstance(rule, And) else any)
        case _:
            return None


def _negated(bands: Bands) -> Bands:
    return Bands(bands.by, bands.seed, bands.cuts, tuple(not truth for truth in bands.truths), not bands.missing)


def combine(bands: Sequence[Bands], rule: Callable[[Iterable[bool]], bool]) -> Bands:
    """Return what `all` or `any` of some bands of one key and seed are. Since 0.1."""
    # Halves rather than a fold: a rule of thousands of splits stays fast to compile.
    if len(bands) == 1:
        return bands[0]
    middle = len(bands) // 2
    first, second = combine(bands[:middle], rule), combine(bands[middle:], rule)
    cuts: list[int] = []
    truths = [rule((first.truths[0], second.truths[0]))]
    for cut in sorted({*first.cuts, *second.cuts}):
        truth = rule((first.at(cut), second.at(cut)))
        if truth is not truths[-1]:
            cuts.append(cut)
            truths.append(truth)
    return Bands(first.by, first.seed, tuple(cuts), tuple(truths), rule((first.missing, second.missing)))


def split_threshold(percent: Number) -> int:
    """Return the bucket below which a `split` is true. Since 0.1."""
    value = percent.value
    return threshold(repr(value) if isinstance(value, float) else value)


def _split(rule: Split, default_seed: str) -> Bands:
    limit = split_threshold(rule.percent)
    seed = default_seed if rule.seed is None else rule.seed.value
    if limit in {0, BUCKETS}:
        return Bands(rule.by.name, seed, (), (limit > 0,), missing=False)
    return Bands(rule.by.name, seed, (limit,), (True, False), missing=False)
