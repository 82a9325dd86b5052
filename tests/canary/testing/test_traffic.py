"""Users' traffic of the stand-in."""

from __future__ import annotations

import json
import time
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


def test_counts_tell_errors_from_statuses_and_throttles(aws: AwsStandIn) -> None:
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


def test_traffic_is_fast_enough_for_whole_canaries(aws: AwsStandIn) -> None:
    """Call counts, not seconds, are what CI may judge; this only guards against a path through boto3."""
    stream = aws.traffic.steady("f", "live", 6_000)
    calls = len(aws.wire.calls)
    started = time.perf_counter()
    aws.clock.advance(60)
    assert time.perf_counter() - started < 20
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
    for function, alias, via_url in (("nothing", "live", False), ("f", "nothing", False), ("f", "live", True)):
        with pytest.raises(LookupError):
            aws.traffic.steady(function, alias, 60, via_url=via_url)


def test_traffic_through_a_function_url_has_its_metrics(aws: AwsStandIn) -> None:
    boto3.client("lambda").create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE")
    stream = aws.traffic.steady("f", "live", 60, jitter=False, via_url=True)
    aws.clock.advance(1800)
    assert stream.stop().requests == 1800
    listed = boto3.client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="UrlRequestCount")["Metrics"]
    assert len(listed) == 2
