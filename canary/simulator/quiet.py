"""Ports of an invented world that have nothing to tell: no probes, no alarms, a journal in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from canary.core.events import Event
from canary.core.measurements import AlarmReading, Probe
from canary.core.plan import StagePlan
from canary.ports import Target


class NoProbes:
    """No health checks are made in an invented world."""

    def probe(self, stage: StagePlan, targets: Sequence[Target], now: datetime) -> tuple[Probe, ...]:  # noqa: ARG002
        """Nothing."""
        return ()


class NoAlarms:
    """No alarms exist in an invented world."""

    def alarms(self, stage: StagePlan, started_at: datetime | None) -> tuple[AlarmReading, ...]:  # noqa: ARG002
        """Nothing."""
        return ()


class MemoryJournal:
    """Events in a list."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def append(self, event: Event) -> None:
        """Keeps the event."""
        self.heard.append(event)

    def events(self, canary_id: str) -> Iterable[Event]:
        """All events of one canary."""
        return [event for event in self.heard if event.canary_id == canary_id]

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:  # noqa: ARG002
        """None are listed."""
        return ()
