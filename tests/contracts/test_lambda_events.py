"""Asynchronous invocations of the stand-in.

Sources: Lambda developer guide, "Asynchronous invocation"; lambda-canary.md §1, "Interplay".
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
import pytest

from canary.testing import AwsStandIn

FAILING = "def handler(event, context):\n    raise ValueError('no')\n"
WORKING = "def handler(event, context):\n    return {'done': event}\n"


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:
    return boto3.client("lambda")


def send(client: Any, qualifier: str = "live") -> Any:
    return client.invoke(FunctionName="f", Qualifier=qualifier, InvocationType="Event", Payload=b'{"n": 1}')


def queue(name: str) -> tuple[Any, str, str]:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return sqs, url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_an_event_is_accepted_without_saying_which_version_will_run(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", WORKING, alias="live")
    answer = send(client)
    assert answer["StatusCode"] == 202
    assert "ExecutedVersion" not in answer
    assert answer["Payload"].read() == b""
    assert not canary_aws.lambda_.recent
    canary_aws.clock.advance(1)
    assert [outcome.version for outcome in canary_aws.lambda_.recent] == ["1"]
    assert canary_aws.lambda_.events.waiting == 0


def test_a_failing_event_is_tried_three_times_one_and_two_minutes_apart(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", FAILING, alias="live")
    send(client)
    canary_aws.clock.advance(600)
    runs = [outcome.at for outcome in canary_aws.lambda_.recent]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(runs)]
    assert gaps == [pytest.approx(60, abs=1), pytest.approx(120, abs=1)]
    (dead,) = canary_aws.lambda_.events.dead
    assert (dead.condition, dead.attempts, dead.payload) == ("RetriesExhausted", 3, b'{"n": 1}')


def test_the_settings_belong_to_the_qualifier_that_was_called(canary_aws: AwsStandIn, client: Any) -> None:
    """A health check of the version does not use the alias' destinations (qualified_invocation.json)."""
    canary_aws.lambda_.deploy("f", FAILING, alias="live")
    answer = client.put_function_event_invoke_config(FunctionName="f", Qualifier="live", MaximumRetryAttempts=0)
    assert answer["FunctionArn"].endswith(":f:live")
    send(client)
    canary_aws.clock.advance(600)
    assert len(canary_aws.lambda_.recent) == 1
    send(client, "1")
    canary_aws.clock.advance(600)
    assert len(canary_aws.lambda_.recent) == 4


def test_a_dead_letter_goes_to_the_queue_with_its_error(canary_aws: AwsStandIn, client: Any) -> None:
    sqs, url, arn = queue("dead")
    canary_aws.lambda_.deploy("f", FAILING, alias="live", DeadLetterConfig={"TargetArn": arn})
    send(client)
    canary_aws.clock.advance(600)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == '{"n": 1}'
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"
    assert set(message["MessageAttributes"]) == {"RequestID", "ErrorCode", "ErrorMessage"}


def test_destinations_get_a_record_of_the_invocation(canary_aws: AwsStandIn, client: Any) -> None:
    sqs, url, arn = queue("done")
    canary_aws.lambda_.deploy("f", WORKING, alias="live")
    client.put_function_event_invoke_config(
        FunctionName="f", Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    send(client)
    canary_aws.clock.advance(10)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["functionArn"].endswith(":f:live")
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert (record["requestPayload"], record["responsePayload"]) == ({"n": 1}, {"done": {"n": 1}})


def test_throttled_events_wait_until_there_is_room(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", WORKING, alias="live")
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    send(client)
    canary_aws.clock.advance(60)
    assert canary_aws.lambda_.events.waiting == 1
    client.delete_function_concurrency(FunctionName="f")
    canary_aws.clock.advance(600)
    assert canary_aws.lambda_.events.waiting == 0
    assert canary_aws.lambda_.recent[-1].error is None


def test_an_event_that_is_too_old_is_dropped(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", WORKING, alias="live")
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    client.put_function_event_invoke_config(FunctionName="f", Qualifier="live", MaximumEventAgeInSeconds=120)
    send(client)
    canary_aws.clock.advance(900)
    (dead,) = canary_aws.lambda_.events.dead
    assert (dead.condition, dead.attempts) == ("EventAgeExceeded", 0)


def test_a_failed_delivery_is_a_metric_and_nothing_else(canary_aws: AwsStandIn, client: Any) -> None:
    nowhere = {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:nowhere"}}
    canary_aws.lambda_.deploy("f", FAILING, alias="live")
    client.put_function_event_invoke_config(
        FunctionName="f", Qualifier="live", MaximumRetryAttempts=0, DestinationConfig=nowhere
    )
    send(client)
    canary_aws.clock.advance(1800)  # ListMetrics lags
    listed = boto3.client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="DestinationDeliveryFailures")
    assert len(listed["Metrics"]) == 2
