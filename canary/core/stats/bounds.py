"""Confidence bounds for display: the processes without restart, inverted (statistics.md §4.12)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from canary.core.stats.grids import FALLING, binomial_above, expit, logit
from canary.core.stats.mixture import ln_sum_exp
from canary.core.stats.safe import safe_ln_e

_LN_FALLING = tuple(map(math.log, FALLING))
_LOWEST, _HIGHEST = 1e-9, 0.9755
"""Between these the absolute grid exists."""
_LOWEST_UPPER, _TOP = 0.00012, 1.0 - 1e-9
"""Between these the safe grid exists."""
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a failure probability, as ratios. Both hold at all times together with 1 - 2 alpha."""

    lower: float
    upper: float


def _absolute_ln_e(limit: float, requests: float, bad: float) -> float:
    grid = binomial_above.__wrapped__(limit)  # bisection would only fill the cache
    good = requests - bad
    return ln_sum_exp([ln_w + bad * b + good * g for ln_w, b, g in zip(_LN_FALLING, grid.bad, grid.good, strict=True)])


def _bisect(is_low: Callable[[float], bool], low: float, high: float) -> float:
    a, b = logit(low), logit(high)
    for _ in range(_STEPS):
        middle = (a + b) / 2.0
        a, b = (middle, b) if is_low(expit(middle)) else (a, middle)
    return expit((a + b) / 2.0)


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

    def excludes_from_below(m: float) -> bool:
        return _absolute_ln_e(m, n, x) >= bound

    def reaches_up_to(m: float) -> bool:
        return safe_ln_e(m, n, x) < bound

    lower, upper = 0.0, 1.0
    if excludes_from_below(_LOWEST):
        lower = _bisect(excludes_from_below, _LOWEST, min(rate, _HIGHEST))
    if not reaches_up_to(_TOP):
        upper = _bisect(reaches_up_to, max(rate, _LOWEST_UPPER), _TOP)
    return Interval(lower, upper)
