"""Canary's ports in memory: aliases, metrics, probes, alarms and a journal on a virtual clock.

The simulator runs the shipped runner against them, and so do tests. They know nothing of boto3; for tests that go
over the wire there is the AWS stand-in of `canary.testing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from canary.core.events import CanaryEnded, CanaryStarted, Event
from canary.core.measurements import (
    MINUTE,
    AliasMinute,
    AliasTraffic,
    DataState,
    Gauge,
    MinuteCounts,
    Observations,
    Stream,
    StreamKey,
)
from canary.core.plan import GaugeGate, MeasuredGate, OutcomesGate, ProbesGate, StagePlan
from canary.core.schedule import whole_minute
from canary.core.verdict.scoring import is_by_version
from canary.ports import Target, Window
from canary.runner import Ports
from canary.simulator.aliases import InMemoryAliases
from canary.simulator.checks import InMemoryAlarms, InMemoryHooks, InMemoryProbes
from flagkit.testing.clock import VirtualClock

_FAILING = frozenset({"errors", "emf", "http_5xx", "outcomes", "failed"})


@dataclass(frozen=True, slots=True)
class Requests:
    """What one version served in one minute."""

    requests: int = 0
    failed: int = 0
    slow: int = 0

    def bad(self, kind: str) -> int:
        """Bad requests as one kind of gate counts them; gates about other things see none."""
        if kind in _FAILING:
            return self.failed
        return self.slow if kind in {"latency", "slow"} else 0


class TrafficModel(Protocol):
    """Decides what a version served."""

    def served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        """What a version of the function `key` served in a minute in which it had this share of the traffic."""
        ...

    def probed(self, key: str, minute: datetime, pairs: int) -> tuple[int, int]:
        """Of so many pairs of probes: on the candidate alone, and on the baseline alone, how many failed."""
        ...


@dataclass
class SteadyTraffic:
    """The same number of requests every minute, of which fixed shares fail; nothing is random.

    Attributes:
        per_minute: requests a minute to each function, both versions together.
        failing: share of failing requests by version, as ratio.
        slow: share of slow requests by version, as ratio.
    """

    per_minute: int = 2000
    failing: dict[str, float] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)

    def failing_ratio(self, key: str, version: str, minute: datetime) -> float:  # noqa: ARG002 - for subclasses
        """The share of a version's requests that fail in a minute."""
        return self.failing.get(version, 0.0)

    def served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        """The version's part of the traffic."""
        requests = int(self.per_minute * share + 1e-6)
        failed = round(requests * self.failing_ratio(key, version, minute))
        return Requests(requests, failed, round(requests * self.slow.get(version, 0.0)))

    def probed(self, key: str, minute: datetime, pairs: int) -> tuple[int, int]:
        """Versions "2" and "1" fail independently of each other."""
        candidate, baseline = (self.failing_ratio(key, version, minute) for version in ("2", "1"))
        return round(pairs * candidate * (1 - baseline)), round(pairs * baseline * (1 - candidate))


