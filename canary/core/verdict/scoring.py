"""From what was measured to the score of every stream of the plan. Fills counts; compares with no bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from canary.core.measurements import DataState, Gauge, MinuteCounts, MinuteValue, Observations, Stream, WeightChange
from canary.core.plan import (
    CountingGate,
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
from canary.core.stats.processes import Counts, absolute_path
from canary.core.verdict.score import Processes, Score, is_by_version, limit_of, processes_of
from canary.core.verdict.timeline import Schedule, Timeline, schedule

MINUTE_LIMIT = 0.01
"""A gauge is judged by its minutes: at most this share of them may break the limit. Three in a row roll back."""


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
    if min(row.candidate_requests, row.candidate_bad, row.base_requests, row.base_bad) < 0:
        return True
    too_many = row.candidate_bad > row.candidate_requests or row.base_bad > row.base_requests
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
        yield Counts(row.candidate_requests, row.candidate_bad, row.base_requests, row.base_bad, d_a, d_r)


def _score_stream(
    stage: StagePlan, gate: CountingGate, stream: Stream, line: Timeline, plan: Schedule, source: float
) -> Score:
    rows = {row.minute: row for row in stream.minutes if not _contradicts(gate, row)}
    state, detail = stream.state, stream.detail
    if len(rows) < len(stream.minutes):
        state, detail = DataState.UNKNOWN, "its numbers contradict each other: more bad requests than requests"
    history = NOTHING_KNOWN
    if not isinstance(gate, RatioGate):
        history = estimate_dispersion((row.base_requests, row.base_bad) for row in stream.history)
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
    value, base = row.candidate, row.base
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
        most, least = gate.max_percent_of_base, gate.min_percent_of_base
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
