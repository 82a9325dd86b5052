"""Evidence far beyond every bound must not break the arithmetic."""

from __future__ import annotations

import math

from canary.core.stats.mixture import restart_path


def test_a_long_fall_from_enormous_evidence_does_not_overflow() -> None:
    path = restart_path([[900.0], [900.0], [-1700.0], [-1700.0], [-1700.0]], (1.0,), 30)
    assert all(math.isfinite(value) for value in path)
    assert path[1] > 1000
    assert path[-1] < 1
