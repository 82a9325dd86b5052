"""The costs that docs/canary/infrastructure.md shows are counted on the stand-in and priced from docs/facts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from canary.core import resources
from canary.core.plan import Plan
from canary.drivers import act
from canary.infra.stand_in import install
from canary.infra.template import template
from canary.testing import AwsStandIn

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "canary" / "infrastructure.md").read_text("utf-8")
FACTS = (ROOT / "docs" / "facts" / "lambda-canary.md").read_text("utf-8")
FUNCTIONS = ("api", "rewards", "quests")
PLAN = f"""journal = "dynamodb://{resources.JOURNAL_TABLE}"
[stages.prod]
functions = ["api:live", "rewards:live", "quests:live"]
steps = [10, 50]
bake = "10m"
rules = {{ clean_tree = false, confirm = false }}
"""
NAMES = ("ticks", "state transitions", "metrics", "write units of the journal")
TICK_S, MEMORY_GB, CANARIES = 3, 0.5, 40


def price(unit: str) -> float:
    """Of one unit, by the beginning of its row."""
    row = rf"^\| {re.escape(unit)}[^|]*\| ([\d.]+) \| ([\d,]+) \|$"
    ((usd, count),) = re.findall(row, FACTS, re.MULTILINE)
    return float(usd) / int(count.replace(",", ""))


def said(name: str) -> int:
    """What the page says was counted."""
    (text,) = re.findall(rf"([\d,]+) {name}", PAGE[PAGE.index("A promoted release takes") :].split("\n")[0])
    return int(text.replace(",", ""))


def cells(first: str) -> list[str]:
    """The other cells of a row, by what its first one begins with."""
    found = [line for line in PAGE.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip(" *") for line in found for cell in line.strip("|").split("|")[1:]]


def test_the_costs_of_the_page_are_the_counts_times_the_prices() -> None:
    ticks, transitions, metrics, writes = map(said, NAMES)
    per_tick = price("request to a function") + TICK_S * MEMORY_GB * price("GB-second of a function on arm64")
    states, queries = transitions * price("state transition"), metrics * price("metric asked for")
    tick, journal = ticks * per_tick, writes * price("write request unit")
    schedule = ticks * price("invocation by EventBridge Scheduler")
    shown = {
        "state transitions": (states, None, None),
        "tick function": (tick, tick, None),
        "metrics of": (queries, queries, queries),
        "journal |": (journal, journal, journal),
        "invocations by": (None, schedule, None),
    }
    for first, row in shown.items():
        assert cells(first) == ["–" if cost is None else f"${cost:.4f}" for cost in row], first
    sums = [sum(cost for row in shown.values() if (cost := row[engine]) is not None) for engine in range(3)]
    made = template(Plan.parse(PLAN), "prod")["Resources"].values()
    alarms = [one["Properties"] for one in made if one["Type"] == "AWS::CloudWatch::Alarm"]
    counted = sum(sum("MetricStat" in metric for metric in one.get("Metrics", [{"MetricStat": 1}])) for one in alarms)
    month = [counted * price("alarm"), price("dashboard"), CANARIES * round(sums[0], 4)]
    assert f"alarms: {counted} metrics" in PAGE
    found = [cells(first)[0] for first in ("alarms:", "dashboard, if", f"{CANARIES} canaries")]
    assert found == [f"${cost:.2f}" for cost in month]
    assert cells("**together**") == [*(f"${cost:.4f}" for cost in sums), f"${sum(month):.2f}"]


@pytest.mark.sweep
def test_a_release_needs_what_the_page_has_counted(tmp_path: Path) -> None:
    path = tmp_path / "canary.toml"
    path.write_text(PLAN)
    ticks, metrics = [], []
    with AwsStandIn() as aws:
        session = aws.session()

        def tick(event: dict[str, Any], context: object) -> object:
            ticks.append(event)
            return act(event, plan_path=path, session=session, clock=aws.clock)

        def deploy(function: dict[str, Any]) -> None:
            aws.lambda_.deploy(function["FunctionName"], tick, Timeout=900)

        install(template(Plan.parse(PLAN), "prod"), session, deploy)
        for name in FUNCTIONS:
            aws.lambda_.deploy(name, "def handler(event, context): return 1", alias="live")
            aws.traffic.steady(name, "live", requests_per_minute=60)
        aws.clock.advance(600)
        for name in FUNCTIONS:
            aws.lambda_.deploy(name, "def handler(event, context): return 2")
        answer = aws.cloudwatch.GetMetricData

        def counting(params: dict[str, Any], context: Any) -> dict[str, Any]:
            metrics.append(sum("MetricStat" in query for query in params["MetricDataQueries"]))
            return answer(params, context)

        aws.cloudwatch.GetMetricData = counting  # type: ignore[method-assign]
        event = {"stage": "prod", "action": "start"}
        canary_id = str(act(event, plan_path=path, session=session, clock=aws.clock)["canary_id"])
        began, where = aws.clock.now(), {"account": aws.account_id, "region": aws.region}
        execution = session.client("stepfunctions").start_execution(
            stateMachineArn=resources.state_machine_arn("prod", **where),
            name=canary_id,
            input=json.dumps({"stage": "prod", "canary_id": canary_id}),
        )["executionArn"]
        run = aws.states.executions[execution]
        while run.status == "RUNNING":
            aws.clock.advance(60)
        items = session.client("dynamodb").scan(TableName=resources.JOURNAL_TABLE)["Items"]
        units = sum(-(-len(json.dumps(item, default=str)) // 1024) for item in items)
        assert [len(ticks), len(run.path), sum(metrics), units] == [said(name) for name in NAMES]
        assert f"and {round((aws.clock.now() - began).total_seconds() / 60)} minutes." in PAGE
