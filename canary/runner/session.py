"""One canary's session with the outside: its ports, how its events are published, and how its calls are retried.

boto3 itself is configured to try once (canary.adapters.aws), so that every attempt is visible, bounded and counted in
virtual time. Whether a call is tried again is decided by the kind of error alone, never by its text. Whatever goes
wrong with publishing never stops a canary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import TypeVar

from canary.core.events import UNKNOWN_ORIGIN, CallRetried, Event, Judged, Measured, Noticed, Origin
from canary.core.measurements import HookResult, MinuteCounts, Observations, Stream, StreamKey
from canary.core.others import OtherRollout
from canary.core.plan import StagePlan
from canary.core.settling import Settling
from canary.errors import AwsError, CanaryError, UnavailableError
from canary.ports import (
    AlarmSource,
    Aliases,
    Clock,
    CredentialsEnd,
    DeadManFacts,
    Engine,
    Flushing,
    HealthProbe,
    Hooks,
    Journal,
    MetricSource,
    Observer,
    PairedProbes,
    Target,
)

T = TypeVar("T")
R = TypeVar("R")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0
ATTEMPTS = 8
"""About half a minute of waiting at most: a tick must not outlast the next one by much."""


JOURNAL = "the journal"
"""Its name among the sources whose failure has been noticed."""


@dataclass(slots=True)
class Memory:
    """What a driver needn't ask or publish twice; losing it costs a call, never correctness.

    Attributes:
        timeouts_s: function timeout by (function key, version); a published version never changes.
        rows: rows already in the journal, by stream or gauge.
        changed_plans: ids of canaries whose changed plan has been noticed.
        hooks: what the hooks of a canary answered for good, by execution id.
        deleted: baseline versions whose deletion has been noticed.
        failing: sources whose failure has been noticed and that haven't answered since.
        settling: when the minutes of this canary stop changing.
        pairs: minutes of paired probes, by canary and stream.
    """

    timeouts_s: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: dict[str, frozenset[object]] = field(default_factory=dict)
    changed_plans: set[str] = field(default_factory=set)
    hooks: dict[str, HookResult] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    settling: Settling = field(default_factory=Settling)
    pairs: dict[str, dict[StreamKey, dict[datetime, MinuteCounts]]] = field(default_factory=dict)


class NoPairs:
    """Sends no probes: for those who only look."""

    def collect(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[Stream, ...]:  # noqa: ARG002
        """Nothing."""
        return ()

    def first(self, stage: StagePlan, targets: Sequence[Target]) -> tuple[tuple[StreamKey, str], ...]:  # noqa: ARG002
        """Nothing."""
        return ()

    def stop(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a driver.

    Attributes:
        hooks: None asks no hook, so that a plan with hooks never gets past them.
        observers: are notified of every event after the journal has it.
        origin: where the code that this driver releases comes from.
        jitter: a number from 0 to 1 for each wait between two attempts.
        credentials_end: when the credentials of the driver end.
        dead_man: which dead-man switch guards the stage; None where that is of no interest.
        engine: what drives the canary in AWS; None where the caller does.
        others: the other rollouts that are under way for the same users; None where there can't be any.
        in_parallel: roll several aliases back at once, in threads; the simulator and tests say False.
    """

    aliases: Aliases
    metrics: MetricSource
    probes: HealthProbe
    alarms: AlarmSource
    clock: Clock
    journal: Journal
    hooks: Hooks | None = None
    observers: tuple[Observer, ...] = ()
    origin: Origin = UNKNOWN_ORIGIN
    pairs: PairedProbes = field(default_factory=NoPairs)
    jitter: Callable[[], float] = random.random
    credentials_end: Callable[[], CredentialsEnd] = CredentialsEnd
    dead_man: Callable[[], DeadManFacts] | None = None
    engine: Engine | None = None
    others: Callable[[], tuple[OtherRollout, ...]] | None = None
    in_parallel: bool = True
    memory: Memory = field(default_factory=Memory)

    def flush(self, timeout_s: float) -> None:
        """Waits for what observers do beside the driver, all together no longer than this."""
        due = monotonic() + timeout_s
        for observer in self.observers:
            if isinstance(observer, Flushing):
                observer.flush(max(0.0, due - monotonic()))


