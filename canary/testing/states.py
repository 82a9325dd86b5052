"""Runs state machines of Step Functions (Amazon States Language with JSONata) on the virtual clock. No service.

The language is AWS's ("Amazon States Language", "Transforming data with JSONata in Step Functions"); states that
canary's machines don't use are refused when a machine is created. `jsonata-python` evaluates the expressions.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from canary.testing.delivery import Delivery
from flagkit.testing import VirtualClock

STATES: Final = {"Task", "Pass", "Choice", "Wait", "Map", "Succeed", "Fail"}
_EVENTS: Final = {"Task": 5, "Succeed": 2, "Fail": 1}
"""Events that a state leaves in the history; 2 for the others: entered and exited."""
MOST_EVENTS: Final = 25_000


class StateError(Exception):
    """An error by its name in the language, e.g. `States.QueryEvaluationError`."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass(slots=True, eq=False)
class Branch:
    """One line of states: the execution's own, or one iteration of a Map.

    Attributes:
        variables: what Assign has set here; an iteration sees those of the branch that it belongs to.
        attempts: retries of the present state by number of its retrier.
        results: of a Map's iterations, by index.
        batch: the `results` of its Map that an iteration belongs to.
    """

    states: dict[str, Any]
    name: str
    data: Any
    variables: dict[str, Any]
    parent: Branch | None = None
    index: int = 0
    batch: dict[int, Any] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    results: dict[int, Any] = field(default_factory=dict)
    is_over: bool = False

    @property
    def is_left(self) -> bool:
        """True for an iteration whose Map has failed meanwhile."""
        return self.parent is not None and self.parent.results is not self.batch


@dataclass(slots=True, eq=False)
class Execution:
    """One execution of a state machine."""

    arn: str
    name: str
    machine_arn: str
    input: str
    started_at: datetime
    status: str = "RUNNING"
    stopped_at: datetime | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    events: int = 1
    path: list[str] = field(default_factory=list)