class InMemoryMetrics:
    """Counts computed from the history of the aliases and a traffic model.

    Args:
        aliases: how traffic was split.
        traffic: what was served.

    Attributes:
        traffic: what was served.
        state: the data state of each stream.
        silent: answers without a single row.
        delay: how old a minute is when it can be read, all of it at once.
        daily: the values that `requests_per_minute` returns.
        windows: every window that was asked for.
    """

    def __init__(self, aliases: InMemoryAliases, traffic: TrafficModel) -> None:
        self.traffic = traffic
        self.state = DataState.COMPLETE
        self.silent = False
        self.delay = timedelta(seconds=120)
        self.daily: dict[str, float] = {}
        self.windows: list[Window] = []
        self._aliases = aliases

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:  # noqa: ARG002
        """The values of `daily`; by default none are known."""
        return self.daily

    def missing_series(
        self,
        stage: StagePlan,  # noqa: ARG002
        targets: Sequence[Target],  # noqa: ARG002
        keys: Collection[StreamKey],  # noqa: ARG002
    ) -> Mapping[StreamKey, str]:
        """None: every series exists."""
        return {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """Every counting gate and the alias totals; gauges have no data."""
        self.windows.append(window)
        end = min(window.end, whole_minute(self._aliases.clock.now() - self.delay))
        rows = {target.function.key: self._rows(target, window.start, end) for target in targets}
        past = {
            target.function.key: self._rows(target, window.history_start, min(window.start, end)) for target in targets
        }
        streams: list[Stream] = []
        gauges: list[Gauge] = []
        for name, gate in stage.gates.items():
            for key in stage.keys(name):
                served = [each for each in rows if key.function in {"", each}]
                if isinstance(gate, MeasuredGate | OutcomesGate) and served:
                    parts = [self._stream(StreamKey(each, name), gate.kind, rows[each], past[each]) for each in served]
                    streams.append(parts[0] if is_by_version(gate) else _mixed(key, parts))
                elif isinstance(gate, GaugeGate):
                    gauges.append(Gauge(key, state=DataState.NO_DATA))
        totals = tuple(
            AliasTraffic(key, tuple(AliasMinute(minute, new.requests + old.requests) for minute, new, old in seen))
            for key, seen in rows.items()
        )
        return Observations(tuple(streams), tuple(gauges), totals)

    def served(self, key: str, version: str, minute: datetime) -> Requests:
        """The counts of one version in one minute, as the traffic was split."""
        share = self._aliases.share_in(key, version, minute, minute + MINUTE)
        return self.traffic.served(key, version, minute, share) if share > 0.0 else Requests()

    def _rows(self, target: Target, start: datetime, end: datetime) -> list[tuple[datetime, Requests, Requests]]:
        key, candidate, baseline = target.function.key, target.candidate, target.baseline
        return [
            (
                minute,
                self.served(key, candidate, minute) if candidate != baseline else Requests(),
                self.served(key, baseline, minute),
            )
            for minute in minutes_between(start, end)
        ]

    def _stream(
        self,
        key: StreamKey,
        kind: str,
        rows: Sequence[tuple[datetime, Requests, Requests]],
        past: Sequence[tuple[datetime, Requests, Requests]],
    ) -> Stream:
        if self.silent:
            return Stream(key, state=self.state)
        minutes, history = (
            tuple(
                MinuteCounts(minute, new.requests, new.bad(kind), old.requests, old.bad(kind))
                for minute, new, old in each
            )
            for each in (rows, past)
        )
        return Stream(key, minutes, history, self.state)


def minutes_between(start: datetime, end: datetime) -> list[datetime]:
    """Every minute that begins in a span of time, from `start` on."""
    whole = -((start - end) // MINUTE)
    return [start + index * MINUTE for index in range(max(0, whole))]


def _mixed(key: StreamKey, parts: Sequence[Stream]) -> Stream:
    """The same minutes seen where versions, or even functions, can't be told apart: totals stand as the candidate's."""

    def total(rows: tuple[MinuteCounts, ...]) -> MinuteCounts:
        requests = sum(row.candidate_requests + row.baseline_requests for row in rows)
        bad = sum(row.candidate_bad + row.baseline_bad for row in rows)
        return MinuteCounts(rows[0].minute, requests, bad)

    minutes = tuple(map(total, zip(*(part.minutes for part in parts), strict=True)))
    history = tuple(map(total, zip(*(part.history for part in parts), strict=True)))
    return Stream(key, minutes, history, parts[0].state)


class InMemoryPairs:
    """Paired probes of whole minutes, from a traffic model.

    Attributes:
        state: the data state of each stream.
        refusals: what `first` answers.
        stops: how often they were stopped.
    """

    def __init__(self, clock: VirtualClock, metrics: InMemoryMetrics) -> None:
        self.state = DataState.COMPLETE
        self.refusals: tuple[tuple[StreamKey, str], ...] = ()
        self.stops = 0
        self._clock, self._metrics = clock, metrics
        self._until: datetime | None = None

    def collect(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[Stream, ...]:
        """The minutes that are over since the last call; at the first, the present one has just begun."""
        now = whole_minute(self._clock.now())
        since, self._until = self._until or now, now
        known = {target.function.key for target in targets}
        return tuple(
            Stream(key, tuple(self._row(key.function, minute, gate) for minute in minutes_between(since, now)))
            if self.state is DataState.COMPLETE
            else Stream(key, state=self.state)
            for name, gate in stage.gates.items()
            if isinstance(gate, ProbesGate)
            for key in stage.keys(name)
            if key.function in known
        )

    def first(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[tuple[StreamKey, str], ...]:  # noqa: ARG002
        """`refusals`."""
        return self.refusals

    def stop(self) -> None:
        """Counted in `stops`."""
        self.stops += 1

    def _row(self, key: str, minute: datetime, gate: ProbesGate) -> MinuteCounts:
        candidate, baseline = self._metrics.traffic.probed(key, minute, gate.per_minute)
        return MinuteCounts(minute, gate.per_minute, candidate, gate.per_minute, baseline)


@dataclass
class InMemoryJournal:
    """A journal in a list."""

    written: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> None:
        """Keeps the event."""
        self.written.append(event)

    def events(self, canary_id: str) -> Iterable[Event]:
        """All events of one canary."""
        return [event for event in self.written if event.canary_id == canary_id]

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first."""
        rows: dict[str, dict[str, str]] = {}
        for event in self.written:
            if isinstance(event, CanaryStarted):
                rows[event.canary_id] = {"canary_id": event.canary_id, "stage": event.stage, "outcome": ""}
            if isinstance(event, CanaryEnded):
                rows[event.canary_id]["outcome"] = event.outcome.value
        return [row for row in reversed(rows.values()) if stage in (None, row["stage"])]


class Simulation:
    """A stage with all its ports in memory: every function on version 1, and version 2 published.

    Args:
        stage: whose functions exist.
        traffic: the traffic model; by default 2,000 requests a minute without failures.
        description: the description of the aliases.
        clock: by default a new one, on a Monday at 09:00 UTC.

    Attributes:
        stage, clock, aliases, metrics, probes, alarms, pairs, journal: the parts; each may be changed at any time.
    """

    def __init__(
        self,
        stage: StagePlan,
        traffic: TrafficModel | None = None,
        *,
        description: str = "",
        clock: VirtualClock | None = None,
    ) -> None:
        self.stage = stage
        self.clock = clock or VirtualClock()
        self.aliases = InMemoryAliases(self.clock)
        for function in stage.functions:
            self.aliases.add(function, description=description)
        self.metrics = InMemoryMetrics(self.aliases, traffic or SteadyTraffic())
        self.probes = InMemoryProbes()
        self.alarms = InMemoryAlarms()
        self.hooks = InMemoryHooks()
        self.pairs = InMemoryPairs(self.clock, self.metrics)
        self.journal = InMemoryJournal()

    def ports(self, **changes: object) -> Ports:
        """The ports of one driver, whose memory is its own.

        Args:
            **changes: fields of `Ports` to replace.
        """
        ports = Ports(
            aliases=self.aliases,
            metrics=self.metrics,
            probes=self.probes,
            alarms=self.alarms,
            hooks=self.hooks,
            pairs=self.pairs,
            clock=self.clock,
            journal=self.journal,
            jitter=lambda: 0.5,
            in_parallel=False,
        )
        return replace(ports, **changes)  # type: ignore[arg-type]

    def routes(self) -> dict[str, tuple[str, str | None, int]]:
        """Where each alias points: version, additional version, its weight in basis points."""
        return {key: (a.version, a.extra_version, a.extra_bp) for key, a in self.aliases.states.items()}
