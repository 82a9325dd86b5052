"""The server as a Lambda function, by the events of AWS."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from flagkit import Flags
from flagkit.ofrep import OfrepSettings, lambda_handler
from flagkit.testing import VirtualClock
from tests.flagkit.ofrep.conftest import BULK, ScriptedSource, Server, delivered, document

BODY = json.dumps({"context": {"targetingKey": "1", "country": "US"}})
HEADERS = {"Content-Type": "application/json", "Host": "flags.example"}


def function_url(path: str = BULK, stage: str = "$default", **more: Any) -> dict[str, Any]:
    http = {"method": "POST", "path": path, "sourceIp": "192.0.2.1", "protocol": "HTTP/1.1", "userAgent": "x"}
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {k.lower(): v for k, v in HEADERS.items()},
    }
    event |= {"requestContext": {"http": http, "stage": stage}, "body": BODY, "isBase64Encoded": False}
    return {**event, **more}


def rest_api() -> dict[str, Any]:
    event = {"resource": "/{proxy+}", "path": BULK, "httpMethod": "POST", "headers": HEADERS, "body": BODY}
    event |= {"multiValueHeaders": {name: [value] for name, value in HEADERS.items()}, "isBase64Encoded": False}
    event |= {"queryStringParameters": None, "multiValueQueryStringParameters": None}
    return {**event, "requestContext": {"stage": "prod", "path": f"/prod{BULK}", "identity": {"sourceIp": "192.0.2.1"}}}


def balancer() -> dict[str, Any]:
    event = {"httpMethod": "POST", "path": BULK, "queryStringParameters": {}, "isBase64Encoded": True}
    event |= {"headers": {name.lower(): value for name, value in HEADERS.items()}}
    event |= {"body": base64.b64encode(BODY.encode()).decode()}
    return {**event, "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}}}


@pytest.fixture
def handle(serve: Callable[..., Server]) -> Any:
    return lambda_handler(serve().flags, OfrepSettings(streams=True))


@pytest.mark.parametrize("event", [function_url(), function_url(f"/prod{BULK}", "prod"), rest_api(), balancer()])
def test_every_kind_of_event_is_answered(handle: Any, event: dict[str, Any]) -> None:
    answer = handle(event, None)
    assert answer["statusCode"] == 200
    found = json.loads(answer["body"])
    assert {flag["key"]: flag for flag in found["flags"]}["region"]["value"] is True
    assert "eventStreams" not in found
    headers = {**answer["headers"], **{name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}}
    assert headers["etag"].startswith('"')
    assert answer["isBase64Encoded"] is False


def test_one_flag_not_modified_and_errors(handle: Any) -> None:
    one = handle(function_url(f"{BULK}/plain"), None)
    assert json.loads(one["body"])["value"] is True
    etag = handle(function_url(), None)["headers"]["etag"]
    same = handle(function_url(headers={"if-none-match": etag}), None)
    assert (same["statusCode"], same.get("body", "")) == (304, "")
    assert handle(function_url(f"{BULK}/a%2Fb"), None)["statusCode"] == 404
    assert handle(function_url(body=None), None)["statusCode"] == 400
    assert handle(function_url("/ofrep/v1/events"), None)["statusCode"] == 404


@pytest.mark.parametrize("more", [{"headers": {"host": "a:b"}}, {"body": "=", "isBase64Encoded": True}])
def test_what_a_client_makes_up_is_its_own_fault(handle: Any, more: dict[str, Any]) -> None:
    assert handle(function_url(**more), None)["statusCode"] in {200, 400}


def test_an_event_of_another_kind_is_no_request(handle: Any) -> None:
    with pytest.raises(RuntimeError):
        handle({"source": "aws.events"}, None)


def test_the_source_is_polled_at_the_start_of_an_invocation() -> None:
    clock = VirtualClock()
    source = ScriptedSource(delivered(document()), delivered(document({"plain": {"enabled": False}})))
    flags = Flags(source, clock=clock, refresh="on_demand")
    handle = lambda_handler(flags, budget_s=5)
    assert json.loads(handle(function_url(f"{BULK}/plain"), None)["body"])["value"] is True
    clock.advance(90)
    assert json.loads(handle(function_url(f"{BULK}/plain"), None)["body"])["value"] is False
    flags.close()
