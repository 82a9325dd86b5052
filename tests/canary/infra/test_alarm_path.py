"""The alarm path of the template, run in the stand-in: alarm, EventBridge, rollback state machine; no driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.sns.models import sns_backends

from canary.adapters.notify import _id_of
from canary.core import resources
from canary.core.events import TrafficShifted
from canary.core.plan import Plan
from canary.infra.stand_in import install
from canary.infra.template import template
from canary.testing import AwsStandIn

TOPIC = "arn:aws:sns:us-east-1:123456789012:canary-prod"
ALARM = "canary-prod-Errors-api:live"
RECORD = "canary1 k3f9a2c1 1>2 b 2026-01-05T09:00:00Z 7@0|The API"


def no_driver(function: object) -> None:
    """The tick function takes no part."""


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        made = template(Plan.parse('[stages.prod]\nfunctions = ["api:live"]'), "prod")
        install(made, aws.session(), no_driver, AlarmRollback="true")
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


def rolled_back(aws: AwsStandIn, **given: str) -> tuple[str, list[dict[str, Any]]]:
    """The state machine that rolls back, to its end; what the topic got besides alarms."""
    arn = resources.rollback_machine_arn("prod", account=aws.account_id, region=aws.region)
    states = boto3.client("stepfunctions")
    found = states.start_execution(stateMachineArn=arn, name="by-hand" + "".join(given), input=json.dumps(given))[
        "executionArn"
    ]
    for _ in range(200):
        aws.clock.advance(300)
        if (ended := states.describe_execution(executionArn=found))["status"] != "RUNNING":
            break
    sent = sns_backends[aws.account_id][aws.region].topics[TOPIC].sent_notifications
    messages = [json.loads(message) for _, message, subject, *_ in sent if subject and subject.startswith("[prod]")]
    return f"{ended['status']} {ended.get('error', '')}{ended.get('cause', '')}", messages


def test_a_rollback_without_a_driver_is_published_once_with_the_id_that_a_driver_gives_it(aws: AwsStandIn) -> None:
    shift(RECORD)
    status, (message,) = rolled_back(aws)
    assert status == "SUCCEEDED "
    (event,) = [TrafficShifted("k3f9a2c1", "prod", aws.clock.now(), 0, "")]
    assert message["id"] == _id_of(event, "rolled_back", 0)
    assert (message["canary_id"], message["stage"], message["transition"]) == ("k3f9a2c1", "prod", "rolled_back")
    assert rolled_back(aws, again="") == ("SUCCEEDED ", [message]), "nothing is left to roll back"


def test_a_rollback_to_a_version_that_was_deleted_ends_with_an_alert(aws: AwsStandIn) -> None:
    """It tried again until its timeout of a day."""
    shift(RECORD)
    del aws.lambda_.functions["api"].versions["1"]
    began = aws.clock.now()
    status, (message,) = rolled_back(aws, canary_id="k3f9a2c1")
    assert status == (
        "FAILED CanaryNotRolledBackapi:live (Lambda.ResourceNotFoundException) may still have weights: "
        "run `canary rollback prod`."
    )
    assert (message["transition"], message["canary_id"]) == ("alert", "k3f9a2c1")
    assert message["why"].startswith("api:live (Lambda.ResourceNotFoundException)")
    assert aws.clock.now() - began <= timedelta(minutes=5)


def test_a_rollback_that_is_refused_for_hours_ends_with_an_alert(aws: AwsStandIn) -> None:
    shift(RECORD)
    aws.faults.add("denied", "lambda.UpdateAlias")
    began = aws.clock.now()
    status, (message,) = rolled_back(aws)
    assert status.startswith("FAILED CanaryNotRolledBackapi:live (Lambda.AccessDeniedException)")
    assert message["transition"] == "alert"
    assert timedelta(hours=2) < aws.clock.now() - began < timedelta(hours=3)
