"""CloudWatchMetrics over the wire: exact dimensions, counts per minute of both versions, and what isn't evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from canary.adapters import series as series_module
from canary.adapters.aws import open_session
from canary.adapters.cloudwatch import CloudWatchMetrics, metrics_per_look
from canary.core.measurements import DataState, Observations, Stream
from canary.core.plan import FunctionRef, StagePlan
from canary.core.schedule import whole_minute
from canary.ports import Target, Window
from canary.testing import AwsStandIn
from flagkit.testing import Fault
from tests.canary.stages import stage_of

API = FunctionRef("api", "live")
TARGET = Target(API, "1", "2")
MINUTE = timedelta(minutes=1)
BOTH = {"errors": {"kind": "errors"}, "latency": {"kind": "latency"}}


def steady(event: object, context: object) -> dict[str, object]:
    return {"ok": True}


def failing(event: object, context: object) -> dict[str, object]:
    raise RuntimeError("no")


@pytest.fixture
def aws(canary_aws: AwsStandIn) -> AwsStandIn:
    canary_aws.lambda_.deploy("api", steady, alias="live")
    canary_aws.lambda_.deploy("api", failing)
    return canary_aws


def shift(aws: AwsStandIn, weights: dict[str, float]) -> None:
    aws.session().client("lambda").update_alias(
        FunctionName="api", Name="live", RoutingConfig={"AdditionalVersionWeights": weights}
    )


def call(aws: AwsStandIn, times: int, qualifier: str = "live") -> list[str]:
    return [aws.lambda_.call("api", qualifier).version for _ in range(times)]


def window(aws: AwsStandIn, start: datetime, history: int = 0) -> Window:
    return Window(start, whole_minute(aws.clock.now()), start - history * MINUTE)


def measured(aws: AwsStandIn, stage: StagePlan, span: Window, metrics: CloudWatchMetrics | None = None) -> Observations:
    metrics = metrics or CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    return metrics.measure(stage, [TARGET], span)


def stream(found: Observations, gate: str) -> Stream:
    return next(one for one in found.streams if one.key.gate == gate)


def test_both_versions_are_counted_apart_minute_by_minute(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    shift(aws, {"2": 0.5})
    ran = call(aws, 40)
    aws.clock.advance(60)
    later = call(aws, 20)
    aws.clock.advance(300)
    found = measured(aws, stage_of("api:live"), window(aws, start))
    rows = stream(found, "errors").minutes
    assert [(r.candidate_requests, r.candidate_bad, r.baseline_requests, r.baseline_bad) for r in rows] == [
        (ran.count("2"), ran.count("2"), ran.count("1"), 0),
        (later.count("2"), later.count("2"), later.count("1"), 0),
    ]
    assert rows[0].minute == start
    (alias,) = found.traffic
    assert [row.alias_requests for row in alias.minutes] == [40, 20]


def test_calls_of_a_version_by_its_number_are_not_among_the_users_of_the_alias(aws: AwsStandIn) -> None:
    """lambda-canary.md §9, trap 34; the function's own total has them, which shows traffic that bypasses the alias."""
    start = aws.clock.now()
    call(aws, 5)
    call(aws, 30, "2")
    aws.clock.advance(300)
    found = measured(aws, stage_of("api:live"), window(aws, start))
    assert [r.candidate_requests for r in stream(found, "errors").minutes] == [0]
    assert [(r.alias_requests, r.function_requests) for r in found.traffic[0].minutes] == [(5, 35)]


