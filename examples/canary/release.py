"""Drives a canary from Python, on the stand-in: a version that fails 20 % of its requests is rolled back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import canary
from canary import ViewBuilder, canary_report, page, status_lines
from canary.testing import AwsStandIn

PLAN = """
[stages.staging]
functions = ["api:live"]
steps = [10, 50]
bake = "10m"
"""

HANDLER = """
import random

def handler(event, context):
    if random.random() < {failing}:
        raise RuntimeError("no")
    return {{"statusCode": 200}}
"""


def main() -> None:
    plan = canary.Plan.parse(PLAN)
    stage = plan.stage("staging")
    builder = ViewBuilder(stage)  # hears every event, and shows the canary at any moment
    with tempfile.TemporaryDirectory() as folder, AwsStandIn(seed=1) as aws:
        aws.lambda_.deploy("api", HANDLER.format(failing=0.01), alias="live")
        aws.traffic.steady("api", "live", requests_per_minute=300)
        aws.clock.advance(300)
        aws.lambda_.deploy("api", HANDLER.format(failing=0.20))

        ports = canary.assemble(plan, "staging", base=Path(folder), clock=aws.clock, observers=(builder,))
        state = canary.start(stage, ports)
        state = canary.run(stage, ports, state)

    print(*status_lines(builder.view()), sep="\n")
    report = Path("canary-report.html")
    report.write_text(page(canary_report(builder.view())), encoding="utf-8")
    print(f"report: {report}")
    assert state.phase is canary.Phase.ROLLED_BACK


if __name__ == "__main__":
    main()
