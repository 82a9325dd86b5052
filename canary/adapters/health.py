"""The HealthProbe port: HTTP addresses by httpx, and versions invoked directly; an answer is a value, never an error.

Who answered decides what a failure means (lambda-canary.md §4): only a failure that surely came from the new version
is False. A weighted address that doesn't name its version, a checker without network or a throttled call is None:
"the environment is broken", which holds a canary and never rolls it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import httpx

from canary.adapters.aws import Api, Session
from canary.core.measurements import Probe, StreamKey
from canary.core.plan import HealthGate, StagePlan
from canary.errors import AwsError
from canary.ports import Target

DRAWS: Final = 20
"""So often a weighted address is asked until the new version answers: at 10 % it does in 88 % of cases."""


class HealthChecks:
    """Makes the health checks of a stage.

    Args:
        session: for direct invocations.
        http: the HTTP client; made here when None.
    """

    def __init__(self, session: Session, http: httpx.Client | None = None) -> None:
        self._session = session
        self._http = http
        self._lambda: Api | None = None

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
            answer = self._api(gate).call(
                "Invoke",
                FunctionName=target.function.function,
                Qualifier=version,
                Payload=json.dumps(gate.invoke).encode(),
            )
            text = answer["Payload"].read().decode("utf-8", "replace")
        except AwsError as error:
            return Probe(key, now, None, error.message)
        executed = str(answer.get("ExecutedVersion", version))
        if executed != version:
            return Probe(key, now, None, f"version {executed} ran instead of {version}")
        if answer.get("FunctionError"):
            return Probe(key, now, False, f"version {version} raised: {_short(text)}")
        status, body = _as_http(text)
        fault = _fault(gate, status, body)
        return Probe(key, now, not fault, fault and f"version {version}: {fault}")

    def _visit(
        self, key: StreamKey, gate: HealthGate, url: str, targets: Sequence[Target], now: datetime
    ) -> list[Probe]:
        wanted = {target.candidate for target in targets}
        draws = DRAWS if gate.version_header and not gate.dedicated else 1
        for _ in range(draws):
            try:
                answer = self._client().get(url, timeout=gate.timeout.total_seconds())
            except httpx.HTTPError as error:
                reached = gate.dedicated and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                return [Probe(key, now, False if reached else None, f"{url}: {type(error).__name__}: {error}")]
            fault = _fault(gate, answer.status_code, answer.text)
            said = answer.headers.get(gate.version_header) if gate.version_header else None
            if gate.dedicated or said in wanted:
                return [Probe(key, now, not fault, fault and f"{url}: {fault}")]
            if fault:
                who = f"version {said}" if said else "an unknown version"
                return [Probe(key, now, None, f"{url}: {fault}, answered by {who}")]
            if not gate.version_header:
                return [Probe(key, now, True)]
        return []  # the new version never answered: nothing was learnt about it

    def _api(self, gate: HealthGate) -> Api:
        if self._lambda is None:
            self._lambda = Api(self._session, "lambda", read_timeout_s=gate.timeout.total_seconds())
        return self._lambda

    def _client(self) -> httpx.Client:
        if self._http is None:
            self._http = httpx.Client(headers={"User-Agent": "canary-health-check"})
        return self._http


def _as_http(text: str) -> tuple[int | None, str]:
    """What a handler behind API Gateway or a function URL answers: its status and body; else no status at all."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None, text
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return None, text
    body = answer.get("body", "")
    try:
        status = int(answer["statusCode"])
    except (TypeError, ValueError):
        status = 0
    return status, body if isinstance(body, str) else json.dumps(body)


def _fault(gate: HealthGate, status: int | None, body: str) -> str:
    """What is wrong with an answer; empty when nothing."""
    if status is not None and status != gate.expect_status:
        return f"status {status} instead of {gate.expect_status}: {_short(body)}"
    if gate.expect_text is not None and gate.expect_text not in body:
        return f"the answer lacks {gate.expect_text!r}: {_short(body)}"
    if gate.expect_json is not None:
        try:
            found = json.loads(body)
        except ValueError:
            return f"the answer is no JSON: {_short(body)}"
        if not _contains(found, gate.expect_json):
            return f"the answer lacks {json.dumps(gate.expect_json)}: {_short(body)}"
    return ""


def _contains(found: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and _contains(found[key], value) for key, value in wanted.items()
        )
    return found == wanted


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"
