"""Health checks, hooks and alarms in memory, with scripted answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from canary.core.measurements import AlarmReading, HookState, Probe
from canary.core.plan import Hook, StagePlan
from canary.ports import HookCall, Target


@dataclass
class InMemoryProbes:
    """Health checks with scripted answers, one a call; the last one is repeated. By default none are made."""

    answers: list[tuple[Probe, ...]] = field(default_factory=lambda: [()])

    def probe(self, stage: StagePlan, targets: Sequence[Target], now: datetime) -> tuple[Probe, ...]:  # noqa: ARG002
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class InMemoryHooks:
    """Hooks with scripted answers, one a call; the last one is repeated. By default they succeed.

    Attributes:
        calls: what each call was told.
    """

    answers: list[tuple[HookState, str]] = field(default_factory=lambda: [(HookState.SUCCEEDED, "")])
    calls: list[HookCall] = field(default_factory=list)

    def ask(self, hook: Hook, call: HookCall) -> tuple[HookState, str]:  # noqa: ARG002
        """The next answer."""
        self.calls.append(call)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class InMemoryAlarms:
    """Alarms with a scripted answer; by default none exist."""

    readings: tuple[AlarmReading, ...] = ()

    def alarms(self, stage: StagePlan, started_at: datetime | None) -> tuple[AlarmReading, ...]:  # noqa: ARG002
        """The readings."""
        return self.readings
