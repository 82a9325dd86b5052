"""Worlds to judge: minutes as plain numbers, everything else with a default that is healthy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.measurements import (
    MINUTE,
    FunctionVersions,
    Gauge,
    MinuteCounts,
    MinuteValue,
    Observations,
    Stream,
    StreamKey,
    WeightChange,
)
from canary.core.plan import Plan, StagePlan
from canary.core.verdict import Judgement, judge

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
Row = tuple[int, int, int, int]
API = "api:live"


@dataclass(frozen=True)
class Case:
    """What a tick would see. `errors` and `latency` are minutes of `api:live`: n_c, x_c, n_b, x_b."""

    text: str = ""
    functions: str = f'["{API}"]'
    errors: Sequence[Row] = ()
    latency: Sequence[Row] | None = None
    history: Row = (0, 0, 600, 6)
    weights: Sequence[tuple[float, float]] = ((0, 10),)
    seen: Observations = field(default_factory=Observations)

    @property
    def stage(self) -> StagePlan:
        """The plan."""
        return Plan.parse(f"[stages.staging]\nfunctions = {self.functions}\n{self.text}").stage("staging")

    @property
    def changes(self) -> tuple[WeightChange, ...]:
        """The weights, given as (minute, percent)."""
        return tuple(WeightChange(at(minute), Decimal(str(weight))) for minute, weight in self.weights)

    @property
    def observations(self) -> Observations:
        """Everything measured; streams in `seen` win."""
        clean = [(n_c, 0, n_b, 0) for n_c, _, n_b, _ in self.errors]
        own = {
            "errors": stream("errors", self.errors, self.history),
            "latency": stream("latency", clean if self.latency is None else self.latency, self.history),
        }
        given = {s.key for s in self.seen.streams}
        gates = self.stage.gates
        streams = [s for name, s in own.items() if name in gates and s.key not in given]
        return replace(
            self.seen,
            streams=(*self.seen.streams, *streams),
            versions=self.seen.versions or (FunctionVersions(API, "3", "2"),),
        )

    def judged(self, minute: float | None = None) -> Judgement:
        """The judgement at a minute; by default when all rows are settled."""
        settled = len(self.errors) + 2 if minute is None else minute
        return judge(self.stage, self.observations, self.changes, at(settled))


def at(minute: float) -> datetime:
    """A minute of the run as time."""
    return T0 + timedelta(minutes=minute)


def counts(rows: Sequence[Row], first: int = 0) -> tuple[MinuteCounts, ...]:
    """Rows as minutes from the start on."""
    return tuple(MinuteCounts(T0 + MINUTE * (first + i), *row) for i, row in enumerate(rows))


def stream(gate: str, rows: Sequence[Row], history: Row = (0, 0, 600, 6), function: str = API) -> Stream:
    """A stream with three hours of equal history."""
    return Stream(StreamKey(function, gate), counts(rows), counts([history] * 180, -180))


def gauge(gate: str, values: Sequence[float | None], base: Sequence[float | None] = (), function: str = "") -> Gauge:
    """A gauge from the start on."""
    pairs = zip(values, base or [None] * len(values), strict=True)
    minutes = tuple(MinuteValue(T0 + MINUTE * i, mine, other) for i, (mine, other) in enumerate(pairs))
    return Gauge(StreamKey(function, gate), minutes)


@pytest.fixture
def case() -> Callable[..., Case]:
    """Builds a case."""
    return Case


@pytest.fixture
def make_stream() -> Callable[..., Stream]:
    """Builds a stream."""
    return stream


@pytest.fixture
def make_gauge() -> Callable[..., Gauge]:
    """Builds a gauge."""
    return gauge
