"""EventBridge Scheduler of the stand-in.

Sources: Scheduler user guide ("Schedule types", "Using universal targets", "Configuring a dead-letter queue"), its API
reference, and lambda-canary.md §6.1 for the dead-man switch.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from canary.testing import AwsStandIn
from flagkit.testing import Fault

ROLE = "arn:aws:iam::123456789012:role/canary-deadman"
UPDATE_ALIAS = "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    """Scheduler, and a function `f` with versions 1 and 2 behind `live`, half each."""
    for number in (1, 2):
        canary_aws.lambda_.deploy("f", f"def handler(e, c):\n    return {number}\n", alias="live")
    shift(0.5)
    return boto3.client("scheduler")


def shift(weight: float) -> str:
    answer = boto3.client("lambda").update_alias(
        FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": weight}}
    )
    return answer["RevisionId"]


def alias() -> tuple[str, Any]:
    answer: Any = boto3.client("lambda").get_alias(FunctionName="f", Name="live")
    return answer["FunctionVersion"], answer.get("RoutingConfig")


def dead_man(revision: str | None = None, **retry: int) -> dict[str, Any]:
    """A target that takes the alias back to version 1."""
    given = {
        "FunctionName": "f",
        "Name": "live",
        "FunctionVersion": "1",
        "RoutingConfig": {"AdditionalVersionWeights": {}},
    }
    if revision:
        given["RevisionId"] = revision
    return {"Arn": UPDATE_ALIAS, "RoleArn": ROLE, "Input": json.dumps(given), "RetryPolicy": retry}


def create(client: Any, minutes: float = 10, target: Any = None, **params: Any) -> Any:
    at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC) + timedelta(minutes=minutes)
    return client.create_schedule(
        **{
            "Name": "dead-man",
            "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target or dead_man(),
            **params,
        }
    )


def test_a_one_time_schedule_calls_its_universal_target_within_its_minute(canary_aws: AwsStandIn, client: Any) -> None:
    """60 s of precision: set to 1:00, it invokes the target between 1:00:00 and 1:00:59."""
    create(client)
    canary_aws.clock.advance(600 - 1)
    assert alias() == ("1", {"AdditionalVersionWeights": {"2": 0.5}})
    canary_aws.clock.advance(60)
    assert alias() == ("1", None)
    (firing,) = canary_aws.scheduler.firings
    assert firing.outcome == "delivered"
    assert 0 <= (firing.attempts[0] - firing.due).total_seconds() < 60


def test_lateness_can_be_turned_off(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.scheduler.lateness_s = 0
    create(client)
    canary_aws.clock.advance(600)
    assert canary_aws.scheduler.firings[0].attempts == [canary_aws.clock.now()]


def test_a_dead_man_switch_does_not_fight_another_writer(canary_aws: AwsStandIn, client: Any) -> None:
    """With the RevisionId of the last shift it fails with 412 if anyone else touched the alias since."""
    revision = shift(0.5)
    create(client, target=dead_man(revision, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=300))
    canary_aws.foreign.move_alias("f", "live", weights={"2": 0.9})
    canary_aws.clock.advance(1200)
    assert alias() == ("1", {"AdditionalVersionWeights": {"2": 0.9}})
    (firing,) = canary_aws.scheduler.firings
    assert firing.outcome == "failed"
    assert firing.errors == ["PreconditionFailedException"] * 3


def test_a_failure_is_tried_again_and_may_succeed(canary_aws: AwsStandIn, client: Any) -> None:
    create(client)
    canary_aws.faults.add(Fault.THROTTLED, "lambda.UpdateAlias", times=2)
    canary_aws.clock.advance(900)
    assert alias() == ("1", None)
    (firing,) = canary_aws.scheduler.firings
    assert (firing.outcome, len(firing.attempts)) == ("delivered", 3)
    assert firing.errors == ["TooManyRequestsException"] * 2


@pytest.mark.parametrize(
    ("retry", "condition"),
    [
        ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts"),
        ({"MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds"),
    ],
)
def test_an_exhausted_schedule_leaves_a_dead_letter(
    canary_aws: AwsStandIn, client: Any, retry: dict[str, int], condition: str
) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    target = dead_man("stale", **retry)
    create(client, target={**target, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:dead"}})
    canary_aws.clock.advance(3600)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    values = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Body"] == target["Input"]
    assert values["ERROR_CODE"] == "PreconditionFailedException"
    assert values["EXHAUSTED_RETRY_CONDITION"] == condition
    assert values["SCHEDULE_ARN"] == "arn:aws:scheduler:us-east-1:123456789012:schedule/default/dead-man"
    assert values["TARGET_ARN"] == UPDATE_ALIAS


def test_pushing_a_schedule_forward_replaces_its_time(canary_aws: AwsStandIn, client: Any) -> None:
    create(client, minutes=10)
    canary_aws.clock.advance(540)
    client.update_schedule(
        Name="dead-man",
        ScheduleExpression="at(2026-01-05T09:30:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=dead_man(),
    )
    canary_aws.clock.advance(600)
    assert canary_aws.scheduler.firings == []
    canary_aws.clock.advance(900)
    assert alias() == ("1", None)


def test_a_deleted_or_disabled_schedule_does_not_fire(canary_aws: AwsStandIn, client: Any) -> None:
    create(client)
    client.delete_schedule(Name="dead-man")
    create(client, Name="off", State="DISABLED")
    canary_aws.clock.advance(3600)
    assert canary_aws.scheduler.firings == []
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_schedule(Name="dead-man")


@pytest.mark.parametrize(("action", "left"), [("DELETE", []), ("NONE", ["dead-man"])])
def test_what_remains_after_completion(canary_aws: AwsStandIn, client: Any, action: str, left: list[str]) -> None:
    create(client, ActionAfterCompletion=action)
    canary_aws.clock.advance(700)
    assert [item["Name"] for item in client.list_schedules()["Schedules"]] == left
    assert len(canary_aws.scheduler.firings) == 1


def test_the_same_client_token_is_the_same_request(client: Any) -> None:
    first = create(client, ClientToken="t")
    assert create(client, ClientToken="t")["ScheduleArn"] == first["ScheduleArn"]
    for params in ({"ClientToken": "u"}, {"ClientToken": "t", "minutes": 20}):
        with pytest.raises(client.exceptions.ConflictException):
            create(client, **params)


def test_defaults_are_185_retries_in_24_hours(client: Any) -> None:
    create(client, target={"Arn": UPDATE_ALIAS, "RoleArn": ROLE, "Input": "{}"})
    read = client.get_schedule(Name="dead-man")
    assert read["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert (read["State"], read["GroupName"], read["ActionAfterCompletion"]) == ("ENABLED", "default", "NONE")
    assert read["ScheduleExpressionTimezone"] == "UTC"


def test_times_are_read_in_the_schedules_time_zone(canary_aws: AwsStandIn, client: Any) -> None:
    create(client, ScheduleExpression="at(2026-01-05T10:30:00)", ScheduleExpressionTimezone="Europe/Berlin")
    canary_aws.clock.advance(1800 + 60)
    assert canary_aws.scheduler.firings[0].due == datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("member", ["functionName", "Function"])
def test_the_input_names_parameters_as_the_api_does(canary_aws: AwsStandIn, client: Any, member: str) -> None:
    wrong = {"Arn": UPDATE_ALIAS, "RoleArn": ROLE, "Input": json.dumps({member: "f", "Name": "live"})}
    create(client, target={**wrong, "RetryPolicy": {"MaximumRetryAttempts": 0}})
    canary_aws.clock.advance(3600)
    assert canary_aws.scheduler.firings[0].outcome == "failed"


@pytest.mark.parametrize(
    "arn", ["lambda:getAlias", "lambda:listFunctions", "lambda:nothing", "nothing:putIt", "lambda"]
)
def test_read_only_and_unknown_actions_are_no_targets(client: Any, arn: str) -> None:
    """Unsupported: actions that begin with get, describe, list, …"""
    with pytest.raises(ClientError) as caught:
        create(client, target={"Arn": f"arn:aws:scheduler:::aws-sdk:{arn}", "RoleArn": ROLE, "Input": "{}"})
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    "params",
    [
        {"ScheduleExpression": "at(tomorrow)"},
        {"ScheduleExpression": "at(2026-02-30T09:00:00)"},
        {"ScheduleExpression": "rate(0 minutes)"},
        {"ScheduleExpressionTimezone": "Mars/Base"},
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
        {"Name": "no spaces"},
        {"Target": {**dead_man(), "Input": "no json"}},
    ],
)
def test_invalid_schedules_are_refused(client: Any, params: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        create(client, **params)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_cron_schedule_fires_at_its_times(canary_aws: AwsStandIn, client: Any) -> None:
    """The clock begins on a Monday at 9:00 UTC."""
    arn = boto3.client("lambda").get_alias(FunctionName="f", Name="live")["AliasArn"]
    canary_aws.scheduler.lateness_s = 0.0
    create(
        client,
        ScheduleExpression="cron(30 8 ? * MON-FRI *)",
        ScheduleExpressionTimezone="Europe/Berlin",
        target={"Arn": arn, "RoleArn": ROLE, "Input": "{}"},
    )
    canary_aws.clock.advance(5 * 86_400)
    assert [f"{outcome.at:%a %H:%M}" for outcome in canary_aws.lambda_.recent] == [
        "Tue 07:30",
        "Wed 07:30",
        "Thu 07:30",
        "Fri 07:30",
    ]


def test_a_rate_schedule_invokes_its_function_again_and_again(canary_aws: AwsStandIn, client: Any) -> None:
    arn = boto3.client("lambda").get_alias(FunctionName="f", Name="live")["AliasArn"]
    create(client, ScheduleExpression="rate(5 minutes)", target={"Arn": arn, "RoleArn": ROLE, "Input": '{"tick": 1}'})
    canary_aws.clock.advance(16 * 60)
    runs = [outcome.at for outcome in canary_aws.lambda_.recent]
    assert len(runs) == 4
    assert {outcome.qualifier for outcome in canary_aws.lambda_.recent} == {"live"}
    client.delete_schedule(Name="dead-man")
    canary_aws.clock.advance(3600)
    assert len(canary_aws.lambda_.recent) == 4


def test_a_rate_schedule_keeps_to_its_start_and_end(canary_aws: AwsStandIn, client: Any) -> None:
    start = datetime(2026, 1, 5, 9, 10, tzinfo=UTC)
    create(client, ScheduleExpression="rate(1 hour)", StartDate=start, EndDate=start + timedelta(hours=2))
    canary_aws.clock.advance(6 * 3600)
    assert [firing.due.hour for firing in canary_aws.scheduler.firings] == [9, 10, 11]


def test_groups_hold_schedules(client: Any) -> None:
    client.create_schedule_group(Name="canary")
    create(client, GroupName="canary")
    assert client.get_schedule(Name="dead-man", GroupName="canary")["Arn"].endswith(":schedule/canary/dead-man")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_schedule(Name="dead-man")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        create(client, GroupName="other")
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule_group(Name="canary")
    assert [item["Name"] for item in client.list_schedule_groups()["ScheduleGroups"]] == ["canary", "default"]
    client.delete_schedule_group(Name="canary")
    assert client.list_schedules()["Schedules"] == []
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_schedule_group(Name="canary")


def test_schedules_are_listed_by_group_prefix_and_state(client: Any) -> None:
    client.create_schedule_group(Name="g")
    create(client, Name="a1")
    create(client, Name="a2", State="DISABLED")
    create(client, Name="b1", GroupName="g")

    def names(**params: str) -> list[str]:
        pages = client.get_paginator("list_schedules").paginate(**params, PaginationConfig={"PageSize": 1})
        return [item["Name"] for page in pages for item in page["Schedules"]]

    assert names() == ["a1", "a2", "b1"]
    assert names(GroupName="g") == ["b1"]
    assert names(NamePrefix="a", State="ENABLED") == ["a1"]
