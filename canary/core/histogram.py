"""Where CloudWatch can count exactly: the edges of its base-1.1 histogram. Arithmetic only."""

from __future__ import annotations

import math

_BASE = 1.1


def bin_edges(value: float) -> tuple[float, float]:
    """The edges (lower, upper] of the bin that holds `value`: neighbouring powers of 1.1.

    CloudWatch keeps percentile data as a histogram with these edges, so `TC(edge:)` counts exactly only there
    (lambda-canary.md §2.3).

    Raises:
        ValueError: `value` is not a positive number.
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"a threshold must be a positive number, not {value}")
    exponent = math.floor(math.log(value) / math.log(_BASE) + 1e-9)
    return _BASE**exponent, _BASE ** (exponent + 1)


def snap(value: float) -> float:
    """The bin edge nearest to `value`, by ratio: 2000 becomes 2048.40, 3000 becomes 2999.06."""
    lower, upper = bin_edges(value)
    return lower if value / lower < upper / value else upper
