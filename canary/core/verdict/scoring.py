"""Scores every stream of the plan: what was measured, minute by minute, and the e-processes it feeds.

Values and arithmetic. It compares with no bound and gives no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from canary.core.measurements import (
    DataState,
    Gauge,
    MinuteCounts,
    Observations,
    Stream,
    StreamKey,
    SumStream,
    WeightChange,
)
from canary.core.plan import (
    CountingGate,
    EmfGate,
    ErrorsGate,
    Gate,
    GaugeGate,
    LatencyGate,
    MeanGate,
    OutcomesGate,
    ProbesGate,
    QueueGate,
    RatioGate,
    StagePlan,
)
from canary.core.plan.gates import ValueGate
from canary.core.stats.dispersion import (
    NOTHING_KNOWN,
    Dispersion,
    estimate_dispersion,
    temper_absolute,
    temper_ratio,
)
from canary.core.stats.grids import FALLING
from canary.core.stats.means import Sums
from canary.core.stats.means import mean_path as mean_of_users_path
from canary.core.stats.mixture import Factors, ln, mean_path, restart_path, unspent_weight
from canary.core.stats.processes import (
    Counts,
    absolute_factors,
    absolute_path,
    largest_evidence,
    ratio_path,
    regression_path,
    swap,
)
from canary.core.verdict.gauges import breaks_limits, sums_of
from canary.core.verdict.timeline import Schedule, Timeline, schedule

Path = tuple[float, ...]

MINUTE_LIMIT = 0.01
"""A gauge is judged by its minutes: at most this share of them may break the limit. Three in a row roll back."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Ln E after each scored minute; None where a process does not apply to the stream.

    Attributes:
        rollback: the process that rolls back: regression (§4.5), ratio (§4.4, §4.17) or minutes; of a latency gate
            with a usual p95 the mean of `parts`.
        parts: regression above the limit, and above the baseline's usual p95; empty where there is only one.
        literal: absolute process (§4.3), which blames nobody.
        absolute: log factors of `literal`, to start it again after an incident; empty while no minute broke the limit.
    """

    rollback: Path | None = None
    literal: Path | None = None
    absolute: tuple[Factors, ...] = ()
    parts: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One stream of a run, scored.

    Attributes:
        limit: p0, or kappa of a `ratio` gate.
        regression_limit: the rate above which failures that the baseline doesn't explain count as a regression.
        kappa: up to so many times the baseline's rate is explained by it.
        counts: one per scored minute, tempered; a gauge's minute counts as one request.
        slow: the same for requests above the baseline's usual p95; empty where that isn't known.
        usual_s: that p95.
        sums: of a value gate, one per scored minute.
        seen: whether there was anything to count under the present weight.
        last_known: youngest minute with a row.
    """

    key: StreamKey
    gate: CountingGate | GaugeGate | MeanGate
    state: DataState
    detail: str
    limit: float
    regression_limit: float
    kappa: float
    counts: tuple[Counts, ...]
    schedule: Schedule
    dispersion: Dispersion
    seen: bool
    last_known: datetime | None
    processes: Processes
    slow: tuple[Counts, ...] = ()
    usual_s: float | None = None
    sums: tuple[Sums, ...] = ()

    def tells_usual(self, minute: int) -> bool:
        """Whether what is slower than usual says more in this minute than what is above the limit."""
        parts = self.processes.parts
        return bool(parts) and parts[1][minute] > parts[0][minute]

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
    counted_apart = isinstance(gate, (ErrorsGate, EmfGate, RatioGate, ProbesGate, OutcomesGate, MeanGate))
    return counted_apart or (isinstance(gate, LatencyGate) and gate.by_version)


def counts_failures(gate: Gate) -> bool:
    """Whether the bad requests of a gate are failures of one version, which harm is counted by."""
    if isinstance(gate, OutcomesGate):
        return gate.metric == "failed"
    return isinstance(gate, ErrorsGate) or (isinstance(gate, EmfGate) and gate.bad == "errors")


def limit_of(gate: CountingGate) -> float:
    """p0 of a counting gate; kappa of a ratio and of probes."""
    if isinstance(gate, LatencyGate):
        return gate.limit_ratio
    return gate.kappa if isinstance(gate, (RatioGate, ProbesGate)) else float(gate.limit_percent) / 100.0


