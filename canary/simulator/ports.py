"""Canary's ports in memory: aliases, metrics, probes, alarms and a journal on a virtual clock.

The simulator runs the shipped runner against them, and so do tests. They know nothing of boto3; for tests that go
over the wire there is the AWS stand-in of `canary.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from canary.core.alias import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts
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
from canary.core.plan import CountingGate, FunctionRef, GaugeGate, StagePlan
from canary.core.schedule import whole_minute
from canary.core.verdict.scoring import is_by_version
from canary.errors import NotFoundError, StaleRevisionError
from canary.ports import Target, Window
from canary.runner import Ports
from canary.simulator.checks import InMemoryAlarms, InMemoryHooks, InMemoryProbes
from flagkit.testing.clock import VirtualClock

_FAILING = frozenset({"errors", "emf", "http_5xx"})


class InMemoryAliases:
    """Aliases and versions in dictionaries, with the RevisionId rules of `UpdateAlias`.

    Args:
        clock: dates the changes.

    Attributes:
        states: the present state of each alias, by `FunctionRef.key`.
        versions: facts by (function name, version).
        facts: facts by function name.
        writes: every write of a driver, oldest first.
        clock: dates the changes.
        fault: called before and after each call as `fault("before" | "after", "read" | "write" | "version", key)`; what
            it raises is what the caller gets.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.states: dict[str, AliasState] = {}
        self.versions: dict[tuple[str, str], VersionFacts] = {}
        self.facts: dict[str, FunctionFacts] = {}
        self.writes: list[tuple[str, AliasSpec]] = []
        self.fault: Callable[[str, str, str], object] = lambda moment, call, key: None  # noqa: ARG005
        self.clock = clock
        self._history: dict[str, list[tuple[datetime, AliasState]]] = {}
        self._revision = 0

    def add(self, function: FunctionRef, version: str = "1", candidate: str = "2", description: str = "") -> None:
        """Creates an alias on `version`, and both versions."""
        for number in (version, candidate):
            self.versions[function.function, number] = VersionFacts(
                version=number,
                state="Active",
                role="role",
                dead_letter_arn="",
                timeout_s=3,
                code_sha256=f"code{number}",
                config_sha256=f"config{number}",
                durable=False,
            )
        self._set(AliasState(function, version, None, 0, description, ""))

    def change(self, key: str, **changes: object) -> None:
        """Changes fields of an alias the way another writer would: with a new RevisionId."""
        self._set(replace(self.states[key], **changes))  # type: ignore[arg-type]

    def read(self, function: FunctionRef) -> AliasState:
        """The state of the alias.

        Raises:
            NotFoundError: no such alias.
        """
        self.fault("before", "read", function.key)
        if function.key not in self.states:
            raise NotFoundError(f"no alias {function.key}")
        alias = self.states[function.key]
        self.fault("after", "read", function.key)
        return alias

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Writes the alias if its RevisionId still is `revision_id`.

        Raises:
            StaleRevisionError: it isn't.
        """
        self.fault("before", "write", function.key)
        alias = self.states[function.key]
        if alias.revision_id != revision_id:
            raise StaleRevisionError(f"{function} has a newer revision")
        if len(spec.description) > 256:
            raise ValueError(f"a description has at most 256 characters, not {len(spec.description)}")
        self.writes.append((function.key, spec))
        alias = self._set(
            replace(
                alias,
                version=spec.version,
                extra_version=spec.extra_version,
                extra_bp=spec.extra_bp,
                description=spec.description,
            )
        )
        self.fault("after", "write", function.key)
        return alias

    def create(self, function: FunctionRef, version: str) -> None:
        """Creates the alias on a version that exists."""
        self._set(AliasState(function, version, None, 0, "", ""))

    def publish(self, function: FunctionRef) -> str:
        """Publishes a version with the facts of version 1."""
        number = str(int(self.newest_version(function) or "0") + 1)
        self.versions[function.function, number] = replace(self.versions[function.function, "1"], version=number)
        return number

    def newest_version(self, function: FunctionRef) -> str | None:
        """The highest version number."""
        numbers = [int(number) for name, number in self.versions if name == function.function]
        return str(max(numbers)) if numbers else None

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:
        """The facts of a version.

        Raises:
            NotFoundError: no such version.
        """
        self.fault("before", "version", function.key)
        try:
            return self.versions[function.function, version]
        except KeyError:
            raise NotFoundError(f"no version {version} of {function.function}") from None

    def function_facts(self, function: FunctionRef) -> FunctionFacts:
        """The facts of a function; by default all its traffic goes through the alias."""
        return self.facts.get(function.function, FunctionFacts())

    def state_at(self, key: str, at: datetime) -> AliasState:
        """The state of the alias at a time; before its first change, its first state."""
        history = self._history[key]
        return next((alias for when, alias in reversed(history) if when <= at), history[0][1])

    def share_in(self, key: str, version: str, start: datetime, end: datetime) -> float:
        """The mean share of the alias' traffic that a version had between two moments, as ratio."""
        history = self._history[key]
        if len(history) == 1 or end <= history[1][0]:
            return _share(history[0][1], version)
        total = 0.0
        for index, (at, alias) in enumerate(history):
            begin = start if index == 0 else max(at, start)
            until = min(history[index + 1][0], end) if index + 1 < len(history) else end
            if until > begin:
                total += _share(alias, version) * (until - begin).total_seconds()
        span = (end - start).total_seconds()
        return total / span if span > 0 else 0.0

    def share_changes(self, key: str, version: str) -> list[tuple[datetime, float]]:
        """The moments at which the share of a version changed, with the new share; the first is its beginning."""
        changes: list[tuple[datetime, float]] = []
        for at, alias in self._history[key]:
            share = _share(alias, version)
            if not changes or changes[-1][1] != share:
                changes.append((at, share))
        return changes

    def _set(self, alias: AliasState) -> AliasState:
        self._revision += 1
        alias = replace(alias, revision_id=f"r{self._revision}")
        self.states[alias.function.key] = alias
        self._history.setdefault(alias.function.key, []).append((self.clock.now(), alias))
        return alias


def _share(alias: AliasState, version: str) -> float:
    if alias.version == version:
        return 1.0 - alias.extra_bp / ALL_BP
    return alias.extra_bp / ALL_BP if alias.extra_version == version else 0.0


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
        return self.slow if kind == "latency" else 0


class TrafficModel(Protocol):
    """Decides what a version served."""

    def served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        """What a version of the function `key` served in a minute in which it had this share of the traffic."""
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
                if isinstance(gate, CountingGate) and served:
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
        stage, clock, aliases, metrics, probes, alarms, journal: the parts; each may be changed at any time.
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
            clock=self.clock,
            journal=self.journal,
            jitter=lambda: 0.5,
            in_parallel=False,
        )
        return replace(ports, **changes)  # type: ignore[arg-type]

    def routes(self) -> dict[str, tuple[str, str | None, int]]:
        """Where each alias points: version, additional version, its weight in basis points."""
        return {key: (a.version, a.extra_version, a.extra_bp) for key, a in self.aliases.states.items()}
