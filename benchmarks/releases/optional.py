"""Two other gates of statistics.md §4.11: cluster-proof bets on minutes, and exact alpha-spending."""

from __future__ import annotations

import math
from collections.abc import Sequence

from canary.core.stats.mixture import Factors, restart_path
from canary.core.stats.processes import Counts

_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def minute_bet_path(minutes: Sequence[Counts], limit: float, horizon: int) -> tuple[float, ...]:
    """Ln E of bets on each minute's share of bad requests.

    Needs only that this share is expected to be at most `limit`, whatever happens inside a minute; slower for it.
    """
    factors: list[Factors] = []
    for minute in minutes:
        if minute.n_c == 0:
            factors.append(None)
            continue
        surplus = minute.x_c / minute.n_c / limit - 1.0
        factors.append([math.log1p(bet * surplus) for bet in _BETS])
    return restart_path(factors, (1.0 / len(_BETS),) * len(_BETS), horizon)


def _binomial(n: int, p: float) -> list[float]:
    ln_p, ln_q = math.log(p), math.log1p(-p)
    whole = math.lgamma(n + 1)
    return [
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * ln_p + (n - k) * ln_q) for k in range(n + 1)
    ]


def spending_boundaries(
    requests: Sequence[int], limit: float, alpha: float, horizon: int, exponent: float = 0.5
) -> tuple[int, ...]:
    """Per minute the total of bad requests at which to stop, so that a canary at `limit` is stopped with `alpha`.

    Exact for a fixed horizon and traffic that does not react to failures; retries and adaptive holding break that.
    A boundary above all requests so far means "not this minute".

    Args:
        requests: canary requests of each minute.
        limit: p0.
        alpha: all that may be spent by the horizon.
        horizon: T, in minutes.
        exponent: how early alpha is spent; smaller is earlier.
    """
    alive = [1.0]
    spent = 0.0
    boundaries: list[int] = []
    for minute, n in enumerate(requests, start=1):
        chances = _binomial(n, limit)
        grown = [0.0] * (len(alive) + n)
        for total, probability in enumerate(alive):
            for more, chance in enumerate(chances):
                grown[total + more] += probability * chance
        allowance = alpha * min(1.0, minute / horizon) ** exponent - spent
        boundary, tail = len(grown), 0.0
        while boundary > 0 and tail + grown[boundary - 1] <= allowance:
            boundary -= 1
            tail += grown[boundary]
        spent += tail
        alive = grown[:boundary]
        boundaries.append(boundary)
    return tuple(boundaries)
