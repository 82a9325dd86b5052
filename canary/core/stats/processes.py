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
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from canary.core.stats.grids import EQUAL, FALLING, PAIRS, PairGrid, below_ratio, binomial_above, pairs, ratios
from canary.core.stats.mixture import Factors, ln, onset_weight, restart_path, unspent_weight

BLOCK_FAILURES = 3.0
"""A block ends when the limit allows so many failures of the candidate: then a minute's minimum costs little power."""
BLOCK_MINUTES = 10
_SHARE_STEPS = 64.0
_SCALED = 100.0
"""From this ln E on the state is kept with a scale."""
_LARGE = 1e40
_OVERFLOW = 300.0
"""No alternative's exponent exceeds it before it is taken."""
_KEPT = 120
"""Minutes after which the state of a process is kept for the next look."""


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


def largest_evidence(counts: Sequence[Counts], limit: float) -> float:
    """No alternative from any onset has more evidence than the best alternative of each minute above the limit."""
    total = 0.0
    for n_c, x_c, _, _, d_a, _ in counts:
        if x_c > limit * n_c:
            good = n_c - x_c
            best = x_c * math.log(x_c / (n_c * limit)) + (
                good * math.log(good / (n_c * (1.0 - limit))) if good else 0.0
            )
            total += best / d_a
    return total


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


@lru_cache(maxsize=65536)
def _steps(n_c: int, n_b: int) -> int:
    return math.floor(-math.log(n_c / (n_c + n_b)) * _SHARE_STEPS)


def _terms_at(alternatives: tuple[float, ...], kappa: float, n_c: int, n_b: int) -> tuple[float, ...]:
    """The terms at the observed share, rounded up by at most 1.6 %: a larger share makes E smaller (§4.4)."""
    return _shared_terms(alternatives, kappa, _steps(n_c, n_b))


def regression_path(
    minutes: Sequence[Counts], limit: float, kappa: float, horizon: int, ceilings: Sequence[float] = ()
) -> tuple[float, ...]:
    """Ln E of the regression process after every minute (§4.5), the rule that rolls back.

    Its null: in each block of minutes the candidate fails with a probability of at most `limit`, or at most `kappa`
    times as often as the baseline in the same minute. Which of the two holds may change from block to block. With a
    silent baseline the ratio is neutral, so such minutes alone never raise E.

    Args:
        minutes: counts, oldest first.
        limit: above this rate failures count as a regression.
        kappa: up to so many times the baseline's rate is explained by it.
        horizon: planned minutes H, fixed for the run.
        ceilings: ln of what E may be at most after each minute (warm-up); none for no limit.
    """
    return _run(tuple(minutes), limit, kappa, horizon, tuple(ceilings)).path


class _Run(NamedTuple):
    """A regression process after some minutes; pi_i C_i of §4.5 is held_i exp(scale)."""

    path: tuple[float, ...] = ()
    held: Sequence[float] = (0.0,) * PAIRS
    against: Sequence[float] = (0.0,) * PAIRS
    scale: float = 0.0
    waiting: float = 0.0
    bad: float = 0.0
    good: float = 0.0
    expected: float = 0.0
    age: int = 0


@lru_cache(maxsize=4096)
def _run(minutes: tuple[Counts, ...], limit: float, kappa: float, horizon: int, ceilings: tuple[float, ...]) -> _Run:
    """The process after these minutes. The next look has most of them in common, so a state is kept every two hours."""
    whole = (len(minutes) - 1) // _KEPT * _KEPT
    before = _run(minutes[:whole], limit, kappa, horizon, ceilings[:whole]) if whole > 0 else _Run()
    return _continued(before, minutes, pairs(limit, kappa), (limit, kappa, horizon), ceilings)


