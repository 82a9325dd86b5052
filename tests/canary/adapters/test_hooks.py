"""HookCalls: CodeDeploy's payload out; every answer is a state, and what isn't the hook's answer is pending."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from canary.adapters.aws import open_session
from canary.adapters.hooks import HookCalls
from canary.core.measurements import HookState
from canary.core.plan import FunctionRef, Hook
from canary.ports import HookCall, Target
from canary.testing import AwsStandIn
from flagkit.channels.http import Http
from flagkit.testing import Fault

CALL = HookCall("k3-before_traffic-0", "k3", "prod", (Target(FunctionRef("api", "live"), "1", "2"),))
PAYLOAD = {
    "DeploymentId": "k3",
    "LifecycleEventHookExecutionId": "k3-before_traffic-0",
    "event": "before_traffic",
    "stage": "prod",
    "functions": [{"function": "api", "alias": "live", "baseline": "1", "candidate": "2"}],
}
STATES = {True: HookState.SUCCEEDED, False: HookState.FAILED, None: HookState.PENDING}


def invoked(aws: AwsStandIn, answer: object) -> tuple[HookState, str]:
    def handler(event: Any, context: object) -> object:
        assert event == PAYLOAD
        if isinstance(answer, Exception):
            raise answer
        return answer

    aws.lambda_.deploy("smoke", handler)
    return HookCalls(open_session("us-east-1")).ask(Hook(when="before_traffic", function="smoke"), CALL)


@pytest.mark.parametrize(
    ("answer", "ok", "detail"),
    [
        ({"status": "Succeeded"}, True, ""),
        ({"status": "succeeded", "message": "all 40 checks"}, True, "all 40 checks"),
        ({"status": "Failed", "message": "2\nof 40"}, False, "2 of 40"),
        ({"status": "InProgress"}, None, ""),
        ({"statusCode": 200, "body": "ok"}, True, ""),
        ({"statusCode": 202}, None, ""),
        ({"statusCode": 500, "body": "no"}, False, "status 500: no"),
        ({"statusCode": 503}, None, "status 503"),
        ({"statusCode": True}, False, "it must answer"),
        ({"status": "great"}, False, "its status was great"),
        ({"status": None}, False, "it must answer"),
        ({}, False, "it must answer"),
        (None, False, "it must answer"),
        (["status"], False, "it must answer"),
        (RuntimeError("boom"), False, "it raised"),
    ],
)
def test_a_function_answers_its_status(canary_aws: AwsStandIn, answer: object, ok: bool | None, detail: str) -> None:
    state, said = invoked(canary_aws, answer)
    assert state is STATES[ok]
    assert said.startswith(detail) if detail != "its status was great" else detail in said


def test_a_function_that_cannot_be_asked_is_pending(canary_aws: AwsStandIn) -> None:
    hooks = HookCalls(open_session("us-east-1"))
    state, detail = hooks.ask(Hook(when="before_traffic", function="nobody"), CALL)
    assert (state, "nobody" in detail) == (HookState.PENDING, True)
    canary_aws.faults.add(Fault.DENIED, "lambda.Invoke")
    assert hooks.ask(Hook(when="before_traffic", function="smoke"), CALL)[0] is HookState.PENDING


def posted(response: httpx.Response | Exception, **hook: Any) -> tuple[HookState, str]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == PAYLOAD
        assert request.headers.get("authorization") == ("Bearer t0ken" if "token_env" in hook else None)
        if isinstance(response, Exception):
            raise response
        return response

    hooks = HookCalls(open_session("us-east-1"), Http(httpx.MockTransport(answer)))
    return hooks.ask(Hook(when="before_traffic", url="https://checks.example/e2e", **hook), CALL)


@pytest.mark.parametrize(
    ("response", "ok"),
    [
        (httpx.Response(200), True),
        (httpx.Response(204), True),
        (httpx.Response(200, json={"status": "Failed"}), False),
        (httpx.Response(200, json={"status": "InProgress"}), None),
        (httpx.Response(200, json={"status": "OK"}), False),
        (httpx.Response(202, json={"message": "queued"}), None),
        (httpx.Response(302, headers={"location": "/login"}), False),
        (httpx.Response(404), False),
        (httpx.Response(500), False),
        (httpx.Response(401), None),
        (httpx.Response(429), None),
        (httpx.Response(504), None),
        (httpx.ConnectError("no"), None),
        (httpx.ReadTimeout("no"), None),
        (httpx.Response(200, text="[" * 100_000), True),
    ],
)
def test_a_url_answers_by_status_and_what_stands_before_it_is_pending(
    response: httpx.Response | Exception, ok: bool | None
) -> None:
    assert posted(response)[0] is STATES[ok]


def test_a_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "t0ken\n")
    assert posted(httpx.Response(200), token_env="HOOK_TOKEN")[0] is HookState.SUCCEEDED
    monkeypatch.delenv("HOOK_TOKEN")
    assert posted(httpx.Response(200), token_env="HOOK_TOKEN") == (
        HookState.PENDING,
        "the environment variable HOOK_TOKEN is not set",
    )