WARM_UP_CEILING = math.log(5.0)
"""Evidence from the minutes of a warm-up reaches at most 5:1: by themselves they can't roll back."""
_LIMIT_WITHOUT_HISTORY, _KAPPA_WITHOUT_HISTORY = 0.01, 1.5
_UNCERTAIN = 1.1
"""The limit from the history is at least this times the upper bound of its rate: few requests tell it badly."""
_MOST_SLOW = 0.5
_LATENCY_FACTOR = 3.0
"""A candidate has more cold starts than its baseline, so slow requests are allowed more room than errors."""


def regression_limit(stage: StagePlan, gate: CountingGate, history: Dispersion) -> tuple[float, float]:
    """The limit and the kappa of the regression process, fixed by the history before the start (§4.5).

    Any limit that is known before the start keeps the process valid; this one is low enough to find what is far from
    the baseline and still within the user's limit.
    """
    limit, evidence = limit_of(gate), stage.evidence
    kappa = float(evidence.worse_than_baseline)
    relative = isinstance(gate, (ErrorsGate, EmfGate, LatencyGate, OutcomesGate)) and gate.relative
    if not relative or not evidence.limit_from_history:
        return limit, kappa
    upper = history.upper_rate
    if upper is None:
        if isinstance(gate, LatencyGate):
            return limit, kappa
        return min(limit, _LIMIT_WITHOUT_HISTORY), max(kappa, _KAPPA_WITHOUT_HISTORY)
    if isinstance(gate, LatencyGate):
        return min(limit, _two_digits(max(limit / 2.0, _LATENCY_FACTOR * upper))), kappa
    floor = float(evidence.floor_percent) / 100.0
    worse = float(evidence.limit_from_history) * history.rate
    return min(limit, _two_digits(max(floor, worse, _UNCERTAIN * upper))), kappa


def _two_digits(value: float) -> float:
    """Rounded up to two significant digits: 1.77 % becomes 1.8 %."""
    digits = 1 - math.floor(math.log10(value))
    return math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits


def warm_up_of(gate: Gate) -> timedelta:
    """How long after a weight increase evidence of this gate is limited."""
    return gate.warm_up if isinstance(gate, (ErrorsGate, LatencyGate)) else timedelta()


def _ceilings(gate: CountingGate, plan: Schedule) -> list[float]:
    """Ln of the most that E may be after each minute."""
    warm_up = warm_up_of(gate)
    return [
        WARM_UP_CEILING if since_rise is not None and since_rise < warm_up else math.inf
        for since_rise in plan.since_rise
    ]


@lru_cache(maxsize=64)
def _unspent(minutes: int, horizon: int) -> Path:
    return tuple(ln(unspent_weight(number + 1, horizon)) for number in range(minutes))


def _literal(
    counts: Sequence[Counts], limit: float, horizon: int, ceilings: Sequence[float], ln_bound: float
) -> tuple[Path, tuple[Factors, ...]]:
    """The absolute process. Where no alternative could reach the bound the stake not bet yet stands for it."""
    if largest_evidence(counts, limit) < ln_bound:
        return _unspent(len(counts), horizon), ()
    factors = tuple(absolute_factors(counts, limit))
    return restart_path(factors, FALLING, horizon, ceilings), factors


def processes_of(
    stage: StagePlan, gate: CountingGate, counts: Sequence[Counts], plan: Schedule, limit: float, kappa: float
) -> Processes:
    """The processes of a counting gate. One that starts later than the run is 1 until then.

    Args:
        stage: for the horizon.
        gate: decides which processes apply.
        counts: one per scored minute of the run.
        plan: the weights of the function.
        limit: of the regression process.
        kappa: of the regression process.
    """
    horizon = stage.horizon_minutes
    scored, still = counts[plan.first :], (0.0,) * plan.first
    if isinstance(gate, (RatioGate, ProbesGate)):
        lower = isinstance(gate, RatioGate) and gate.bad_when == "lower"
        against = swap(scored) if lower else scored
        return Processes(rollback=still + ratio_path(against, gate.kappa, horizon))
    ceilings = _ceilings(gate, plan)[plan.first :]
    literal, factors = _literal(scored, limit_of(gate), horizon, ceilings, -math.log(stage.evidence.alpha_rollback))
    kept = (None,) * plan.first + factors if factors else ()
    if not is_by_version(gate):
        return Processes(literal=still + literal, absolute=kept)
    rollback = regression_path(scored, limit, kappa, horizon, ceilings)
    return Processes(still + rollback, still + literal, kept)


