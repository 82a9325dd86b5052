"""In-memory ports of canary: aliases with RevisionId rules, scripted traffic, and a journal in a list.

They know nothing of boto3. The stand-in (`canary.testing`) is for tests that go over the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.core.events import CanaryEnded, CanaryStarted, Event
from canary.core.measurements import (
    MINUTE,
    AlarmReading,
    AliasMinute,
    AliasTraffic,
    DataState,
    MinuteCounts,
    Probe,
    Stream,
    StreamKey,
)
from canary.core.plan import FunctionRef, StagePlan
from canary.core.traffic import ALL_BP, AliasSpec, AliasState, FunctionFacts, VersionFacts
from canary.errors import NotFoundError, StaleRevisionError, UnavailableError
from canary.ports import Measurements, Target, Window
from canary.runner import Ports
from flagkit.testing.clock import VirtualClock


class Killed(BaseException):
    """The driver's process was killed (as SIGKILL: nothing may catch it)."""


@dataclass
class FakeTraffic:
    """Aliases in a dictionary, with AWS's RevisionId rules; `trouble` is asked before and after each call."""

    clock: VirtualClock
    aliases: dict[str, AliasState] = field(default_factory=dict)
    versions: dict[tuple[str, str], VersionFacts] = field(default_factory=dict)
    facts: dict[str, FunctionFacts] = field(default_factory=dict)
    history: list[tuple[datetime, AliasState]] = field(default_factory=list)
    writes: list[tuple[str, AliasSpec]] = field(default_factory=list)
    trouble: Callable[[str, str, str], None] = lambda moment, call, key: None
    revisions: int = 0

    def add(self, function: FunctionRef, version: str = "1", candidate: str = "2", description: str = "") -> None:
        for number in (version, candidate):
            self.versions[function.function, number] = VersionFacts(
                number, "Active", "role", "", 3, f"code{number}", f"config{number}", durable=False
            )
        self._set(AliasState(function, version, None, 0, description, ""))

    def _set(self, alias: AliasState) -> AliasState:
        self.revisions += 1
        alias = replace(alias, revision_id=f"r{self.revisions}")
        self.aliases[alias.function.key] = alias
        self.history.append((self.clock.now(), alias))
        return alias

    def foreign(self, key: str, **changes: object) -> None:
        """Somebody else writes the alias."""
        self._set(replace(self.aliases[key], **changes))  # type: ignore[arg-type]

    def read(self, function: FunctionRef) -> AliasState:
        self.trouble("before", "read", function.key)
        if function.key not in self.aliases:
            raise NotFoundError(f"no alias {function.key}")
        alias = self.aliases[function.key]
        self.trouble("after", "read", function.key)
        return alias

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        self.trouble("before", "write", function.key)
        alias = self.aliases[function.key]
        if alias.revision_id != revision_id:
            raise StaleRevisionError(f"{function} moved")
        assert len(spec.description) <= 256
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
        self.trouble("after", "write", function.key)
        return alias

    def publish(self, function: FunctionRef) -> str:
        number = str(int(self.newest_version(function) or "0") + 1)
        self.versions[function.function, number] = replace(self.versions[function.function, "1"], version=number)
        return number

    def newest_version(self, function: FunctionRef) -> str | None:
        numbers = [int(number) for name, number in self.versions if name == function.function]
        return str(max(numbers)) if numbers else None

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:
        self.trouble("before", "version", function.key)
        try:
            return self.versions[function.function, version]
        except KeyError:
            raise NotFoundError(f"no version {version} of {function.function}") from None

    def function_facts(self, function: FunctionRef) -> FunctionFacts:
        return self.facts.get(function.function, FunctionFacts())

    def alias_at(self, key: str, at: datetime) -> AliasState:
        """What the alias said then."""
        then = [alias for when, alias in self.history if alias.function.key == key and when <= at]
        first = next(alias for _, alias in self.history if alias.function.key == key)
        return then[-1] if then else first

    def share(self, key: str, version: str, at: datetime) -> int:
        """Which share of the traffic, in basis points, the version had then."""
        alias = self.alias_at(key, at)
        extra = alias.extra_bp if alias.extra_version == version else 0
        return extra if alias.version != version else ALL_BP - alias.extra_bp


@dataclass
class FakeMetrics:
    """Counts that follow from the aliases: requests a minute, and the share of failures of each version."""

    traffic: FakeTraffic
    per_minute: int = 2000
    failing: dict[str, float] = field(default_factory=lambda: {"1": 0.0, "2": 0.0})
    state: DataState = DataState.COMPLETE
    silent: bool = False
    asked: list[Window] = field(default_factory=list)
    daily: dict[str, float] = field(default_factory=dict)

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        return self.daily

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Measurements:
        self.asked.append(window)
        streams: list[Stream] = []
        totals: list[AliasTraffic] = []
        for target in targets:
            minutes = tuple(self._minute(target, minute) for minute in _minutes(window.start, window.end))
            history = tuple(self._minute(target, minute) for minute in _minutes(window.history_start, window.start))
            for name, gate in stage.gates.items():
                if gate.kind in {"errors", "latency"}:
                    rows = (history, minutes) if gate.kind == "errors" else (_quick(history), _quick(minutes))
                    kept = ((), ()) if self.silent else rows
                    streams.append(Stream(StreamKey(target.function.key, name), kept[1], kept[0], self.state))
            totals.append(
                AliasTraffic(
                    target.function.key,
                    tuple(AliasMinute(m.minute, m.candidate_requests + m.baseline_requests) for m in minutes),
                )
            )
        return Measurements(tuple(streams), (), tuple(totals))

    def _minute(self, target: Target, minute: datetime) -> MinuteCounts:
        key = target.function.key
        share = self.traffic.share(key, target.candidate, minute) if target.base != target.candidate else 0
        base = self.traffic.share(key, target.base, minute)
        candidate_requests = self.per_minute * share // ALL_BP
        baseline_requests = self.per_minute * base // ALL_BP
        return MinuteCounts(
            minute,
            candidate_requests,
            round(candidate_requests * self.failing.get(target.candidate, 0.0)),
            baseline_requests,
            round(baseline_requests * self.failing.get(target.base, 0.0)),
        )