def _continued(  # noqa: PLR0915 - one pass; a function call a minute would double its cost
    run: _Run, minutes: Sequence[Counts], grid: PairGrid, fixed: tuple[float, float, int], ceilings: Sequence[float]
) -> _Run:
    limit, kappa, horizon = fixed
    weights, ln_ratios, exp = grid.weights, grid.ln_ratio, math.exp
    ln_bad, ln_good, most_bad = grid.bad, grid.good, _OVERFLOW / max(grid.bad)
    nothing = [0.0] * len(weights)
    canary = both = 0.0  # failures since the share of the requests changed, which `against` doesn't count yet
    terms: Sequence[float] = nothing
    steps = -1
    earlier, held, against, scale, waiting, bad, good, expected, age = run
    path: list[float] = list(earlier)
    since = len(path)
    onsets = _onsets(since, len(minutes), horizon)
    limits = itertools.islice(ceilings, since, None) if ceilings else itertools.repeat(math.inf)
    rows = minutes[since:]
    for (n_c, x_c, n_b, x_b, d_a, d_r), (onset, unspent), ceiling in zip(rows, onsets, limits, strict=False):
        if age:
            waiting += onset
        else:
            begun = onset * exp(-scale) if scale else onset
            held = [value + weight * begun for value, weight in zip(held, weights, strict=True)]
        age += 1
        if n_c:
            expected += n_c * limit
            bad += x_c / d_a
            good += (n_c - x_c) / d_a
            if n_b and (x_c or x_b):
                if _steps(n_c, n_b) != steps:
                    against = _with_failures(against, canary, both, ln_ratios, terms)
                    steps, canary, both = _steps(n_c, n_b), 0.0, 0.0
                    terms = _shared_terms(grid.ratio, kappa, steps)
                canary += x_c / d_r
                both += (x_c + x_b) / d_r
        top = 0.0
        if bad < most_bad:
            values = [
                value * exp(ratio if (ratio := a + canary * r + both * t) < (log := bad * b + good * g) else log)
                for value, a, r, t, b, g in zip(held, against, ln_ratios, terms, ln_bad, ln_good, strict=True)
            ]
        else:
            logs = list(
                map(
                    min,
                    _with_failures(against, canary, both, ln_ratios, terms),
                    [bad * b + good * g for b, g in zip(ln_bad, ln_good, strict=True)],
                )
            )
            top = max(0.0, max(logs) - _OVERFLOW)
            values = [value * exp(log - top) for value, log in zip(held, logs, strict=True)]
        total = sum(values)
        rest = waiting + unspent
        if scale or top or ceiling < math.inf:
            ln_total = scale + top + ln(total)
            if ln_total > ceiling:
                give_up = exp(ceiling - ln_total)
                held = [value * give_up for value in held]
                values = [value * give_up for value in values]
                total, ln_total = total * give_up, ceiling
            path.append(_ln_sum(ln_total, ln(rest)))
        else:
            ln_total = 0.0 if total < _LARGE else math.log(total)
            path.append(math.log(total + rest))
        if expected >= BLOCK_FAILURES or age >= BLOCK_MINUTES:
            shift = max(0.0, ln_total) if ln_total > _SCALED or scale or top else 0.0
            grown = exp(min(700.0, scale + top - shift)) if shift or scale or top else 1.0
            added = waiting * exp(-shift) if shift else waiting
            held = [value * grown + weight * added for value, weight in zip(values, weights, strict=True)]
            scale, waiting, against = shift, 0.0, nothing
            bad = good = expected = canary = both = 0.0
            age = 0
    against = _with_failures(against, canary, both, ln_ratios, terms)
    return _Run(tuple(path), held, against, scale, waiting, bad, good, expected, age)


def _with_failures(
    against: Sequence[float], canary: float, both: float, ln_ratios: Sequence[float], terms: Sequence[float]
) -> list[float]:
    """The ratio's evidence with so many failures of the candidate and of both, at one share of the requests."""
    return [a + canary * r + both * t for a, r, t in zip(against, ln_ratios, terms, strict=True)]


@lru_cache(maxsize=64)
def _onsets(since: int, until: int, horizon: int) -> tuple[tuple[float, float], ...]:
    """The stake of each minute, and what is unspent after it."""
    numbers = range(since + 1, until + 1)
    return tuple((onset_weight(number, horizon), unspent_weight(number, horizon)) for number in numbers)


def _ln_sum(a: float, b: float) -> float:
    larger, smaller = max(a, b), min(a, b)
    return larger + math.log1p(math.exp(smaller - larger))


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
