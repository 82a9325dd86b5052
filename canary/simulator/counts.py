"""Synthetic traffic, drawn at random minute by minute; nothing here judges or waits.

Each minute of each version comes from a generator of its own, so the same seed gives the same traffic whatever a plan
does with it.
"""

# ruff: noqa: S311 - synthetic requests need no secret randomness

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from canary.core.measurements import MINUTE
from canary.errors import UsageError
from canary.simulator.ports import Requests
from canary.simulator.users import Users
from flagkit.testing.clock import DEFAULT_START

BASELINE = "1"
CANDIDATE = "2"


@dataclass(frozen=True, slots=True)
class Burst:
    """Some minutes in which a share of the requests fails, as ratio."""

    minutes: float
    failing: float

    def __post_init__(self) -> None:
        if not 0.0 < self.minutes <= _LONGEST_BURST or not 0.0 <= self.failing <= 1.0:
            raise UsageError(
                f"{self.minutes:g} minutes at {100 * self.failing:g} % can't be simulated",
                hint=f"Give up to {_LONGEST_BURST:g} minutes and 0 to 100 %, such as 5m@50%.",
            )


_LONGEST_BURST = 120.0
_HISTORY_BURST = -120.0
"""Minute in which an outage of the history begins: two hours before the start."""
_OUTAGE_WITHIN = 20
"""A shared outage begins at a random minute of the first so many."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A release as it might go; shares are ratios, 0 to 1.

    Attributes:
        candidate_errors: share of the new version's requests that fail once the regression began.
        baseline_errors: share of the old version's requests that fail; the new one's before the regression.
        requests_per_s: traffic of each function, both versions together.
        from_minute: minute after the start in which the new version's regression begins.
        candidate_slow: share of the new version's requests above the latency limit.
        baseline_slow: share of the old version's requests above the latency limit.
        history_outage: an outage two hours before the start.
        shared_outage: an outage of both versions, at a random minute of the first 20.
        cold_start: what fails on the new version after each increase of its weight.
        users: who comes, where the stage counts users; None for the usual ones.
    """

    candidate_errors: float
    baseline_errors: float = 0.01
    requests_per_s: float = 2.0
    from_minute: float = 0.0
    candidate_slow: float = 0.001
    baseline_slow: float = 0.001
    history_outage: Burst | None = None
    shared_outage: Burst | None = None
    cold_start: Burst | None = None
    users: Users | None = None

    def __post_init__(self) -> None:
        for name in ("candidate_errors", "baseline_errors", "candidate_slow", "baseline_slow"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must lie between 0 % and 100 %")
        if not 0.0 <= self.requests_per_s <= 100_000:
            raise UsageError(f"{self.requests_per_s:g} requests a second can't be simulated", hint="0 to 100,000.")
        if self.from_minute < 0:
            raise UsageError("the regression can't begin before the canary")

    def healthy(self) -> Scenario:
        """The same scenario with a new version that is as good as the baseline; outages and cold starts stay."""
        return replace(self, candidate_errors=self.baseline_errors, candidate_slow=self.baseline_slow)

    def mix(self, minute: float, *, candidate: bool) -> tuple[float, float]:
        """Share of failing and share of slow requests of one version in one minute; the two are independent."""
        if candidate and minute >= self.from_minute:
            return self.candidate_errors, self.candidate_slow
        return self.baseline_errors, self.baseline_slow

    def burst(self, minute: float, *, since_rise: float | None, outage_at: int) -> float:
        """The largest share that fails in a burst of this minute; 0 outside.

        Args:
            minute: after the start; negative before it.
            since_rise: minutes since the new version's weight grew; None for the baseline.
            outage_at: minute in which the shared outage begins.
        """
        spans = (
            (self.history_outage, minute - _HISTORY_BURST),
            (self.shared_outage, minute - outage_at),
            (self.cold_start, -1.0 if since_rise is None else since_rise),
        )
        return max((burst.failing for burst, at in spans if burst is not None and 0 <= at < burst.minutes), default=0.0)


def draw(mean: float, failing: float, slow: float, rng: Random) -> Requests:
    """One minute of Poisson traffic.

    A Poisson stream split by independent coins is several Poisson streams, so the four kinds of request (failing or
    not, slow or not) are drawn apart and no binomial sampler is needed.
    """
    both = poisson(mean * failing * slow, rng)
    fails = poisson(mean * failing * (1 - slow), rng)
    drags = poisson(mean * (1 - failing) * slow, rng)
    fine = poisson(mean * (1 - failing) * (1 - slow), rng)
    return Requests(both + fails + drags + fine, both + fails, both + drags)


class SyntheticTraffic:
    """Poisson traffic of a scenario.

    Args:
        scenario: what is assumed.
        seed: names the traffic; the same seed gives the same.
        start: moment of the release; the scenario's minutes count from here.
    """

    def __init__(self, scenario: Scenario, seed: str, start: datetime = DEFAULT_START) -> None:
        self.start = start
        self._scenario, self._seed = scenario, seed
        self._past: dict[str, list[Requests]] = {}
        self._past_rng: dict[str, Random] = {}
        self._drawn: dict[tuple[str, str, datetime, float], Requests] = {}
        self._rises: dict[str, tuple[float, datetime]] = {}
        self._outage_at = Random(f"{seed}/outage").randrange(_OUTAGE_WITHIN)

    def history(self, key: str, minutes: int) -> list[tuple[datetime, Requests]]:
        """So many minutes of the baseline before the start, oldest first."""
        return [(self.start - MINUTE * back, self._before(key, back)) for back in range(minutes, 0, -1)]

    def _before(self, key: str, back: int) -> Requests:
        """The baseline so many minutes before the start; drawn one after the other, from the latest on."""
        drawn = self._past.setdefault(key, [])
        if len(drawn) < back:
            rng = self._past_rng.setdefault(key, Random(f"{self._seed}/{key}/history"))
            scenario = self._scenario
            for minute in range(-len(drawn) - 1, -back - 1, -1):
                burst = scenario.burst(minute, since_rise=None, outage_at=self._outage_at)
                failing = max(scenario.baseline_errors, burst)
                drawn.append(draw(scenario.requests_per_s * 60, failing, scenario.baseline_slow, rng))
        return drawn[back - 1]

    def served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        """What the version served, drawn once."""
        name = (key, version, minute, share)
        if name not in self._drawn:
            since_min = (minute - self.start) / MINUTE
            if since_min <= -1.0:
                return self._before(key, round(-since_min))
            rng = Random(f"{self._seed}/{key}/{since_min:g}/{version}")
            candidate = version == CANDIDATE
            failing, slow = self._scenario.mix(since_min, candidate=candidate)
            burst = self._scenario.burst(
                since_min,
                since_rise=self._since_rise(key, minute, share) if candidate else None,
                outage_at=self._outage_at,
            )
            self._drawn[name] = draw(self._scenario.requests_per_s * 60 * share, max(failing, burst), slow, rng)
        return self._drawn[name]

    def probed(self, key: str, minute: datetime, pairs: int) -> tuple[int, int]:
        """Of so many pairs: only the candidate failed, only the baseline did."""
        since_min = (minute - self.start) / MINUTE
        rng = Random(f"{self._seed}/{key}/{since_min:g}/probes")
        burst = self._scenario.burst(since_min, since_rise=None, outage_at=self._outage_at)
        candidate, baseline = (
            max(burst, self._scenario.mix(since_min, candidate=version)[0]) for version in (True, False)
        )
        kinds = [(rng.random() < candidate, rng.random() < baseline) for _ in range(pairs)]
        return kinds.count((True, False)), kinds.count((False, True))

    def _since_rise(self, key: str, minute: datetime, share: float) -> float:
        """Minutes since the new version's share last grew; minutes are asked for in order."""
        before, at = self._rises.get(key, (0.0, minute))
        if share > before:
            at = minute
        self._rises[key] = (share, at)
        return (minute - at) / MINUTE


def poisson(mean: float, rng: Random) -> int:
    """A Poisson count.

    Below a mean of 10 Knuth's product of uniforms, above it Hörmann's transformed rejection PTRS (W. Hörmann, "The
    transformed rejection method for generating Poisson random variables", 1993), exact at any mean and as fast at
    10,000 as at 10.
    """
    if mean <= 0.0:
        return 0
    if mean < 10.0:
        return _knuth(mean, rng)
    return _ptrs(mean, rng)


def _knuth(mean: float, rng: Random) -> int:
    limit = math.exp(-mean)
    count = 0
    product = rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _ptrs(mean: float, rng: Random) -> int:
    log_mean = math.log(mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        us = 0.5 - abs(u)
        count = math.floor((2.0 * a / us + b) * u + mean + 0.43) if us > 0.0 else -1
        if us >= 0.07 and v <= v_r:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if accept <= count * log_mean - mean - math.lgamma(count + 1.0):
            return count
