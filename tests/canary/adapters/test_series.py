"""Which series each gate asks for: names and dimensions exactly as AWS publishes them."""

from __future__ import annotations

import pytest

from canary.adapters.cloudwatch import queue_name
from canary.adapters.series import (
    PerVersionSeries,
    RequestSeries,
    Series,
    by_alias,
    by_function,
    over,
    series_plan,
)
from canary.core.plan import CountingGate, EmfGate, ErrorsGate, FunctionRef, Http5xxGate, LatencyGate, ThrottlesGate
from canary.ports import Target

TARGET = Target(FunctionRef("api", "live"), "1", "2")
ALIAS = (("FunctionName", "api"), ("Resource", "api:live"))
BALANCER = "targetgroup/shop/11 app/front/22"


def test_versions_differ_by_exactly_three_dimensions() -> None:
    """lambda-canary.md §2.1: one dimension more or less gives no data."""
    need = series_plan(ErrorsGate(), TARGET, "staging")
    assert isinstance(need, PerVersionSeries)
    assert need.candidate.requests == (Series("AWS/Lambda", "Invocations", (*ALIAS, ("ExecutedVersion", "2"))),)
    assert need.baseline.bad == (Series("AWS/Lambda", "Errors", (*ALIAS, ("ExecutedVersion", "1"))),)
    assert need.both is not None
    assert need.both.requests == (Series("AWS/Lambda", "Invocations", ALIAS),)


