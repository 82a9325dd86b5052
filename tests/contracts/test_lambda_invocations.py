"""Invocations of the stand-in against AWS's behaviour.

Source of every expectation, unless a test names another: lambda-canary.md §1 and §2.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
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


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("import not_there_at_all", "app.handler", "Runtime.ImportModuleError"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound"),
        ("x = 1", "other.handler", "Runtime.ImportModuleError"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("raise RuntimeError('no database')", "app.handler", "RuntimeError"),
    ],
)
def test_code_that_cannot_be_imported_fails_each_invocation(
    canary_aws: AwsStandIn, client: Any, source: str, handler: str, kind: str
) -> None:
    canary_aws.lambda_.deploy("f", source, Handler=handler)
    for _ in range(2):
        answer = client.invoke(FunctionName="f")
        assert (answer["FunctionError"], read(answer)["errorType"]) == ("Unhandled", kind)


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


def test_no_except_of_the_handler_stops_a_timeout(canary_aws: AwsStandIn) -> None:
    swallow = """
        import time
        def handler(event, context):
            try:
                time.sleep(60)
            except:
                return "escaped"
    """
    canary_aws.lambda_.deploy("f", swallow)
    assert canary_aws.lambda_.call("f").error == "Unhandled"


def test_sleep_is_the_invocations_time_only(canary_aws: AwsStandIn, client: Any) -> None:
    """A pause of the handler is its Duration; neither the clock nor the test waits."""
    canary_aws.lambda_.deploy("f", SLEEPY, Timeout=900)
    before = canary_aws.clock.monotonic()
    assert read(client.invoke(FunctionName="f", Payload=b'{"s": 600}')) == 300_000
    assert canary_aws.clock.monotonic() == before
    assert canary_aws.lambda_.recent[-1].duration_ms == pytest.approx(600_000, abs=2)


def test_a_handlers_clocks_run_on_virtual_time(canary_aws: AwsStandIn) -> None:
    source = """
        import time
        def handler(event, context):
            started, wall = time.perf_counter(), time.time()
            time.sleep(2)
            return [time.perf_counter() - started, time.time() - wall, wall]
    """
    canary_aws.lambda_.deploy("f", source)
    canary_aws.clock.advance(3600)
    took, wall_took, wall = json.loads(canary_aws.lambda_.call("f").payload)
    assert (took, wall_took) == (pytest.approx(2), pytest.approx(2))
    assert wall == pytest.approx(canary_aws.clock.epoch_s(), abs=1)


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


def test_cold_starts_are_paid_per_version_and_per_parallel_request(canary_aws: AwsStandIn, client: Any) -> None:
    """A new version has cold environments, and Duration hides Init (lambda-canary.md §9, trap 9)."""
    half(canary_aws, client, SLEEPY)
    call = canary_aws.lambda_.call
    first = call("f", "1", b'{"s": 0.5}')
    assert (first.init_ms, first.duration_ms) == (200, pytest.approx(501))
    assert call("f", "1", b'{"s": 0.5}').init_ms == 200  # the first environment is busy
    canary_aws.clock.advance(1)
    assert call("f", "1", b'{"s": 0.5}').init_ms == 0
    assert call("f", "2", b'{"s": 0.5}').init_ms == 200
    canary_aws.clock.advance(3600)
    assert call("f", "1", b'{"s": 0.5}').init_ms == 200  # idle environments end


def test_module_level_code_runs_in_init_and_its_state_stays(canary_aws: AwsStandIn) -> None:
    source = """
        import time
        time.sleep(1.5)
        count = 0
        def handler(event, context):
            global count
            count += 1
            return count
    """
    canary_aws.lambda_.deploy("f", source)
    first = canary_aws.lambda_.call("f", "1")
    assert (first.payload, first.init_ms) == (b"1", pytest.approx(1700))
    assert first.duration_ms == 1
    canary_aws.clock.advance(5)
    assert canary_aws.lambda_.call("f", "1").payload == b"2"
    assert canary_aws.lambda_.call("f", "$LATEST").payload == b"1"


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


def test_packages_of_several_modules_do_not_mix(canary_aws: AwsStandIn) -> None:
    """Both versions have an `app` and a `helper`, one imported late; each sees its own, and the process neither."""
    import io
    import sys
    import zipfile

    for number in ("1", "2"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(
                "app.py", "import helper\ndef handler(e, c):\n    import late\n    return helper.X + late.X\n"
            )
            archive.writestr("helper.py", f"X = 'h{number}'\n")
            archive.writestr("late.py", f"X = 'l{number}'\n")
        assert canary_aws.lambda_.deploy("f", buffer.getvalue()) == number
    path = list(sys.path)
    for number in ("1", "2", "1", "2"):
        assert canary_aws.lambda_.call("f", number).payload == json.dumps(f"h{number}l{number}").encode()
    assert {"app", "helper", "late"} & set(sys.modules) == set()
    assert sys.path == path


def test_handlers_draw_the_same_random_numbers_in_every_run() -> None:
    def handler(event: object, context: object) -> float:
        return random.random()

    def drawn() -> list[bytes]:
        with AwsStandIn(seed=3) as aws:
            aws.lambda_.deploy("f", handler)
            return [aws.lambda_.call("f").payload for _ in range(5)]

    before = random.getstate()
    assert drawn() == drawn()
    assert random.getstate() == before


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
