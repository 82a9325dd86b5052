"""Scores every stream of the plan: what was measured, minute by minute, and the e-processes it feeds.

Values and arithmetic. It compares with no bound and gives no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.core.measurements import (
    DataState,
    Gauge,
    MinuteCounts,
    MinuteValue,
    Observations,
    Stream,
    StreamKey,
    WeightChange,
)
from canary.core.plan import (
    CountingGate,
    EmfGate,
    ErrorsGate,
    Gate,
    GaugeGate,
    LatencyGate,
    MetricGate,
    QueueGate,
    RatioGate,
    StagePlan,
)
from canary.core.stats.dispersion import (
    NOTHING_KNOWN,
    Dispersion,
    estimate_dispersion,
    temper_absolute,
    temper_ratio,
)
from canary.core.stats.grids import EQUAL, FALLING
from canary.core.stats.mixture import Factors, restart_path
from canary.core.stats.processes import (
    Counts,
    absolute_factors,
    absolute_path,
    attributed_factors,
    ratio_factors,
    ratio_path,
    relative_crossing,
    swap,
)
from canary.core.verdict.timeline import Schedule, Timeline, schedule

Path = tuple[float, ...]

MINUTE_LIMIT = 0.01
"""A gauge is judged by its minutes: at most this share of them may break the limit. Three in a row roll back."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Ln E after each scored minute; None where a process does not apply to the stream.

    Attributes:
        literal: absolute process (§4.3), which blames nobody.
        attributed: attribution-aware process (§4.5), absolute where the base is silent.
        ratio: worse than the base (§4.4).
        floor: above the floor rate; the relative rule needs both.
        absolute: log factors of `literal`, to start it again after an incident.
    """

    literal: Path | None = None
    attributed: Path | None = None
    ratio: Path | None = None
    floor: Path | None = None
    absolute: tuple[Factors, ...] = ()

    @property
    def relative(self) -> Path | None:
        """The relative rule as one process: per minute the smaller of ratio and floor, valid for its null (§4.9)."""
        if self.ratio is None or self.floor is None:
            return self.ratio
        return tuple(map(min, self.ratio, self.floor))

    def relative_crossing(self, ln_bound: float) -> int | None:
        """Where the relative rule of this stream alone fires: ratio and floor are latched separately (§4.4)."""
        ratio = self.ratio or ()
        return relative_crossing(ratio, ratio if self.floor is None else self.floor, ln_bound)


@dataclass(frozen=True, slots=True)
class Score:
    """One stream of a run, scored.

    Attributes:
        limit: p0, or kappa of a `ratio` gate.
        counts: one per scored minute, tempered; a gauge's minute counts as one request.
        seen: whether there was anything to count under the present weight.
        last_known: youngest minute with a row.
    """

    key: StreamKey
    gate: CountingGate | GaugeGate
    state: DataState
    detail: str
    limit: float
    counts: tuple[Counts, ...]
    schedule: Schedule
    dispersion: Dispersion
    seen: bool
    last_known: datetime | None
    processes: Processes

    @property
    def is_shifted(self) -> bool:
        """Whether the function has any weight yet; in an ordered stage others may come first."""
        return self.schedule.weight > 0.0

    @property
    def expected_requests(self) -> float:
        """Candidate requests per minute under the present weight: from the history, or else as seen so far."""
        if self.dispersion.minutes:
            return self.dispersion.mean_requests * (self.schedule.weight if is_by_version(self.gate) else 1.0)
        recent = self.counts[self.schedule.step_from :]
        return sum(minute.n_c for minute in recent) / len(recent) if recent else 0.0


def is_by_version(gate: Gate) -> bool:
    """Whether a gate counts the requests of the two versions apart."""
    return isinstance(gate, (ErrorsGate, EmfGate, RatioGate)) or (isinstance(gate, LatencyGate) and gate.by_version)


def counts_failures(gate: Gate) -> bool:
    """Whether the bad requests of a gate are failures of one version, which harm is counted by."""
    return isinstance(gate, ErrorsGate) or (isinstance(gate, EmfGate) and gate.bad == "errors")


def limit_of(gate: CountingGate) -> float:
    """p0 of a counting gate; kappa of a ratio."""
    if isinstance(gate, LatencyGate):
        return gate.limit_ratio
    return gate.kappa if isinstance(gate, RatioGate) else float(gate.limit_percent) / 100.0


def processes_of(stage: StagePlan, gate: CountingGate, counts: Sequence[Counts], first: int) -> Processes:
    """The processes of a counting gate. One that starts later than the run is 1 until then.

    Args:
        stage: for kappa, floor and horizon.
        gate: decides which processes apply.
        counts: one per scored minute of the run.
        first: index of the function's first minute with a weight.
    """
    horizon = stage.horizon_minutes
    scored, still = counts[first:], (0.0,) * first
    if isinstance(gate, RatioGate):
        against = swap(scored) if gate.bad_when == "lower" else scored
        return Processes(ratio=still + ratio_path(against, gate.kappa, horizon))
    absolute = absolute_factors(scored, limit_of(gate))
    literal = still + restart_path(absolute, FALLING, horizon)
    kept = ((None,) * first + tuple(absolute)) if first else tuple(absolute)
    if not is_by_version(gate):
        return Processes(literal=literal, absolute=kept)
    ratio = ratio_factors(scored, float(stage.evidence.worse_than_baseline))
    attributed = attributed_factors(absolute, ratio, absolute_when_silent=True)
    blaming = still + restart_path(attributed, FALLING, horizon)
    # No relative rule for latency: the base is warm and the canary is not (§4.13).
    if isinstance(gate, (ErrorsGate, EmfGate)) and gate.relative:
        floor = float(stage.evidence.floor_percent) / 100.0
        return Processes(
            literal,
            blaming,
            still + restart_path(ratio, EQUAL, horizon),
            still + absolute_path(scored, floor, horizon),
            kept,
        )
    return Processes(literal, blaming, absolute=kept)


class _Tempers:
    """d_A and d_R of one stream by weight, each computed once."""

    def __init__(self, dispersion: Dispersion, source: float, *, by_version: bool) -> None:
        self._dispersion, self._source, self._by_version = dispersion, source, by_version
        self._known: dict[float, tuple[float, float]] = {}

    def at(self, weight: float) -> tuple[float, float]:
        """What the evidence of a minute under this weight is divided by."""
        if weight not in self._known:
            total = self._dispersion.mean_requests
            canary = total * weight if self._by_version else total
            self._known[weight] = (
                temper_absolute(self._dispersion, canary, self._source),
                temper_ratio(self._dispersion, canary, total - canary, self._source),
            )
        return self._known[weight]


def _contradicts(gate: CountingGate, row: MinuteCounts) -> bool:
    if min(row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad) < 0:
        return True
    too_many = row.candidate_bad > row.candidate_requests or row.baseline_bad > row.baseline_requests
    return too_many and not isinstance(gate, RatioGate)


def _counts(
    gate: CountingGate, rows: dict[datetime, MinuteCounts], line: Timeline, plan: Schedule, tempers: _Tempers
) -> Iterator[Counts]:
    warm_up = gate.warm_up if isinstance(gate, LatencyGate) else timedelta()
    for minute, weight, since_rise in zip(line.minutes, plan.weights, plan.since_rise, strict=True):
        row = rows.get(minute)
        # Cold starts: latency only, both versions alike, after every increase (statistics.md §4.13).
        if row is None or (since_rise is not None and since_rise < warm_up):
            yield Counts(0, 0)
            continue
        d_a, d_r = tempers.at(weight)
        yield Counts(row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad, d_a, d_r)


def _score_stream(
    stage: StagePlan, gate: CountingGate, stream: Stream, line: Timeline, plan: Schedule, source: float
) -> Score:
    rows = {row.minute: row for row in stream.minutes if not _contradicts(gate, row)}
    state, detail = stream.state, stream.detail
    if len(rows) < len(stream.minutes):
        state, detail = DataState.UNKNOWN, "its numbers contradict each other: more bad requests than requests"
    history = NOTHING_KNOWN
    if not isinstance(gate, RatioGate):
        history = estimate_dispersion((row.baseline_requests, row.baseline_bad) for row in stream.history)
    tempers = _Tempers(history, source, by_version=is_by_version(gate))
    counts = tuple(_counts(gate, rows, line, plan, tempers))
    present = line.minutes[plan.step_from :]
    return Score(
        key=stream.key,
        gate=gate,
        state=state,
        detail=detail,
        limit=limit_of(gate),
        counts=counts,
        schedule=plan,
        dispersion=history,
        seen=any(rows[minute].candidate_requests for minute in present if minute in rows),
        last_known=max(rows, default=None),
        processes=processes_of(stage, gate, counts, plan.first),
    )


def _breaks(gate: GaugeGate, row: MinuteValue, before: float | None) -> bool | None:
    """Whether a minute's value breaks the limits of its gate; None when there is nothing to compare."""
    value, base = row.candidate, row.baseline
    if value is None:
        return None
    if isinstance(gate, QueueGate):
        if gate.max_age is not None:
            return value > gate.max_age.total_seconds()
        return value - (before or 0.0) > (gate.max_new_messages or 0)
    known = [
        value > gate.max if gate.max is not None else None,
        value < gate.min if gate.min is not None else None,
    ]
    if base is not None and base > 0.0:  # next to nothing every ratio explodes (hyperswitch-helm#308)
        percent = 100.0 * value / base
        most, least = gate.max_percent_of_baseline, gate.min_percent_of_baseline
        known.append(percent > float(most) if most is not None else None)
        known.append(percent < float(least) if least is not None else None)
    answers = [answer for answer in known if answer is not None]
    return any(answers) if answers else None


