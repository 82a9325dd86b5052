"""The interval that is shown beside a share; the formula is `canary.core.stats.bounds`, this is only its setting."""

from __future__ import annotations

from typing import Final

from canary.core.stats import bounds

ALPHA: Final = 0.005
"""Per side: both together give the 99 % interval; 0.5 % matches the rollback rule (canary-statistics.md §4.12)."""


def interval(bad: int, requests: int) -> tuple[float, float]:
    """Lower and upper bound of the share of bad requests, as ratios; 0 and 1 when nothing is known. Since 0.1."""
    if requests <= 0:
        return 0.0, 1.0
    # A `ratio` gate may count more "bad" than "requests"; a share beyond 1 has no interval.
    if bad > requests:
        return 0.0, 1.0
    found = bounds.interval(requests, bad, ALPHA)
    return found.lower, found.upper
