"""CloudWatch's histogram edges: powers of 1.1 (lambda-canary.md §2.3)."""

from __future__ import annotations

import math

import pytest

from canary.core.histogram import bin_edges, snap


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [
        (500, 490.37, 539.41),
        (1000, 955.59, 1051.15),
        (1500, 1399.08, 1538.99),
        (2000, 1862.18, 2048.40),
        (3000, 2999.06, 3298.97),
        (5000, 4830.02, 5313.02),
    ],
)
def test_the_edges_are_those_captured_from_cloudwatch(value: float, lower: float, upper: float) -> None:
    assert bin_edges(value) == pytest.approx((lower, upper), abs=0.005)


def test_a_limit_moves_to_the_nearest_edge_and_stays_there() -> None:
    assert snap(2000) == pytest.approx(2048.4002145)
    assert snap(3000) == pytest.approx(2999.06, abs=0.005)
    for value in (0.5, 1, 7, 2000, 3000, 1e6):
        assert snap(snap(value)) == snap(value)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_limit_must_be_a_positive_number(value: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        snap(value)
