"""Front doors of users' traffic, and what each of them reports to CloudWatch about a request.

A door only counts: Lambda has already run. Names and units are those of the services' own documentation ("Amazon API
Gateway dimensions and metrics", "CloudWatch metrics for your Application Load Balancer"); lambda-canary.md §2.2 marks
them as unverified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from canary.testing.lambda_ import Outcome
from canary.testing.lambda_.invoke import status_of
from canary.testing.lambda_.telemetry import MetricSink

Via = Literal["url", "apigateway", "alb"]
Door = Callable[[Outcome], None]

_GATEWAY_MS = 3.0  # what API Gateway itself takes; Latency includes it, IntegrationLatency doesn't


def api_gateway(store: MetricSink, name: str, stage: str = "prod") -> Door:
    """A REST API: every request counts, errors are 0 or 1, so that their average is the rate."""
    sets = ({"ApiName": name}, {"ApiName": name, "Stage": stage})

    def count(outcome: Outcome) -> None:
        # A throttled function is a 500 to the API's clients.
        status = 500 if outcome.error == "Throttled" else status_of(outcome)
        for dimensions in sets:
            for metric, value, unit in (
                ("Count", 1.0, "Count"),
                ("4XXError", float(400 <= status < 500), "Count"),
                ("5XXError", float(status >= 500), "Count"),
                ("Latency", outcome.latency_ms + _GATEWAY_MS, "Milliseconds"),
                ("IntegrationLatency", outcome.latency_ms, "Milliseconds"),
            ):
                store.record("AWS/ApiGateway", metric, dimensions, value, outcome.at, unit)

    return count


def load_balancer(store: MetricSink, target: str) -> Door:
    """An Application Load Balancer: its status counts are reported only where they aren't zero.

    A Lambda error is a 502 of the balancer (`HTTPCode_ELB_5XX_Count`), not a 5xx of the target.

    Args:
        store: takes the metrics.
        target: `app/NAME/ID`, or `targetgroup/NAME/ID app/NAME/ID`, as in the plan's gates.
    """
    words = target.split()
    balancer = {"LoadBalancer": next(word for word in words if not word.startswith("targetgroup/"))}
    groups = [{"TargetGroup": word, **balancer} for word in words if word.startswith("targetgroup/")]

    def count(outcome: Outcome) -> None:
        for dimensions in (balancer, *groups):
            store.record("AWS/ApplicationELB", "RequestCount", dimensions, 1.0, outcome.at, "Count")
            if outcome.error is None:
                seconds = outcome.latency_ms / 1000
                store.record("AWS/ApplicationELB", "TargetResponseTime", dimensions, seconds, outcome.at, "Seconds")
                metric = f"HTTPCode_Target_{status_of(outcome) // 100}XX_Count"
                store.record("AWS/ApplicationELB", metric, dimensions, 1.0, outcome.at, "Count")
        if outcome.error is not None:
            store.record("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", balancer, 1.0, outcome.at, "Count")

    return count
