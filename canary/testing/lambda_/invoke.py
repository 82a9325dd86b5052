"""The Invoke operation, synchronous, asynchronous and dry, and requests to function URLs."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.events import Deliver, EventQueue
from canary.testing.lambda_.invocation import ClientContext, Outcome
from canary.testing.lambda_.state import LATEST
from flagkit.testing import CallContext, ServiceError

_SYNCHRONOUS_MAX_BYTES = 6 * 1024 * 1024
_ASYNCHRONOUS_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer that a client of a function URL or of API Gateway receives.

    Attributes:
        status: HTTP status.
        body: text.
        headers: by name.
        latency_ms: the time until the answer, cold start included.
        outcome: the invocation behind it.
    """

    status: int
    body: str
    headers: dict[str, str]
    latency_ms: float
    outcome: Outcome


class Invocations(Catalogue):
    """The invoke operations.

    Attributes:
        events: the queue of asynchronous invocations.
    """

    def __init__(self, *, deliver: Deliver, **base: Any) -> None:
        super().__init__(**base)
        self.events = EventQueue(self.clock, self.invoker, self.telemetry, deliver)

    def Invoke(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Invokes a version, an alias or `$LATEST`."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        payload: bytes = params.get("Payload") or b"{}"
        kind = params.get("InvocationType", "RequestResponse")
        _check_payload(payload, kind)
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            # No ExecutedVersion: which version runs is drawn when the event leaves the queue (lambda-canary.md §1).
            self.events.accept(function, qualifier, payload)
            return {"StatusCode": 202, "Payload": b""}
        outcome = self.invoker.invoke(function, qualifier, payload, _client_context(params.get("ClientContext")))
        if outcome.error == "Throttled":
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.", status=429, Type="User", Reason=reason)
        if outcome.error == "Pending":
            raise refusals.conflict(
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
        answer: dict[str, Any] = {
            "StatusCode": 200,
            "Payload": outcome.payload,
            "ExecutedVersion": outcome.version,
        }
        if outcome.error is not None:
            answer["FunctionError"] = outcome.error
        if params.get("LogType") == "Tail":
            memory_mb = function.latest.config["MemorySize"]
            tail = log_tail(outcome, memory_mb).encode()[-4096:]
            answer["LogResult"] = base64.b64encode(tail).decode()
        return answer

    def http(
        self,
        name: str,
        alias: str = "",
        *,
        method: str = "GET",
        path: str = "/",
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """A request to the function URL of an alias, or of the unqualified function.

        Raises:
            LookupError: if it has no URL (CreateFunctionUrlConfig makes one).
        """
        event = json.dumps(http_event(method, path, body=body, headers=headers)).encode()
        return http_answer(self.url_call(name, alias, event))

    def url_call(self, name: str, alias: str, event: bytes) -> Outcome:
        """Sends a ready event to a function URL; see `http`."""
        function = self.functions.get(name)
        if function is None or alias not in function.urls:
            message = f"{name} has no function URL on {alias or 'the unqualified function'}"
            raise LookupError(message)
        outcome = self.invoker.invoke(function, alias, event)
        self.telemetry.url_request(name, alias, outcome.at, status_of(outcome), outcome.latency_ms)
        return outcome


def _client_context(encoded: str | None) -> ClientContext | None:
    """Base64 of JSON, as a caller sends it; AWS refuses anything else."""
    if not encoded:
        return None
    try:
        value = json.loads(base64.b64decode(encoded, validate=True))
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise ServiceError(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."
        )
    return ClientContext(value)


def http_event(
    method: str = "GET", path: str = "/", *, body: str = "", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An event in the form of API Gateway (payload format 2.0) and function URLs."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": dict(headers or {}),
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "203.0.113.7"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def http_answer(outcome: Outcome) -> HttpAnswer:
    """What a function URL makes of an outcome: a 5xx of a handler that works is no Lambda error.

    An answer without `statusCode` is the body of a 200 (payload format 2.0); a Lambda error is a 502.
    """
    json_type = {"content-type": "application/json"}
    if outcome.error is not None:
        status = {"Throttled": 429, "Pending": 503}.get(outcome.error, 502)
        text = "Too Many Requests" if status == 429 else "Internal Server Error"
        return HttpAnswer(status, json.dumps({"message": text}), json_type, outcome.latency_ms, outcome)
    answer = json.loads(outcome.payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpAnswer(200, outcome.payload.decode(), json_type, outcome.latency_ms, outcome)
    body = answer.get("body") or ""
    text = base64.b64decode(body).decode() if answer.get("isBase64Encoded") else str(body)
    headers = {**json_type, **{str(name).lower(): str(value) for name, value in (answer.get("headers") or {}).items()}}
    return HttpAnswer(int(answer["statusCode"]), text, headers, outcome.latency_ms, outcome)


def status_of(outcome: Outcome) -> int:
    """The HTTP status alone, without decoding answers that have none."""
    if outcome.error is None and b"statusCode" not in outcome.payload:
        return 200
    return http_answer(outcome).status


def log_tail(outcome: Outcome, memory_mb: int) -> str:
    """The log of one invocation as Lambda writes it, with its REPORT line."""
    request = f"RequestId: {outcome.request_id}"
    billed_ms = math.ceil(outcome.duration_ms + outcome.init_ms)
    report = (
        f"REPORT {request}\tDuration: {outcome.duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
        f"Memory Size: {memory_mb} MB\tMax Memory Used: 40 MB\t"
    )
    if outcome.init_ms:
        report += f"Init Duration: {outcome.init_ms:.2f} ms\t"
    version = outcome.version or LATEST
    return "\n".join([f"START {request} Version: {version}", *outcome.log, f"END {request}", report, ""])


def _check_payload(payload: bytes, kind: str) -> None:
    limit = _ASYNCHRONOUS_MAX_BYTES if kind == "Event" else _SYNCHRONOUS_MAX_BYTES
    if len(payload) > limit:
        text = f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        raise ServiceError("RequestTooLargeException", text, status=413)
    if not payload:
        return
    try:
        json.loads(payload)
    except ValueError as error:
        text = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", text, Type="User") from error
