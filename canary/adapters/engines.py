"""Engines in AWS that drive a canary: an execution of Step Functions, or a schedule that invokes the tick function.

What is deployed has the names of `canary.core.resources`. Nothing is deployed or judged here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar, Final

from canary.adapters.aws import Api, Session, read_body, reading
from canary.core import resources
from canary.core.plan import EngineName, StagePlan
from canary.core.recover import deployed_fingerprint
from canary.errors import AwsError, NotFoundError
from canary.ports import Engine, EngineFacts

CHECK_S: Final = 60.0
"""A cold start of the tick function, and reading its plan."""

MOST_STARTS: Final = 20
"""Executions of one canary: each one after the first was started by `canary resume`."""


def ask_tick_function(session: Session, stage: str) -> dict[str, Any]:
    """What the tick function of a stage says of its plan; of a flag it reads the share of users, too.

    Raises:
        NotFoundError: it isn't deployed.
        AwsError: it can't be asked, or fails.
    """
    name = resources.tick_function(stage)
    payload = json.dumps({"action": "check", "stage": stage}).encode()
    api = Api(session, "lambda", read_timeout_s=CHECK_S)
    try:
        answer = api.call("Invoke", FunctionName=name, Payload=payload)
    except NotFoundError as error:
        raise NotFoundError(f"the tick function {name} is not deployed", hint="") from error
    body = read_body(answer["Payload"], "lambda:Invoke")
    if "FunctionError" in answer:
        raise AwsError(f"the tick function {name} failed: {body.decode('utf-8', 'replace')[:500]}", hint="")
    with reading("lambda", "Invoke"):
        return dict(json.loads(body))


class _DeployedEngine(ABC):
    """What both engines share: the tick function, and a look at the other engine."""

    name: ClassVar[EngineName]

    def __init__(self, stage: StagePlan, journal: str, session: Session) -> None:
        self._stage, self._journal, self._session = stage, journal, session

    def facts(self) -> EngineFacts:
        """What is deployed; see `canary.ports.Engine`."""
        functions = self._functions()
        answer = ask_tick_function(self._session, self._stage.name)
        return EngineFacts(
            plan=str(answer.get("fingerprint", "")),
            journal=str(answer.get("journal", "")),
            expected_plan=deployed_fingerprint(self._stage),
            expected_journal=self._journal,
            functions=functions,
            others=self._others(),
        )

    def _functions(self) -> tuple[dict[str, str], ...] | None:
        return None

    @abstractmethod
    def _others(self) -> tuple[str, ...]:
        """What is active in the stage beside this engine."""

    @cached_property
    def _where(self) -> dict[str, str]:
        account = self._stage.account or str(Api(self._session, "sts").call("GetCallerIdentity")["Account"])
        return {"account": account, "region": str(self._session.region_name)}

    @cached_property
    def _states(self) -> Api:
        return Api(self._session, "stepfunctions")

    @cached_property
    def _scheduler(self) -> Api:
        return Api(self._session, "scheduler")

    def _scheduled(self) -> tuple[str, ...]:
        """The canaries that a schedule ticks for."""
        stem = resources.tick_schedules(self._stage.name)
        where = {"GroupName": resources.SCHEDULE_GROUP, "NamePrefix": stem}
        try:
            pages = list(self._scheduler.pages("ListSchedules", "Schedules", **where))
        except NotFoundError:
            return ()
        return tuple(str(page["Name"]).removeprefix(stem) for page in pages)

    def _executed(self) -> tuple[str, ...]:
        """The canaries of the executions that run."""
        arn = resources.state_machine_arn(self._stage.name, **self._where)
        try:
            pages = list(
                self._states.pages("ListExecutions", "executions", stateMachineArn=arn, statusFilter="RUNNING")
            )
        except NotFoundError:
            return ()
        return tuple(str(page["name"]).partition(".")[0] for page in pages)


class StepFunctions(_DeployedEngine):
    """One execution of the stage's state machine for each canary, named by its id.

    Args:
        stage: the plan as it is in the file.
        journal: the plan's journal.
        session: the boto3 session.
    """

    name: ClassVar[EngineName] = "stepfunctions"

    def hand_over(self, canary_id: str) -> None:
        """Starts the execution; a canary whose execution has ended gets another one."""
        text = json.dumps({"stage": self._stage.name, "canary_id": canary_id})
        arn = resources.state_machine_arn(self._stage.name, **self._where)
        if self.drives(canary_id):
            return
        for number in range(MOST_STARTS):
            # A name is free again after 90 days only; with the same name and input an execution that runs is found.
            name = canary_id if not number else f"{canary_id}.{number}"
            try:
                self._states.call("StartExecution", stateMachineArn=arn, name=name, input=text)
            except AwsError as error:
                if "ExecutionAlreadyExists" not in error.message or number == MOST_STARTS - 1:
                    raise
            else:
                return

    def drives(self, canary_id: str) -> bool:
        """Whether an execution of this canary runs."""
        return canary_id in self._executed()

    def _functions(self) -> tuple[dict[str, str], ...]:
        name = resources.state_machine(self._stage.name)
        arn = resources.state_machine_arn(self._stage.name, **self._where)
        try:
            found = self._states.call("DescribeStateMachine", stateMachineArn=arn)
        except NotFoundError as error:
            raise NotFoundError(f"the state machine {name} is not deployed", hint="") from error
        with reading("states", "DescribeStateMachine"):
            return tuple(json.loads(found["definition"])["States"]["RollBack"]["Items"])

    def _others(self) -> tuple[str, ...]:
        return tuple(f"a schedule of engine lambda (canary {canary_id})" for canary_id in self._scheduled())


class ScheduledTicks(_DeployedEngine):
    """A schedule of EventBridge Scheduler that invokes the tick function every minute until the canary is over.

    Args:
        stage: the plan as it is in the file.
        journal: the plan's journal.
        session: the boto3 session.
    """

    name: ClassVar[EngineName] = "lambda"

    def hand_over(self, canary_id: str) -> None:
        """Creates the canary's schedule; one that exists is left."""
        stage, name = self._stage.name, resources.tick_schedule(self._stage.name, canary_id)
        event = {"action": "tick", "stage": stage, "canary_id": canary_id, "schedule": name}
        schedule = {
            "Name": name,
            "GroupName": resources.SCHEDULE_GROUP,
            "ScheduleExpression": "rate(1 minute)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Description": f"Ticks of canary {canary_id} in stage {stage}",
            "Target": {
                "Arn": resources.tick_function_arn(stage, **self._where),
                "RoleArn": resources.role_arn(resources.engine_role(stage), **self._where),
                "Input": json.dumps(event),
                # A tick that is lost is followed by the next one.
                "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
            },
        }
        try:
            self._scheduler.call("CreateSchedule", **schedule)
        except AwsError as error:
            if "ConflictException" not in error.message:
                raise

    def drives(self, canary_id: str) -> bool:
        """Whether the canary's schedule is there."""
        name = resources.tick_schedule(self._stage.name, canary_id)
        try:
            self._scheduler.call("GetSchedule", Name=name, GroupName=resources.SCHEDULE_GROUP)
        except NotFoundError:
            return False
        return True

    def _others(self) -> tuple[str, ...]:
        return tuple(f"an execution of engine stepfunctions (canary {name})" for name in self._executed())


def end_schedule(session: Session, name: str) -> None:
    """Deletes the schedule of a canary that is over; the tick that finds the end does it.

    Raises:
        AwsError: it could not be deleted; the next tick tries again.
    """
    try:
        Api(session, "scheduler").call("DeleteSchedule", Name=name, GroupName=resources.SCHEDULE_GROUP)
    except NotFoundError:
        return


def engine_of(name: EngineName, stage: StagePlan, journal: str, session: Session) -> Engine | None:
    """The engine of this name; None for `local`.

    Args:
        name: as in the plan.
        stage: the plan as it is in the file.
        journal: the plan's journal.
        session: the boto3 session.
    """
    if name == "stepfunctions":
        return StepFunctions(stage, journal, session)
    return ScheduledTicks(stage, journal, session) if name == "lambda" else None
