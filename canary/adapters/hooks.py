"""The Hooks port on Lambda and HTTP: CodeDeploy's payload out, a status back; an answer is a value, never an error.

CodeDeploy sends its hook functions `DeploymentId` and `LifecycleEventHookExecutionId` and waits for a call of
PutLifecycleEventHookExecutionStatus (lambda-canary.md §3). Here the answer itself is the status, so a hook needs no
right to call anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from canary.adapters.aws import Api, Session, read_body
from canary.core.measurements import HookState
from canary.core.plan import Hook
from canary.errors import AwsError
from canary.ports import HookCall
from flagkit.channels.http import DeadlineError, Http, parse_json, within
from flagkit.channels.text import printable

_STATES: Final = {
    "succeeded": HookState.SUCCEEDED,
    "failed": HookState.FAILED,
    "inprogress": HookState.PENDING,
    "in_progress": HookState.PENDING,
    "pending": HookState.PENDING,
}
_ACCEPTED: Final = 202
_NOT_THE_HOOK: Final = frozenset({401, 403, 407, 408, 425, 429, 502, 503, 504})
"""Answers of what stands before a hook: nothing is known of the check itself."""
_CONTRACT: Final = '{"status": "Succeeded"}, "Failed" or "InProgress"'


class HookCalls:
    """Asks hooks.

    Args:
        session: for functions.
        http: makes the requests.
    """

    def __init__(self, session: Session, http: Http | None = None) -> None:
        self._session = session
        self._http = http or Http()

    def ask(self, hook: Hook, call: HookCall) -> tuple[HookState, str]:
        """Asks the hook once."""
        payload = json.dumps(
            {
                "DeploymentId": call.canary_id,
                "LifecycleEventHookExecutionId": call.execution_id,
                "event": hook.when,
                "stage": call.stage,
                "functions": [
                    {
                        "function": target.function.name,
                        "alias": target.function.alias,
                        "baseline": target.baseline,
                        "candidate": target.candidate,
                    }
                    for target in call.targets
                ],
            }
        ).encode()
        return self._invoke(hook, hook.function, payload) if hook.function else self._post(hook, payload)

    def _invoke(self, hook: Hook, function: str, payload: bytes) -> tuple[HookState, str]:
        api = Api(self._session, "lambda", read_timeout_s=hook.timeout.total_seconds())

        def invoke() -> tuple[bool, str]:
            answer = api.call("Invoke", FunctionName=function, Payload=payload)
            body = read_body(answer.get("Payload"), "lambda:Invoke")
            return bool(answer.get("FunctionError")), body.decode("utf-8", "replace")

        try:
            failed, text = within(hook.timeout.total_seconds(), invoke)
        except AwsError as error:
            return HookState.PENDING, printable(error.message, 300)
        except DeadlineError as error:
            return HookState.PENDING, f"lambda:Invoke: {error}"
        return (HookState.FAILED, f"it raised: {printable(text)}") if failed else _said(text)

    def _post(self, hook: Hook, payload: bytes) -> tuple[HookState, str]:
        headers = {"Content-Type": "application/json"}
        if hook.token_env is not None:
            token = os.environ.get(hook.token_env, "").strip()
            if not token:
                return HookState.PENDING, f"the environment variable {hook.token_env} is not set"
            headers["Authorization"] = f"Bearer {token}"
        answer = self._http.request(
            "POST", hook.url or "", timeout_s=hook.timeout.total_seconds(), content=payload, headers=headers
        )
        if answer.fault:
            return HookState.PENDING, answer.fault
        return _by_status(answer.status or 0, answer.text)


def _by_status(status: int, text: str) -> tuple[HookState, str]:
    value, _ = parse_json(text)
    if status == _ACCEPTED:
        return HookState.PENDING, _message(value)
    if status in _NOT_THE_HOOK:
        return HookState.PENDING, f"status {status}"
    if not 200 <= status < 300:
        return HookState.FAILED, f"status {status}: {printable(text)}"
    if isinstance(value, Mapping) and "status" in value:
        return _by_word(value)
    return HookState.SUCCEEDED, ""


def _said(text: str) -> tuple[HookState, str]:
    """The answer of a function: the contract's status, or what a function behind a URL or an API answers."""
    value, _ = parse_json(text)
    if not isinstance(value, Mapping):
        return HookState.FAILED, f"it must answer {_CONTRACT}, but answered {printable(text)}"
    if "status" in value:
        return _by_word(value)
    status = value.get("statusCode")
    if isinstance(status, int) and not isinstance(status, bool):
        body = value.get("body")
        return _by_status(status, body if isinstance(body, str) else "")
    return HookState.FAILED, f"it must answer {_CONTRACT}, but answered {printable(text)}"


def _by_word(answer: Mapping[str, object]) -> tuple[HookState, str]:
    said = answer["status"]
    state = _STATES.get(said.lower()) if isinstance(said, str) else None
    if state is None:
        return HookState.FAILED, f"it must answer {_CONTRACT}, but its status was {printable(str(said))}"
    return state, _message(answer)


def _message(answer: object) -> str:
    text = answer.get("message", "") if isinstance(answer, Mapping) else ""
    return printable(text, 300) if isinstance(text, str) else ""