def _quick(rows: tuple[MinuteCounts, ...]) -> tuple[MinuteCounts, ...]:
    return tuple(replace(row, candidate_bad=0, baseline_bad=0) for row in rows)


def _minutes(start: datetime, end: datetime) -> Iterable[datetime]:
    return (start + MINUTE * number for number in range(max(0, (end - start) // MINUTE)))


@dataclass
class FakeProbes:
    """Health checks with scripted answers, the last one for ever."""

    answers: list[tuple[Probe, ...]] = field(default_factory=lambda: [()])

    def probe(self, stage: StagePlan, targets: Sequence[Target], now: datetime) -> tuple[Probe, ...]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class FakeAlarms:
    """Alarms with a scripted answer."""

    readings: tuple[AlarmReading, ...] = ()

    def alarms(self, stage: StagePlan, started_at: datetime | None) -> tuple[AlarmReading, ...]:
        return self.readings


@dataclass
class MemoryJournal:
    """A journal in a list."""

    written: list[Event] = field(default_factory=list)

    def append(self, event: Event) -> None:
        self.written.append(event)

    def events(self, canary_id: str) -> list[Event]:
        return [event for event in self.written if event.canary_id == canary_id]

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        rows: dict[str, dict[str, str]] = {}
        for event in self.written:
            if isinstance(event, CanaryStarted):
                rows[event.canary_id] = {"canary_id": event.canary_id, "stage": event.stage, "outcome": ""}
            if isinstance(event, CanaryEnded):
                rows[event.canary_id]["outcome"] = event.outcome.value
        return [row for row in reversed(rows.values()) if stage in (None, row["stage"])]


@dataclass
class World:
    """A stage with its fakes; `ports()` makes the ports of one driver (its memory dies with it)."""

    stage: StagePlan
    clock: VirtualClock = field(default_factory=VirtualClock)
    description: str = "Live traffic"

    def __post_init__(self) -> None:
        self.traffic = FakeTraffic(self.clock)
        for function in self.stage.functions:
            self.traffic.add(function, description=self.description)
        self.clock.sleep(300)
        self.metrics = FakeMetrics(self.traffic)
        self.probes = FakeProbes()
        self.alarms = FakeAlarms()
        self.journal = MemoryJournal()

    def ports(self, **changes: object) -> Ports:
        ports = Ports(
            traffic=self.traffic,
            metrics=self.metrics,
            probes=self.probes,
            alarms=self.alarms,
            clock=self.clock,
            journal=self.journal,
            jitter=lambda: 0.5,
            in_parallel=False,
        )
        return replace(ports, **changes)  # type: ignore[arg-type]

    def alias(self, key: str = "api:live") -> AliasState:
        return self.traffic.aliases[key]

    def routes(self) -> dict[str, tuple[str, str | None, int]]:
        return {key: (a.version, a.extra_version, a.extra_bp) for key, a in self.traffic.aliases.items()}

    def descriptions(self) -> set[str]:
        return {alias.description for alias in self.traffic.aliases.values()}


def stage_of(*functions: str, **settings: object) -> StagePlan:
    """A stage with an error gate, three steps of ten minutes, and whatever a test sets."""
    defaults: dict[str, object] = {
        "name": "staging",
        "functions": functions or ("api:live",),
        "steps": [{"weight": weight, "bake": timedelta(minutes=10)} for weight in (10, 25, 50)],
        "gates": {"errors": {"kind": "errors"}},
    }
    return StagePlan.model_validate({**defaults, **settings})


def unavailable(*_: object) -> None:
    """A trouble that always strikes."""
    raise UnavailableError("AWS doesn't answer")


class Once:
    """Trouble that does something at the n-th moment of one kind, and lets everything else pass.

    Args:
        moment: "before" or "after" the call.
        call: "read", "write" or "version".
        at: which of those moments, from 1.
        act: what happens; calls that it makes itself pass.
        key: only calls about this function; every function where empty.
    """

    def __init__(self, moment: str, call: str, at: int, act: Callable[[], object], key: str = "") -> None:
        self.wanted, self.at, self.act, self.key = (moment, call), at, act, key
        self.count, self.active = 0, False

    def __call__(self, moment: str, call: str, key: str) -> None:
        if (moment, call) != self.wanted or self.active or self.key not in {"", key}:
            return
        self.count += 1
        if self.count == self.at:
            self.active = True
            try:
                self.act()
            finally:
                self.active = False


def interrupt() -> None:
    """The process gets Ctrl-C with no handler installed."""
    raise KeyboardInterrupt


def down_until(world: World, until: datetime) -> Callable[[str, str, str], None]:
    """Trouble on every call until then."""

    def trouble(moment: str, call: str, key: str) -> None:
        if world.clock.now() < until:
            raise UnavailableError("no network")

    return trouble
