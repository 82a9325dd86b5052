"""HealthChecks: who answered decides what a failure means (lambda-canary.md §4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from canary.adapters.aws import open_session
from canary.adapters.health import HealthChecks
from canary.core.measurements import Probe
from canary.core.plan import FunctionRef
from canary.ports import Target
from canary.testing import AwsStandIn
from flagkit.channels.http import Http
from flagkit.testing import Fault
from tests.canary.stages import stage_of

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
TARGET = Target(FunctionRef("api", "live"), "1", "2")
Answer = Callable[[httpx.Request], httpx.Response]


def visit(answer: Answer, **gate: object) -> tuple[Probe, ...]:
    http = Http(httpx.MockTransport(answer))
    stage = stage_of("api:live", gates={"ping": {"kind": "health", "url": "https://api.example/health", **gate}})
    return HealthChecks(open_session("us-east-1"), http).probe(stage, [TARGET], NOW)


def says(status: int, text: str = "", **headers: str) -> Answer:
    return lambda request: httpx.Response(status, text=text, headers=headers)


def in_turn(*answers: Answer) -> Answer:
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


def breaks(error: type[httpx.HTTPError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("broken")

    return answer


DEDICATED = {"dedicated": True}
BY_HEADER = {"version_header": "x-version"}


@pytest.mark.parametrize(
    ("answer", "gate", "ok"),
    [
        (says(200), {}, True),
        (says(500), {}, None),  # nobody knows which version that was
        (says(200), DEDICATED, True),
        (says(500), DEDICATED, False),
        (says(204), {**DEDICATED, "expect_status": 204}, True),
        (says(200, "all is well"), {**DEDICATED, "expect_text": "well"}, True),
        (says(200, "all is lost"), {**DEDICATED, "expect_text": "well"}, False),
        (says(200, '{"a": {"b": 1, "c": 2}}'), {**DEDICATED, "expect_json": {"a": {"b": 1}}}, True),
        (says(200, '{"a": {"b": 2}}'), {**DEDICATED, "expect_json": {"a": {"b": 1}}}, False),
        (says(200, "not json"), {**DEDICATED, "expect_json": {"a": 1}}, False),
        (says(200, "[1]"), {**DEDICATED, "expect_json": {"a": 1}}, False),
        (says(500, **{"x-version": "2"}), BY_HEADER, False),
        (says(200, **{"x-version": "2"}), BY_HEADER, True),
        (says(500, **{"x-version": "1"}), BY_HEADER, None),
        (says(500), BY_HEADER, None),
        (in_turn(*[says(200, **{"x-version": "1"})] * 9, says(503, **{"x-version": "2"})), BY_HEADER, False),
        (breaks(httpx.ConnectError), {}, None),
        (breaks(httpx.ConnectError), DEDICATED, None),  # the checker's own network may be down
        (breaks(httpx.ReadTimeout), DEDICATED, False),
        (breaks(httpx.ReadTimeout), {}, None),
    ],
)
def test_only_a_failure_that_surely_came_from_the_new_version_counts_against_it(
    answer: Answer, gate: dict[str, object], ok: bool | None
) -> None:
    (probe,) = visit(answer, **gate)
    assert probe.ok is ok
    assert bool(probe.detail) is (ok is not True)


def test_a_new_version_that_never_answers_at_a_small_weight_says_nothing() -> None:
    assert visit(says(200, **{"x-version": "1"}), **BY_HEADER) == ()


def test_long_answers_are_shortened_in_the_reason() -> None:
    (probe,) = visit(says(500, "x" * 1000), **DEDICATED)
    assert len(probe.detail) < 250


def http_answer(status: object, body: object) -> Callable[[Any, Any], dict[str, object]]:
    def handler(event: Any, context: Any) -> dict[str, object]:
        return {"statusCode": status, "body": body, "path": event.get("path")}

    return handler


def plain(event: Any, context: Any) -> dict[str, object]:
    return {"status": "fine", "asked": event}


def raising(event: Any, context: Any) -> dict[str, object]:
    raise RuntimeError("no database")


def text(event: Any, context: Any) -> str:
    return "fine"


def invoke(aws: AwsStandIn, handler: Callable[[Any, Any], object], **gate: object) -> Probe:
    aws.lambda_.deploy("api", plain, alias="live")
    version = aws.lambda_.deploy("api", handler)
    stage = stage_of("api:live", gates={"ping": {"kind": "health", "invoke": {"path": "/health"}, **gate}})
    target = Target(TARGET.function, "1", version)
    (probe,) = HealthChecks(open_session("us-east-1")).probe(stage, [target], NOW)
    return probe


@pytest.mark.parametrize(
    ("handler", "gate", "ok"),
    [
        (http_answer(200, "fine"), {}, True),
        (http_answer("200", "fine"), {}, True),
        (http_answer(503, "down"), {}, False),
        (http_answer("what", "down"), {}, False),
        (http_answer(200, {"db": "up"}), {"expect_json": {"db": "up"}}, True),
        (http_answer(200, json.dumps({"db": "down"})), {"expect_json": {"db": "up"}}, False),
        (plain, {"expect_json": {"status": "fine", "asked": {"path": "/health"}}}, True),
        (plain, {"expect_text": "broken"}, False),
        (text, {"expect_text": "fine"}, True),
        (raising, {}, False),
    ],
)
def test_a_version_is_invoked_by_its_number_and_its_answer_read_like_http(
    canary_aws: AwsStandIn, handler: Callable[[Any, Any], object], gate: dict[str, object], ok: bool
) -> None:
    probe = invoke(canary_aws, handler, **gate)
    assert probe.ok is ok
    assert probe.key.function == "api:live"


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.DENIED, Fault.UNREACHABLE])
def test_a_call_that_never_reached_the_version_is_the_environments_fault(canary_aws: AwsStandIn, fault: Fault) -> None:
    canary_aws.faults.add(fault, "lambda.Invoke")
    probe = invoke(canary_aws, raising)
    assert probe.ok is None
    assert "lambda:Invoke" in probe.detail


def test_another_version_that_ran_is_the_environments_fault(canary_aws: AwsStandIn) -> None:
    canary_aws.lambda_.deploy("api", plain, alias="live")
    checks = HealthChecks(open_session("us-east-1"))
    stage = stage_of("api:live", gates={"ping": {"kind": "health", "invoke": {}}})
    (probe,) = checks.probe(stage, [Target(TARGET.function, "1", "live")], NOW)
    assert (probe.ok, probe.detail) == (None, "version 1 ran instead of live")
