"""`canary.instrument` in a released handler and the `emf` gate of its plan, end to end on the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary import runner
from canary.assembly import assemble
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.testing import AwsStandIn

pytestmark = pytest.mark.sweep

SOURCE = """
import random
import time

from canary.instrument import instrument

RELEASE = {release}


@instrument(slow_ms=2000)
def handler(event, context):
    if random.random() < {slow}:
        time.sleep(2.5)
    return {{"statusCode": 500 if random.random() < {broken} else 200}}
"""
PLAN = """
[stages.dev]
functions = ["api:live"]
steps = [50]
bake = "15m"
[stages.dev.gates.own]
kind = "emf"
bad = "{bad}"
limit_percent = 5
"""


@pytest.mark.parametrize(
    ("bad", "broken", "slow", "phase"),
    [
        ("errors", 0.4, 0.0, Phase.ROLLED_BACK),
        ("errors", 0.0, 0.0, Phase.PROMOTED),
        ("slow", 0.0, 0.4, Phase.ROLLED_BACK),
    ],
)
def test_what_lambdas_own_metrics_cannot_see_decides(
    canary_aws: AwsStandIn, tmp_path: Path, bad: str, broken: float, slow: float, phase: Phase
) -> None:
    """HTTP 500 from a handler is no Lambda error; the wrapper's counters tell it by version (lambda-canary.md §2.2)."""
    canary_aws.lambda_.deploy("api", SOURCE.format(release=1, broken=0, slow=0), alias="live")
    canary_aws.traffic.steady("api", "live", 120)
    canary_aws.clock.advance(180)
    canary_aws.lambda_.deploy("api", SOURCE.format(release=2, broken=broken, slow=slow))
    plan = Plan.parse(PLAN.format(bad=bad))
    gates = {name: gate for name, gate in plan.stage("dev").gates.items() if name == "own"}
    stage = plan.stage("dev").model_copy(update={"gates": gates})  # nothing else may decide
    ports = assemble(plan, "dev", base=tmp_path, clock=canary_aws.clock)
    state = runner.run(stage, ports, runner.start(stage, ports))
    assert state.phase is phase, state.why
