"""Rules as other tools implement them, emulated from their documentation and source (statistics.md §3.11).

Each takes the minutes of a canary and answers the 0-based minute at which it would roll back, or None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist

from benchmarks.releases.peers import PEERS
from benchmarks.releases.peers import Rule as PeerRule

LIMIT = 0.05
Minute = tuple[int, int, int, int]  # n_c, x_c, n_b, x_b
Rule = Callable[[Sequence[Minute]], int | None]


def shipped(rule: PeerRule) -> Rule:
    """A rule of `peers`, by index."""

    def by_index(minutes: Sequence[Minute]) -> int | None:
        number = rule([(n_c, x_c) for n_c, x_c, _, _ in minutes])
        return None if number is None else number - 1

    return by_index


def sam(minutes: Sequence[Minute]) -> int | None:
    """The SAM documentation's alarm: any error in two consecutive minutes."""
    return next((t for t in range(1, len(minutes)) if minutes[t][1] and minutes[t - 1][1]), None)


@lru_cache(maxsize=100_000)
def _beta_tail(x: int, n: int) -> float:
    """P(p > 5 %) under Beta(1 + x, 1 + n - x) = P(Binomial(n + 1, 5 %) <= x)."""
    total, term = 0.0, (n + 1) * math.log1p(-LIMIT)
    odds = math.log(LIMIT) - math.log1p(-LIMIT)
    for k in range(x + 1):
        total += math.exp(term)
        if k > (n + 1) * LIMIT and term < -40 and total > 0.999:
            break
        term += math.log(n + 1 - k) - math.log(k + 1) + odds if k < n + 1 else 0.0
    return min(1.0, total)


def bayes(confidence: float) -> Rule:
    """Beta(1, 1) prior, roll back when P(p > 5 %) exceeds the confidence; looked at each minute."""

    def rule(minutes: Sequence[Minute]) -> int | None:
        n = x = 0
        for t, (n_c, x_c, _, _) in enumerate(minutes):
            n, x = n + n_c, x + x_c
            # Far below the limit the answer is no without arithmetic.
            if x > n * LIMIT * 0.9 and _beta_tail(x, n) > confidence:
                return t
        return None

    return rule


def _shares(minutes: Sequence[Minute]) -> tuple[list[float], list[float]]:
    canary = [x_c / n_c if n_c else 0.0 for n_c, x_c, _, _ in minutes]
    return canary, [x_b / n_b if n_b else 0.0 for _, _, n_b, x_b in minutes]


def kayenta(minutes: Sequence[Minute]) -> int | None:
    """Kayenta's judge at minutes 10, 15, …: High when the 98 % Mann-Whitney interval lies beyond the tolerance."""
    z = NormalDist().inv_cdf(0.99)
    for t in range(9, len(minutes), 5):
        canary, base = _shares(minutes[: t + 1])
        if sum(canary) < sum(base) or not any(canary):
            continue
        differences = sorted(c - b for c in canary for b in base)
        size = len(canary)
        lower = int(size * size / 2 - z * math.sqrt(size * size * (2 * size + 1) / 12))
        estimate = differences[len(differences) // 2]
        if lower >= 0 and differences[lower] > 0.25 * abs(estimate):
            return t
    return None


def pipecd(minutes: Sequence[Minute]) -> int | None:
    """PipeCD: one-sided Mann-Whitney at 5 % over the last five minutes, every five minutes."""
    for t in range(4, len(minutes), 5):
        canary, base = _shares(minutes[t - 4 : t + 1])
        wins = sum((c > b) + 0.5 * (c == b) for c in canary for b in base)
        pooled = sorted(canary + base)
        ties = sum(count**3 - count for count in (pooled.count(value) for value in set(pooled)))
        variance = 25 / 12 * (11 - ties / 90)
        if variance > 0 and (wins - 12.5 - 0.5) / math.sqrt(variance) > NormalDist().inv_cdf(0.95):
            return t
    return None


RIVALS: dict[str, Rule] = {
    **{name: shipped(rule) for name, rule in PEERS.items()},
    "SAM documentation's alarm": sam,
    "PipeCD: Mann-Whitney": pipecd,
    "Kayenta: judge": kayenta,
    "Bayes: 99 %": bayes(0.99),
}
