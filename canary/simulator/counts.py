"""Requests of an invented world, drawn at random minute by minute; nothing here judges or waits.

Each minute of each version comes from a generator of its own, so the same seed is the same world whatever a rule
does with it, and every rule can be shown the same one.
"""

# ruff: noqa: S311 - invented requests need no secret randomness

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol

from canary.core.measurements import (
    MINUTE,
    AliasMinute,
    AliasTraffic,
    DataState,
    Gauge,
    MinuteCounts,
    Stream,
    StreamKey,
)
from canary.core.plan import CountingGate, GaugeGate, StagePlan
from canary.core.verdict.scoring import is_by_version
from canary.ports import Measurements, Target, Window
from canary.simulator.sampling import poisson
from canary.simulator.scenario import Scenario

_FAILING: Final = frozenset({"errors", "emf", "http_5xx"})


@dataclass(frozen=True, slots=True)
class Requests:
    """What one version served in one minute."""

    requests: int = 0
    failed: int = 0
    slow: int = 0

    def bad(self, kind: str) -> int:
        """Bad requests in the eyes of one kind of gate; gates about other things see none."""
        if kind in _FAILING:
            return self.failed
        return self.slow if kind == "latency" else 0


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


class Shares(Protocol):
    """Who knows how traffic was split."""

    def share_in(self, key: str, start: datetime, end: datetime) -> float:
        """The new version's mean share of a span of time, as ratio."""
        ...


class SimulatedMetrics:
    """Counts of every minute, drawn when they are first asked for.

    Args:
        scenario: what is assumed.
        shares: how traffic was split.
        seed: names the world.
        start: moment of the release; the scenario's minutes count from here.
    """

    def __init__(self, scenario: Scenario, shares: Shares, seed: str, start: datetime) -> None:
        self._scenario = scenario
        self._shares = shares
        self._seed = seed
        self._start = start
        self._drawn: dict[tuple[str, datetime], tuple[Requests, Requests]] = {}
        self._past: dict[str, tuple[tuple[datetime, Requests], ...]] = {}
        self._histories: dict[StreamKey, tuple[MinuteCounts, ...]] = {}

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> dict[str, float]:  # noqa: ARG002
        """Nothing: an invented world may have too little traffic, that is what it is invented for."""
        return {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Measurements:
        """Every counting gate and the alias totals; gauges answer that there is nothing."""
        keys = [target.function.key for target in targets]
        rows = {
            key: [(minute, *self.minute(key, minute)) for minute in _minutes(window.start, window.end)] for key in keys
        }
        streams: list[Stream] = []
        gauges: list[Gauge] = []
        for name, gate in stage.gates.items():
            for key in stage.keys(name):
                served = [key.function] if key.function else keys
                if isinstance(gate, CountingGate):
                    parts = [self._stream(StreamKey(each, name), gate.kind, rows[each], window) for each in served]
                    streams.append(parts[0] if is_by_version(gate) else _mixed(key, parts))
                elif isinstance(gate, GaugeGate):
                    gauges.append(Gauge(key, state=DataState.NO_DATA))
        totals = tuple(
            AliasTraffic(key, tuple(AliasMinute(minute, new.requests + old.requests) for minute, new, old in seen))
            for key, seen in rows.items()
        )
        return Measurements(tuple(streams), tuple(gauges), totals)

    def minute(self, key: str, minute: datetime) -> tuple[Requests, Requests]:
        """One minute of both versions, new and old, as traffic was really split."""
        drawn = self._drawn.get((key, minute))
        if drawn is None:
            drawn = self.minute_at(key, minute, self._shares.share_in(key, minute, minute + MINUTE))
            self._drawn[key, minute] = drawn
        return drawn

    def minute_at(self, key: str, minute: datetime, share: float) -> tuple[Requests, Requests]:
        """The same minute as it would be if the new version had this share."""
        since_min = (minute - self._start) / MINUTE
        total = self._scenario.requests_per_s * 60
        sides = []
        for candidate, mean in ((True, total * share), (False, total * (1 - share))):
            rng = Random(f"{self._seed}/{key}/{since_min:g}/{candidate}")
            sides.append(draw(mean, *self._scenario.mix(since_min, candidate=candidate), rng))
        return sides[0], sides[1]

    def failed_until(self, key: str, until: datetime) -> float:
        """Requests that failed on the new version up to a moment, seen by a rule or not."""
        failed = 0.0
        for minute in _minutes(self._start, until):
            failed += self.minute(key, minute)[0].failed * min(1.0, (until - minute) / MINUTE)
        return failed

    def _stream(
        self, key: StreamKey, kind: str, rows: Sequence[tuple[datetime, Requests, Requests]], window: Window
    ) -> Stream:
        counts = tuple(
            MinuteCounts(minute, new.requests, new.bad(kind), old.requests, old.bad(kind)) for minute, new, old in rows
        )
        if key not in self._histories:
            self._histories[key] = tuple(
                MinuteCounts(minute, 0, 0, old.requests, old.bad(kind))
                for minute, old in self._before(key.function, window)
            )
        return Stream(key, counts, self._histories[key])

    def _before(self, key: str, window: Window) -> tuple[tuple[datetime, Requests], ...]:
        if key not in self._past:
            rng = Random(f"{self._seed}/{key}/before")
            mix = self._scenario.mix(0.0, candidate=False)
            mean = self._scenario.requests_per_s * 60
            self._past[key] = tuple(
                (minute, draw(mean, *mix, rng)) for minute in _minutes(window.history_start, window.start)
            )
        return self._past[key]


def _mixed(key: StreamKey, parts: Sequence[Stream]) -> Stream:
    """The same minutes seen where versions, or even functions, can't be told apart: totals stand as the candidate's."""

    def total(rows: tuple[MinuteCounts, ...]) -> MinuteCounts:
        requests = sum(row.candidate_requests + row.baseline_requests for row in rows)
        bad = sum(row.candidate_bad + row.baseline_bad for row in rows)
        return MinuteCounts(rows[0].minute, requests, bad)

    minutes = tuple(map(total, zip(*(part.minutes for part in parts), strict=True)))
    return Stream(key, minutes, tuple(map(total, zip(*(part.history for part in parts), strict=True))))


def _minutes(start: datetime, end: datetime) -> list[datetime]:
    whole = -((start - end) // MINUTE)
    return [start + index * MINUTE for index in range(max(0, whole))]
