"""How clustered failures are, measured on the baseline's history (statistics.md §4.7). Estimates; decides nothing.

Pearson's statistic over its degrees of freedom estimates the overdispersion of counts (P. McCullagh and J. A. Nelder,
"Generalized Linear Models", 2nd edition, 1989, §4.5). Dividing a log likelihood ratio by d keeps the bound of Ville's
inequality for any dependence inside groups of at most d requests (Hölder's inequality).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import sub

MINIMUM_MINUTES = 60
OUTAGE_MINUTES = 30
"""So many consecutive minutes, the worst ones, can't spoil the estimate; a sixth of a shorter history."""
CLUSTER_REQUESTS = 30.0
"""Clusters of up to so many failures are taken to stay whole at a small weight (a container, a batch)."""
_Z95 = 1.6449


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Overdispersion of one stream's history.

    Attributes:
        rate: share of bad requests, outside the worst minutes.
        phi: Pearson dispersion at the history's traffic; 1 is binomial.
        rho: correlation between two requests of one minute.
        mean_requests: requests per minute with traffic.
        minutes: minutes with traffic.
        requests: all requests, outside the worst minutes.
    """

    rate: float
    phi: float
    rho: float
    mean_requests: float
    minutes: int
    requests: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether the history is long and dense enough to be believed."""
        return self.minutes >= MINIMUM_MINUTES and self.mean_requests > 1.0

    def at(self, requests: float) -> float:
        """The dispersion to expect at n requests a minute; 1 when the history can't tell.

        1 + (n - 1) rho for what correlates whole minutes, but at least the history's own phi up to
        `CLUSTER_REQUESTS`, since failures that arrive in batches don't thin with the weight.
        """
        if not self.is_usable:
            return 1.0
        return max(1.0 + max(0.0, requests - 1.0) * self.rho, min(self.phi, CLUSTER_REQUESTS))

    @property
    def upper_rate(self) -> float | None:
        """The 95 % upper bound of the rate (E. B. Wilson, 1927), from requests divided by phi; None when unusable."""
        if not self.is_usable:
            return None
        n, p, z = self.requests / self.phi, self.rate, _Z95
        spread = z * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n))
        return (p + z * z / (2.0 * n) + spread) / (1.0 + z * z / n)


NOTHING_KNOWN = Dispersion(rate=0.0, phi=1.0, rho=0.0, mean_requests=0.0, minutes=0)


def _worst_window(terms: Sequence[float], length: int, apart_from: int | None = None) -> tuple[int, float]:
    """Where the largest sum of so many consecutive terms begins, and that sum; windows may not overlap `apart_from`."""
    sums = [0.0, *itertools.accumulate(terms)]
    windows = list(map(sub, sums[length:], sums))
    if apart_from is not None:
        first, last = max(0, apart_from - length + 1), apart_from + length
        windows[first:last] = [-1.0] * (len(windows[first:last]))
    largest = max(windows)
    return windows.index(largest), max(0.0, largest)


def is_counted(requests: float, bad: float) -> bool:
    """Whether a minute's numbers are counts of something: neither negative, nor NaN, nor more bad than all."""
    return 0 < requests < math.inf and 0 <= bad <= requests


def estimate_dispersion(minutes: Iterable[tuple[int, int]]) -> Dispersion:
    """Estimate from (requests, bad) per minute, oldest first.

    The worst half hour counts no more than the second-worst one: an outage in the history says nothing about ordinary
    minutes, while clusters that recur are in both. Minutes without traffic, or with numbers that
    can't be counts, are left out. A history without a failure gives phi 1: clusters that were never seen are unknown.
    """
    return _estimated(tuple([(requests, bad) for requests, bad in minutes if is_counted(requests, bad)]))


@lru_cache(maxsize=2048)
def _estimated(rows: tuple[tuple[int, int], ...]) -> Dispersion:
    """The estimate from minutes that count; a history stays the same from look to look."""
    if not rows:
        return NOTHING_KNOWN
    total = sum(requests for requests, _ in rows)
    mean = total / len(rows)
    rate = sum(bad for _, bad in rows) / total
    if len(rows) < MINIMUM_MINUTES or mean <= 1.0:
        return Dispersion(_clipped(rate), 1.0, 0.0, mean, len(rows), total)
    length = min(OUTAGE_MINUTES, len(rows) // 6)
    worst, _ = _worst_window(_pearson(rows, _clipped(rate)), length)
    kept = [*rows[:worst], *rows[worst + length :]]
    requests = sum(n for n, _ in kept)
    rate = _clipped(sum(bad for _, bad in kept) / requests)
    terms = _pearson(rows, rate)
    outage = math.fsum(terms[worst : worst + length])
    _, second = _worst_window(terms, length, apart_from=worst)
    pearson = math.fsum(terms) - outage + min(outage, second)
    phi = max(1.0, pearson / (len(rows) - 1))
    return Dispersion(rate, phi, min(1.0, (phi - 1.0) / (mean - 1.0)), mean, len(rows), requests)


def _clipped(rate: float) -> float:
    return min(max(rate, 1e-7), 1.0 - 1e-7)


def _pearson(rows: Sequence[tuple[int, int]], rate: float) -> list[float]:
    variance = rate * (1.0 - rate)
    return [(bad - requests * rate) ** 2 / (requests * variance) for requests, bad in rows]


def temper_absolute(dispersion: Dispersion, canary_requests: float, source: float) -> float:
    """d_A at so many candidate requests a minute; `source` is d_source (1 synchronous, 3 retried)."""
    return max(1.0, dispersion.at(canary_requests), source)


def temper_ratio(dispersion: Dispersion, canary_requests: float, baseline_requests: float, source: float) -> float:
    """d_R at so many requests of both versions a minute.

    The floor `source` also holds with a usable history: retries inflate both versions' counts (cautious).
    """
    total = canary_requests + baseline_requests
    share = canary_requests / total if total > 0.0 else 0.0
    mixed = (1.0 - share) * dispersion.at(canary_requests) + share * dispersion.at(baseline_requests)
    return max(1.0, mixed, source)
