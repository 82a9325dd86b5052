"""How clustered errors are, measured on the base's history (statistics.md §4.7). Estimates; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MINIMUM_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Overdispersion of one stream's history.

    Attributes:
        rate: share of bad requests.
        phi: Pearson dispersion at the history's traffic; 1 is binomial.
        rho: correlation between two requests of one minute.
        mean_requests: requests per minute with traffic.
        minutes: minutes with traffic.
    """

    rate: float
    phi: float
    rho: float
    mean_requests: float
    minutes: int

    @property
    def is_usable(self) -> bool:
        """Whether the history is long and dense enough to be believed."""
        return self.minutes >= MINIMUM_MINUTES and self.mean_requests > 1.0

    def at(self, requests: float) -> float:
        """phi(n): the dispersion to expect at n requests a minute; 1 when the history can't tell."""
        return 1.0 + max(0.0, requests - 1.0) * self.rho if self.is_usable else 1.0


NOTHING_KNOWN = Dispersion(rate=0.0, phi=1.0, rho=0.0, mean_requests=0.0, minutes=0)


def estimate_dispersion(minutes: Iterable[tuple[int, int]]) -> Dispersion:
    """Estimate from (requests, bad) per minute. A history without an error gives phi 1: clusters unseen are unknown."""
    rows = [(requests, bad) for requests, bad in minutes if requests > 0]
    if not rows:
        return NOTHING_KNOWN
    total = sum(requests for requests, _ in rows)
    mean = total / len(rows)
    rate = min(max(sum(bad for _, bad in rows) / total, 1e-7), 1.0 - 1e-7)
    if len(rows) == 1 or mean <= 1.0:
        return Dispersion(rate, 1.0, 0.0, mean, len(rows))
    variance = rate * (1.0 - rate)
    pearson = math.fsum((bad - requests * rate) ** 2 / (requests * variance) for requests, bad in rows)
    phi = max(1.0, pearson / (len(rows) - 1))
    return Dispersion(rate, phi, min(1.0, (phi - 1.0) / (mean - 1.0)), mean, len(rows))


def temper_absolute(dispersion: Dispersion, canary_requests: float, source: float) -> float:
    """d_A at the expected canary requests per minute; `source` is d_source (1 synchronous, 3 retried)."""
    return max(1.0, dispersion.at(canary_requests), source)


def temper_ratio(dispersion: Dispersion, canary_requests: float, baseline_requests: float, source: float) -> float:
    """d_R at the expected requests per minute of both versions.

    The floor `source` also holds with a usable history: retries inflate both versions' counts (cautious).
    """
    total = canary_requests + baseline_requests
    share = canary_requests / total if total > 0.0 else 0.0
    mixed = (1.0 - share) * dispersion.at(canary_requests) + share * dispersion.at(baseline_requests)
    return max(1.0, mixed, source)