class Interpreter:
    """Carries executions from state to state; a Wait is a callback on the clock.

    Args:
        clock: virtual time.
        delivery: makes the calls of tasks.
        seed: makes the jitter of retries repeatable.
    """

    def __init__(self, clock: VirtualClock, delivery: Delivery, seed: int) -> None:
        self._clock, self._delivery = clock, delivery
        self._random = random.Random(f"{seed}/states")

    def begin(self, execution: Execution, machine: dict[str, Any]) -> None:
        """Runs an execution from the next move of the clock on."""
        branch = Branch(machine["States"], machine["StartAt"], json.loads(execution.input), {})
        self._later(0, execution, branch)
        if "TimeoutSeconds" in machine:
            end = partial(self.end, execution, "TIMED_OUT", error="States.Timeout")
            self._clock.call_after(machine["TimeoutSeconds"], end)

    def end(self, execution: Execution, status: str, **more: str | None) -> None:
        """Ends an execution, if it hasn't ended."""
        if execution.status == "RUNNING":
            execution.status, execution.stopped_at = status, self._clock.now()
            for name, value in more.items():
                setattr(execution, name, value)

    def _later(self, seconds: float, execution: Execution, branch: Branch) -> None:
        self._clock.call_after(seconds, partial(self._run, execution, branch))

    def _run(self, execution: Execution, branch: Branch) -> None:
        """Runs states until one waits or the branch is over."""
        while execution.status == "RUNNING" and not branch.is_over and not branch.is_left:
            state = branch.states[branch.name]
            if not self._count(execution, branch.name, state["Type"]):
                return
            try:
                waits = getattr(self, f"_{state['Type'].lower()}")(execution, branch, state)
            except StateError as error:
                waits = self._failed(execution, branch, state, error)
            if waits:
                return

    def _count(self, execution: Execution, name: str, kind: str) -> bool:
        execution.events += _EVENTS.get(kind, 2)
        execution.path.append(name)
        if execution.events > MOST_EVENTS:
            self.end(execution, "FAILED", error="States.Runtime", cause="The history has 25,000 events.")
        return execution.status == "RUNNING"

    def _failed(self, execution: Execution, branch: Branch, state: Mapping[str, Any], error: StateError) -> bool:
        """Retries, catches, or hands the error on; True if the branch waits."""
        for number, retrier in enumerate(state.get("Retry", ())):
            if _matches(retrier, error):
                tried = branch.attempts.get(number, 0)
                if tried >= retrier.get("MaxAttempts", 3):
                    break
                branch.attempts[number] = tried + 1
                wait_s = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** tried
                wait_s = min(wait_s, retrier.get("MaxDelaySeconds", wait_s))
                is_full = retrier.get("JitterStrategy") == "FULL"
                self._later(self._random.uniform(0, wait_s) if is_full else wait_s, execution, branch)
                return True
        for catcher in state.get("Catch", ()):
            if _matches(catcher, error):
                output = {"Error": error.error, "Cause": error.cause}
                return self._leave(execution, branch, catcher, {"errorOutput": output}, output)
        return self._break(execution, branch, error)

    def _break(self, execution: Execution, branch: Branch, error: StateError) -> bool:
        branch.is_over = True
        parent = branch.parent
        if parent is None:
            self.end(execution, "FAILED", error=error.error, cause=error.cause)
        else:
            parent.results = {}
            if not self._failed(execution, parent, parent.states[parent.name], error):
                self._run(execution, parent)
        return True

    def _leave(
        self, execution: Execution, branch: Branch, rule: Mapping[str, Any], found: dict[str, Any], data: Any
    ) -> bool:
        """Assign and Output of a state, a choice or a catcher, and the way on."""
        bound = _bindings(branch, **found)
        output = evaluated(rule["Output"], bound) if "Output" in rule else data
        branch.variables.update(evaluated(rule.get("Assign", {}), bound))
        branch.data = output
        branch.attempts, branch.results = {}, {}
        if not rule.get("End"):
            branch.name = rule["Next"]
            return False
        self._finish(execution, branch)
        return True

    def _finish(self, execution: Execution, branch: Branch) -> None:
        branch.is_over = True
        parent = branch.parent
        if parent is None:
            self.end(execution, "SUCCEEDED", output=json.dumps(branch.data))
            return
        parent.results[branch.index] = branch.data
        state = parent.states[parent.name]
        if len(parent.results) == len(_items(parent, state)):
            results = [parent.results[index] for index in sorted(parent.results)]
            if not self._leave(execution, parent, state, {"result": results}, results):
                self._run(execution, parent)

    def _pass(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        return self._leave(execution, branch, state, {}, branch.data)

    def _choice(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        for rule in state["Choices"]:
            answer = evaluated(rule["Condition"], _bindings(branch))
            if not isinstance(answer, bool):
                raise StateError("States.QueryEvaluationError", f"{rule['Condition']} is not true or false")
            if answer:
                return self._leave(execution, branch, rule, {}, branch.data)
        return self._leave(execution, branch, {"Next": state["Default"]}, {}, branch.data)

    def _wait(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        seconds = evaluated(state["Seconds"], _bindings(branch))
        if type(seconds) is not int or seconds < 0:
            raise StateError("States.QueryEvaluationError", f"Seconds is {seconds!r}")
        if not self._leave(execution, branch, state, {}, branch.data):
            self._later(seconds, execution, branch)
        return True

    def _succeed(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        return self._leave(execution, branch, {**state, "End": True}, {}, branch.data)

    def _fail(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        bound = _bindings(branch)
        error = StateError(evaluated(state.get("Error", ""), bound), evaluated(state.get("Cause", ""), bound))
        return self._break(execution, branch, error)

    def _map(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        items, inner = _items(branch, state), state["ItemProcessor"]
        branch.results = {}
        if not items:
            return self._leave(execution, branch, state, {"result": []}, [])
        for index, item in enumerate(items):
            child = Branch(
                inner["States"], inner["StartAt"], item, dict(branch.variables), branch, index, branch.results
            )
            self._later(0, execution, child)
        return True

    def _task(self, execution: Execution, branch: Branch, state: Mapping[str, Any]) -> bool:
        arguments = evaluated(state.get("Arguments", {}), _bindings(branch))
        kind, _, action = state["Resource"].removeprefix("arn:aws:states:::").rpartition(":")
        try:
            if kind == "lambda":
                result = self._invoke(arguments)
            else:
                name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action)
                result = getattr(self._delivery.client(kind.removeprefix("aws-sdk:")), name)(**arguments)
                result = {key: value for key, value in result.items() if key != "ResponseMetadata"}
        except ClientError as error:
            code, cause = error.response["Error"]["Code"], error.response["Error"]["Message"]
            is_down = kind == "lambda" and error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
            name = "ServiceException" if is_down else code
            raise StateError(f"{kind.rpartition(':')[2].capitalize()}.{name}", cause) from error
        except BotoCoreError as error:
            raise StateError(
                "Lambda.SdkClientException" if kind == "lambda" else "States.TaskFailed", str(error)
            ) from error
        return self._leave(execution, branch, state, {"result": result}, result)

    def _invoke(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        payload = json.dumps(arguments["Payload"]).encode()
        answer = self._delivery.client("lambda").invoke(**{**arguments, "Payload": payload})
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise StateError(body.get("errorType", "Exception"), json.dumps(body))
        return {"Payload": body, "StatusCode": answer["StatusCode"], "ExecutedVersion": answer["ExecutedVersion"]}


def _matches(rule: Mapping[str, Any], error: StateError) -> bool:
    names = rule["ErrorEquals"]
    return error.error in names or "States.ALL" in names


def _items(branch: Branch, state: Mapping[str, Any]) -> list[Any]:
    found = evaluated(state["Items"], _bindings(branch))
    return list(found)


def _bindings(branch: Branch, **found: Any) -> dict[str, Any]:
    return {**branch.variables, "states": {"input": branch.data, **found}}


def evaluated(template: Any, bindings: Mapping[str, Any]) -> Any:
    """A template with the values of its `{% … %}`.

    Raises:
        StateError: an expression is wrong, or its value is undefined.
    """
    if isinstance(template, Mapping):
        return {name: evaluated(value, bindings) for name, value in template.items()}
    if isinstance(template, list):
        return [evaluated(value, bindings) for value in template]
    if not isinstance(template, str) or not template.startswith("{%"):
        return template
    from jsonata import Jsonata  # only where a state machine runs

    text = template.removeprefix("{%").removesuffix("%}").strip()
    try:
        expression: Any = Jsonata(text)
        frame: Any = expression.create_frame()
        for name, value in bindings.items():
            frame.bind(name, value)
        result = expression.evaluate(None, frame)
    except Exception as error:  # whatever the library raises for an expression that AWS refuses, too
        raise StateError("States.QueryEvaluationError", f"{text}: {error}") from error
    if result is None:
        raise StateError("States.QueryEvaluationError", f"{text}: the expression returned nothing (undefined)")
    return result
