"""Invocations of the stand-in against AWS's behaviour.

Source of every expectation, unless a test names another: lambda-canary.md §1 and §2.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from canary.testing import AwsStandIn

ECHO = """
import os

def handler(event, context):
    print("saw", event)
    return {
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "log": [context.log_group_name, bool(context.log_stream_name)],
        "env": [os.environ.get("COLOUR"), os.environ["AWS_LAMBDA_FUNCTION_VERSION"]],
    }
"""
SLEEPY = """
import time

def handler(event, context):
    time.sleep(event["s"])
    return context.get_remaining_time_in_millis()
"""
BROKEN = """
def handler(event, context):
    if event.get("exit"):
        raise SystemExit(3)
    if event.get("set"):
        return {1, 2}
    raise KeyError("user")
"""


@pytest.fixture
def client(canary_aws: AwsStandIn) -> Any:  # the stand-in must be on when the client is made
    return boto3.client("lambda")


def read(answer: Any) -> Any:
    return json.loads(answer["Payload"].read())


def half(aws: AwsStandIn, client: Any, source: str = ECHO) -> None:
    """Versions 1 and 2 behind `live`, half each."""
    aws.lambda_.deploy("f", source, alias="live", variables={"COLOUR": "blue"})
    aws.lambda_.deploy("f", source, variables={"COLOUR": "green"})
    client.update_alias(FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})


def test_the_handler_sees_its_version_and_the_aliases_arn(canary_aws: AwsStandIn, client: Any) -> None:
    half(canary_aws, client)
    for _ in range(20):
        answer = client.invoke(FunctionName="f", Qualifier="live", Payload=b"{}")
        seen = read(answer)
        assert seen["version"] == answer["ExecutedVersion"]
        assert seen["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:f:live"
        assert seen["env"] == [{"1": "blue", "2": "green"}[seen["version"]], seen["version"]]
    assert (seen["name"], seen["memory"], seen["log"]) == ("f", "128", ["/aws/lambda/f", True])
    assert 0 < seen["remaining"] <= 3000


def test_routing_is_drawn_anew_for_each_invocation(canary_aws: AwsStandIn, client: Any) -> None:
    """A live capture of a 50 % alias ran 1,2,1,2,1,2,2,2,1 for one caller: not sticky."""
    half(canary_aws, client)
    runs = [client.invoke(FunctionName="f", Qualifier="live")["ExecutedVersion"] for _ in range(60)]
    assert 15 <= Counter(runs)["2"] <= 45
    assert sum(a != b for a, b in itertools.pairwise(runs)) > 10


def test_the_draw_is_repeatable_by_seed() -> None:
    def drawn(seed: int) -> list[str]:
        with AwsStandIn(seed=seed) as aws:
            half(aws, boto3.client("lambda"))
            return [aws.lambda_.call("f", "live").version for _ in range(40)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("qualifier", ["1", "2", "$LATEST", None])
def test_versions_and_latest_are_called_directly(canary_aws: AwsStandIn, client: Any, qualifier: str | None) -> None:
    half(canary_aws, client)
    params = {"Qualifier": qualifier} if qualifier else {}
    answer = client.invoke(FunctionName="f", **params)
    assert answer["ExecutedVersion"] == (qualifier or "$LATEST")
    suffix = f":{qualifier}" if qualifier else ""
    assert read(answer)["arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:f{suffix}"


def test_an_unknown_qualifier_is_not_found(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", ECHO)
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName="f", Qualifier="live")
    assert caught.value.response["Error"]["Message"] == (
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:live"
    )


def test_an_exception_is_a_function_error_with_the_runtimes_payload(canary_aws: AwsStandIn, client: Any) -> None:
    """The document of Python's runtime: developer guide, "Python handler errors"."""
    canary_aws.lambda_.deploy("f", BROKEN)
    answer = client.invoke(FunctionName="f", Qualifier="1", Payload=b"{}")
    assert (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"]) == (200, "Unhandled", "1")
    document = read(answer)
    assert document["errorType"] == "KeyError"
    assert document["errorMessage"] == "'user'"
    assert len(document["requestId"]) == 36
    assert document["stackTrace"][-1].endswith('in handler\n    raise KeyError("user")\n')
    assert len(document["stackTrace"]) == 1


@pytest.mark.parametrize(("event", "kind"), [({"exit": 1}, "Runtime.ExitError"), ({"set": 1}, "Runtime.MarshalError")])
def test_an_exit_and_an_unserialisable_answer_are_function_errors(
    canary_aws: AwsStandIn, client: Any, event: dict[str, Any], kind: str
) -> None:
    canary_aws.lambda_.deploy("f", BROKEN)
    answer = client.invoke(FunctionName="f", Payload=json.dumps(event).encode())
    assert answer["FunctionError"] == "Unhandled"
    assert read(answer)["errorType"] == kind


def test_a_timeout_is_an_error_and_the_code_behind_it_does_not_run(canary_aws: AwsStandIn, client: Any) -> None:
    """Text of the current runtimes (`Sandbox.Timedout`), from memory: not in the reference."""
    source = SLEEPY.replace("return", "print('late')\n    return")
    canary_aws.lambda_.deploy("f", source, Timeout=5)
    answer = client.invoke(FunctionName="f", Payload=b'{"s": 5.5}')
    assert answer["FunctionError"] == "Unhandled"
    document = read(answer)
    assert document["errorType"] == "Sandbox.Timedout"
    assert document["errorMessage"].endswith("Task timed out after 5.00 seconds")
    assert not any(line.text == "late" for line in canary_aws.lambda_.logs("f"))
    assert canary_aws.lambda_.recent[-1].duration_ms == 5000


def test_throttled_requests_answer_429_and_run_nothing(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("f", SLEEPY)
    once = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    once.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    assert once.invoke(FunctionName="f", Payload=b'{"s": 2}')["StatusCode"] == 200
    with pytest.raises(once.exceptions.TooManyRequestsException) as caught:
        once.invoke(FunctionName="f", Payload=b'{"s": 2}')
    assert caught.value.response["Error"]["Message"] == "Rate Exceeded."
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    canary_aws.clock.advance(3)
    assert once.invoke(FunctionName="f", Payload=b'{"s": 2}')["StatusCode"] == 200


def test_the_log_tail_has_the_report_line(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", ECHO)
    answer = client.invoke(FunctionName="f", Qualifier="1", LogType="Tail", Payload=b'{"a": 1}')
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[0].startswith("START RequestId: ")
    assert lines[0].endswith(" Version: 1")
    assert lines[1] == "saw {'a': 1}"
    assert lines[2].startswith("END RequestId: ")
    assert "Duration: 1.00 ms\tBilled Duration: 201 ms\tMemory Size: 128 MB" in lines[3]
    assert "Init Duration: 200.00 ms" in lines[3]
    warm = client.invoke(FunctionName="f", Qualifier="1", LogType="Tail")
    canary_aws.clock.advance(1)
    warm = client.invoke(FunctionName="f", Qualifier="1", LogType="Tail")
    assert b"Init Duration" not in base64.b64decode(warm["LogResult"])


def test_a_dry_run_runs_nothing(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", ECHO)
    answer = client.invoke(FunctionName="f", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert not canary_aws.lambda_.recent


def test_a_payload_that_is_no_json_is_refused(canary_aws: AwsStandIn, client: Any) -> None:
    canary_aws.lambda_.deploy("f", ECHO)
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="f", Payload=b"{no")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="f", Payload=b'"' + b"x" * 6_300_000 + b'"')


def test_a_request_sees_the_old_or_the_new_routing_while_a_change_settles(canary_aws: AwsStandIn, client: Any) -> None:
    """AWS gives no propagation time (§1); the delay is the stand-in's model of it, off unless set."""
    canary_aws.lambda_.deploy("f", ECHO, alias="live")
    canary_aws.lambda_.deploy("f", ECHO + "\n# 2")
    canary_aws.lambda_.settings.settle_s = 30
    client.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    call = canary_aws.lambda_.call
    assert {call("f", "live").version for _ in range(20)} == {"1"}
    canary_aws.clock.advance(15)
    assert {call("f", "live").version for _ in range(40)} == {"1", "2"}
    canary_aws.clock.advance(15)
    assert {call("f", "live").version for _ in range(20)} == {"2"}
