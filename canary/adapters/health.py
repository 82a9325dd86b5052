"""The HealthProbe port: HTTP addresses, and versions invoked directly; an answer is a value, never an error.

Who answered decides what a failure means (lambda-canary.md §4): only a failure that surely came from the new version
is False. A weighted address that doesn't name its version, a checker without network or a throttled call is None:
"the environment is broken", which holds a canary and never rolls it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

from canary.adapters.aws import Api, Session, read_body
from canary.core.measurements import Probe, StreamKey
from canary.core.plan import HealthGate, StagePlan
from canary.errors import AwsError
from canary.ports import Target
from flagkit.channels.http import DeadlineError, Http, parse_json, within
from flagkit.channels.text import printable, redacted

DRAWS: Final = 20
"""So often a weighted address is asked until the new version answers: at 10 % it does in 88 % of cases."""


INVOKE_GRACE_S: Final = 20.0
"""An invocation may wait for a cold start and a slow API besides the gate's own timeout."""

NESTED: Final = "JSON that is nested too deeply"


@dataclass(frozen=True, slots=True)
class _Invoked:
    """What an invocation answered."""

    executed: str
    failed: bool
    text: str


class HealthChecks:
    """Makes the health checks of a stage.

    Args:
        session: for direct invocations.
        http: makes the requests.
    """

    def __init__(self, session: Session, http: Http | None = None) -> None:
        self._session = session
        self._http = http or Http()
        self._lambda: dict[float, Api] = {}

    def probe(self, stage: StagePlan, targets: Sequence[Target], now: datetime) -> tuple[Probe, ...]:
        """Makes every health check of the stage once, against the candidate."""
        made: list[Probe] = []
        for name, gate in stage.gates.items():
            if not isinstance(gate, HealthGate):
                continue
            if gate.url is None:
                made += [self._invoke(StreamKey(target.function.key, name), gate, target, now) for target in targets]
            else:
                made += self._visit(StreamKey("", name), gate, gate.url, targets, now)
        return tuple(made)

    def _invoke(self, key: StreamKey, gate: HealthGate, target: Target, now: datetime) -> Probe:
        """The version by its number: free of routing, and counted under `f:N`, not among the users of the alias."""
        version = target.candidate
        try:
            answer = within(gate.timeout.total_seconds() + INVOKE_GRACE_S, lambda: self._call(gate, target))
        except AwsError as error:
            return Probe(key, now, None, printable(error.message, 300))
        except DeadlineError as error:
            return Probe(key, now, None, f"lambda:Invoke: {error}")
        if answer.executed != version:
            return Probe(key, now, None, f"version {printable(answer.executed)} ran instead of {version}")
        if answer.failed:
            return Probe(key, now, False, f"version {version} raised: {printable(answer.text)}")
        status, body, odd = as_http(answer.text)
        fault = odd or _fault(gate, status, body)
        return Probe(key, now, None if odd else not fault, fault and f"version {version}: {fault}")

    def _call(self, gate: HealthGate, target: Target) -> _Invoked:
        answer = self._api(gate).call(
            "Invoke",
            FunctionName=target.function.function,
            Qualifier=target.candidate,
            Payload=json.dumps(gate.invoke).encode(),
        )
        body = read_body(answer.get("Payload"), "lambda:Invoke")
        return _Invoked(
            str(answer.get("ExecutedVersion", target.candidate)),
            bool(answer.get("FunctionError")),
            body.decode("utf-8", "replace"),
        )

    def _visit(
        self, key: StreamKey, gate: HealthGate, url: str, targets: Sequence[Target], now: datetime
    ) -> list[Probe]:
        wanted = {target.candidate for target in targets}
        draws = DRAWS if gate.version_header and not gate.dedicated else 1
        shown = redacted(url)
        due = monotonic() + draws * gate.timeout.total_seconds() / 2  # the whole check is bounded, too
        for draw in range(draws):
            if draw and monotonic() > due:
                break
            answer = self._http.request("GET", url, timeout_s=gate.timeout.total_seconds())
            if answer.fault:
                certain = gate.dedicated and answer.connected
                return [Probe(key, now, False if certain else None, f"{shown}: {answer.fault}")]
            fault = _fault(gate, answer.status, answer.text)
            named = answer.headers.get(gate.version_header.lower()) if gate.version_header else None
            if gate.dedicated or named in wanted:
                return [Probe(key, now, not fault, fault and f"{shown}: {fault}")]
            if fault:
                who = f"version {printable(named)}" if named else "an unknown version"
                return [Probe(key, now, None, f"{shown}: {fault}, answered by {who}")]
            if not gate.version_header:
                return [Probe(key, now, True)]
        return []  # the new version never answered: nothing was learnt about it

    def _api(self, gate: HealthGate) -> Api:
        seconds = gate.timeout.total_seconds()
        if seconds not in self._lambda:
            self._lambda[seconds] = Api(self._session, "lambda", read_timeout_s=seconds)
        return self._lambda[seconds]


def as_http(text: str) -> tuple[int | None, str, str]:
    """The status and body that a handler behind API Gateway or a function URL answers, and what is odd about them."""
    value, fault = parse_json(text)
    if fault == NESTED:
        return None, "", fault
    if not isinstance(value, Mapping) or "statusCode" not in value:
        return None, text, ""
    body = value.get("body", "")
    said = value["statusCode"]
    if isinstance(said, float) and not said.is_integer():
        return None, "", f"the statusCode is {said:g}"
    try:
        status = int(said)
    except (TypeError, ValueError):
        status = 0  # API Gateway answers such a status with 502: it is a failure of the version
    try:
        return status, body if isinstance(body, str) else json.dumps(body), ""
    except RecursionError:
        return None, "", NESTED


def _fault(gate: HealthGate, status: int | None, body: str) -> str:
    """What is wrong with an answer; empty when nothing."""
    if status is not None and status != gate.expect_status:
        return f"status {status} instead of {gate.expect_status}: {printable(body)}"
    if gate.expect_text is not None and gate.expect_text not in body:
        return f"the answer lacks {gate.expect_text!r}: {printable(body)}"
    if gate.expect_json is not None:
        found, fault = parse_json(body)
        if fault:
            return f"the answer is {fault}: {printable(body)}"
        if not _contains(found, gate.expect_json):
            return f"the answer lacks {json.dumps(gate.expect_json)}: {printable(body)}"
    return ""


def _contains(found: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and _contains(found[key], value) for key, value in wanted.items()
        )
    return found == wanted
