"""CloudWatchMetrics over the wire: throttles, gauges, ratios and queues."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from canary.adapters.aws import open_session
from canary.adapters.cloudwatch import CloudWatchMetrics
from canary.adapters.series import Formula, Series, _chunks, _queries
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


def steady(event: object, context: object) -> dict[str, object]:
    return {"ok": True}


def failing(event: object, context: object) -> dict[str, object]:
    raise RuntimeError("no")


@pytest.fixture
def aws(canary_aws: AwsStandIn) -> AwsStandIn:
    canary_aws.lambda_.deploy("api", steady, alias="live")
    canary_aws.lambda_.deploy("api", failing)
    return canary_aws


def call(aws: AwsStandIn, times: int, qualifier: str = "live") -> list[str]:
    return [aws.lambda_.call("api", qualifier).version for _ in range(times)]


def window(aws: AwsStandIn, start: datetime, history: int = 0) -> Window:
    return Window(start, whole_minute(aws.clock.now()), start - history * MINUTE)


def measured(aws: AwsStandIn, stage: StagePlan, span: Window, metrics: CloudWatchMetrics | None = None) -> Observations:
    metrics = metrics or CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    return metrics.measure(stage, [TARGET], span)


def stream(found: Observations, gate: str) -> Stream:
    return next(one for one in found.streams if one.key.gate == gate)


def test_throttled_requests_are_the_aliass_and_have_no_version(aws: AwsStandIn) -> None:
    """lambda-canary.md §2.1: nothing ran, so they are in neither Invocations nor Errors."""
    start = aws.clock.now()
    call(aws, 8)
    for dimensions in ({"FunctionName": "api", "Resource": "api:live"},):
        aws.metrics.record("AWS/Lambda", "Throttles", dimensions, 1.0, start, unit="Count")
        aws.metrics.record("AWS/Lambda", "Throttles", dimensions, 1.0, start, unit="Count")
    aws.clock.advance(300)
    stage = stage_of("api:live", gates={"throttles": {"kind": "throttles"}})
    (row,) = stream(measured(aws, stage, window(aws, start)), "throttles").minutes
    assert (row.candidate_requests, row.candidate_bad) == (10, 2)


def test_a_gauge_has_both_versions_where_the_metric_has_a_version_dimension(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    for version, value in (("1", 10.0), ("2", 30.0)):
        aws.metrics.record("Shop", "Basket", {"version": version, "stage": "staging"}, value, start)
    aws.metrics.record("Shop", "Load", {"stage": "staging"}, 5.0, start - MINUTE)
    aws.metrics.record("Shop", "Load", {"stage": "staging"}, 7.0, start)
    aws.clock.advance(300)
    basket = {"namespace": "Shop", "name": "Basket", "dimensions": {"version": "{version}", "stage": "{stage}"}}
    load = {"namespace": "Shop", "name": "Load", "dimensions": {"stage": "{stage}"}, "stat": "Maximum"}
    gates = {
        "basket": {"kind": "metric", "metric": basket, "min": 1},
        "load": {"kind": "metric", "metric": load, "max": 9},
    }
    found = {g.key.gate: g for g in measured(aws, stage_of("api:live", gates=gates), window(aws, start, 5)).gauges}
    assert [(row.candidate, row.baseline) for row in found["basket"].minutes] == [(30.0, 10.0)]
    assert ([row.candidate for row in found["load"].minutes], found["load"].before) == ([7.0], 5.0)
    assert (found["basket"].key.function, found["load"].key.function) == ("api:live", "")


def test_metric_math_is_computed_by_cloudwatch_for_each_version(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    for version, used in (("1", 20.0), ("2", 45.0)):
        aws.metrics.record("Shop", "Used", {"version": version}, used, start)
        aws.metrics.record("Shop", "Limit", {}, 50.0, start)
    aws.clock.advance(300)
    math = {
        "kind": "metric",
        "expression": "100 * used / limit",
        "metrics": {
            "used": {"namespace": "Shop", "name": "Used", "dimensions": {"version": "{version}"}},
            "limit": {"namespace": "Shop", "name": "Limit", "stat": "Maximum"},
        },
        "max": 80,
    }
    whole = {**math, "expression": "FILL(limit, 0)", "metrics": {"limit": {"namespace": "Shop", "name": "Limit"}}}
    stage = stage_of("api:live", gates={"share": math, "twice": math, "whole": whole})
    found = {gauge.key.gate: gauge for gauge in measured(aws, stage, window(aws, start)).gauges}
    for gate in ("share", "twice"):
        assert [(row.candidate, row.baseline) for row in found[gate].minutes] == [(90.0, 40.0)]
    assert (found["share"].key.function, found["whole"].key.function) == ("api:live", "")


def test_an_expression_that_cloudwatch_refuses_is_a_failed_gauge(aws: AwsStandIn) -> None:
    metric = {"namespace": "Shop", "name": "Used"}
    gates = {"odd": {"kind": "metric", "expression": "used +", "metrics": {"used": metric}, "max": 1}}
    start = aws.clock.now()
    aws.clock.advance(120)
    (gauge,) = measured(aws, stage_of("api:live", gates=gates), window(aws, start)).gauges
    assert gauge.state is DataState.FAILED


def test_a_formula_stays_in_one_call_with_its_metrics() -> None:
    """GetMetricData takes 500 queries; the metrics of an expression have to be in the same call."""
    metrics = tuple((f"m{n}", Series("Shop", f"M{n}", ())) for n in range(10))
    formulas = [Formula(f"SUM(METRICS()) + {n}", metrics) for n in range(100)]
    chunks = list(_chunks([Series("Shop", "Load", ()), *formulas]))
    assert [one for chunk in chunks for one in chunk][1:] == formulas
    sizes = [sum(len(_queries("q", one)) for one in chunk) for chunk in chunks]
    assert sizes == [496, 495, 110]


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("m1/m10*100", "q7_m1/q7_m10*100"),
        ("FILL(m1, 0) + max", "FILL(q7_m1, 0) + max"),
        ("IF(m1 > 5, m1, 'm1')", "IF(q7_m1 > 5, q7_m1, 'm1')"),
        ('LABEL + "m1" + xm1', 'LABEL + "m1" + xm1'),
    ],
)
def test_the_ids_of_an_expression_are_its_own_and_texts_stay(expression: str, sent: str) -> None:
    formula = Formula(expression, tuple((name, Series("Shop", name, ())) for name in ("m1", "m10")))
    first, *metrics = _queries("q7", formula)
    assert first["Expression"] == sent
    assert [query["Id"] for query in metrics] == ["q7_m1", "q7_m10"]
    assert not any(query["ReturnData"] for query in metrics)


def test_a_ratio_is_made_of_two_counts_of_each_version(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    for version, orders, sessions in (("1", 50, 100), ("2", 30, 100)):
        for name, count in (("Orders", orders), ("Sessions", sessions)):
            aws.metrics.record("Shop", name, {"version": version}, float(count), start)
    aws.clock.advance(300)

    def metric(name: str) -> dict[str, object]:
        return {"namespace": "Shop", "name": name, "dimensions": {"version": "{version}"}}

    gates = {"orders": {"kind": "ratio", "numerator": metric("Orders"), "denominator": metric("Sessions")}}
    (row,) = stream(measured(aws, stage_of("api:live", gates=gates), window(aws, start)), "orders").minutes
    assert (row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad) == (100, 30, 100, 50)


QUEUE = {"dlq": {"kind": "queue", "queue": "dead", "max_new_messages": 0}}


def test_a_queues_depth_comes_from_sqs_itself_and_is_remembered_from_tick_to_tick(aws: AwsStandIn) -> None:
    sqs = aws.session().client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    metrics = CloudWatchMetrics(open_session("us-east-1"), aws.clock)
    stage = stage_of("api:live", gates=QUEUE)
    aws.clock.advance(60)
    measured(aws, stage, window(aws, aws.clock.now()), metrics)
    aws.clock.advance(60)
    start = whole_minute(aws.clock.now())
    sqs.send_message(QueueUrl=url, MessageBody="dead")
    measured(aws, stage, window(aws, start), metrics)
    aws.clock.advance(180)
    (gauge,) = measured(aws, stage, window(aws, start), metrics).gauges
    assert gauge.before == 0.0
    assert [row.candidate for row in gauge.minutes] == [1.0, 1.0]


def test_a_queue_that_does_not_exist_is_not_an_empty_one(aws: AwsStandIn) -> None:
    (gauge,) = measured(aws, stage_of("api:live", gates=QUEUE), window(aws, aws.clock.now())).gauges
    assert gauge.state is DataState.FAILED
    assert "sqs:" in gauge.detail


def test_a_queues_age_comes_from_cloudwatch(aws: AwsStandIn) -> None:
    start = aws.clock.now()
    aws.metrics.record("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "jobs"}, 42.0, start)
    aws.clock.advance(300)
    gates = {"age": {"kind": "queue", "queue": "arn:aws:sqs:us-east-1:1:jobs", "max_age": "1m"}}
    (gauge,) = measured(aws, stage_of("api:live", gates=gates), window(aws, start)).gauges
    assert [row.candidate for row in gauge.minutes] == [42.0]
    aws.faults.add(Fault.DENIED, "cloudwatch.GetMetricData")
    (gauge,) = measured(aws, stage_of("api:live", gates=gates), window(aws, start)).gauges
    assert gauge.state is DataState.FAILED
