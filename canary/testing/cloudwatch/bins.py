"""One minute of one metric: count, sum, extremes and a base-1.1 logarithmic histogram.

It adds up and merges; statistics are computed elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

BASE = 1.1  # lambda-canary.md §2.3: CloudWatch's histogram has its edges at powers of 1.1
LOG_BASE = math.log(BASE)
ZERO_INDEX = -(1 << 31)
MIN_INDEX = -7000  # smallest bin that AWS keeps apart, by the captures that lambda-canary.md cites
VALUE_LIMIT = 2.0**360  # PutMetricData refuses what is further from zero


def bin_index(value: float) -> int:
    """The histogram bin of a value that is not negative: `[1.1**k, 1.1**(k+1))`, zero apart."""
    if value == 0:
        return ZERO_INDEX
    return max(MIN_INDEX, math.floor(math.log(value) / LOG_BASE))


def bin_edges(index: int) -> tuple[float, float]:
    """Lower and upper edge of a bin."""
    return (0.0, 0.0) if index == ZERO_INDEX else (BASE**index, BASE ** (index + 1))


class Bin:
    """What CloudWatch keeps of the samples of one minute.

    Attributes:
        count: weight of all samples.
        sum: their sum.
        min: the smallest.
        max: the largest.
        logs: weight per histogram bin, of the samples that are not negative.
        has_sets: statistic sets are in it that have no distribution.
    """

    __slots__ = ("count", "has_sets", "logs", "max", "min", "sum")

    def __init__(self) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.min = math.inf
        self.max = -math.inf
        self.logs: dict[int, float] = {}
        self.has_sets = False

    def add(self, value: float, weight: float = 1.0) -> None:
        """Adds samples of one value."""
        self.put(value, weight, bin_index(value) if value >= 0 else None)

    def put(self, value: float, weight: float, index: int | None) -> None:
        """Adds samples of one value whose histogram bin is known."""
        self.count += weight
        self.sum += value * weight
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        if index is not None:
            logs = self.logs
            logs[index] = logs.get(index, 0.0) + weight

    def add_set(self, count: float, total: float, minimum: float, maximum: float) -> None:
        """Adds a statistic set; it has a distribution only where its samples must all be equal."""
        # API_StatisticSet: percentiles need SampleCount 1 or Min, Max and Sum/SampleCount equal.
        if count == 1 and minimum <= total <= maximum:
            index = bin_index(total) if total >= 0 else None
        elif minimum == maximum and total == minimum * count:
            index = bin_index(minimum) if minimum >= 0 else None
        else:
            self.has_sets = True
            index = None
        if index is not None:
            self.logs[index] = self.logs.get(index, 0.0) + count
        self.count += count
        self.sum += total
        self.min = min(self.min, minimum)
        self.max = max(self.max, maximum)

    def merge(self, other: Bin) -> None:
        """Adds everything that another bin holds."""
        self.count += other.count
        self.sum += other.sum
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)
        self.has_sets = self.has_sets or other.has_sets
        for index, weight in other.logs.items():
            self.logs[index] = self.logs.get(index, 0.0) + weight

    @classmethod
    def merged(cls, bins: Iterable[Bin]) -> Self:
        """A new bin that holds what all of them hold."""
        total = cls()
        for part in bins:
            total.merge(part)
        return total
