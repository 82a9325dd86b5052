"""The sandbox over HTTP: unmodified SDKs, AWS's refusals, limits of requests, time."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from canary.sandbox import SandboxServer, serve
from canary.sandbox.callers import Callers
from canary.sandbox.http import Request
from canary.sandbox.routing import Refused
from flagkit.sources.answers import refuse_odd_answers
from flagkit.testing import Fault

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

HANDLER = "def handler(event, context): return {'version': context.function_version, 'event': event}"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with serve() as running:
        running.aws.lambda_.deploy("api", HANDLER, alias="live")
        yield running


def client(server: SandboxServer, service: str, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def call(server: SandboxServer, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    with closing(connect(server)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def connect(server: SandboxServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*server.url.removeprefix("http://").split(":"), timeout=10)


def signature(service: str) -> str:
    scope = f"AKIA/20260105/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def test_boto3_invokes_a_function_through_its_alias(server: SandboxServer) -> None:
    answer = client(server, "lambda").invoke(FunctionName="api:live", Payload=b'{"a": 1}')
    assert answer["ExecutedVersion"] == "1"
    assert json.loads(answer["Payload"].read()) == {"version": "1", "event": {"a": 1}}


@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [
        ("appconfig", "list_applications", "Items"),
        ("cloudwatch", "list_metrics", "Metrics"),
        ("scheduler", "list_schedules", "Schedules"),
        ("sts", "get_caller_identity", "Account"),
        ("ssm", "describe_parameters", "Parameters"),
        ("sns", "list_topics", "Topics"),
        ("dynamodb", "list_tables", "TableNames"),
        ("events", "list_event_buses", "EventBuses"),
        ("stepfunctions", "list_state_machines", "stateMachines"),
    ],
)
def test_every_service_is_found_by_the_scope_of_its_signature(
    server: SandboxServer, service: str, operation: str, member: str
) -> None:
    assert member in getattr(client(server, service), operation)()


def test_a_queues_url_leads_back_to_the_sandbox(server: SandboxServer) -> None:
    queues = client(server, "sqs")
    url = queues.create_queue(QueueName="jobs")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="hello")
    assert url.startswith(server.url)
    assert queues.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"


def test_an_error_of_a_service_arrives_as_aws_writes_it(server: SandboxServer) -> None:
    functions = client(server, "lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException, match="Function not found"):
        functions.get_function(FunctionName="gone")


def test_what_the_stand_in_does_not_model_is_refused_by_name(server: SandboxServer) -> None:
    with pytest.raises(ClientError, match="ListLayers") as refused:
        client(server, "lambda").list_layers()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_the_date_of_an_answer_is_the_time_of_the_clock(server: SandboxServer) -> None:
    server.step(3600)
    answer = client(server, "lambda").list_functions()
    date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert date == server.now().replace(microsecond=0)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 403, "MissingAuthenticationTokenException"),
        ({"Authorization": "Basic x"}, 403, "IncompleteSignatureException"),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=a"}, 403, "IncompleteSignatureException"),
        (
            {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=x, Signature=0"},
            403,
            "IncompleteSignatureException",
        ),
        ({"Authorization": signature("braket")}, 501, "NotImplementedException"),
        ({"Authorization": signature("scheduler")}, 403, "InvalidSignatureException"),
    ],
)
def test_the_front_end_refuses_what_reaches_no_service(
    server: SandboxServer, headers: dict[str, str], status: int, code: str
) -> None:
    found, document = call(server, "GET", "/2015-03-31/functions", **headers)
    assert (found, document["__type"]) == (status, code)


def test_a_wrong_secret_key_is_refused_for_the_sandboxs_own_access_key(server: SandboxServer) -> None:
    def signed(access_key: str, secret_key: str) -> Any:
        return boto3.client(
            "lambda",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )

    name = "arn:aws:lambda:us-east-1:123456789012:function:api"
    assert signed("sandbox", "sandbox").get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"
    assert signed("AKIAOTHER", "any").get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"
    with pytest.raises(ClientError, match="signature we calculated does not match") as refused:
        signed("sandbox", "wrong").get_alias(FunctionName=name, Name="live")
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("ssm", "describe_parameters", "InvalidSignatureException"),
        ("scheduler", "list_schedules", "InvalidSignatureException"),
    ],
)
def test_a_refusal_is_in_the_protocol_of_the_request(
    server: SandboxServer, service: str, operation: str, code: str
) -> None:
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "wrong"}
    asked = boto3.client(service, endpoint_url=server.url, region_name="us-east-1", **keys)
    with pytest.raises(ClientError) as refused:
        getattr(asked, operation)()
    assert refused.value.response["Error"]["Code"] == code


def test_a_signature_of_the_sandboxs_key_without_its_date_is_refused(server: SandboxServer) -> None:
    text = signature("lambda").replace("AKIA/", "sandbox/")
    status, document = call(server, "GET", "/2015-03-31/functions", Authorization=text)
    assert (status, document["__type"]) == (403, "IncompleteSignatureException")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server: SandboxServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n")
        assert b"413" in connection.recv(4096)


@pytest.mark.parametrize(
    "garbage",
    [b"\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\x00\x00\r\n\r\n"],
)
def test_what_is_no_http_ends_one_connection_only(server: SandboxServer, garbage: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert client(server, "lambda").list_functions()["Functions"]


def test_a_chunked_body_is_read_to_its_end(server: SandboxServer) -> None:
    path = "/2015-03-31/functions/api/invocations"
    headers = {"Authorization": signature("lambda"), "Transfer-Encoding": "chunked"}
    with closing(connect(server)) as connection:
        connection.request("POST", path, body=iter([b'{"a"', b": 1}"]), headers=headers, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["event"] == {"a": 1}
        connection.request("GET", "/2015-03-31/functions", headers={"Authorization": signature("lambda")})
        assert connection.getresponse().status == 200, "the connection goes on"


def test_an_answer_that_is_lost_ends_the_connection_after_the_call_has_happened(server: SandboxServer) -> None:
    functions = client(server, "lambda")
    rule = server.aws.faults.add(Fault.LOST_ANSWER, "lambda.PutFunctionConcurrency", times=1)
    with pytest.raises(BotoCoreError):
        functions.put_function_concurrency(FunctionName="api", ReservedConcurrentExecutions=7)
    server.aws.faults.remove(rule)
    assert functions.get_function_concurrency(FunctionName="api")["ReservedConcurrentExecutions"] == 7
    functions.delete_function_concurrency(FunctionName="api")


def test_an_answer_that_is_cut_is_shorter_than_it_says(server: SandboxServer) -> None:
    rule = server.aws.faults.add(Fault.CUT, "lambda.GetFunction", times=1)
    with closing(connect(server)) as connection:
        connection.request("GET", "/2015-03-31/functions/api", headers={"Authorization": signature("lambda")})
        answer = connection.getresponse()
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    server.aws.faults.remove(rule)


def test_clients_in_many_threads_are_answered_one_after_the_other(server: SandboxServer) -> None:
    functions = client(server, "lambda")
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(functions.list_functions()["ResponseMetadata"]["HTTPStatusCode"]))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 16


def test_the_fixture_serves_with_a_running_clock(aws_server: SandboxServer) -> None:
    assert aws_server.environ["AWS_ENDPOINT_URL"] == aws_server.url
    assert aws_server.pace.speed == 60
    assert client(aws_server, "sts").get_caller_identity()["Account"]


def test_an_answer_that_is_cut_is_refused_where_boto3_takes_it_for_an_empty_one(
    server: SandboxServer, capfd: pytest.CaptureFixture[str]
) -> None:
    functions = client(server, "lambda")
    rule = server.aws.faults.add(Fault.CUT, "lambda.GetAlias")
    with suppress(BotoCoreError):  # as botocore refuses it, too, before 1.43.56 or so
        assert set(functions.get_alias(FunctionName="api", Name="live")) == {"ResponseMetadata"}
    refuse_odd_answers(functions)
    with pytest.raises((ResponseParserError, BotoCoreError)):
        functions.get_alias(FunctionName="api", Name="live")
    server.aws.faults.remove(rule)
    assert functions.get_alias(FunctionName="api", Name="live")["FunctionVersion"] == "1"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "application/x-www-form-urlencoded"}, {"smithy-protocol": "rpc-v2-cbor"}, {}]
)
def test_the_sandboxs_own_api_refuses_in_json_whatever_type_a_client_names(
    server: SandboxServer, headers: dict[str, str]
) -> None:
    status, document = call(server, "POST", "/_sandbox/set", **headers)
    assert (status, document["__type"]) == (400, "usage")


@pytest.mark.parametrize(
    "lengths", ["Content-Length: 5\r\nContent-Length: 50", "Content-Length: 5\r\nTransfer-Encoding: chunked"]
)
def test_a_request_with_several_lengths_is_refused(server: SandboxServer, lengths: str) -> None:
    with socket.create_connection(server._http.server_address[:2]) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("body", ["{", "[]", "{}", "[" * 100_000])
def test_a_malformed_request_to_one_of_motos_services_is_refused(server: SandboxServer, body: str) -> None:
    headers = {"Authorization": signature("dynamodb"), "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    with closing(connect(server)) as connection:
        connection.request("POST", "/", body, {"Content-Type": "application/x-amz-json-1.0", **headers})
        answer = connection.getresponse()
        code = json.loads(answer.read())["__type"]
    assert answer.status == 400
    assert code in {"SerializationException", "ValidationException"}


def request(target: str = "/2015-03-31/functions", method: str = "POST", **headers: str) -> Request:
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, target, fields, b"")


@pytest.mark.parametrize(
    "sent",
    [
        request(host="127.0.0.1:4566"),
        request(host="localhost:4566", origin="http://localhost:4566", sec_fetch_site="same-origin"),
        request(host="[::1]:4566"),
        request(host="host.docker.internal:4566"),
        request("/", "GET", host="localhost:4566", sec_fetch_site="cross-site"),
        request(),
    ],
)
def test_programs_and_the_own_page_may_use_it(sent: Request) -> None:
    Callers("127.0.0.1", 4566).check(sent)


@pytest.mark.parametrize(
    "sent",
    [
        request(host="localhost:4566", origin="https://evil.example"),
        request(host="localhost:4566", origin="http://localhost:3000"),
        request(host="localhost:4566", origin="null"),
        request("/?Action=PutMetricAlarm", "GET", host="localhost:4566", sec_fetch_site="cross-site"),
        request(host="evil.example:4566", origin="http://evil.example:4566", sec_fetch_site="same-origin"),
        request("/_sandbox/state", "GET", host="evil.example:4566"),
        request("/_sandbox/state", "GET", host="[::1"),
    ],
)
def test_pages_of_other_sites_can_not_run_code_on_this_machine(sent: Request) -> None:
    """A presigned query needs no header, so a page of any site could create a function and invoke it."""
    with pytest.raises(Refused):
        Callers("127.0.0.1", 4566).check(sent)


def test_a_sandbox_for_other_machines_has_any_name() -> None:
    open_to_all = Callers("0.0.0.0", 4566)
    open_to_all.check(request(host="sandbox:4566", origin="http://sandbox:4566"))
    with pytest.raises(Refused):
        open_to_all.check(request(host="sandbox:4566", origin="https://evil.example"))
