"""Judges a recorded canary again, under another plan; it must not drive anything.

Each recorded look is repeated with what was known at that moment. The traffic is the recorded one: a plan that would
have advanced or rolled back earlier changes the verdicts here, but no longer what users did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from canary.core.events import CanaryEnded, CanaryStarted, Event, Judged, Measured, TrafficShifted
from canary.core.measurements import (
    AliasTraffic,
    Gauge,
    MinuteCounts,
    Observations,
    Stream,
    StreamKey,
    WeightChange,
)
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.verdict import Judgement, Verdict, judge
from canary.errors import UsageError


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded canary under another plan.

    Attributes:
        looks: a judgement for each recorded look, in order.
        unhealthy_at: when the plan would have rolled it back; None if never.
        healthy_at: when every gate was first shown to be healthy; None if never.
        recorded: how the canary really ended; None if the record stops before.
    """

    started: CanaryStarted
    looks: tuple[Judgement, ...]
    unhealthy_at: datetime | None
    healthy_at: datetime | None
    recorded: Phase | None
    recorded_at: datetime | None
    events: tuple[Event, ...]
    """The record with this plan's judgements in the place of the recorded ones, for the report."""


def replay(events: Iterable[Event], stage: StagePlan) -> Replayed:
    """Judges every recorded look under this plan.

    Raises:
        UsageError: the record doesn't begin with a canary's start, or holds no measurement.
    """
    recorded = tuple(events)
    started = next((event for event in recorded if isinstance(event, CanaryStarted)), None)
    if started is None:
        raise UsageError("the journal doesn't say how the canary began", hint="Name the journal file of one canary.")
    known = _Known()
    weights: list[WeightChange] = []
    seen: list[Event] = []
    looks: list[Judgement] = []
    for event in recorded:
        if isinstance(event, TrafficShifted):
            weights.append(WeightChange(event.at, Decimal(event.weight_bp) / 100))
        if isinstance(event, Measured):
            known.add(event.observations)
            judgement = judge(stage, known.observations(), _forward(weights), event.at)
            looks.append(judgement)
            phase, weight_bp = _standing(recorded, event.at)
            seen.append(Judged(event.canary_id, event.stage, event.at, phase, weight_bp, judgement))
        if not isinstance(event, Judged):
            seen.append(event)
    if not looks:
        raise UsageError("the journal holds no measurement of this canary")
    ended = next((event for event in recorded if isinstance(event, CanaryEnded)), None)
    return Replayed(
        started=started,
        looks=tuple(looks),
        unhealthy_at=_first(looks, Verdict.UNHEALTHY),
        healthy_at=_first(looks, Verdict.HEALTHY),
        recorded=ended.outcome if ended else None,
        recorded_at=ended.at if ended else None,
        events=tuple(seen),
    )


@dataclass(slots=True)
class _Known:
    """Everything measured so far; a minute measured again replaces the earlier one."""

    streams: dict[StreamKey, Stream] = field(default_factory=dict)
    gauges: dict[StreamKey, Gauge] = field(default_factory=dict)
    traffic: dict[str, AliasTraffic] = field(default_factory=dict)
    latest: Observations = field(default_factory=Observations)

    def add(self, measured: Observations) -> None:
        for stream in measured.streams:
            before = self.streams.get(stream.key, Stream(stream.key))
            minutes = _merge(before.minutes, stream.minutes)
            self.streams[stream.key] = replace(stream, minutes=minutes, history=_merge(before.history, stream.history))
        for gauge in measured.gauges:
            seen = {value.minute: value for value in self.gauges.get(gauge.key, Gauge(gauge.key)).minutes}
            seen.update((value.minute, value) for value in gauge.minutes)
            self.gauges[gauge.key] = replace(gauge, minutes=tuple(seen[minute] for minute in sorted(seen)))
        for alias in measured.traffic:
            rows = {row.minute: row for row in self.traffic.get(alias.function, AliasTraffic(alias.function)).minutes}
            rows.update((row.minute, row) for row in alias.minutes)
            self.traffic[alias.function] = replace(alias, minutes=tuple(rows[minute] for minute in sorted(rows)))
        self.latest = measured

    def observations(self) -> Observations:
        return replace(
            self.latest,
            streams=tuple(self.streams.values()),
            gauges=tuple(self.gauges.values()),
            traffic=tuple(self.traffic.values()),
        )


def _merge(before: tuple[MinuteCounts, ...], seen: tuple[MinuteCounts, ...]) -> tuple[MinuteCounts, ...]:
    rows = {row.minute: row for row in before}
    rows.update((row.minute, row) for row in seen)
    return tuple(rows[minute] for minute in sorted(rows))


def _forward(weights: list[WeightChange]) -> list[WeightChange]:
    """The weights up to the rollback: what came after is no longer the canary."""
    kept: list[WeightChange] = []
    for change in weights:
        if change.weight_percent == 0:
            break
        kept.append(change)
    return kept


def _standing(events: tuple[Event, ...], at: datetime) -> tuple[Phase, int]:
    past: Iterator[Judged] = (event for event in reversed(events) if isinstance(event, Judged) and event.at <= at)
    last = next(past, None)
    return (Phase.BAKING, 0) if last is None else (last.phase, last.weight_bp)


def _first(looks: list[Judgement], verdict: Verdict) -> datetime | None:
    return next((judgement.at for judgement in looks if judgement.verdict is verdict), None)
