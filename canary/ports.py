"""The seams of canary: what the runner needs from the world, as Protocols; nothing here does anything.

Adapters raise only errors of `canary.errors`. `UnavailableError` is worth another try (and a write may have
happened all the same), `StaleRevisionError` says that somebody else wrote first, anything else is final.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from canary.core.alias import AliasSpec, AliasState, FunctionFacts, VersionFacts
from canary.core.events import Event
from canary.core.measurements import AlarmReading, HookState, Observations, Probe, Stream, StreamKey
from canary.core.plan import FunctionRef, Hook, StagePlan


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits; may return early when the driver is asked to stop."""
        ...


class Aliases(Protocol):
    """Aliases and versions of Lambda functions."""

    def read(self, function: FunctionRef) -> AliasState:
        """What the alias says now.

        Raises:
            NotFoundError: no such function or alias.
            UnavailableError: AWS didn't answer.
        """
        ...

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """Makes the alias say `spec`, in one `UpdateAlias`, if its RevisionId still is `revision_id`.

        Raises:
            StaleRevisionError: the RevisionId has moved; nothing was written.
            UnavailableError: no answer; it may have been written or not.
            AwsError: AWS refused.
        """
        ...

    def create(self, function: FunctionRef, version: str) -> None:
        """Creates the alias on this version, for a function's first release.

        Raises:
            AwsError: AWS refused; the alias may exist by now.
        """
        ...

    def publish(self, function: FunctionRef) -> str:
        """Publishes `$LATEST` and answers the version number once it is active."""
        ...

    def newest_version(self, function: FunctionRef) -> str | None:
        """The highest published version number; None when nothing was ever published."""
        ...

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:
        """What preflight asks about one version.

        Raises:
            NotFoundError: no such version.
        """
        ...

    def function_facts(self, function: FunctionRef) -> FunctionFacts:
        """What preflight asks about the function around its alias."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """One function of a canary: its alias and the two versions."""

    function: FunctionRef
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which minutes to measure: whole minutes, `start` included, `end` not.

    Attributes:
        start: first minute that is scored (the one in which the canary began).
        end: first minute too young to be settled.
        history_start: first minute of the baseline's history before `start`.
        canary_id: the canary that is measured; empty before and after one.
    """

    start: datetime
    end: datetime
    history_start: datetime
    canary_id: str = ""


@dataclass(frozen=True, slots=True)
class CredentialsEnd:
    """When the driver's credentials end for good.

    Attributes:
        at: None where they stay, renew themselves, or don't say.
        is_known: False for temporary credentials that don't say when they end.
    """

    at: datetime | None = None
    is_known: bool = True


class MetricSource(Protocol):
    """Counts per minute of both versions."""

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """The streams, gauges, alias traffic and notes of the stage over the window, from scratch.

        Never raises for a failed query: the streams it concerns say so in their `state`.
        """
        ...

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        """Mean traffic of each alias over the last day, or since its first request; unknown ones are left out."""
        ...

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        """Which series of these gates the source has never had, each with what it has instead.

        Raises:
            AwsError: the source can't be asked.
        """
        ...


class HealthProbe(Protocol):
    """Health checks: HTTP addresses and direct invocations of a version."""

    def probe(self, stage: StagePlan, targets: Sequence[Target], now: datetime) -> tuple[Probe, ...]:
        """Makes every health check of the stage once, against the candidate; a failure is a value, not an error."""
        ...


@dataclass(frozen=True, slots=True)
class HookCall:
    """What a hook is told.

    Attributes:
        execution_id: the same each time that the same hook of the same canary is asked.
    """

    execution_id: str
    canary_id: str
    stage: str
    targets: tuple[Target, ...]


class Hooks(Protocol):
    """The plan's hooks: Lambda functions and URLs that check a release in a team's own way."""

    def ask(self, hook: Hook, call: HookCall) -> tuple[HookState, str]:
        """Asks the hook once: how far it is, and what it says about that.

        Anything that isn't an answer of the hook (no network, no permission, throttled) is PENDING with the reason.
        """
        ...


