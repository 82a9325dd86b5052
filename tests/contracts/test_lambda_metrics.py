"""What Lambda reports to CloudWatch; source of every expectation: lambda-canary.md §2.1 and §2.2."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from canary.testing import AwsStandIn

MIXED = """
import time

def handler(event, context):
    time.sleep(event.get("s", 0))
    if event.get("fail"):
        raise ValueError("bad")
    return {"statusCode": event.get("status", 200)}
"""


def read(
    aws: AwsStandIn, metric: str, stat: str, *, namespace: str = "AWS/Lambda", **dimensions: str
) -> dict[str, float]:
    """Values of one metric by minute since the start ("0", "1", …)."""
    client = boto3.client("cloudwatch")
    start = aws.clock.now().replace(hour=9, minute=0, second=0, microsecond=0)
    named: Any = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    answer = client.get_metric_data(
        StartTime=start,
        EndTime=aws.clock.now() + timedelta(minutes=30),
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
                    "Period": 60,
                    "Stat": stat,
                },
            }
        ],
    )["MetricDataResults"][0]
    pairs = zip(answer["Timestamps"], answer["Values"], strict=True)
    return {str(int((at - start).total_seconds() // 60)): value for at, value in sorted(pairs)}


@pytest.fixture
def aws(canary_aws: AwsStandIn) -> AwsStandIn:
    """A function `f` with versions 1 and 2 behind `live`, all on 1."""
    canary_aws.lambda_.deploy("f", MIXED, alias="live", Timeout=900)
    canary_aws.lambda_.deploy("f", MIXED + "\n# 2")
    return canary_aws


def call(aws: AwsStandIn, qualifier: str = "live", **event: object) -> None:
    aws.lambda_.call("f", qualifier, json.dumps(event).encode())


def test_each_invocation_counts_on_three_dimension_sets(aws: AwsStandIn) -> None:
    call(aws)
    call(aws, fail=True)
    aws.clock.advance(300)
    for dimensions in (
        {"FunctionName": "f"},
        {"FunctionName": "f", "Resource": "f:live"},
        {"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": "1"},
    ):
        assert read(aws, "Invocations", "Sum", **dimensions) == {"0": 2.0}
        assert read(aws, "Errors", "Sum", **dimensions) == {"0": 1.0}
        assert read(aws, "Duration", "SampleCount", **dimensions) == {"0": 2.0}
    # A subset or superset of the dimensions is another metric.
    assert read(aws, "Invocations", "Sum", FunctionName="f", ExecutedVersion="1") == {}


def test_a_weighted_alias_has_a_series_for_each_version(aws: AwsStandIn) -> None:
    """Primary and canary are both separable, and their sum is the alias."""
    weights = {"AdditionalVersionWeights": {"2": 0.3}}
    boto3.client("lambda").update_alias(FunctionName="f", Name="live", RoutingConfig=weights)
    for _ in range(200):
        call(aws)
    aws.clock.advance(300)
    resource = {"FunctionName": "f", "Resource": "f:live"}
    shares = [read(aws, "Invocations", "Sum", **resource, ExecutedVersion=number)["0"] for number in ("1", "2")]
    assert sum(shares) == read(aws, "Invocations", "Sum", **resource)["0"] == 200
    assert 40 <= shares[1] <= 80


def test_a_call_of_a_version_lands_on_that_version_and_not_on_the_alias(aws: AwsStandIn) -> None:
    """And one through the alias isn't recorded under Resource=f:version (lumigo-io/SAR-Lambda-Janitor#9)."""
    call(aws, "2")
    call(aws, "live")
    aws.clock.advance(300)
    assert read(aws, "Invocations", "Sum", FunctionName="f", Resource="f:2") == {"0": 1.0}
    assert read(aws, "Invocations", "Sum", FunctionName="f", Resource="f:live") == {"0": 1.0}
    assert read(aws, "Invocations", "Sum", FunctionName="f", Resource="f:1") == {}


def test_success_is_an_explicit_zero_error(aws: AwsStandIn) -> None:
    """So "no Errors datapoint" means "no traffic", not "no errors"."""
    call(aws)
    aws.clock.advance(300)
    where = {"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": "1"}
    assert read(aws, "Errors", "Sum", **where) == {"0": 0.0}
    assert read(aws, "Errors", "SampleCount", **where) == {"0": 1.0}
    assert read(aws, "Errors", "Sum", **{**where, "ExecutedVersion": "2"}) == {}


def test_duration_is_in_milliseconds_and_leaves_the_cold_start_out(aws: AwsStandIn) -> None:
    call(aws, s=0.25)
    aws.clock.advance(300)
    assert aws.lambda_.recent[-1].init_ms == 200
    assert read(aws, "Duration", "Maximum", FunctionName="f") == {"0": pytest.approx(251)}


