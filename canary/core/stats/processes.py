"""The e-processes that can roll a canary back, per stream (statistics.md §4.3-4.6). Arithmetic only.

* Absolute: likelihood ratio of the candidate's failures against "its failure probability is at most the limit"
  (A. Wald, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics, 1945).
* Ratio: the same against "it fails at most kappa times as often as the baseline in the same minute", for any rate of
  the baseline: the share of the candidate's failures among all is at most kappa n_c / (kappa n_c + n_b).
* Regression: the smaller of both, block by block; evidence only where neither the limit nor the baseline explains the
  failures. Taking the smaller of two e-values is valid when either null holds (the "union null").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import mul
from typing import NamedTuple

from canary.core.stats.grids import EQUAL, FALLING, PairGrid, below_ratio, binomial_above, pairs, ratios
from canary.core.stats.mixture import Factors, ln, onset_weight, restart_path, unspent_weight

BLOCK_FAILURES = 3.0
"""A block ends when the limit allows so many failures of the candidate: then a minute's minimum costs little power."""
BLOCK_MINUTES = 10
_SHARE_STEPS = 64.0


class Counts(NamedTuple):
    """One scored minute: requests and bad ones of candidate and baseline, and what evidence is divided by (§4.7)."""

    n_c: int
    x_c: int
    n_b: int = 0
    x_b: int = 0
    d_a: float = 1.0
    d_r: float = 1.0


def absolute_factors(minutes: Sequence[Counts], limit: float) -> list[Factors]:
    """LA_i: the candidate against "its failure probability is at most `limit`"."""
    grid = binomial_above(limit)
    alternatives = tuple(zip(grid.bad, grid.good, strict=True))
    factors: list[Factors] = []
    for n_c, x_c, _, _, d_a, _ in minutes:
        if n_c == 0:
            factors.append(None)
            continue
        bad, good = x_c / d_a, (n_c - x_c) / d_a
        factors.append([bad * ln_bad + good * ln_good for ln_bad, ln_good in alternatives])
    return factors


def absolute_path(minutes: Sequence[Counts], limit: float, horizon: int) -> tuple[float, ...]:
    """Ln E of the absolute process after every minute (§4.3)."""
    return restart_path(absolute_factors(minutes, limit), FALLING, horizon)


@lru_cache(maxsize=64)
def _ratio_grid(kappa: float) -> tuple[tuple[float, float], ...]:
    return tuple((ratio, math.log(ratio / kappa)) for ratio in ratios(kappa))


def ratio_factors(minutes: Sequence[Counts], kappa: float) -> list[Factors]:
    """LR_i: the candidate against "it fails at most `kappa` times as often as the baseline in the same minute".

    Uses the observed counts, never the nominal weight. Holds for counts of events too (x may exceed n), since the
    bound in §4.4 is an equality for Poisson counts.
    """
    grid = _ratio_grid(kappa)
    factors: list[Factors] = []
    for n_c, x_c, n_b, x_b, _, d_r in minutes:
        if n_c == 0 or n_b == 0:
            factors.append(None)
            continue
        canary, both = x_c / d_r, (x_c + x_b) / d_r
        ln_null = math.log(kappa * n_c + n_b)
        factors.append([canary * ln_ratio + both * (ln_null - math.log(r * n_c + n_b)) for r, ln_ratio in grid])
    return factors


def ratio_path(minutes: Sequence[Counts], kappa: float, horizon: int) -> tuple[float, ...]:
    """Ln E of the ratio process after every minute (§4.4)."""
    return restart_path(ratio_factors(minutes, kappa), EQUAL, horizon)


@lru_cache(maxsize=4096)
def _shared_terms(alternatives: tuple[float, ...], kappa: float, steps: int) -> tuple[float, ...]:
    """Ln(D0/D_i) of §4.4 at a share of exp(-steps/64) of the requests, for each alternative."""
    share = math.exp(-steps / _SHARE_STEPS)
    ln_null = math.log(kappa * share + 1.0 - share)
    return tuple(ln_null - math.log(ratio * share + 1.0 - share) for ratio in alternatives)


def _terms_at(alternatives: tuple[float, ...], kappa: float, n_c: int, n_b: int) -> tuple[float, ...]:
    """The terms at the observed share, rounded up by at most 1.6 %: a larger share makes E smaller (§4.4)."""
    return _shared_terms(alternatives, kappa, math.floor(-math.log(n_c / (n_c + n_b)) * _SHARE_STEPS))


