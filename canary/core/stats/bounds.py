"""Confidence bounds for display: the processes without restart, inverted (statistics.md §4.12)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from canary.core.stats.grids import EQUAL, FALLING, BinomialGrid, binomial_above, binomial_below, expit, logit
from canary.core.stats.mixture import ln_sum_exp

_LN_FALLING, _LN_EQUAL = tuple(map(math.log, FALLING)), tuple(map(math.log, EQUAL))
_LOWEST, _HIGHEST = 1e-9, 0.9755
"""Between these the absolute grid exists."""
_LOWEST_UPPER, _TOP = 0.00012, 1.0 - 1e-9
"""Between these the safe grid exists."""
_STEPS = 60
_CLOSE = 1e-9
"""An ln E so close to the bound is on it; of very many requests rounding leaves more, hence the most steps."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a failure probability, as ratios. Both hold at all times together with 1 - 2 alpha."""

    lower: float
    upper: float


def _ln_e(grid: BinomialGrid, ln_weights: tuple[float, ...], good: float, bad: float) -> float:
    return ln_sum_exp([ln_w + bad * b + good * g for ln_w, b, g in zip(ln_weights, grid.bad, grid.good, strict=True)])


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the function of a probability changes its sign; an end if it doesn't between them.

    False position with Illinois' correction (M. Dowell and P. Jarratt, BIT, 1971) in log-odds: a tenth of the steps of
    bisection.
    """
    a, b, f_a, f_b = logit(low), logit(high), function(low), function(high)
    if (f_a > 0.0) == (f_b > 0.0):
        return low if abs(f_a) < abs(f_b) else high
    middle, f_middle, steps = a, f_a, 0
    while abs(f_middle) > _CLOSE and steps < _STEPS:
        middle = (a * f_b - b * f_a) / (f_b - f_a)
        f_middle = function(expit(middle))
        if (f_middle > 0.0) == (f_b > 0.0):
            f_a /= 2.0
        else:
            a, f_a = b, f_b
        b, f_b, steps = middle, f_middle, steps + 1
    return expit(middle)


@lru_cache(maxsize=1024)
def interval(requests: float, bad: float, alpha: float, dispersion: float = 1.0) -> Interval:
    """The interval of the failure probability after `requests`, `bad` of them bad; `alpha` is per side.

    Returns 0 ... 1 when nothing is known, or the counts are no share of anything (orders per session).
    """
    if requests <= 0.0 or bad > requests:
        return Interval(0.0, 1.0)
    bound = -math.log(alpha)
    n, x = requests / dispersion, bad / dispersion
    rate = bad / requests

    # The caches are for the limits of plans; these would only fill them.
    def above(limit: float) -> float:
        return _ln_e(binomial_above.__wrapped__(limit), _LN_FALLING, n - x, x) - bound

    def below(limit: float) -> float:
        return _ln_e(binomial_below.__wrapped__(limit), _LN_EQUAL, n - x, x) - bound

    lower, upper = 0.0, 1.0
    if above(_LOWEST) >= 0.0:
        lower = _root(above, _LOWEST, min(rate, _HIGHEST))
    if below(_TOP) >= 0.0:
        upper = _root(below, max(rate, _LOWEST_UPPER), _TOP)
    return Interval(lower, upper)