def test_an_arn_becomes_the_bare_name_in_dimensions() -> None:
    """A full ARN in Resource never matches (aws/serverless-application-model#518)."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:api"
    assert by_function(Target(FunctionRef(arn, "live"), "1", "2"), "Errors").dimensions == (("FunctionName", "api"),)


def test_latency_counts_above_a_bin_edge_with_at_most_ten_decimals() -> None:
    need = series_plan(LatencyGate(), TARGET, "staging")
    assert isinstance(need, PerVersionSeries)
    assert [series.stat for series in need.candidate.series] == ["SampleCount", "TC(2048.4002146:)"]
    assert over(1.1**8) == "TC(2.1435888:)"


@pytest.mark.parametrize(
    ("gate", "requests", "bad"),
    [
        (
            ThrottlesGate(),
            [("AWS/Lambda", "Invocations", ALIAS, "Sum"), ("AWS/Lambda", "Throttles", ALIAS, "Sum")],
            [("AWS/Lambda", "Throttles", ALIAS, "Sum")],
        ),
        (
            Http5xxGate(source="url"),
            [("AWS/Lambda", "UrlRequestCount", ALIAS, "Sum")],
            [("AWS/Lambda", "Url5xxCount", ALIAS, "Sum")],
        ),
        (
            Http5xxGate(source="apigateway", target="shop"),
            [("AWS/ApiGateway", "Count", (("ApiName", "shop"),), "SampleCount")],
            [("AWS/ApiGateway", "5XXError", (("ApiName", "shop"),), "Sum")],
        ),
        (
            Http5xxGate(source="apigateway", target="shop/prod"),
            [("AWS/ApiGateway", "Count", (("ApiName", "shop"), ("Stage", "prod")), "SampleCount")],
            [("AWS/ApiGateway", "5XXError", (("ApiName", "shop"), ("Stage", "prod")), "Sum")],
        ),
        (
            Http5xxGate(source="http_api", target="a1b2/prod"),
            [("AWS/ApiGateway", "Count", (("ApiId", "a1b2"), ("Stage", "prod")), "SampleCount")],
            [("AWS/ApiGateway", "5xx", (("ApiId", "a1b2"), ("Stage", "prod")), "Sum")],
        ),
        (
            Http5xxGate(source="websocket", target="a1b2"),
            [("AWS/ApiGateway", "MessageCount", (("ApiId", "a1b2"),), "Sum")],
            [
                ("AWS/ApiGateway", "IntegrationError", (("ApiId", "a1b2"),), "Sum"),
                ("AWS/ApiGateway", "ExecutionError", (("ApiId", "a1b2"),), "Sum"),
            ],
        ),
        (
            LatencyGate(source="http_api", target="a1b2"),
            [("AWS/ApiGateway", "Latency", (("ApiId", "a1b2"),), "SampleCount")],
            [("AWS/ApiGateway", "Latency", (("ApiId", "a1b2"),), "TC(2048.4002146:)")],
        ),
        (
            LatencyGate(source="websocket", target="a1b2"),
            [("AWS/ApiGateway", "IntegrationLatency", (("ApiId", "a1b2"),), "SampleCount")],
            [("AWS/ApiGateway", "IntegrationLatency", (("ApiId", "a1b2"),), "TC(2048.4002146:)")],
        ),
        (
            LatencyGate(
                source="alb", target="arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/front/22"
            ),
            [("AWS/ApplicationELB", "TargetResponseTime", (("LoadBalancer", "app/front/22"),), "SampleCount")],
            [("AWS/ApplicationELB", "TargetResponseTime", (("LoadBalancer", "app/front/22"),), "TC(1.9487171:)")],
        ),
        (
            Http5xxGate(source="alb", target=BALANCER),
            [
                (
                    "AWS/ApplicationELB",
                    "RequestCount",
                    (("TargetGroup", "targetgroup/shop/11"), ("LoadBalancer", "app/front/22")),
                    "Sum",
                )
            ],
            [
                (
                    "AWS/ApplicationELB",
                    "HTTPCode_Target_5XX_Count",
                    (("TargetGroup", "targetgroup/shop/11"), ("LoadBalancer", "app/front/22")),
                    "Sum",
                )
            ],
        ),
        (
            LatencyGate(source="url"),
            [("AWS/Lambda", "UrlRequestLatency", ALIAS, "SampleCount")],
            [("AWS/Lambda", "UrlRequestLatency", ALIAS, "TC(2048.4002146:)")],
        ),
        (
            LatencyGate(source="apigateway", target="shop"),
            [("AWS/ApiGateway", "Latency", (("ApiName", "shop"),), "SampleCount")],
            [("AWS/ApiGateway", "Latency", (("ApiName", "shop"),), "TC(2048.4002146:)")],
        ),
        (
            LatencyGate(source="alb", target="app/front/22"),  # seconds, not milliseconds
            [("AWS/ApplicationELB", "TargetResponseTime", (("LoadBalancer", "app/front/22"),), "SampleCount")],
            [("AWS/ApplicationELB", "TargetResponseTime", (("LoadBalancer", "app/front/22"),), "TC(1.9487171:)")],
        ),
    ],
)
def test_a_gate_without_versions_is_one_pair_of_counts(
    gate: CountingGate, requests: list[tuple[object, ...]], bad: list[tuple[object, ...]]
) -> None:
    need = series_plan(gate, TARGET, "staging")
    assert isinstance(need, RequestSeries)
    assert need == RequestSeries(tuple(Series(*one) for one in requests), tuple(Series(*one) for one in bad))  # type: ignore[arg-type]


@pytest.mark.parametrize(("bad", "metric"), [("errors", "WarmErrors"), ("slow", "WarmSlow")])
def test_the_wrappers_own_counter_is_separated_by_its_version(bad: str, metric: str) -> None:
    need = series_plan(EmfGate(bad=bad), TARGET, "staging")  # type: ignore[arg-type]
    assert isinstance(need, PerVersionSeries)
    dimensions = (("FunctionName", "api"), ("Version", "2"))
    assert need.candidate == RequestSeries(
        (Series("canary", "WarmRequests", dimensions),), (Series("canary", metric, dimensions),)
    )
    assert need.both is None


@pytest.mark.parametrize(
    "queue", ["dead", "arn:aws:sqs:eu-west-1:1:dead", "https://sqs.eu-west-1.amazonaws.com/1/dead"]
)
def test_a_queue_is_named_by_name_arn_or_url(queue: str) -> None:
    assert queue_name(queue) == "dead"


@pytest.mark.parametrize(
    "function",
    [
        "api",
        "123456789012:function:api",
        "arn:aws:lambda:eu-west-1:123456789012:function:api",
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:api",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:api",
    ],
)
def test_dimensions_hold_the_bare_name_of_every_form(function: str) -> None:
    target = Target(FunctionRef.parse(f"{function}:live"), "1", "2")
    assert series_plan(ThrottlesGate(), target, "staging").series[0].dimensions == ALIAS
    assert str(by_alias(target, "Errors")) == "AWS/Lambda Errors {FunctionName=api, Resource=api:live}"
