"""The nine scenarios of statistics.md §3.6: a stepped canary (10 %, 25 %, 50 %, ten minutes each), per-minute counts.

Traffic is Poisson and split by the weight; a request fails with the version's rate of that minute. Independent thinning of
a Poisson count gives independent Poisson counts, so each minute is four draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

MINUTES = 30
STEPS = (0.10, 0.25, 0.50)
TRAFFIC = {"1": 60, "10": 600, "100": 6000}  # requests/s -> requests a minute
HISTORY_MINUTES = 180

Minute = tuple[int, int, int, int]  # n_c, x_c, n_b, x_b
Rates = Callable[[Random], list[tuple[float, float]]]  # (candidate, base) for each minute


@dataclass(frozen=True)
class Scenario:
    """One world.

    Attributes:
        is_healthy: whether a rollback is false.
        onset: first minute (0-based) in which the candidate is bad.
        rates: failure rates of candidate and base, minute by minute.
        base_rate, icc: of the history.
    """

    name: str
    is_healthy: bool
    rates: Rates
    onset: int = 0
    base_rate: float = 0.01
    icc: float = 0.0


def constant(candidate: float, base: float) -> Rates:
    return lambda _rng: [(candidate, base)] * MINUTES


def clustered(rate: float, icc: float) -> Rates:
    total = 1 / icc - 1

    def rates(rng: Random) -> list[tuple[float, float]]:
        def draw() -> float:
            return rng.betavariate(rate * total, (1 - rate) * total)

        return [(draw(), draw()) for _ in range(MINUTES)]

    return rates


def outage(rate: float, during: float) -> Rates:
    def rates(rng: Random) -> list[tuple[float, float]]:
        start = rng.randrange(MINUTES - 1)
        return [(during, during) if start <= minute < start + 2 else (rate, rate) for minute in range(MINUTES)]

    return rates


def leak(_rng: Random) -> list[tuple[float, float]]:
    return [(0.01 if m < 5 else 0.01 + 0.19 * (m - 4) / (MINUTES - 5), 0.01) for m in range(MINUTES)]


def cold_start(_rng: Random) -> list[tuple[float, float]]:
    """Share of slow requests of a healthy version: 30 % cold at first, half-life a minute, after every weight step."""
    rows = []
    for minute in range(MINUTES):
        cold = 0.30 * 0.5 ** (minute % 10)
        rows.append((0.015 * (1 - cold) + 0.6 * cold, 0.015))
    return rows


SCENARIOS = (
    Scenario("healthy 1 %", True, constant(0.01, 0.01)),
    Scenario("healthy 4 %", True, constant(0.04, 0.04), base_rate=0.04),
    Scenario("4 % clustered", True, clustered(0.04, 0.02), base_rate=0.04, icc=0.02),
    Scenario("shared outage", True, outage(0.01, 0.30)),
    Scenario("bad 3 %", False, constant(0.03, 0.01)),
    Scenario("bad 10 %", False, constant(0.10, 0.01)),
    Scenario("bad 50 %", False, constant(0.50, 0.01)),
    Scenario(
        "10 % from minute 13", False, lambda _r: [(0.01 if m < 12 else 0.10, 0.01) for m in range(MINUTES)], onset=12
    ),
    Scenario("leak to 20 %", False, leak, onset=5),
)
COLD = Scenario("cold starts (latency)", True, cold_start, base_rate=0.015)


def poisson(rng: Random, mean: float) -> int:
    """A Poisson draw: Knuth's product for small means, Hörmann's transformed rejection (PTRS, 1993) for large ones."""
    if mean < 10:
        limit, count, product = math.exp(-mean), 0, rng.random()
        while product > limit:
            count += 1
            product *= rng.random()
        return count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2)
    ln_mean = math.log(mean)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= k * ln_mean - mean - math.lgamma(k + 1):
            return k


def weight(minute: int) -> float:
    return STEPS[min(minute // 10, len(STEPS) - 1)]


def history(scenario: Scenario, per_minute: int, rng: Random) -> list[tuple[int, int]]:
    """Baseline minutes before the start, all traffic on the base."""
    rows = []
    total = 1 / scenario.icc - 1 if scenario.icc else 0
    for _ in range(HISTORY_MINUTES):
        rate = scenario.base_rate
        if scenario.icc:
            rate = rng.betavariate(rate * total, (1 - rate) * total)
        bad = poisson(rng, per_minute * rate)
        rows.append((bad + poisson(rng, per_minute * (1 - rate)), bad))
    return rows


def run(scenario: Scenario, per_minute: int, rng: Random) -> list[Minute]:
    """The minutes of one canary."""
    minutes = []
    for minute, (candidate, base) in enumerate(scenario.rates(rng)):
        share = weight(minute)
        x_c = poisson(rng, per_minute * share * candidate)
        x_b = poisson(rng, per_minute * (1 - share) * base)
        n_c = x_c + poisson(rng, per_minute * share * (1 - candidate))
        n_b = x_b + poisson(rng, per_minute * (1 - share) * (1 - base))
        minutes.append((n_c, x_c, n_b, x_b))
    return minutes
