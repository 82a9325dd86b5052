"""CloudWatchMetrics over the wire: throttles, gauges, ratios and queues."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from canary.adapters.aws import open_session
from canary.adapters.cloudwatch import CloudWatchMetrics
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
