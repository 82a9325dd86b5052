"""CloudWatch in its three protocols, and requests that no SDK of ours would send, over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.sandbox import SandboxServer, serve
from flagkit.testing import cbor

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with serve() as running:
        running.aws.lambda_.deploy("api", "def handler(event, context): return event", alias="live")
        yield running


def send(
    server: SandboxServer, service: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    scope = f"AKIA/20260105/us-east-1/{service}/aws4_request"
    given = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with closing(http.client.HTTPConnection(*server.url.removeprefix("http://").split(":"), timeout=10)) as connection:
        connection.request(method, path, body=body, headers=given)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_the_query_protocol_of_older_sdks_is_answered_in_xml(server: SandboxServer) -> None:
    body = (
        b"Action=PutMetricAlarm&Version=2010-08-01&AlarmName=old&Namespace=A&MetricName=m&Period=60"
        b"&EvaluationPeriods=1&Threshold=1.5&ComparisonOperator=GreaterThanThreshold&Statistic=Sum"
        b"&Dimensions.member.1.Name=F&Dimensions.member.1.Value=a%26b"
    )
    assert send(server, "monitoring", "POST", "/", body, Content_Type=FORM)[0] == 200
    status, headers, text = send(
        server, "monitoring", "POST", "/", b"Action=DescribeAlarms&AlarmNames.member.1=old", Content_Type=FORM
    )
    assert (status, headers["Content-Type"]) == (200, "text/xml")
    for part in (
        b"<Threshold>1.5</Threshold>",
        b"<Value>a&amp;b</Value>",
        b"<StateValue>INSUFFICIENT_DATA</StateValue>",
    ):
        assert part in text


def test_errors_of_the_query_protocol_are_xml(server: SandboxServer) -> None:
    body = b"Action=SetAlarmState&AlarmName=none&StateValue=OK&StateReason=x"
    status, _, text = send(server, "monitoring", "POST", "/", body, Content_Type=FORM)
    assert status == 404
    assert b"<Code>ResourceNotFound</Code>" in text


def test_cbor_is_answered_in_cbor(server: SandboxServer) -> None:
    headers = {"Smithy_Protocol": "rpc-v2-cbor", "Content_Type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/"
    datum = {"MetricName": "m", "Value": 2.5, "Timestamp": server.now()}
    put = cbor.encode({"Namespace": "App", "MetricData": [datum]})
    assert send(server, "monitoring", "POST", f"{path}PutMetricData", put, **headers)[0] == 200
    server.step(120)
    asked = cbor.encode(
        {
            "Namespace": "App",
            "MetricName": "m",
            "StartTime": datetime(2026, 1, 5, tzinfo=UTC),
            "EndTime": datetime(2026, 1, 7, tzinfo=UTC),
            "Period": 60,
            "Statistics": ["Sum"],
        }
    )
    status, answered, body = send(server, "monitoring", "POST", f"{path}GetMetricStatistics", asked, **headers)
    assert status == 400, "a day has too many minutes"
    assert answered["smithy-protocol"] == "rpc-v2-cbor"
    assert cbor.decode(body)["__type"] == "InvalidParameterCombinationException"
    asked = cbor.encode({**cbor.decode(asked), "Period": 300})
    _, _, body = send(server, "monitoring", "POST", f"{path}GetMetricStatistics", asked, **headers)
    (point,) = cbor.decode(body)["Datapoints"]
    assert point["Sum"] == 2.5
    assert isinstance(point["Timestamp"], datetime)


@pytest.mark.parametrize(
    ("service", "method", "path", "body", "headers", "status", "code"),
    [
        ("lambda", "PUT", "/2015-03-31/functions/api/aliases/live", b"{", {}, 400, "SerializationException"),
        ("lambda", "PUT", "/2015-03-31/functions/api/aliases/live", b"[1]", {}, 400, "SerializationException"),
        ("lambda", "PUT", "/2015-03-31/functions/api/aliases/live", b"\xff", {}, 400, "SerializationException"),
        (
            "lambda",
            "PUT",
            "/2015-03-31/functions/api/aliases/live",
            b'{"FunctionVersion": 1}',
            {},
            400,
            "ValidationException",
        ),
        ("lambda", "POST", "/2015-03-31/functions/api/aliases", b"{}", {}, 400, "ValidationException"),
        ("scheduler", "POST", "/schedules/x", b'{"Target": {}}', {}, 400, "ValidationException"),
        ("scheduler", "POST", "/nowhere", b"", {}, 404, "UnknownOperationException"),
        ("scheduler", "POST", "/schedules/x", b'{"StartDate": 1e18}', {}, 400, "SerializationException"),
        ("scheduler", "GET", "/schedules?NextToken=zz", b"", {}, 400, "ValidationException"),
        ("lambda", "GET", "/2015-03-31/functions?Marker=zz", b"", {}, 400, "InvalidParameterValueException"),
        (
            "logs",
            "POST",
            "/",
            b'{"logGroupName": "/aws/lambda/api", "nextToken": "zz"}',
            {"X_Amz_Target": "Logs_20140328.FilterLogEvents"},
            400,
            "InvalidParameterException",
        ),
        (
            "logs",
            "POST",
            "/",
            b"{}",
            {"X_Amz_Target": "Logs_20140328.ListAnomalies"},
            501,
            "NotImplementedException",
        ),
        ("lambda", "PATCH", "/2015-03-31/functions", b"", {}, 404, "UnknownOperationException"),
        (
            "monitoring",
            "POST",
            "/",
            b"{}",
            {"X_Amz_Target": "GraniteServiceVersion20100801.MakeCoffee"},
            400,
            "UnknownOperationException",
        ),
        (
            "monitoring",
            "POST",
            "/",
            b"\xff\xff",
            {"Content_Encoding": "gzip", "X_Amz_Target": "GraniteServiceVersion20100801.ListMetrics"},
            400,
            "SerializationException",
        ),
    ],
)
def test_a_request_that_can_not_be_read_is_refused_as_aws_refuses_it(
    server: SandboxServer,
    service: str,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    found, _, text = send(server, service, method, path, body, **headers)
    assert (found, json.loads(text)["__type"]) == (status, code)


def test_header_values_lose_the_blanks_around_them(server: SandboxServer) -> None:
    _, _, made = send(server, "appconfig", "POST", "/applications", b'{"Name": "a"}')
    application = json.loads(made)["Id"]
    profile_body = b'{"Name": "p", "LocationUri": "hosted"}'
    profiles = f"/applications/{application}/configurationprofiles"
    profile = json.loads(send(server, "appconfig", "POST", profiles, profile_body)[2])["Id"]
    _, headers, _ = send(
        server, "appconfig", "POST", f"{profiles}/{profile}/hostedconfigurationversions", b"{}",
        Content_Type="application/json", Description="  | by anna  ",
    )  # fmt: skip
    assert headers["Description"] == "| by anna"


@pytest.mark.parametrize(
    "content", [b"", b"\xa1", b"\x5f\x41", b"\xff", b"\x1f", b"\xa1\x01", b"\x81" * 100, b"\x00\x00"]
)
def test_what_is_no_cbor_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"CBOR|nested"):
        cbor.decode(content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=30),
    max_leaves=20,
)


@given(VALUES)
def test_cbor_comes_back_as_it_went(value: Any) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        cbor.decode(content)


def test_indefinite_lengths_are_read() -> None:
    assert cbor.decode(b"\xbf\x7f\x61a\x61b\xff\x9f\x01\xfa\x3f\x80\x00\x00\xff\xff") == {"ab": [1, 1.0]}
