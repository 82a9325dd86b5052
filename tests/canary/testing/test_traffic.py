"""Users' traffic of the stand-in."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from canary.testing import AwsStandIn

ECHO = """
seen = []
def handler(event, context):
    print(event.get("n", event.get("rawPath")))
    return {"statusCode": 500 if event.get("n") == 1 else 200}
"""


@pytest.fixture
def aws(canary_aws: AwsStandIn) -> AwsStandIn:
    canary_aws.lambda_.deploy("f", ECHO, alias="live")
    return canary_aws


def lines(aws: AwsStandIn) -> list[str]:
    return [line.text for line in aws.lambda_.logs("f")]


def test_evenly_spaced_traffic_is_exact(aws: AwsStandIn) -> None:
    stream = aws.traffic.steady("f", "live", 60, jitter=False)
    aws.clock.advance(600)
    assert stream.stop().requests == 600
    aws.clock.advance(600)
    assert stream.counts.requests == 600


@pytest.mark.slow
def test_jitter_is_poisson_and_repeatable() -> None:
    def counted(seed: int) -> list[int]:
        with AwsStandIn(seed=seed) as aws:
            aws.lambda_.deploy("f", ECHO, alias="live")
            stream = aws.traffic.steady("f", "live", 60)
            counts = []
            for _ in range(60):
                before = stream.counts.requests
                aws.clock.advance(60)
                counts.append(stream.counts.requests - before)
            return counts

    counts = counted(1)
    mean = sum(counts) / 60
    variance = sum((count - mean) ** 2 for count in counts) / 59
    assert 55 < mean < 65
    assert 30 < variance < 120
    assert counted(1) == counts != counted(2)


def test_the_rate_changes_at_once(aws: AwsStandIn) -> None:
    stream = aws.traffic.steady("f", "live", 60, jitter=False)
    aws.clock.advance(60)
    stream.requests_per_minute = 600
    aws.clock.advance(60)
    stream.requests_per_minute = 0
    aws.clock.advance(600)
    assert stream.counts.requests == 660
    with pytest.raises(ValueError, match="negative"):
        stream.requests_per_minute = -1


def test_payloads_come_in_turn_or_from_a_function(aws: AwsStandIn) -> None:
    first = aws.traffic.steady("f", "live", 60, payloads=[{"n": 1}, {"n": 2}], jitter=False)
    aws.clock.advance(4)
    assert first.stop().server_errors == 2
    second = aws.traffic.steady("f", "live", 60, payloads=lambda number: {"n": 10 + number}, jitter=False)
    aws.clock.advance(2)
    second.stop()
    aws.traffic.steady("f", "live", 60, jitter=False)
    aws.clock.advance(1)
    assert lines(aws) == ["1", "2", "1", "2", "10", "11", "/"]


def test_counts_separate_errors_from_statuses_and_throttles(aws: AwsStandIn) -> None:
    source = "def handler(e, c):\n    if e['n'] % 2: raise ValueError\n    return {'statusCode': 503}\n"
    aws.lambda_.deploy("g", source, alias="live")
    stream = aws.traffic.steady("g", "live", 60, payloads=lambda number: {"n": number}, jitter=False)
    aws.clock.advance(10)
    aws.lambda_.function("g").reserved_concurrency = 0
    aws.clock.advance(10)
    counts = stream.stop()
    assert (counts.requests, counts.failed, counts.server_errors, counts.throttled) == (20, 5, 5, 10)
    assert counts.by_version == {"1": 10}
    assert counts.failed_by_version == {"1": 10}


def test_requests_see_the_alias_as_it_is_at_their_moment(aws: AwsStandIn) -> None:
    aws.lambda_.deploy("f", ECHO + "\n# 2")
    stream = aws.traffic.steady("f", "live", 60, jitter=False)
    aws.foreign.move_alias("f", "live", "2", at=aws.clock.now().replace(second=30))
    aws.clock.advance(60.5)
    assert stream.stop().by_version == {"1": 29, "2": 31}


def test_all_streams_stop_together(aws: AwsStandIn) -> None:
    streams = [aws.traffic.steady("f", "live", 60) for _ in range(3)]
    aws.traffic.stop()
    aws.clock.advance(60)
    assert [stream.counts.requests for stream in streams] == [0, 0, 0]


def test_latencies_of_handlers_are_drawn_from_the_seed(aws: AwsStandIn) -> None:
    source = "import random, time\ndef handler(e, c):\n    time.sleep(random.expovariate(10))\n    return {}\n"
    aws.lambda_.deploy("g", source, alias="live")
    aws.traffic.steady("g", "live", 600)
    aws.clock.advance(60)
    durations = [outcome.duration_ms for outcome in aws.lambda_.recent]
    assert 80 < sum(durations) / len(durations) < 125


def test_traffic_takes_no_detour_through_boto3(aws: AwsStandIn) -> None:
    """Whole canaries are tens of thousands of requests."""
    stream = aws.traffic.steady("f", "live", 6_000)
    calls = len(aws.wire.calls)
    aws.clock.advance(60)
    assert stream.counts.requests > 5_500
    assert len(aws.wire.calls) == calls


def test_an_event_is_not_shared_between_requests(aws: AwsStandIn) -> None:
    def handler(event: Any, context: Any) -> Any:
        event["n"] += 1
        return event["n"]

    aws.lambda_.deploy("g", handler, alias="live")
    aws.traffic.steady("g", "live", 60, payloads=[{"n": 1}], jitter=False)
    aws.clock.advance(3)
    assert [json.loads(outcome.payload) for outcome in aws.lambda_.recent] == [2, 2, 2]


def test_traffic_to_nothing_is_refused_at_once(aws: AwsStandIn) -> None:
    with pytest.raises(LookupError):
        aws.traffic.steady("nothing", "live", 60)
    with pytest.raises(LookupError):
        aws.traffic.steady("f", "nothing", 60)
    with pytest.raises(LookupError):
        aws.traffic.steady("f", "live", 60, via="url")


def test_traffic_through_a_function_url_has_its_metrics(aws: AwsStandIn) -> None:
    boto3.client("lambda").create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE")
    stream = aws.traffic.steady("f", "live", 60, jitter=False, via="url")
    aws.clock.advance(1800)
    assert stream.stop().requests == 1800
    listed = boto3.client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="UrlRequestCount")["Metrics"]
    assert len(listed) == 2


DOOR = (
    "def handler(e, c):\n    if e['n'] % 4 == 0: raise ValueError\n    return {'statusCode': 200 + e['n'] % 4 * 100}\n"
)


def counted(aws: AwsStandIn, namespace: str, stat: str, metric: str, **dimensions: str) -> float:
    """The first value of a metric over an hour."""
    named: Any = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    end = aws.clock.now() + timedelta(hours=1)
    start = end - timedelta(hours=2)
    where: Any = {"Namespace": namespace, "MetricName": metric, "Dimensions": named}
    query: Any = {"Id": "m", "MetricStat": {"Metric": where, "Period": 7200, "Stat": stat}}
    client = boto3.client("cloudwatch")
    values = client.get_metric_data(StartTime=start, EndTime=end, MetricDataQueries=[query])["MetricDataResults"]
    return sum(values[0]["Values"])


def test_a_rest_api_reports_every_request(aws: AwsStandIn) -> None:
    """Lambda errors and statuses of 500 are its 5XXError, whichever version answered."""
    aws.lambda_.deploy("g", DOOR, alias="live")
    events = {"payloads": lambda number: {"n": number}, "jitter": False}
    aws.traffic.steady("g", "live", 60, **events, via="apigateway", target="shop")
    aws.clock.advance(40)
    aws.traffic.stop()
    aws.clock.advance(600)
    for dimensions in ({"ApiName": "shop"}, {"ApiName": "shop", "Stage": "prod"}):
        assert counted(aws, "AWS/ApiGateway", "SampleCount", "Count", **dimensions) == 40
        assert counted(aws, "AWS/ApiGateway", "Sum", "5XXError", **dimensions) == 20
        assert counted(aws, "AWS/ApiGateway", "Sum", "4XXError", **dimensions) == 10
        assert counted(aws, "AWS/ApiGateway", "Maximum", "Latency", **dimensions) == pytest.approx(204)
        assert counted(aws, "AWS/ApiGateway", "Maximum", "IntegrationLatency", **dimensions) == pytest.approx(201)


def test_a_load_balancer_separates_its_own_502_from_the_targets(aws: AwsStandIn) -> None:
    aws.lambda_.deploy("g", DOOR.replace("200 +", "300 +"), alias="live")
    both = "targetgroup/g/2 app/shop/1"
    aws.traffic.steady("g", "live", 60, payloads=lambda number: {"n": number}, jitter=False, via="alb", target=both)
    aws.clock.advance(40)
    aws.traffic.stop()
    aws.clock.advance(600)
    elb, balancer = "AWS/ApplicationELB", {"LoadBalancer": "app/shop/1"}
    for dimensions in (balancer, {"TargetGroup": "targetgroup/g/2", **balancer}):
        assert counted(aws, elb, "Sum", "RequestCount", **dimensions) == 40
        assert counted(aws, elb, "Sum", "HTTPCode_Target_5XX_Count", **dimensions) == 10
        assert counted(aws, elb, "Sum", "HTTPCode_Target_4XX_Count", **dimensions) == 10
        assert counted(aws, elb, "Sum", "HTTPCode_Target_2XX_Count", **dimensions) == 0
        assert counted(aws, elb, "SampleCount", "TargetResponseTime", **dimensions) == 30
        assert counted(aws, elb, "Maximum", "TargetResponseTime", **dimensions) == pytest.approx(0.001)
    assert counted(aws, elb, "Sum", "HTTPCode_ELB_5XX_Count", **balancer) == 10


def test_a_throttled_request_is_a_5xx_of_the_api(aws: AwsStandIn) -> None:
    aws.lambda_.function("f").reserved_concurrency = 0
    aws.traffic.steady("f", "live", 60, jitter=False, via="apigateway", target="shop")
    aws.clock.advance(10)
    aws.traffic.stop()
    aws.clock.advance(600)
    assert counted(aws, "AWS/ApiGateway", "Sum", "5XXError", ApiName="shop") == 10