def test_what_a_look_asks_for_is_what_the_plan_says_it_costs(aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 functions with 12 gates ask in two calls; the usual p95 is asked for once, and only then what exceeds it."""
    gates = BOTH | {f"g{number}": {"kind": "emf", "namespace": f"n{number}"} for number in range(10)}
    names = [f"f{number}:live" for number in range(10)]
    stage = stage_of(*names, gates=gates)
    asked: list[int] = []

    def count(chunk: Sequence[object]) -> None:
        asked.append(len(chunk))

    fetch = series_module.SeriesReader._fetch_chunk
    monkeypatch.setattr(
        series_module.SeriesReader, "_fetch_chunk", lambda self, chunk, *span: count(chunk) or fetch(self, chunk, *span)
    )
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    targets = [Target(function, "1", "2") for function in stage.functions]
    metrics.measure(stage, targets, window(aws, aws.clock.now(), history=3))
    usual, *look = asked
    assert usual == 10
    assert len(look) == 2
    assert metrics_per_look(stage) - sum(look) == 3 * 10


def test_minutes_before_the_start_are_the_bases_history(aws: AwsStandIn) -> None:
    call(aws, 7)
    aws.clock.advance(120)
    start = aws.clock.now()
    call(aws, 3)
    aws.clock.advance(300)
    rows = stream(measured(aws, stage_of("api:live"), window(aws, start, history=10)), "errors")
    assert [(r.minute, r.baseline_requests, r.baseline_bad, r.candidate_requests) for r in rows.history] == [
        (start - 2 * MINUTE, 7, 0, 0)
    ]
    assert [r.baseline_requests for r in rows.minutes] == [3]


def test_without_a_series_of_its_own_the_base_is_the_total_minus_the_candidate(
    aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lambda-canary.md §2.1: whether ExecutedVersion of the primary always exists isn't settled."""
    start = aws.clock.now()
    shift(aws, {"2": 0.5})
    ran = call(aws, 40)
    aws.clock.advance(300)
    original = series_module._query

    def hide_base(name: str, one: series_module.Series) -> dict[str, Any]:
        renamed = tuple((k, "gone" if (k, v) == ("ExecutedVersion", "1") else v) for k, v in one.dimensions)
        return original(name, series_module.Series(one.namespace, one.name, renamed, one.stat))

    monkeypatch.setattr(series_module, "_query", hide_base)
    (row,) = stream(measured(aws, stage_of("api:live"), window(aws, start)), "errors").minutes
    assert (row.baseline_requests, row.baseline_bad) == (ran.count("1"), 0)
    assert (row.candidate_requests, row.candidate_bad) == (ran.count("2"), ran.count("2"))


def test_slow_requests_are_counted_at_a_bin_edge_exactly(aws: AwsStandIn) -> None:
    """lambda-canary.md §2.3: `TC(2048.4:)` is exact where `TC(2000:)` is not."""
    slow = iter([1900.0, 2040.0, 2049.0, 5000.0, 100.0])
    start = aws.clock.now()
    sets = [{"FunctionName": "api", "Resource": "api:live", "ExecutedVersion": "2"}]
    for value in slow:
        for dimensions in sets:
            aws.metrics.record("AWS/Lambda", "Duration", dimensions, value, start, unit="Milliseconds")
    aws.clock.advance(300)
    (row,) = stream(measured(aws, stage_of("api:live"), window(aws, start)), "latency").minutes
    assert (row.candidate_requests, row.candidate_bad) == (5, 2)


def record(aws: AwsStandIn, version: str, at: datetime, *durations_ms: float) -> None:
    """Durations of one version behind the alias, in its own series and the alias'."""
    alias = {"FunctionName": "api", "Resource": "api:live"}
    for value in durations_ms:
        for dimensions in (alias, {**alias, "ExecutedVersion": version}):
            aws.metrics.record("AWS/Lambda", "Duration", dimensions, value, at, unit="Milliseconds")


def test_requests_above_the_baselines_usual_p95_are_counted_beside_those_above_the_limit(aws: AwsStandIn) -> None:
    """J10: the edge is the median of the history's p95, moved up to a bin edge, and the same for every driver."""
    for _ in range(70):
        record(aws, "1", aws.clock.now(), *[100.0] * 18, 160.0, 160.0)
        aws.clock.advance(60)
    start = aws.clock.now()
    record(aws, "1", start, *[100.0] * 19, 190.0)
    record(aws, "2", start, 150.0, 190.0, 190.0, 2500.0)
    aws.clock.advance(300)
    for metrics in (CloudWatchMetrics(open_session("us-east-1"), aws.clock), None):
        for _ in range(2):
            found = stream(measured(aws, stage_of(gates=BOTH), window(aws, start, history=90), metrics), "latency")
            assert found.usual_s == pytest.approx(0.1634, abs=0.02)
            (row,) = found.minutes
            assert (row.candidate_requests, row.candidate_bad, row.candidate_slow) == (4, 1, 3)
            assert (row.baseline_requests, row.baseline_bad, row.baseline_slow) == (20, 0, 1)
            assert {past.baseline_slow for past in found.history} == {0}


@pytest.mark.parametrize(("minutes", "ms"), [(20, 160.0), (70, 2500.0)])
def test_a_short_history_or_one_beyond_the_limit_has_no_usual_p95(aws: AwsStandIn, minutes: int, ms: float) -> None:
    for _ in range(minutes):
        record(aws, "1", aws.clock.now(), ms)
        aws.clock.advance(60)
    start = aws.clock.now()
    record(aws, "2", start, ms)
    aws.clock.advance(300)
    found = stream(measured(aws, stage_of(gates=BOTH), window(aws, start, history=90)), "latency")
    assert found.usual_s is None
    assert found.state is DataState.COMPLETE


def test_a_usual_p95_that_could_not_be_read_is_asked_for_again(aws: AwsStandIn) -> None:
    for _ in range(70):
        record(aws, "1", aws.clock.now(), 160.0)
        aws.clock.advance(60)
    start = aws.clock.now()
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    aws.faults.add(Fault.DENIED, "cloudwatch.GetMetricData", times=1)
    span = window(aws, start, history=90)
    assert stream(measured(aws, stage_of(gates=BOTH), span, metrics), "latency").usual_s is None
    assert stream(measured(aws, stage_of(gates=BOTH), span, metrics), "latency").usual_s is not None


def test_no_series_at_all_is_no_data_and_not_health(aws: AwsStandIn) -> None:
    aws.clock.advance(300)
    found = measured(aws, stage_of("api:live"), window(aws, aws.clock.now() - 4 * MINUTE))
    assert {one.state for one in found.streams} == {DataState.NO_DATA}


def test_a_young_window_asks_for_nothing_it_may_not_score(aws: AwsStandIn) -> None:
    call(aws, 5)
    now = whole_minute(aws.clock.now())
    found = measured(aws, stage_of("api:live"), Window(now, now, now))
    assert all(not one.minutes and not one.history for one in found.streams)


def partial(result: dict[str, Any]) -> None:
    result["MetricDataResults"][0]["StatusCode"] = "PartialData"


def internal(result: dict[str, Any]) -> None:
    result["MetricDataResults"][0]["StatusCode"] = "InternalError"


def forbidden(result: dict[str, Any]) -> None:
    result["MetricDataResults"][0].update(StatusCode="Forbidden", Messages=[{"Code": "x", "Value": "not yours"}])


def message(result: dict[str, Any]) -> None:
    result["MetricDataResults"][0]["Messages"] = [{"Code": "Warning", "Value": "some bins were left out"}]


def warning(result: dict[str, Any]) -> None:
    result["Messages"] = [{"Code": "MaxMetricsExceeded", "Value": "not all metrics"}]


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (partial, DataState.PARTIAL),
        (internal, DataState.FAILED),
        (forbidden, DataState.FAILED),
        (message, DataState.PARTIAL),
        (warning, DataState.PARTIAL),
    ],
)
def test_anything_but_a_complete_answer_is_no_evidence_and_keeps_what_was_known(
    aws: AwsStandIn, spoil: Callable[[dict[str, Any]], None], state: DataState
) -> None:
    """lambda-canary.md §9, trap 33."""
    start = aws.clock.now()
    call(aws, 10)
    aws.clock.advance(300)
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    good = stream(measured(aws, stage_of("api:live"), window(aws, start), metrics), "errors")
    original = metrics._reader._cloudwatch.call

    def spoiled(operation: str, **arguments: object) -> dict[str, Any]:
        answer = original(operation, **arguments)
        spoil(answer)
        return answer

    metrics._reader._cloudwatch.call = spoiled  # type: ignore[method-assign]
    bad = stream(measured(aws, stage_of("api:live"), window(aws, start), metrics), "errors")
    assert bad.state is state
    assert bad.detail or spoil in (partial, internal)
    assert bad.minutes == good.minutes