def test_a_timeout_is_an_error_dated_at_the_start_and_known_at_the_end(aws: AwsStandIn) -> None:
    """An error of a ten-minute function appears ten minutes back."""
    aws.lambda_.deploy("slow", MIXED, Timeout=600)
    aws.clock.advance(30)
    aws.lambda_.call("slow", "", b'{"s": 3600}')
    aws.clock.advance(590)
    assert read(aws, "Errors", "Sum", FunctionName="slow") == {}
    aws.clock.advance(200)
    assert read(aws, "Errors", "Sum", FunctionName="slow") == {"0": 1.0}
    assert read(aws, "Duration", "Maximum", FunctionName="slow") == {"0": 600_000.0}


def test_a_throttled_request_has_no_version_and_is_neither_invocation_nor_error(aws: AwsStandIn) -> None:
    once = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    once.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    call(aws)
    aws.clock.advance(300)
    resource = {"FunctionName": "f", "Resource": "f:live"}
    for dimensions in ({"FunctionName": "f"}, resource):
        assert read(aws, "Throttles", "Sum", **dimensions) == {"0": 1.0}
        assert read(aws, "Invocations", "Sum", **dimensions) == {}
        assert read(aws, "Errors", "Sum", **dimensions) == {}
    assert read(aws, "Throttles", "Sum", **resource, ExecutedVersion="1") == {}


@pytest.mark.parametrize("present", [True, False])
def test_whether_versions_have_series_without_weights_can_be_chosen(aws: AwsStandIn, present: bool) -> None:
    """Reports differ and nothing is documented, so a reader must work both ways."""
    aws.lambda_.settings.executed_version_without_weights = present
    call(aws)
    aws.clock.advance(300)
    where = {"FunctionName": "f", "Resource": "f:live"}
    assert read(aws, "Invocations", "Sum", **where) == {"0": 1.0}
    assert bool(read(aws, "Invocations", "Sum", **where, ExecutedVersion="1")) is present


def test_a_5xx_of_a_handler_is_no_lambda_error_but_a_url_5xx(aws: AwsStandIn) -> None:
    """Url metrics know the alias and no version (raw capture, urls_observability_dimensions.json)."""
    aws.lambda_.deploy("site", "def handler(e, c):\n    return {'statusCode': 503, 'body': 'busy'}", alias="live")
    boto3.client("lambda").create_function_url_config(FunctionName="site", Qualifier="live", AuthType="NONE")
    answer = aws.lambda_.http("site", "live", path="/x")
    assert (answer.status, answer.body) == (503, "busy")
    aws.clock.advance(300)
    for dimensions in ({"FunctionName": "site"}, {"FunctionName": "site", "Resource": "site:live"}):
        assert read(aws, "Url5xxCount", "Sum", **dimensions) == {"0": 1.0}
        assert read(aws, "Url4xxCount", "Sum", **dimensions) == {"0": 0.0}
        assert read(aws, "UrlRequestCount", "Sum", **dimensions) == {"0": 1.0}
        # What the client waits: the cold start too.
        assert read(aws, "UrlRequestLatency", "Maximum", **dimensions) == {"0": pytest.approx(201)}
        assert read(aws, "Errors", "Sum", **dimensions) == {"0": 0.0}
    version = {"FunctionName": "site", "Resource": "site:live", "ExecutedVersion": "1"}
    assert read(aws, "Url5xxCount", "Sum", **version) == {}


def test_a_lambda_error_is_a_502_at_the_url(aws: AwsStandIn) -> None:
    aws.lambda_.deploy("site", "def handler(e, c):\n    return 1 / 0", alias="live")
    boto3.client("lambda").create_function_url_config(FunctionName="site", Qualifier="live", AuthType="NONE")
    assert aws.lambda_.http("site", "live").status == 502
    aws.clock.advance(300)
    assert read(aws, "Url5xxCount", "Sum", FunctionName="site") == {"0": 1.0}
    assert read(aws, "Errors", "Sum", FunctionName="site") == {"0": 1.0}


def test_lines_in_the_embedded_metric_format_become_metrics(aws: AwsStandIn) -> None:
    """CloudWatch user guide, "Specification: Embedded metric format"; separable by version (§2.2)."""
    source = """
        import json, time
        def handler(event, context):
            print(json.dumps({
                "_aws": {
                    "Timestamp": int(time.time() * 1000),
                    "CloudWatchMetrics": [{
                        "Namespace": "Shop",
                        "Dimensions": [["service"], ["service", "version"], ["absent"]],
                        "Metrics": [{"Name": "orders", "Unit": "Count"}, {"Name": "ms", "Unit": "Milliseconds"}],
                    }],
                },
                "service": "api", "version": context.function_version, "orders": 1, "ms": [10, 30],
            }))
            print('{"_aws": broken')
            print("plain")
    """
    aws.lambda_.deploy("shop", source, alias="live")
    aws.clock.advance(65)
    aws.lambda_.call("shop", "live")
    aws.lambda_.call("shop", "live")
    aws.clock.advance(300)
    shop = {"namespace": "Shop", "service": "api"}
    assert read(aws, "orders", "Sum", **shop) == {"1": 2.0}
    assert read(aws, "orders", "Sum", **shop, version="1") == {"1": 2.0}
    assert read(aws, "ms", "Average", **shop) == {"1": 20.0}
    assert [line.text for line in aws.lambda_.logs("shop")][2::3] == ["plain", "plain"]