@dataclass(frozen=True, slots=True)
class Session:
    """What a function of the runner needs besides a state.

    Attributes:
        canary_id: the canary that events are about; empty while none is known.
    """

    stage: StagePlan
    ports: Ports
    canary_id: str = ""

    def of(self, canary_id: str) -> Session:
        """The same session, about this canary."""
        return replace(self, canary_id=canary_id)

    def publish(self, event: Event) -> None:
        """Writes the event to the journal, then notifies every observer; a journal that fails is noticed once."""
        if isinstance(event, Measured):
            event = replace(event, observations=self._unpublished(event.observations))
        elif isinstance(event, Judged):
            event = replace(event, by=self.ports.origin.started_by)
        problem, failing = self._write_down(event), self.ports.memory.failing
        self._notify(event)
        if problem and JOURNAL not in failing:
            self._notify(self._noticed(problem))
        (failing.add if problem else failing.discard)(JOURNAL)

    def notice(self, text: str, *, is_alert: bool = False, is_planned: bool = False) -> None:
        """Publishes something that a person should know and that changes nothing by itself."""
        self.publish(replace(self._noticed(text), is_alert=is_alert, is_planned=is_planned))

    def answer(self, source: str, ask: Callable[[], T], unknown: Callable[[str], T]) -> T:
        """What a source of evidence answers; an exception is an answer too: "unknown", noticed once until it recovers.

        Args:
            source: what people call it.
            ask: the call.
            unknown: the answer when the call raises, with the reason.
        """
        failing = self.ports.memory.failing
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001  nothing from outside ends a driver (decision 0017)
            reason = error.message if isinstance(error, CanaryError) else f"{type(error).__name__}: {error}"
            if source not in failing:
                failing.add(source)
                self.notice(f"{source} failed, so what it measures is unknown: {reason}")
            return unknown(reason)
        failing.discard(source)
        return answer

    def call(self, action: str, attempt_once: Callable[[], T]) -> T:
        """Calls until it answers, at most `ATTEMPTS` times.

        Raises:
            UnavailableError: the last attempt failed as well.
            AwsError: an error that another attempt wouldn't mend, at once.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return attempt_once()
            except UnavailableError as error:
                self.wait(action, attempt, error)
            except CanaryError:
                raise
            except Exception as error:  # noqa: BLE001  an odd answer is like none (decision 0017)
                self.wait(action, attempt, _odd(action, error))
        try:
            return attempt_once()
        except CanaryError:
            raise
        except Exception as error:
            raise _odd(action, error) from error

    def wait(self, action: str, attempt: int, error: AwsError) -> None:
        """Publishes the failed attempt and waits: a random share of a doubling limit ("full jitter")."""
        limit_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 10))
        wait_s = limit_s * self.ports.jitter()
        now = self.ports.clock.now()
        self.publish(CallRetried(self.canary_id, self.stage.name, now, action, attempt, wait_s, error.message))
        self.ports.clock.sleep(wait_s)

    def _noticed(self, text: str) -> Noticed:
        return Noticed(self.canary_id, self.stage.name, self.ports.clock.now(), text)

    def _write_down(self, event: Event) -> str:
        try:
            self.ports.journal.append(event)
        except Exception as error:  # noqa: BLE001  a full disk must not keep an unhealthy version live
            return f"cannot write to the journal: {error}"
        return ""

    def _notify(self, event: Event) -> None:
        for observer in self.ports.observers:
            try:
                observer.notify(event)
            except Exception as error:  # noqa: BLE001  an observer must not stop a canary
                self._write_down(self._noticed(f"{type(observer).__name__} failed: {error}"))

    def _unpublished(self, observations: Observations) -> Observations:
        """The observations without the rows that this driver has put into the journal already."""
        known = self.ports.memory.rows

        def fresh(kind: str, name: str, rows: tuple[R, ...]) -> tuple[R, ...]:
            key = f"{kind} {name}"
            old = known.get(key, frozenset())
            known[key] = frozenset(rows)
            return tuple(row for row in rows if row not in old)

        return replace(
            observations,
            streams=tuple(
                replace(
                    stream,
                    minutes=fresh("minutes", str(stream.key), stream.minutes),
                    history=fresh("history", str(stream.key), stream.history),
                )
                for stream in observations.streams
            ),
            gauges=tuple(
                replace(gauge, minutes=fresh("gauge", str(gauge.key), gauge.minutes)) for gauge in observations.gauges
            ),
            traffic=tuple(
                replace(alias, minutes=fresh("traffic", alias.function, alias.minutes))
                for alias in observations.traffic
            ),
        )


def as_aws_error(action: str, error: Exception) -> AwsError:
    """The error of a call; whatever isn't one of canary's is an odd answer, which is worth another try."""
    return error if isinstance(error, AwsError) else _odd(action, error)


def _odd(action: str, error: Exception) -> UnavailableError:
    return UnavailableError(f"{action}: unexpected answer ({type(error).__name__}: {error})")
