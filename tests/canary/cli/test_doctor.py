"""`canary doctor`: what a release depends on is named before the release waits for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from flagkit.testing import Fault
from tests.canary.cli.conftest import PLAN

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traffic")]

if TYPE_CHECKING:
    from conftest import Desk

ORDERS = """
[stages.staging.gates.orders]
kind = "ratio"
numerator = { namespace = "Shop", name = "Orders", dimensions = { version = "{version}" } }
denominator = { namespace = "Shop", name = "Sessions", dimensions = { version = "{version}" } }
"""
LAG = """
[stages.staging.gates.lag]
metric = { namespace = "Shop", name = "Lag", dimensions = { Queue = "orders" } }
kind = "metric"
max = 5
"""


def publish(desk: Desk, name: str, at: datetime | None = None, **dimensions: str) -> None:
    client: Any = desk.aws.session().client("cloudwatch")
    pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    data = {"MetricName": name, "Value": 1.0, "Dimensions": pairs, "Timestamp": at or desk.aws.clock.now()}
    client.put_metric_data(Namespace="Shop", MetricData=[data])
    desk.aws.traffic.streams[0].requests_per_minute = 30
    desk.aws.clock.advance(20 * 60)  # ListMetrics lags


def checks(desk: Desk, *gates: str) -> tuple[int, str]:
    desk.write_plan(PLAN + "".join(gates))
    done = desk("doctor", "staging")
    return done.code, done.out


def test_a_metric_with_other_dimensions_is_an_error_that_names_both(desk: Desk) -> None:
    for name in ("Orders", "Sessions"):
        publish(desk, name, version="1", region="eu")
    code, out = checks(desk, ORDERS)
    assert code == 5
    assert "FAILED   series exists" in out
    assert "CloudWatch has no metric Shop Orders {version=1}; it has it with {region=eu, version=1}" in out
    assert "Correct namespace, name and dimensions of gate orders" in out


def test_a_metric_with_another_name_is_an_error_that_suggests_one(desk: Desk) -> None:
    publish(desk, "Lags", Queue="orders")
    code, out = checks(desk, LAG)
    assert code == 5
    assert (
        "CloudWatch has no metric Shop Lag {Queue=orders}; namespace Shop has other names (did you mean 'Lags'?)" in out
    )


def test_a_namespace_without_metrics_is_an_error(desk: Desk) -> None:
    code, out = checks(desk, LAG)
    assert (code, "it has no metric in namespace Shop" in out) == (5, True)


def test_a_metric_that_was_published_before_is_only_without_data(desk: Desk) -> None:
    publish(desk, "Lag", Queue="orders")
    traffic = desk.aws.traffic.streams[0]
    traffic.requests_per_minute = 30
    desk.aws.clock.advance(5 * 3600 - 600)
    traffic.requests_per_minute = 300
    desk.aws.clock.advance(600)
    code, out = checks(desk, LAG)
    assert "series exists" not in out
    assert code == 0


def test_without_traffic_a_missing_series_is_no_data(desk: Desk) -> None:
    plan = PLAN.replace("api:live", "idle:live")
    desk.aws.lambda_.deploy("idle", "def handler(event, context): return {}", alias="live")
    desk.write_plan(plan + ORDERS)
    done = desk("doctor", "staging")
    assert done.code == 7
    assert "no data  series exists" in done.out


def test_a_dry_run_gate_without_a_series_is_a_warning(desk: Desk) -> None:
    code, out = checks(desk, LAG.replace("max = 5", "max = 5\ndry_run = true"))
    assert (code, "warning  series exists" in out) == (0, True)


def test_metrics_that_may_not_be_listed_are_a_warning(desk: Desk) -> None:
    desk.aws.faults.add(Fault.DENIED, "cloudwatch.ListMetrics")
    code, out = checks(desk, LAG)
    assert code == 0
    assert "whether the series of lag exist is unknown: cloudwatch:ListMetrics" in out
    assert "Grant cloudwatch:ListMetrics." in out
