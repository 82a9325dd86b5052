"""A stage of two functions with its engines deployed on the stand-in, for tests of the engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3

from canary import runner
from canary.assembly import assemble, load_plan
from canary.core import resources
from canary.drivers import act, definition, lambda_handler, rollback_definition
from canary.runner import Ports
from canary.testing import AwsStandIn

PLAN = """journal = "dynamodb://canary-journal"

[stages.dev]
functions = ["api:live", "worker:live"]
steps = [50]
bake = "3m"
min_bake = "3m"
watch_min = "3m"
post_bake = "1m"

[stages.dev.rules]
clean_tree = false
"""
GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BAD = "def handler(event, context):\n    raise RuntimeError('broken')\n"
TEXT = "Live | of ~ the API"
WHERE = {"account": "123456789012", "region": "us-east-1"}
TICK_ARN = resources.tick_function_arn("dev", **WHERE)


class Fleet:
    """A stage of two functions with its engine deployed."""

    def __init__(self, aws: AwsStandIn, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        self.plan = folder / "canary.toml"
        self.plan.write_text(PLAN)
        self.deployed = self.plan
        self.states = boto3.client("stepfunctions")
        boto3.client("scheduler").create_schedule_group(Name=resources.SCHEDULE_GROUP)
        boto3.client("dynamodb").create_table(
            TableName=resources.JOURNAL_TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        for name in ("api", "worker"):
            aws.lambda_.deploy(name, GOOD, alias="live")
            boto3.client("lambda").update_alias(FunctionName=name, Name="live", Description=TEXT)
            aws.traffic.steady(name, "live", 30)
        aws.clock.advance(3 * 60)
        self.is_broken = False
        aws.lambda_.deploy(resources.tick_function("dev"), self.tick, Timeout=900)
        self.stage = load_plan(self.plan).stage("dev")
        self.deploy()

    def deploy(self) -> None:
        for name, machine in (
            (resources.state_machine("dev"), definition(self.stage, TICK_ARN)),
            (resources.rollback_machine("dev"), rollback_definition(self.stage)),
        ):
            role = resources.role_arn(resources.engine_role("dev"), **WHERE)
            self.states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)

    def tick(self, event: dict[str, Any], context: object) -> dict[str, object]:
        if self.is_broken:
            raise ImportError("no module named canary")
        lambda_handler._memories.clear()  # every tick is a cold start
        return act(event, plan_path=self.deployed, clock=self.aws.clock)

    @property
    def ports(self) -> Ports:
        return assemble(load_plan(self.plan), "dev", base=self.folder, clock=self.aws.clock)

    def publish(self, code: str) -> None:
        for name in ("api", "worker"):
            self.aws.lambda_.deploy(name, code)

    def release(self, code: str) -> str:
        """Begins a release as the command does; returns the ARN of the execution."""
        self.publish(code)
        canary_id = runner.start(self.stage, self.ports).canary_id
        arn = resources.state_machine_arn("dev", **WHERE)
        text = json.dumps({"stage": "dev", "canary_id": canary_id})
        answer = self.states.start_execution(stateMachineArn=arn, name=canary_id, input=text)
        return str(answer["executionArn"])

    def aliases(self) -> list[tuple[str, object, str]]:
        client = boto3.client("lambda")
        found = [client.get_alias(FunctionName=name, Name="live") for name in ("api", "worker")]
        return [(a["FunctionVersion"], a.get("RoutingConfig"), a["Description"]) for a in found]

    def outcome(self, arn: str) -> tuple[str, str]:
        found = self.states.describe_execution(executionArn=arn)
        return found["status"], found.get("error", "")
