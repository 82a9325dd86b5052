"""Drills on the stand-in: a known-bad version of a sample function is released, and the rollback is measured.

Each drill loses more: nothing, the command, the code of the tick function, every driver. What is deployed is the
template of `canary infra`. It decides nothing, and calls no AWS but the stand-in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from canary.core import resources
from canary.core.plan import Plan
from canary.drivers.lambda_handler import act
from canary.infra.stand_in import install
from canary.infra.template import Template, template
from canary.testing import AwsStandIn

STAGE: Final = "drill"
FUNCTION: Final = "sample"
LONGEST_S: Final = 3600
_ACCOUNT: Final = {"account": "123456789012", "region": "us-east-1"}
_ROLE: Final = resources.role_arn(resources.dead_man_role(STAGE), **_ACCOUNT)
PLAN: Final = f"""\
journal = "dynamodb://{resources.JOURNAL_TABLE}"

[stages.{STAGE}]
functions = ["{FUNCTION}:live"]
steps = [10, 50]
bake = "10m"
dead_man = {{ role_arn = "{_ROLE}", group = "{resources.SCHEDULE_GROUP}" }}
rules = {{ clean_tree = false }}
"""
_SOURCE: Final = """
import random

def handler(event, context):
    if random.random() < {failing}:
        raise RuntimeError("known to be bad")
    return {{"statusCode": 200}}
"""
DRILLS: Final = {
    "command": "the command that releases",
    "engine": "engine stepfunctions, after the command was closed",
    "broken": "the state machine, while the tick function is broken",
    "alarm": "an alarm through EventBridge, after every driver was lost",
    "lost": "the dead-man switch, after every driver was lost",
}
"""Each drill, and what rolls back."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill has measured.

    Attributes:
        name: of `DRILLS`.
        rolled_back_by: in words.
        rollback_s: from the first request that could reach the bad version until every alias is on its baseline; None
            if it isn't after an hour.
        failed_requests: of users, in this time.
    """

    name: str
    rolled_back_by: str
    rollback_s: float | None
    failed_requests: int


def run(name: str, folder: Path, *, failing_percent: float = 30, seed: int = 1, flag: bool = False) -> Drill:
    """Runs one drill on a stand-in of its own.

    Args:
        name: of `DRILLS`.
        folder: where the plan is written.
        failing_percent: requests of the bad version that fail, or users for whom the feature breaks one.
        seed: equal seeds give equal results.
        flag: whether a flag is rolled out, instead of a version.
    """
    running = Running
    if flag:
        from canary.infra.flag_drill import FlagRunning as running  # noqa: N813
    with AwsStandIn(seed=seed) as aws:
        return running(aws, folder / "canary.toml", name, failing_percent / 100, seed).measured()


class Running:
    """One drill.

    Args:
        aws: the stand-in.
        plan: where the plan is written.
        name: of the drill.
        failing_ratio: of requests, or of users.
        seed: of what is random.
    """

    look_s = 5
    drills: ClassVar = DRILLS

    def __init__(self, aws: AwsStandIn, plan: Path, name: str, failing_ratio: float, seed: int) -> None:
        self._aws, self._plan, self._name, self._failing_ratio, self._seed = aws, plan, name, failing_ratio, seed
        self._session = aws.session()
        self._is_broken = False
        plan.write_text(self._text, encoding="utf-8")

    def measured(self) -> Drill:
        """Begins a release, loses what the drill loses, and waits for the rollback."""
        self._build()
        canary_id = str(self._act("start")["canary_id"])
        if self._name in {"engine", "broken"}:
            self._hand_over(canary_id)
        else:
            self._act("tick")
        clock = self._aws.clock
        began = clock.now()
        self._is_broken = self._name == "broken"
        self._began()
        ticks = self._ticks() if self._name == "command" else iter(())
        while self._has_weights() and (clock.now() - began).total_seconds() < LONGEST_S:
            clock.advance(self.look_s)
            next(ticks, None)
        took = None if self._has_weights() else (clock.now() - began).total_seconds()
        clock.advance(60)
        return Drill(self._name, self.drills[self._name], took, self._failed())

    def _install(self, **parameters: str) -> None:
        made = template(Plan.parse(self._text), STAGE)
        is_alarm = "true" if self._name == "alarm" else "false"
        install(made, self._session, self._deploy, AlarmRollback=is_alarm, **parameters)

    @property
    def _text(self) -> str:
        """The plan."""
        return PLAN

    def _began(self) -> None:
        """Something bad is out."""

    def _build(self) -> None:
        self._install()
        self._aws.lambda_.deploy(FUNCTION, _SOURCE.format(failing=0), alias="live")
        self._aws.traffic.steady(FUNCTION, "live", requests_per_minute=300)
        self._aws.clock.advance(600)
        self._aws.lambda_.deploy(FUNCTION, _SOURCE.format(failing=self._failing_ratio), alias="live")

    def _deploy(self, function: Template) -> None:
        self._aws.lambda_.deploy(function["FunctionName"], self._tick, Timeout=function["Timeout"])

    def _tick(self, event: dict[str, Any], context: object) -> dict[str, object]:
        del context
        if self._is_broken:
            raise ImportError("the package is broken")
        return act(event, plan_path=self._plan, session=self._session, clock=self._aws.clock)

    def _act(self, action: str) -> dict[str, object]:
        event = {"stage": STAGE, "action": action}
        return act(event, plan_path=self._plan, session=self._session, clock=self._aws.clock)

    def _hand_over(self, canary_id: str) -> None:
        states: Any = self._session.client("stepfunctions")
        machine = resources.state_machine_arn(STAGE, **_ACCOUNT)
        text = json.dumps({"stage": STAGE, "canary_id": canary_id})
        states.start_execution(stateMachineArn=machine, name=canary_id, input=text)
        while not self._has_weights():
            self._aws.clock.advance(1)

    def _ticks(self) -> Iterator[None]:
        """A tick whenever it is due, as the command does it."""
        due = self._aws.clock.now()
        while True:
            if self._aws.clock.now() >= due:
                done = self._act("tick")
                if done["done"]:
                    return
                due = self._aws.clock.now() + timedelta(seconds=float(str(done["wait_s"])))
            yield

    def _has_weights(self) -> bool:
        client: Any = self._session.client("lambda")
        alias = client.get_alias(FunctionName=FUNCTION, Name="live")
        return bool(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"))

    def _failed(self) -> int:
        client: Any = self._session.client("cloudwatch")
        now = self._aws.clock.now()
        dimensions = {"FunctionName": FUNCTION, "Resource": f"{FUNCTION}:live"}
        found = client.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(seconds=2 * LONGEST_S),
            EndTime=now,
            Period=3600,
            Statistics=["Sum"],
        )
        return int(sum(point["Sum"] for point in found["Datapoints"]))
