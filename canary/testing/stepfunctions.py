"""AWS Step Functions: keeps state machines and executions; `canary.testing.states` runs them."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from canary.testing.states import STATES, Execution, Interpreter
from flagkit.testing import CallContext, Service, ServiceError, VirtualClock


@dataclass(slots=True)
class Machine:
    """A state machine."""

    arn: str
    name: str
    definition: str
    role_arn: str
    created_at: datetime


class StepFunctionsService(Service):
    """Step Functions in process.

    Args:
        clock: virtual time.
        interpreter: runs executions.
        region: region of the ARNs.
        account_id: account of the ARNs.
    """

    service: ClassVar[str] = "stepfunctions"

    def __init__(self, *, clock: VirtualClock, interpreter: Interpreter, region: str, account_id: str) -> None:
        self.clock = clock
        self.machines: dict[str, Machine] = {}
        self.executions: dict[str, Execution] = {}
        self._interpreter = interpreter
        self._prefix = f"arn:aws:states:{region}:{account_id}:"

    def CreateStateMachine(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes a state machine; the same again is the same request."""
        arn = f"{self._prefix}stateMachine:{params['name']}"
        _check(params["definition"])
        existing = self.machines.get(arn)
        if existing is not None and (existing.definition, existing.role_arn) != (
            params["definition"],
            params["roleArn"],
        ):
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        machine = existing or Machine(arn, params["name"], params["definition"], params["roleArn"], self.clock.now())
        self.machines[arn] = machine
        return {"stateMachineArn": arn, "creationDate": machine.created_at}

    def UpdateStateMachine(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Replaces the definition or the role; executions that run keep theirs."""
        machine = self._machine(params)
        if "definition" in params:
            _check(params["definition"])
            machine.definition = params["definition"]
        machine.role_arn = params.get("roleArn", machine.role_arn)
        return {"updateDate": self.clock.now()}

    def DeleteStateMachine(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a state machine."""
        self.machines.pop(params["stateMachineArn"], None)
        return {}

    def DescribeStateMachine(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a state machine."""
        machine = self._machine(params)
        return {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "status": "ACTIVE",
            "definition": machine.definition,
            "roleArn": machine.role_arn,
            "type": "STANDARD",
            "creationDate": machine.created_at,
        }

    def ListStateMachines(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists state machines."""
        found = [
            {"stateMachineArn": m.arn, "name": m.name, "type": "STANDARD", "creationDate": m.created_at}
            for m in self.machines.values()
        ]
        return {"stateMachines": found}

    def StartExecution(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Starts an execution; the same name and input again is the same request while it runs."""
        machine = self._machine(params)
        name, text = params.get("name") or f"{len(self.executions):036}", params.get("input", "{}")
        arn = f"{self._prefix}execution:{machine.name}:{name}"
        existing = self.executions.get(arn)
        if existing is not None:
            if existing.status == "RUNNING" and existing.input == text:
                return {"executionArn": arn, "startDate": existing.started_at}
            raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        try:
            json.loads(text)
        except ValueError as error:
            raise ServiceError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
        execution = Execution(arn, name, machine.arn, text, self.clock.now())
        self.executions[arn] = execution
        self._interpreter.begin(execution, json.loads(machine.definition))
        return {"executionArn": arn, "startDate": execution.started_at}

    def StopExecution(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Stops an execution; it runs no further state."""
        execution = self._execution(params)
        self._interpreter.end(execution, "ABORTED", error=params.get("error"), cause=params.get("cause"))
        return {"stopDate": execution.stopped_at}

    def DescribeExecution(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads an execution."""
        execution = self._execution(params)
        more = {
            "stopDate": execution.stopped_at,
            "output": execution.output,
            "error": execution.error,
            "cause": execution.cause,
        }
        known = {name: value for name, value in more.items() if value is not None}
        return {**_entry(execution), "input": execution.input, **known}

    def ListExecutions(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists the executions of a state machine, newest first."""
        machine, wanted = self._machine(params), params.get("statusFilter")
        found = [e for e in self.executions.values() if e.machine_arn == machine.arn and wanted in {None, e.status}]
        return {"executions": [_entry(execution) for execution in reversed(found)]}

    def _machine(self, params: dict[str, Any]) -> Machine:
        arn = params["stateMachineArn"]
        if arn not in self.machines:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return self.machines[arn]

    def _execution(self, params: dict[str, Any]) -> Execution:
        arn = params["executionArn"]
        if arn not in self.executions:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return self.executions[arn]


def _entry(execution: Execution) -> dict[str, Any]:
    return {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started_at,
    }


def _check(text: str) -> None:
    """Refuses a definition that Step Functions would refuse, and one that this stand-in can't run."""
    try:
        machine = json.loads(text)
        if machine.get("QueryLanguage") != "JSONata":
            raise ServiceError("InvalidDefinition", "the stand-in runs state machines in JSONata", status=400)
        problem = next(_problems(machine), "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise ServiceError("InvalidDefinition", f"Invalid State Machine Definition: '{problem}'", status=400)


def _problems(machine: dict[str, Any]) -> Iterator[str]:
    states = machine["States"]
    if machine["StartAt"] not in states:
        yield f"StartAt names {machine['StartAt']}, which is no state"
    for name, state in states.items():
        if state["Type"] not in STATES:
            yield f"the stand-in has no state of type {state['Type']}"
        rules = (*state.get("Choices", ()), *state.get("Catch", ()))
        targets = [state.get("Next"), state.get("Default"), *(rule["Next"] for rule in rules)]
        for target in targets:
            if target is not None and target not in states:
                yield f"{name} leads to {target}, which is no state"
        if state["Type"] not in {"Succeed", "Fail", "Choice"} and ("Next" in state) == bool(state.get("End")):
            yield f"{name} needs either Next or End"
        if "ItemProcessor" in state:
            yield from _problems(state["ItemProcessor"])