def test_a_failed_query_is_reported_in_the_state_and_never_raised(aws: AwsStandIn) -> None:
    aws.clock.advance(300)
    aws.faults.add(Fault.DENIED, "cloudwatch.GetMetricData")
    found = measured(aws, stage_of("api:live"), window(aws, aws.clock.now() - 4 * MINUTE))
    assert {one.state for one in found.streams} == {DataState.FAILED}
    assert "cloudwatch:GetMetricData" in found.streams[0].detail
    assert found.traffic[0].state is DataState.FAILED


def test_a_fault_that_passes_is_waited_out_within_the_tick(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    call(aws, 5)
    aws.clock.advance(300)
    aws.faults.add(Fault.THROTTLED, "cloudwatch.GetMetricData", times=2)
    assert stream(measured(aws, stage_of("api:live"), window(aws, start)), "errors").state is DataState.COMPLETE


def test_many_queries_are_asked_in_several_calls_and_all_pages_are_read(
    aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GetMetricData takes 500 queries (lambda-canary.md §2.2); here five, so that one function needs several calls."""
    start = aws.clock.now()
    call(aws, 9)
    aws.clock.advance(300)
    whole = measured(aws, stage_of("api:live"), window(aws, start))
    before = len(aws.wire.calls)
    monkeypatch.setattr(series_module, "QUERIES_PER_CALL", 5)
    assert measured(aws, stage_of("api:live"), window(aws, start)) == whole
    assert [record.call for record in aws.wire.calls[before:]].count("cloudwatch.GetMetricData") > 1


def test_pages_are_put_together_and_a_partial_page_in_the_middle_is_no_fault(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    call(aws, 6)
    aws.clock.advance(60)
    call(aws, 4)
    aws.clock.advance(300)
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    whole = measured(aws, stage_of("api:live"), window(aws, start), metrics)
    original = metrics._reader._cloudwatch.call

    def paged(operation: str, **arguments: Any) -> dict[str, Any]:
        second = arguments.pop("NextToken", None) is not None
        answer = original(operation, **arguments)
        for result in answer["MetricDataResults"]:
            keep = slice(1, None) if second else slice(0, 1)
            result["Timestamps"], result["Values"] = result["Timestamps"][keep], result["Values"][keep]
            result["StatusCode"] = "Complete" if second else "PartialData"
        return answer if second else {**answer, "NextToken": "more"}

    metrics._reader._cloudwatch.call = paged  # type: ignore[method-assign]
    assert measured(aws, stage_of("api:live"), window(aws, start), metrics) == whole


def test_traffic_of_the_last_day_is_a_mean_since_the_first_request_of_a_young_alias(aws: AwsStandIn) -> None:
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    assert metrics.requests_per_minute([TARGET], aws.clock.now()) == {}
    call(aws, 40)
    aws.clock.advance(240)
    assert metrics.requests_per_minute([TARGET], aws.clock.now()) == {"api:live": 10.0}
    aws.faults.add(Fault.DENIED, "cloudwatch.GetMetricData")
    assert metrics.requests_per_minute([TARGET], aws.clock.now()) == {}