class _Block:
    """The minutes since the null hypotheses could last change places: sums of both log likelihood ratios."""

    __slots__ = ("_against", "_bad", "_expected", "_good", "_grid", "_kappa", "_limit", "minutes")

    def __init__(self, grid: PairGrid, limit: float, kappa: float) -> None:
        self._grid, self._limit, self._kappa = grid, limit, kappa
        self.minutes = 0
        self._expected = self._bad = self._good = 0.0
        self._against = [0.0] * len(grid.bad)

    def add(self, counts: Counts) -> None:
        n_c, x_c, n_b, x_b, d_a, d_r = counts
        self.minutes += 1
        self._expected += n_c * self._limit
        if n_c == 0:
            return
        self._bad += x_c / d_a
        self._good += (n_c - x_c) / d_a
        if n_b and x_c + x_b:
            canary, both = x_c / d_r, (x_c + x_b) / d_r
            terms = _terms_at(self._grid.ratio, self._kappa, n_c, n_b)
            self._against = [
                value + canary * ln_ratio + both * term
                for value, ln_ratio, term in zip(self._against, self._grid.ln_ratio, terms, strict=True)
            ]

    @property
    def is_full(self) -> bool:
        return self._expected >= BLOCK_FAILURES or self.minutes >= BLOCK_MINUTES

    def factors(self) -> list[float]:
        """The smaller log likelihood ratio of each alternative."""
        bad, good = self._bad, self._good
        return [
            min(bad * ln_bad + good * ln_good, against)
            for ln_bad, ln_good, against in zip(self._grid.bad, self._grid.good, self._against, strict=True)
        ]


def regression_path(
    minutes: Sequence[Counts],
    limit: float,
    kappa: float,
    horizon: int,
    ceilings: Iterable[float] = itertools.repeat(math.inf),
) -> tuple[float, ...]:
    """Ln E of the regression process after every minute (§4.5), the rule that rolls back.

    Its null: in each block of minutes the candidate fails with a probability of at most `limit`, or at most `kappa`
    times as often as the baseline in the same minute. Which of the two holds may change from block to block. With a
    silent baseline the ratio is neutral, so such minutes alone never raise E.

    E(t) = sum of pi_i C_i min(exp LA_i, exp LR_i) + what is not bet yet, where C_i is the value at the beginning of
    the block and LA_i, LR_i sum over its minutes. Onsets begin with a block. C_i is kept as c_i exp(scale).

    Args:
        minutes: counts, oldest first.
        limit: above this rate failures count as a regression.
        kappa: up to so many times the baseline's rate is explained by it.
        horizon: planned minutes H, fixed for the run.
        ceilings: ln of what E may be at most after each minute (warm-up).
    """
    grid = pairs(limit, kappa)
    held = [0.0] * len(grid.bad)
    scale = waiting = 0.0
    block = _Block(grid, limit, kappa)
    path: list[float] = []
    for minute, (counts, ceiling) in enumerate(zip(minutes, ceilings, strict=False), start=1):
        onset = onset_weight(minute, horizon)
        if block.minutes:
            waiting += onset
        else:
            held = [value + onset * math.exp(-scale) for value in held]
        block.add(counts)
        logs = block.factors()
        top = max(0.0, max(logs) - 300.0)
        values = [value * math.exp(log - top) for value, log in zip(held, logs, strict=True)]
        total = sum(map(mul, grid.weights, values))
        ln_total = scale + top + ln(total)
        if ln_total > ceiling:
            give_up = math.exp(ceiling - ln_total)
            held = [value * give_up for value in held]
            values = [value * give_up for value in values]
            ln_total = ceiling
        rest = waiting + unspent_weight(minute, horizon)
        larger, smaller = max(ln_total, ln(rest)), min(ln_total, ln(rest))
        path.append(larger + math.log1p(math.exp(smaller - larger)))
        if block.is_full:
            shift = max(0.0, ln_total)
            grown = math.exp(min(700.0, scale + top - shift))
            held = [value * grown + waiting * math.exp(-shift) for value in values]
            scale, waiting = shift, 0.0
            block = _Block(grid, limit, kappa)
    return tuple(path)


def not_worse_ln_e(minutes: Sequence[Counts], kappa: float) -> float:
    """Ln E against "the candidate fails at least `kappa` times as often as the baseline in every minute" (§4.8).

    The ratio process with exchanged roles and 1/kappa, without restart.
    """
    null, alternatives = 1.0 / kappa, below_ratio(kappa)
    logs = [0.0] * len(alternatives)
    ln_ratios = [math.log(ratio / null) for ratio in alternatives]
    for n_c, x_c, n_b, x_b, _, d_r in minutes:
        if n_c and n_b and x_c + x_b:
            baseline, both = x_b / d_r, (x_c + x_b) / d_r
            terms = _terms_at(alternatives, null, n_b, n_c)
            logs = [
                value + baseline * ln_ratio + both * term
                for value, ln_ratio, term in zip(logs, ln_ratios, terms, strict=True)
            ]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(value - top) for value in logs) / len(logs))


def swap(minutes: Sequence[Counts]) -> tuple[Counts, ...]:
    """Candidate and baseline in exchanged roles: "less is worse" becomes "the baseline has too much more"."""
    return tuple(Counts(n_b, x_b, n_c, x_c, d_a, d_r) for n_c, x_c, n_b, x_b, d_a, d_r in minutes)
