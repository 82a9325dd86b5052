"""Where a deployment stands at a moment: state, percentage and events, computed from its start and its stop.

Pure: nothing here reads a clock or remembers anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_PERCENT = 1.0  # AWS's own StartDeployment sample answers 1.0 for a gradual strategy
IN_PROGRESS = frozenset({"DEPLOYING", "BAKING", "ROLLING_BACK", "VALIDATING"})


@dataclass(frozen=True, slots=True)
class Growth:
    """How a deployment grows, copied from its strategy at the start."""

    duration_min: int
    bake_min: int
    factor: float
    kind: str = "LINEAR"

    def steps(self) -> tuple[tuple[timedelta, float], ...]:
        """Offsets from the start at which the percentage changes.

        AWS's GetDeployment sample (25 % in 15 minutes: 25 at +3, 50 at +6, 75 at +9, 100 at +12, bake at +15) shows
        n steps spread over n + 1 equal intervals. EXPONENTIAL is G * 2^N (appconfig.md §7).
        """
        percents: list[float] = []
        if self.kind == "EXPONENTIAL":
            percent = self.factor
            while percent < 100:
                percents.append(percent)
                percent *= 2
        else:
            count = math.ceil(100 / self.factor - 1e-9)
            percents.extend(self.factor * number for number in range(1, count))
        percents.append(100.0)
        interval = timedelta(minutes=self.duration_min) / (len(percents) + 1)
        return tuple((interval * number, percent) for number, percent in enumerate(percents, start=1))


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a deployment ended before or after its time: by whom, when."""

    at: datetime
    triggered_by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a deployment's event log."""

    kind: str
    at: datetime
    triggered_by: str
    description: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a deployment stands."""

    state: str
    percent: float
    completed_at: datetime | None
    events: tuple[Event, ...]  # newest first, as AWS lists them

    @property
    def in_progress(self) -> bool:
        """Whether it still blocks its environment; baking does (appconfig.md §7)."""
        return self.state in IN_PROGRESS


def progress(growth: Growth, started_at: datetime, stop: Stop | None, now: datetime) -> Progress:
    """Where a deployment stands at `now`."""
    until = now if stop is None else min(now, stop.at)
    running = _undisturbed(growth, started_at, until)
    if stop is None or now < stop.at:
        return running
    if running.state == "COMPLETE":
        event = Event("REVERT_COMPLETED", stop.at, stop.triggered_by, "Revert completed")
        return Progress("REVERTED", 0.0, running.completed_at, (event, *running.events))
    events = (
        Event("ROLLBACK_COMPLETED", stop.at, "APPCONFIG", "Rollback completed"),
        Event("ROLLBACK_STARTED", stop.at, stop.triggered_by, stop.reason or "Rollback started"),
    )
    return Progress("ROLLED_BACK", 0.0, stop.at, (*events, *running.events))


def _undisturbed(growth: Growth, started_at: datetime, now: datetime) -> Progress:
    events = [Event("DEPLOYMENT_STARTED", started_at, "USER", "Deployment started")]
    percent = FIRST_PERCENT
    for offset, target in growth.steps():
        if started_at + offset > now:
            return Progress("DEPLOYING", percent, None, tuple(reversed(events)))
        percent = target
        description = f"Configuration available to {target:.2f}% of clients"
        events.append(Event("PERCENTAGE_UPDATED", started_at + offset, "APPCONFIG", description))
    bake_at = started_at + timedelta(minutes=growth.duration_min)
    if now < bake_at:
        return Progress("DEPLOYING", percent, None, tuple(reversed(events)))
    events.append(Event("BAKE_TIME_STARTED", bake_at, "APPCONFIG", "Deployment bake time started"))
    completed_at = bake_at + timedelta(minutes=growth.bake_min)
    if now < completed_at:
        return Progress("BAKING", percent, None, tuple(reversed(events)))
    events.append(Event("DEPLOYMENT_COMPLETED", completed_at, "APPCONFIG", "Deployment completed"))
    return Progress("COMPLETE", percent, completed_at, tuple(reversed(events)))
