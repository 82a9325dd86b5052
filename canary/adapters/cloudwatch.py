"""The MetricSource port on CloudWatch: series become counts per minute of both versions; it judges none of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from canary.adapters.aws import Api, Session, patiently, reading
from canary.adapters.catalogue import missing
from canary.adapters.series import (
    PerVersionSeries,
    Points,
    RequestSeries,
    Series,
    SeriesPlan,
    SeriesReader,
    SeriesValues,
    Wanted,
    above_usual,
    billed,
    by_alias,
    by_function,
    of_gate,
    series_plan,
    usual_series,
)
from canary.core.histogram import bin_edges
from canary.core.measurements import (
    MINUTE,
    AliasMinute,
    AliasTraffic,
    DataState,
    Gauge,
    MinuteCounts,
    MinuteValue,
    Observations,
    Stream,
    StreamKey,
)
from canary.core.plan import (
    EmfGate,
    Http5xxGate,
    LatencyGate,
    MeasuredGate,
    MetricGate,
    QueueGate,
    RatioGate,
    StagePlan,
)
from canary.core.schedule import whole_minute
from canary.errors import AwsError
from canary.ports import Clock, Target, Window

DAY = timedelta(days=1)
MOST = 1e12
"""More requests a minute than any service has."""
_WORST_FIRST = (DataState.FAILED, DataState.PARTIAL)


class CloudWatchMetrics:
    """Counts per minute from CloudWatch, by exact dimensions, over the whole canary at each tick.

    The rows of the last complete answer stay when a later query fails: what was evidence remains evidence.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._cloudwatch = Api(session, "cloudwatch")
        self._reader = SeriesReader(self._cloudwatch, clock)
        self._queues = Queues(session, clock, self._reader)
        self._last: dict[StreamKey, Stream] = {}
        self._usual: dict[tuple[StreamKey, datetime], float | None] = {}
        self._last_gauges: dict[StreamKey, Gauge] = {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """Every counting gate and gauge of the stage over the window, from scratch."""
        counting = list(_counting(stage, targets))
        metrics = list(_metrics(stage, targets))
        functions = [target for target in targets if not target.function.flag]
        totals = [by_alias(target, "Invocations") for target in functions]
        totals += [by_function(target, "Invocations") for target in functions]
        slow = self._slow(stage, targets, window)
        wanted: list[Wanted] = [series for _, need in counting for series in _all(need)]
        wanted += totals
        wanted += [series for need, _ in slow.values() for series in _all(need)]
        wanted += [series for _, pair in metrics for series in pair]
        found = self._reader.fetch(wanted, window.history_start, window.end)
        gauges = [_gauge(key, pair, found, window) for key, pair in metrics]
        gauges += [self._queues.gauge(key, gate, window) for key, gate in _queue_gates(stage)]
        return Observations(
            streams=tuple(self._remembered(_stream(key, need, found, window, slow.get(key))) for key, need in counting),
            gauges=tuple(self._remembered_gauge(gauge) for gauge in gauges),
            traffic=tuple(_traffic(target, found, window) for target in functions),
        )

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> dict[str, float]:
        """Mean of the alias' Invocations over the last day; a younger alias since its first request."""
        end = whole_minute(now)
        functions = [target for target in targets if not target.function.flag]
        series = {target.function.key: by_alias(target, "Invocations") for target in functions}
        found = self._reader.fetch(series.values(), end - DAY, end)
        means: dict[str, float] = {}
        for key, one in series.items():
            points = found[one]
            if points.state is DataState.COMPLETE and points.values and not _is_odd([points]):
                minutes = (end - min(points.values)) / MINUTE
                means[key] = sum(points.values.values()) / max(1.0, minutes)
        return means

    def _slow(
        self, stage: StagePlan, targets: Sequence[Target], window: Window
    ) -> dict[StreamKey, tuple[PerVersionSeries, float]]:
        """Per latency gate the series above the baseline's own p95, and that p95 in seconds.

        It comes from the minutes before the start, so every driver finds the same, and knows it from then on.
        """
        gates = [
            (StreamKey(target.function.key, name), gate, target)
            for name, gate in stage.gates.items()
            if isinstance(gate, LatencyGate) and gate.by_version and gate.relative
            for target in targets
        ]
        unknown = [target for key, _, target in gates if (key, window.start) not in self._usual]
        if unknown:
            series = {target.function.key: usual_series(target) for target in unknown}
            found = self._reader.fetch(series.values(), window.history_start, window.start)
            for key, gate, _ in gates:
                if key.function in series and found[series[key.function]].state is DataState.COMPLETE:
                    self._usual[key, window.start] = _usual_ms(found[series[key.function]], gate)
        edges = [(key, target, self._usual.get((key, window.start))) for key, _, target in gates]
        return {key: (above_usual(target, edge), edge / 1000.0) for key, target, edge in edges if edge is not None}

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> dict[StreamKey, str]:
        """Which series of these gates CloudWatch doesn't have, for metrics that the plan or the functions publish."""
        own = {name for name, gate in stage.gates.items() if isinstance(gate, RatioGate | EmfGate)}
        wanted = [(key, _all(need)) for key, need in _counting(stage, targets) if key.gate in own]
        asked = [(key, series) for key, series in (*wanted, *_metrics(stage, targets)) if key in keys]
        with reading("cloudwatch", "ListMetrics"):
            return {key: text for key, series in asked if (text := missing(self._cloudwatch, series))}

    def _remembered(self, stream: Stream) -> Stream:
        if stream.state in _WORST_FIRST:
            last = self._last.get(stream.key, Stream(stream.key))
            return replace(last, state=stream.state, detail=stream.detail)
        self._last[stream.key] = stream
        return stream

    def _remembered_gauge(self, gauge: Gauge) -> Gauge:
        if gauge.state in _WORST_FIRST:
            last = self._last_gauges.get(gauge.key, Gauge(gauge.key))
            return replace(last, state=gauge.state, detail=gauge.detail)
        self._last_gauges[gauge.key] = gauge
        return gauge


def metrics_per_look(stage: StagePlan) -> int:
    """How many metrics `measure` asks GetMetricData for at each look: what AWS bills."""
    targets = [Target(function, "1", "2") for function in stage.functions]
    functions = [target for target in targets if not target.function.flag]
    wanted = [series for _, need in _counting(stage, targets) for series in _all(need)]
    wanted += [by_alias(target, "Invocations") for target in functions]
    wanted += [by_function(target, "Invocations") for target in functions]
    wanted += [
        series
        for gate in stage.gates.values()
        if isinstance(gate, LatencyGate) and gate.by_version and gate.relative
        for target in targets
        for series in _all(above_usual(target, 0.5 * gate.edge))
    ]
    metrics = [series for _, pair in _metrics(stage, targets) for series in pair]
    return billed([*wanted, *metrics])


def _counting(stage: StagePlan, targets: Sequence[Target]) -> Iterator[tuple[StreamKey, SeriesPlan]]:
    for name, gate in stage.gates.items():
        if not isinstance(gate, MeasuredGate):
            continue
        for target in targets if _each_function(gate) else targets[:1]:
            key = StreamKey(target.function.key if _each_function(gate) else "", name)
            yield key, series_plan(gate, target, stage.name)


def _each_function(gate: MeasuredGate) -> bool:
    """API Gateway and load balancers stand before the whole stage; everything else is measured per function."""
    if isinstance(gate, LatencyGate | Http5xxGate):
        return gate.source in {"lambda", "url"}
    return not isinstance(gate, RatioGate) or gate.numerator.by_function or gate.denominator.by_function


def _metrics(stage: StagePlan, targets: Sequence[Target]) -> Iterator[tuple[StreamKey, tuple[Wanted, ...]]]:
    """Gauges of any metric: the candidate's series, and the base's if the versions can be told apart."""
    for name, gate in stage.gates.items():
        if not isinstance(gate, MetricGate):
            continue
        for target in targets if gate.by_function else targets[:1]:
            candidate = of_gate(gate, target, target.candidate, stage.name)
            base = of_gate(gate, target, target.baseline, stage.name)
            key = StreamKey(target.function.key if gate.by_function else "", name)
            yield key, (candidate, base) if gate.by_version else (candidate,)


def _queue_gates(stage: StagePlan) -> Iterator[tuple[StreamKey, QueueGate]]:
    for name, gate in stage.gates.items():
        if isinstance(gate, QueueGate):
            yield StreamKey("", name), gate


def _all(need: SeriesPlan) -> tuple[Series, ...]:
    if isinstance(need, RequestSeries):
        return need.series
    return (*need.candidate.series, *need.baseline.series, *(need.both.series if need.both else ()))


USUAL_MINUTES = 60
"""So many minutes with traffic say what is usual, as many as the dispersion needs (statistics.md §4.7)."""


def _usual_ms(points: Points, gate: LatencyGate) -> float | None:
    """The median of the p95 of the history's minutes, moved up to a bin edge; None when that isn't below the limit."""
    known = sorted(value for value in points.values.values() if 0.0 < value < gate.edge)
    if len(known) < USUAL_MINUTES:
        return None
    upper = bin_edges(known[len(known) // 2])[1]
    return upper if upper < 0.99 * gate.edge else None


def _stream(
    key: StreamKey,
    need: SeriesPlan,
    found: SeriesValues,
    window: Window,
    slow: tuple[PerVersionSeries, float] | None,
) -> Stream:
    series = _all(need)
    used = [found[one] for one in (*series, *(_all(slow[0]) if slow else ()))]
    state, detail = _known(used, str(series[0]))
    if _is_odd(used):
        return Stream(key, state=DataState.PARTIAL, detail="CloudWatch answered a count that is none")
    rows = [_row(need, found, at) for at in sorted({at for points in used for at in points.values})]
    if slow:
        rows = [_with_slow(counts, _row(slow[0], found, counts.minute)) for counts in rows]
    return Stream(
        key,
        minutes=tuple(counts for counts in rows if counts.minute >= window.start),
        history=tuple(_as_baseline(counts) for counts in rows if counts.minute < window.start),
        state=state,
        detail=detail,
        usual_s=slow[1] if slow else None,
    )


def _with_slow(counts: MinuteCounts, slow: MinuteCounts) -> MinuteCounts:
    return replace(counts, candidate_slow=slow.candidate_bad, baseline_slow=slow.baseline_bad)


def _is_odd(used: Iterable[Points]) -> bool:
    return any(not 0 <= value <= MOST for points in used for value in points.values.values())


def _known(used: Sequence[Points], named: str = "") -> tuple[DataState, str]:
    """How well the series are known together; `named` is the one that is named when there is none."""
    for state in _WORST_FIRST:
        for points in used:
            if points.state is state:
                return state, points.detail
    if not any(points.values for points in used):
        return DataState.NO_DATA, f"CloudWatch has no values of {named}" if named else "CloudWatch has no values"
    return DataState.COMPLETE, ""


def _row(need: SeriesPlan, found: SeriesValues, at: datetime) -> MinuteCounts:
    if isinstance(need, RequestSeries):
        return MinuteCounts(at, _sum(need.requests, found, at), _sum(need.bad, found, at))
    requests = _sum(need.candidate.requests, found, at)
    bad = _sum(need.candidate.bad, found, at)
    baseline_requests = _sum(need.baseline.requests, found, at)
    baseline_bad = _sum(need.baseline.bad, found, at)
    if need.both is not None and not _has(need.baseline.requests, found, at):
        # Whether the base has a series of its own while it is the only version isn't settled (lambda-canary.md §2.1).
        # Counts add up, so the alias' total minus the candidate is the base; percentiles would not.
        baseline_requests = max(0, _sum(need.both.requests, found, at) - requests)
        baseline_bad = max(0, _sum(need.both.bad, found, at) - bad)
    return MinuteCounts(at, requests, bad, baseline_requests, baseline_bad)


def _as_baseline(counts: MinuteCounts) -> MinuteCounts:
    """Before the start all traffic was the base's."""
    return MinuteCounts(
        counts.minute,
        baseline_requests=counts.baseline_requests + counts.candidate_requests,
        baseline_bad=counts.baseline_bad + counts.candidate_bad,
        baseline_slow=counts.baseline_slow + counts.candidate_slow,
    )


def _sum(series: Sequence[Series], found: SeriesValues, at: datetime) -> int:
    """Counts at a bin edge are whole; the rounding only takes the float away."""
    return sum(round(found[one].values.get(at, 0.0)) for one in series)


def _has(series: Sequence[Series], found: SeriesValues, at: datetime) -> bool:
    return any(at in found[one].values for one in series)


def _gauge(key: StreamKey, series: Sequence[Wanted], found: SeriesValues, window: Window) -> Gauge:
    used = [found[one] for one in series]
    state, detail = _known(used, str(series[0]))
    candidate = used[0].values
    base: Mapping[datetime, float] = used[1].values if len(used) > 1 else {}
    before = [value for at, value in sorted((*candidate.items(), *base.items())) if at < window.start]
    minutes = tuple(
        MinuteValue(at, candidate.get(at), base.get(at)) for at in sorted({*candidate, *base}) if at >= window.start
    )
    return Gauge(key, minutes, before[-1] if before else None, state, detail)


def _traffic(target: Target, found: SeriesValues, window: Window) -> AliasTraffic:
    alias, function = found[by_alias(target, "Invocations")], found[by_function(target, "Invocations")]
    if _is_odd((alias, function)):
        return AliasTraffic(target.function.key, (), DataState.PARTIAL)
    state, _ = _known([alias])
    minutes = tuple(
        AliasMinute(at, round(value), round(function.values[at]) if at in function.values else None)
        for at, value in sorted(alias.values.items())
        if at >= window.start
    )
    return AliasTraffic(target.function.key, minutes, state)


DEPTH: Final = ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible")
AGE: Final = "ApproximateAgeOfOldestMessage"


class Queues:
    """Reads queues, usually dead-letter queues."""

    def __init__(self, session: Session, clock: Clock, reader: SeriesReader) -> None:
        self._sqs = Api(session, "sqs")
        self._clock = clock
        self._reader = reader
        self._depths: dict[str, dict[datetime, float]] = {}

    def gauge(self, key: StreamKey, gate: QueueGate, window: Window) -> Gauge:
        """The queue's depth (messages) or its oldest message's age (seconds) over the window."""
        dimensions = (("QueueName", queue_name(gate.queue)),)
        names = DEPTH if gate.max_age is None else (AGE,)
        wanted = [Series("AWS/SQS", name, dimensions, "Maximum") for name in names]
        found = self._reader.fetch(wanted, window.history_start, window.end)
        values: dict[datetime, float] = {}
        for points in found.values():
            if points.state is not DataState.COMPLETE:
                return Gauge(key, state=points.state, detail=points.detail)
            for at, value in points.values.items():
                values[at] = values.get(at, 0.0) + value
        if gate.max_age is None:
            # CloudWatch's queue metrics come minutes late and sleep with an idle queue; SQS itself always answers, and
            # what it said at former ticks of this process fills the minutes that CloudWatch doesn't have.
            try:
                depth = self.depth(gate.queue)
            except AwsError as error:
                return Gauge(key, state=DataState.FAILED, detail=error.message)
            seen = self._depths.setdefault(gate.queue, {})
            seen[whole_minute(self._clock.now())] = float(depth)
            values = seen | values
        before = [value for at, value in sorted(values.items()) if at < window.start]
        minutes = tuple(MinuteValue(at, value) for at, value in sorted(values.items()) if at >= window.start)
        state = DataState.COMPLETE if minutes or before else DataState.NO_DATA
        return Gauge(key, minutes, before[-1] if before else None, state)

    def depth(self, queue: str) -> int:
        """Messages in the queue now, in flight or not.

        Raises:
            AwsError: no such queue, or SQS can't be asked.
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = queue if "://" in queue else self._url(queue)
        said = patiently(self._clock, lambda: self._sqs.call("GetQueueAttributes", QueueUrl=url, AttributeNames=names))
        with reading("sqs", "GetQueueAttributes"):
            return sum(int(said.get("Attributes", {}).get(name, 0)) for name in names)

    def _url(self, queue: str) -> str:
        answer = patiently(self._clock, lambda: self._sqs.call("GetQueueUrl", QueueName=queue_name(queue)))
        with reading("sqs", "GetQueueUrl"):
            return str(answer["QueueUrl"])


def queue_name(queue: str) -> str:
    """The bare name of a queue given by name, ARN or URL."""
    return queue.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