def _score_gauge(stage: StagePlan, gate: GaugeGate, gauge: Gauge, line: Timeline, plan: Schedule) -> Score:
    rows = {row.minute: row for row in gauge.minutes}
    before = gauge.before
    if before is None and gauge.minutes:
        before = gauge.minutes[0].candidate
    answers = [_breaks(gate, rows[minute], before) if minute in rows else None for minute in line.minutes]
    counts = tuple(Counts(0, 0) if answer is None else Counts(1, int(answer)) for answer in answers)
    path = (0.0,) * plan.first + absolute_path(counts[plan.first :], MINUTE_LIMIT, stage.horizon_minutes)
    return Score(
        key=gauge.key,
        gate=gate,
        state=gauge.state,
        detail=gauge.detail,
        limit=MINUTE_LIMIT,
        counts=counts,
        schedule=plan,
        dispersion=NOTHING_KNOWN,
        seen=any(minute.n_c for minute in counts[plan.step_from :]),
        last_known=max(rows, default=None),
        processes=Processes(attributed=path),
    )


def score_all(
    stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], line: Timeline
) -> tuple[Score, ...]:
    """Score every stream that the plan has, measured or not: their number is fixed for the run (§4.9).

    Throttles are scored like any other stream, but the verdict only holds for them.
    """
    streams = {stream.key: stream for stream in observations.streams}
    gauges = {gauge.key: gauge for gauge in observations.gauges}
    schedules: dict[str, Schedule] = {}
    sources = {function.key: function.source_dispersion for function in stage.functions}
    stage_source = max(sources.values())
    scores: list[Score] = []
    for name, gate in stage.gates.items():
        for key in stage.keys(name):
            if key.function not in schedules:
                schedules[key.function] = schedule(line, weights, key.function)
            plan = schedules[key.function]
            if isinstance(gate, (MetricGate, QueueGate)):
                gauge = gauges.get(key) or Gauge(key, state=DataState.UNKNOWN, detail="it was not measured")
                scores.append(_score_gauge(stage, gate, gauge, line, plan))
            elif isinstance(gate, CountingGate):
                stream = streams.get(key) or Stream(key, state=DataState.UNKNOWN, detail="it was not measured")
                source = sources.get(key.function, stage_source)
                scores.append(_score_stream(stage, gate, stream, line, plan, source))
    return tuple(scores)
