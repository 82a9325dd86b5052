"""The process that lets a canary advance early (statistics.md §4.8), and what it still needs. Arithmetic."""

from __future__ import annotations

import math
from functools import lru_cache

from canary.core.stats.grids import EQUAL, binomial_below
from canary.core.stats.mixture import ln_sum_exp

_FAR = 1e9
"""More requests than any plan waits for."""


def safe_ln_e(limit: float, requests: float, bad: float, dispersion: float = 1.0) -> float:
    """Ln E against "the failure probability is `limit` or more", from cumulative counts."""
    grid = binomial_below(limit)
    x, y = bad / dispersion, (requests - bad) / dispersion
    return math.log(EQUAL[0]) + ln_sum_exp(
        [x * ln_bad + y * ln_good for ln_bad, ln_good in zip(grid.bad, grid.good, strict=True)]
    )


def requests_needed(
    limit: float, alpha: float, *, requests: float = 0.0, bad: float = 0.0, rate: float = 0.0, dispersion: float = 1.0
) -> int | None:
    """How many more requests make the process safe, if they fail at `rate`; None when they never would.

    Args:
        limit: p0.
        alpha: the process is safe at 1/alpha.
        requests: requests so far.
        bad: bad ones so far.
        rate: assumed share of bad requests from now on.
        dispersion: what the evidence is divided by.
    """
    bound = -math.log(alpha)

    def is_safe(more: float) -> bool:
        return safe_ln_e(limit, requests + more, bad + rate * more, dispersion) >= bound

    if is_safe(0.0):
        return 0
    enough = 1.0
    while not is_safe(enough):
        enough *= 2.0
        if enough > _FAR:
            return None
    low, high = int(enough / 2), int(enough)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_safe(middle) else (middle, high)
    return high


@lru_cache(maxsize=256)
def clean_requests_needed(limit: float, alpha: float, dispersion: float = 1.0) -> int:
    """Clean requests after which a fresh process is safe: 65 at 5 % and alpha 5 %.

    Raises:
        ValueError: no number of clean requests would do (a limit next to 0.0117 %).
    """
    needed = requests_needed(limit, alpha, dispersion=dispersion)
    if needed is None:
        raise ValueError(f"no number of clean requests shows a limit of {limit:.4%} to be kept")
    return needed
