"""Whether the canary gets the share of traffic its weight promises (statistics.md §4.10). It never blames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_PRIOR = 100.0


def _ln_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def share_ln_e(weight: float, canary_requests: float, baseline_requests: float) -> float:
    """Ln E against "every request goes to the canary with probability `weight`", for one weight step.

    Args:
        weight: nominal share, above 0 and below 1.
        canary_requests: N_c of the step.
        baseline_requests: N_b of the step.
    """
    a, b = _PRIOR * weight, _PRIOR * (1.0 - weight)
    return (
        _ln_beta(a + canary_requests, b + baseline_requests)
        - _ln_beta(a, b)
        - canary_requests * math.log(weight)
        - baseline_requests * math.log1p(-weight)
    )


def share_over_steps(steps: Iterable[tuple[float, float, float]]) -> float:
    """Ln E over several weight steps (weight, N_c, N_b): a new factor begins at each."""
    return math.fsum(share_ln_e(*step) for step in steps)


def shares_ln_e(shares: Sequence[float], counts: Sequence[float]) -> float:
    """Ln E against "each user gets arm i with probability `shares[i]`", for any number of arms.

    Args:
        shares: of each arm; an arm with a share of 0 that has users is a contradiction.
        counts: users of each arm.
    """
    if any(count and not share for share, count in zip(shares, counts, strict=True)):
        return math.inf
    pairs = [(share, count) for share, count in zip(shares, counts, strict=True) if share]
    total = sum(count for _, count in pairs)
    parts = [
        math.lgamma(_PRIOR * share + count) - math.lgamma(_PRIOR * share) - count * math.log(share)
        for share, count in pairs
    ]
    return math.fsum(parts) + math.lgamma(_PRIOR) - math.lgamma(_PRIOR + total)