def _by_minute(gate: CountingGate, rows: Iterable[MinuteCounts]) -> dict[datetime, MinuteCounts]:
    """The rows whose numbers can be counts: neither negative, nor NaN, nor more bad requests than requests."""
    most = 1e300 if isinstance(gate, RatioGate) else 0  # a ratio counts what may be more than the requests
    return {
        row.minute: row
        for row in rows
        if 0 <= row.candidate_requests < math.inf and 0 <= row.baseline_requests < math.inf
        if 0 <= row.candidate_bad <= (most or row.candidate_requests)
        if 0 <= row.baseline_bad <= (most or row.baseline_requests)
    }


_NOTHING = Counts(0, 0)


def _counts(
    gate: CountingGate, rows: dict[datetime, MinuteCounts], line: Timeline, history: Dispersion, source: float
) -> tuple[Counts, ...]:
    read = map(rows.get, line.minutes)
    if history.rho == 0.0:
        least, new = max(1.0, source), tuple.__new__
        return tuple(
            new(
                Counts,
                (row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad, least, least),
            )
            if row
            else _NOTHING
            for row in read
        )
    by_version = is_by_version(gate)
    counts = []
    for row in read:
        if row is None:
            counts.append(_NOTHING)
            continue
        n_c, n_b = row.candidate_requests, row.baseline_requests
        # The minute's own traffic: the history may come from a quiet night (statistics.md §4.7).
        d_a = temper_absolute(history, n_c, source)
        d_r = temper_ratio(history, n_c, n_b, source) if by_version else d_a
        counts.append(Counts(n_c, row.candidate_bad, n_b, row.baseline_bad, d_a, d_r))
    return tuple(counts)


def _score_stream(
    stage: StagePlan, gate: CountingGate, stream: Stream, line: Timeline, plan: Schedule, source: float
) -> Score:
    rows = _by_minute(gate, stream.minutes)
    state, detail = stream.state, stream.detail
    if len(rows) < len(stream.minutes):
        state, detail = DataState.UNKNOWN, "its numbers contradict each other: more bad requests than requests"
    history = NOTHING_KNOWN
    if not isinstance(gate, RatioGate):
        past = {row.minute: row for row in stream.history if not line.minutes or row.minute < line.minutes[0]}
        history = estimate_dispersion(
            (row.baseline_requests + row.candidate_requests, row.baseline_bad + row.candidate_bad)
            for _, row in sorted(past.items())
        )
    counts = _counts(gate, rows, line, history, source)
    limit, kappa = regression_limit(stage, gate, history)
    processes = processes_of(stage, gate, counts, plan, limit, kappa)
    slow: tuple[Counts, ...] = ()
    if stream.usual_s is not None and isinstance(gate, LatencyGate):
        slow, processes = _with_usual(stage, gate, stream, line, plan, source, processes)
    present = line.minutes[plan.step_from :]
    return Score(
        key=stream.key,
        gate=gate,
        state=state,
        detail=detail,
        limit=limit_of(gate),
        regression_limit=limit,
        kappa=kappa,
        counts=counts,
        schedule=plan,
        dispersion=history,
        seen=any(rows[minute].candidate_requests for minute in present if minute in rows),
        last_known=max(rows, default=None),
        processes=processes,
        slow=slow,
        usual_s=stream.usual_s,
    )


def _with_usual(
    stage: StagePlan,
    gate: LatencyGate,
    stream: Stream,
    line: Timeline,
    plan: Schedule,
    source: float,
    processes: Processes,
) -> tuple[tuple[Counts, ...], Processes]:
    """Adds the regression process above the baseline's usual p95 (§4.13): the mean of both is the gate's evidence."""
    whole = (*stream.history, *stream.minutes)
    slow_rows = (replace(row, candidate_bad=row.candidate_slow, baseline_bad=row.baseline_slow) for row in whole)
    rows = _by_minute(gate, slow_rows)
    start = line.minutes[0] if line.minutes else datetime.max.replace(tzinfo=UTC)
    history = estimate_dispersion(
        (row.baseline_requests, row.baseline_bad) for minute, row in sorted(rows.items()) if minute < start
    )
    if history.upper_rate is None or processes.rollback is None:
        return (), processes
    slow = _counts(gate, rows, line, history, source)
    limit = min(_MOST_SLOW, _two_digits(_LATENCY_FACTOR * history.upper_rate))
    kappa = float(stage.evidence.worse_than_baseline)
    path = (0.0,) * plan.first + regression_path(
        slow[plan.first :], limit, kappa, stage.horizon_minutes, _ceilings(gate, plan)[plan.first :]
    )
    parts = (processes.rollback, path)
    return slow, replace(processes, rollback=mean_path(parts), parts=parts)