class PairedProbes(Protocol):
    """The same synthetic request to both versions, for the `probes` gates."""

    def collect(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[Stream, ...]:
        """The pairs answered since the last call, by the minute in which they were sent; never waits for long.

        In a row "requests" are pairs with two known answers, and "bad" those in which only this version failed.
        """
        ...

    def first(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[tuple[StreamKey, str], ...]:
        """One probe of every baseline before the start: by stream, why it isn't a success; empty if it is."""
        ...

    def stop(self) -> None:
        """Sends no more pairs until `collect` is called again."""
        ...


class AlarmSource(Protocol):
    """CloudWatch alarms."""

    def alarms(self, stage: StagePlan, started_at: datetime | None) -> tuple[AlarmReading, ...]:
        """Every alarm that the stage's gates name; missing ones are UNKNOWN with the reason.

        Args:
            stage: the plan.
            started_at: start of the canary: an alarm that went red before is `red_at_start`. None before the start:
                each red alarm is red at start.
        """
        ...


class Journal(Protocol):
    """History of canaries: append and read; never truth."""

    def append(self, event: Event) -> None:
        """Writes one event durably."""
        ...

    def events(self, canary_id: str) -> Iterable[Event]:
        """All events of one canary, oldest first."""
        ...

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first: canary_id, stage, started_at, started_by, ended_at, outcome, why."""
        ...


@dataclass(frozen=True, slots=True)
class DeadManFacts:
    """What rolls back when every driver of a stage has ended.

    Attributes:
        kind: `workflow`: the state machine that rolls back, from before the first shift on. `aliases`: a write of each
            alias, from after each shift on. None: nothing does.
        problem: why there is nothing, or what it lacks.
        unknown: why it isn't known whether its role may do that; empty where it is, or was not asked for.
    """

    kind: Literal["workflow", "aliases"] | None
    problem: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What is deployed for an engine of a stage.

    Attributes:
        plan: fingerprint of the plan that the tick function has.
        journal: the journal of that plan.
        expected_plan: fingerprint of the plan that the caller has.
        expected_journal: the journal of that plan.
        functions: what the engine's own rollback reads and writes; None for an engine without one.
        others: what another engine of this stage drives.
    """

    plan: str
    journal: str
    expected_plan: str
    expected_journal: str
    functions: tuple[Mapping[str, str], ...] | None = None
    others: tuple[str, ...] = ()


class Engine(Protocol):
    """Drives a canary in AWS after the command that started it has ended."""

    @property
    def name(self) -> str:
        """As in the plan: `stepfunctions` or `lambda`."""
        ...

    def facts(self) -> EngineFacts:
        """What is deployed.

        Raises:
            NotFoundError: a part of the engine isn't deployed; names it.
            AwsError: it can't be read.
        """
        ...

    def hand_over(self, canary_id: str) -> None:
        """Lets the engine drive this canary; twice is like once.

        Raises:
            AwsError: it could not be started.
        """
        ...

    def drives(self, canary_id: str) -> bool:
        """Whether the engine drives this canary now.

        Raises:
            AwsError: that can't be read.
        """
        ...


class Observer(Protocol):
    """Is notified of every event as it happens: live view, notifier, dead-man switch."""

    def notify(self, event: Event) -> None:
        """Takes note; an error raised here is swallowed and noticed, it never stops a canary."""
        ...


@runtime_checkable
class Flushing(Protocol):
    """An observer that works beside the driver, and is waited for before the driver is frozen or ends."""

    def flush(self, timeout_s: float) -> None:
        """Waits until everything is done, or the time is over; never raises."""
        ...


class CodeRevision(Protocol):
    """What is known about the code that is released (git); for the stage's rules."""

    def branch(self) -> str | None:
        """The checked-out branch, None when detached or no repository."""
        ...

    def is_on(self, branch: str) -> bool:
        """Whether the released commit belongs to this branch."""
        ...

    def uncommitted(self) -> tuple[str, ...] | None:
        """The files with uncommitted changes; None without a repository."""
        ...

    def commit(self) -> str | None:
        """The commit's hash, None when there is none."""
        ...

    def author(self) -> str | None:
        """The author of the commit, None when there is none."""
        ...

    def person(self) -> str:
        """Who runs this; empty where it isn't known."""
        ...
