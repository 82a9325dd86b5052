"""Evidence far beyond every bound must not break the arithmetic."""

from __future__ import annotations

import math

from canary.core.stats.mixture import restart_path
from canary.core.stats.processes import Counts, regression_path


def test_a_long_fall_from_enormous_evidence_does_not_overflow() -> None:
    path = restart_path([[900.0], [900.0], [-1700.0], [-1700.0], [-1700.0]], (1.0,), 30)
    assert all(math.isfinite(value) for value in path)
    assert path[1] > 1000
    assert path[-1] < 1


def test_a_canary_that_rested_for_weeks_is_scored_like_a_short_one() -> None:
    """Its process is continued from a kept state, and gives the same as one pass over the same minutes."""
    minutes = [Counts(6, 0, 54, 1), Counts(5, 1, 55, 3), Counts(7, 0, 50, 0)] * 7_200
    path = regression_path(minutes, 0.018, 1.1, 60)
    assert len(path) == len(minutes)
    assert path[:300] == regression_path(minutes[:300], 0.018, 1.1, 60)
