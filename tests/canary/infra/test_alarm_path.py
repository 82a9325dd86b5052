"""The alarm path of the template, run in the stand-in: alarm, EventBridge, rollback state machine; no driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from canary.core import resources
from canary.core.plan import Plan
from canary.infra.stand_in import install
from canary.infra.template import template
from canary.testing import AwsStandIn

ALARM = "canary-prod-Errors-api:live"
RECORD = "canary1 k3f9a2c1 1>2 b 2026-01-05T09:00:00Z 7@0|The API"


def unused(event: object, context: object) -> object:
    raise AssertionError("no driver takes part")


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        made = template(Plan.parse('[stages.prod]\nfunctions = ["api:live"]'), "prod")
        install(made, aws, unused, AlarmRollback="true")
        aws.lambda_.deploy("api", "def handler(event, context): return {}", alias="live")
        aws.lambda_.deploy("api", "def handler(event, context): return 1")
        yield aws


def shift(description: str) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.07}}
    client: Any = boto3.client("lambda")
    client.update_alias(FunctionName="api", Name="live", RoutingConfig=weights, Description=description)


def alarm(state: str = "ALARM") -> None:
    boto3.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test")  # type: ignore[arg-type]


def weights() -> object:
    return boto3.client("lambda").get_alias(FunctionName="api", Name="live").get("RoutingConfig")


def test_an_alarm_rolls_the_canary_in_progress_back_and_nothing_else(aws: AwsStandIn) -> None:
    shift("somebody else's")
    alarm()
    aws.clock.advance(30)
    assert weights() is not None, "there is no canary"
    alarm("OK")
    shift(RECORD)
    aws.clock.advance(30)
    assert weights() is not None, "only ALARM rolls back"
    alarm()
    aws.clock.advance(30)
    assert weights() is None
    statuses = [one.status for one in aws.states.executions.values()]
    assert statuses == ["SUCCEEDED", "SUCCEEDED"]


def test_a_throttled_start_of_the_rollback_is_tried_again(aws: AwsStandIn) -> None:
    shift(RECORD)
    aws.faults.add("throttled", "stepfunctions.StartExecution", times=2)
    alarm()
    assert weights() is not None
    aws.clock.advance(60)
    assert weights() is None


def test_a_rule_calls_a_function_with_the_event_and_buries_what_nobody_takes(aws: AwsStandIn) -> None:
    seen: list[dict[str, Any]] = []
    aws.lambda_.deploy("pager", lambda event, context: seen.append(event))
    queue = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    events = boto3.client("events")
    events.put_rule(Name="page", EventPattern=json.dumps({"detail": {"state": {"value": [{"prefix": "OK"}]}}}))
    arn = resources.arn("lambda", "function:pager", account=aws.account_id, region=aws.region)
    nowhere = arn.replace("pager", "nowhere")
    dead = {"Arn": resources.arn("sqs", "dead", account=aws.account_id, region=aws.region)}
    once = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    gone: Any = {"Id": "2", "Arn": nowhere, "DeadLetterConfig": dead, "RetryPolicy": once}
    events.put_targets(Rule="page", Targets=[{"Id": "1", "Arn": arn}, gone])
    alarm("OK")
    aws.clock.advance(5)
    (event,) = seen
    assert (event["source"], event["detail"]["alarmName"]) == ("aws.cloudwatch", ALARM)
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    (letter,) = boto3.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"].endswith(":rule/page")
    events.disable_rule(Name="page")
    alarm("ALARM")
    alarm("OK")
    assert len(seen) == 1