def _score_gauge(stage: StagePlan, gate: GaugeGate, gauge: Gauge, line: Timeline, plan: Schedule) -> Score:
    rows = {row.minute: row for row in gauge.minutes}
    before = gauge.before
    if before is None and gauge.minutes:
        before = gauge.minutes[0].candidate
    answers = [breaks_limits(gate, rows[minute], before) if minute in rows else None for minute in line.minutes]
    counts = tuple(Counts(0, 0) if answer is None else Counts(1, int(answer)) for answer in answers)
    path = (0.0,) * plan.first + absolute_path(counts[plan.first :], MINUTE_LIMIT, stage.horizon_minutes)
    return Score(
        key=gauge.key,
        gate=gate,
        state=gauge.state,
        detail=gauge.detail,
        limit=MINUTE_LIMIT,
        regression_limit=MINUTE_LIMIT,
        kappa=1.0,
        counts=counts,
        schedule=plan,
        dispersion=NOTHING_KNOWN,
        seen=any(minute.n_c for minute in counts[plan.step_from :]),
        last_known=max(rows, default=None),
        processes=Processes(rollback=path),
    )


def _score_sums(gate: MeanGate, stream: SumStream, line: Timeline, plan: Schedule) -> Score:
    sums = sums_of(stream, line.minutes)
    state, detail = stream.state, stream.detail
    # Equal because nothing reports the metric is not known to be equal.
    users, values = any(minute.n_c for minute in sums), any(minute.q_c or minute.q_b for minute in sums)
    if state is DataState.COMPLETE and users and not values:
        state, detail = DataState.NO_DATA, f"nobody has a value of {gate.metric}"
    return Score(
        key=stream.key,
        gate=gate,
        state=state,
        detail=detail,
        limit=gate.share,
        regression_limit=gate.share,
        kappa=1.0,
        counts=tuple(Counts(minute.n_c, 0, minute.n_b, 0) for minute in sums),
        schedule=plan,
        dispersion=NOTHING_KNOWN,
        seen=any(minute.n_c for minute in sums[plan.step_from :]),
        last_known=max((row.minute for row in stream.minutes), default=None),
        processes=Processes(rollback=mean_of_users_path(sums, gate.share, lower_is_bad=gate.bad_when == "lower")),
        sums=sums,
    )


def score_all(
    stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], line: Timeline
) -> tuple[Score, ...]:
    """Score every stream that the plan has, measured or not: their number is fixed for the run (§4.9).

    Throttles are scored like any other stream, but the verdict only holds for them.
    """
    streams = {stream.key: stream for stream in observations.streams}
    gauges = {gauge.key: gauge for gauge in observations.gauges}
    means = {stream.key: stream for stream in observations.sums}
    schedules: dict[str, Schedule] = {}
    sources = {function.key: function.source_dispersion for function in stage.functions}
    stage_source = max(sources.values())
    scores: list[Score] = []
    for name, gate in stage.gates.items():
        for key in stage.keys(name):
            if key.function not in schedules:
                schedules[key.function] = schedule(line, weights, key.function)
            plan = schedules[key.function]
            if isinstance(gate, (ValueGate, QueueGate)):
                gauge = gauges.get(key) or Gauge(key, state=DataState.UNKNOWN, detail="it was not measured")
                scores.append(_score_gauge(stage, gate, gauge, line, plan))
            elif isinstance(gate, MeanGate):
                sums = means.get(key) or SumStream(key, state=DataState.UNKNOWN, detail="it was not measured")
                scores.append(_score_sums(gate, sums, line, plan))
            elif isinstance(gate, CountingGate):
                stream = streams.get(key) or Stream(key, state=DataState.UNKNOWN, detail="it was not measured")
                # Probes are synchronous however the function is invoked, and a user counts once: nothing is retried.
                source = (
                    1.0 if isinstance(gate, (ProbesGate, OutcomesGate)) else sources.get(key.function, stage_source)
                )
                scores.append(_score_stream(stage, gate, stream, line, plan, source))
    return tuple(scores)
