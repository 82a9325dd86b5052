"""The dead-man switch: one-time EventBridge schedules that roll back when every driver has died.

It needs no compute, but for a flag: its document can't be edited without code, so the state machine calls the tick
function. Where the stage's rollback state machine is deployed, one schedule for each canary starts it: it is
there before the first shift, because it needs no RevisionId. Elsewhere Scheduler itself calls `lambda:UpdateAlias` for
each alias, with the RevisionId of the last write. Both do nothing once anybody else has moved the alias. Each sign of
life of a driver pushes them forward. It decides nothing, and a failure here never stops a canary.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from canary.adapters.aws import Api, Session, reading
from canary.adapters.engines import ask_tick_function
from canary.core import resources
from canary.core.engines import functions_of
from canary.core.events import CanaryEnded, CanaryStarted, Event, Judged, TrafficShifted
from canary.core.phases import Phase
from canary.core.plan import DeadMan, FunctionRef, StagePlan
from canary.core.record import decode
from canary.core.recover import deployed_fingerprint, is_draining, routes_as_recorded
from canary.errors import AccessDeniedError, AwsError, CanaryError, NotFoundError, UnavailableError
from canary.ports import Aliases, Clock, DeadManFacts

logger = logging.getLogger("canary.deadman")

TARGET: Final = "scheduler:::aws-sdk:lambda:updateAlias"
"""Scheduler's universal target without its partition: any AWS call (docs.aws.amazon.com/scheduler,
"managing-targets-universal")."""


class DeadManSwitch:
    """An observer that keeps one schedule per canary, or per function of the stage, while a canary is in progress.

    Args:
        stage: the plan.
        settings: of the plan; None takes the schedule group and the role of the deployed stage, where they exist.
        session: the boto3 session.
        aliases: reads the aliases: base version and RevisionId come from there.
        clock: now.
    """

    def __init__(
        self, stage: StagePlan, settings: DeadMan | None, session: Session, aliases: Aliases, clock: Clock
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._facts = None if is_deployed(stage) or stage.flag else DeadManFacts("aliases")
        self._workflow = ""
        self._session = session
        self._aliases = aliases
        self._clock = clock
        self._scheduler = Api(session, "scheduler")
        self._partition = resources.partition_of(session.region_name or "")

    def facts(self) -> DeadManFacts:
        """Which kind of switch there is.

        Raises:
            UnavailableError: that can't be found out now.
        """
        if self._facts is None:
            self._facts = self._look()
        return self._facts

    def checked(self) -> DeadManFacts:
        """As `facts`, and whether its role exists and may do what it is for; IAM is asked, nothing is tried.

        Raises:
            UnavailableError: which kind of switch there is can't be found out now.
        """
        facts = self.facts()
        if facts.kind is None or facts.problem:
            return facts
        assert self._settings is not None
        role, action, where = self._settings.role_arn, "states:StartExecution", [self._workflow]
        try:
            if facts.kind == "aliases":
                action = "lambda:UpdateAlias"
                where = [self._aliases.read(function).arn.rpartition(":")[0] for function in self._stage.functions]
            answer = Api(self._session, "iam").call(
                "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=[action], ResourceArns=where
            )
            with reading("iam", "SimulatePrincipalPolicy"):
                results = answer["EvaluationResults"]
                denied = [one["EvalResourceName"] for one in results if one["EvalDecision"] != "allowed"]
        except NotFoundError:
            return replace(facts, problem=f"its role {role} does not exist")
        except CanaryError as error:
            denied, facts = [], replace(facts, unknown=error.message)
        if denied:
            return replace(facts, problem=f"its role {role} may not {action} on {', '.join(denied)}")
        return facts if self._stage.flag is None else self._with_tick_function(facts)

    def _with_tick_function(self, facts: DeadManFacts) -> DeadManFacts:
        """A flag is lowered by the tick function, by the plan that this has."""
        try:
            answer = ask_tick_function(self._session, self._stage.name)
        except (AccessDeniedError, UnavailableError) as error:
            return replace(facts, unknown=error.message)
        except AwsError as error:
            return replace(facts, problem=error.message)
        is_same = answer.get("fingerprint") == deployed_fingerprint(self._stage)
        return facts if is_same else replace(facts, problem="the tick function has another plan")

    def _look(self) -> DeadManFacts:
        if self._settings is None and (problem := self._lacks_group()):
            return DeadManFacts(None, problem)
        with reading("lambda", "GetAlias"):
            _, _, _, region, account, *_ = self._aliases.read(self._stage.functions[0]).arn.split(":")
        if self._stage.flag is not None:
            region = str(self._session.region_name)  # a flag may be kept in another one
        where = {"account": account, "region": region}
        if self._settings is None:
            role = resources.role_arn(resources.dead_man_role(self._stage.name), **where)
            self._settings = DeadMan(role_arn=role, group=resources.SCHEDULE_GROUP)
        return self._look_for_workflow(resources.rollback_machine_arn(self._stage.name, **where))

    def _lacks_group(self) -> str:
        """The group of schedules is deployed together with the role, and may be asked for without other permissions."""
        try:
            self._scheduler.call("GetScheduleGroup", Name=resources.SCHEDULE_GROUP)
        except UnavailableError:
            raise
        except NotFoundError:
            return f"the schedule group {resources.SCHEDULE_GROUP} does not exist"
        except AwsError as error:
            return error.message
        return ""

    def _look_for_workflow(self, arn: str) -> DeadManFacts:
        """One that was deployed by an older version ends any canary, so it can't be left to a schedule."""
        try:
            found = Api(self._session, "stepfunctions").call("DescribeStateMachine", stateMachineArn=arn)
        except UnavailableError:
            raise
        except AwsError as error:
            if self._stage.flag is None:
                return DeadManFacts("aliases")
            missing_machine = f"{arn.rpartition(':')[2]} is not deployed"
            return DeadManFacts(None, missing_machine if isinstance(error, NotFoundError) else error.message)
        with reading("states", "DescribeStateMachine"):
            states = json.loads(found["definition"])["States"]
            takes_id, items = "canary_id" in json.dumps(states), states["RollBack"]["Items"]
        if not takes_id:
            return DeadManFacts("aliases")
        self._workflow = arn
        missing = [entry for entry in functions_of(self._stage) if entry not in items]
        names = ", ".join(f"{entry['function']}:{entry['alias']}" for entry in missing)
        return DeadManFacts("workflow", f"{arn.rpartition(':')[2]} does not roll back {names}" if names else "")

    def notify(self, event: Event) -> None:
        """Pushes the schedules forward, or deletes them at the end; never raises.

        A conflict leaves them: no driver looks after the aliases that nobody else has changed.
        """
        if not isinstance(event, (CanaryStarted, TrafficShifted, Judged, CanaryEnded)):
            return
        if isinstance(event, CanaryEnded) and event.outcome is Phase.CONFLICT:
            return
        subject = f"stage {self._stage.name}"
        try:
            kind = self.facts().kind
            if kind == "workflow" and isinstance(event, CanaryEnded):
                self._delete(resources.dead_man_schedule(self._stage.name, event.canary_id), subject)
            elif kind == "workflow" and not (isinstance(event, TrafficShifted) and not event.weight_bp):
                # Who rolls back leaves the schedule as it is, and may need no permission to push it.
                self._put(self._start_of_workflow(event.canary_id))
            elif kind == "aliases" and not isinstance(event, CanaryStarted):
                for function in self._stage.functions:
                    subject = str(function)
                    self._guard(function, event)
        except CanaryError as error:
            logger.warning("canary %s: the dead-man switch of %s: %s", event.canary_id, subject, error.message)

    def _guard(self, function: FunctionRef, event: Event) -> None:
        try:
            if isinstance(event, CanaryEnded):
                self._disarm(function)
            else:
                self._arm(function, event.canary_id)
        except CanaryError as error:
            logger.warning("canary %s: the dead-man switch of %s: %s", event.canary_id, function, error.message)

    def _start_of_workflow(self, canary_id: str) -> dict[str, object]:
        """The name has the canary's id: who loses a race for the stage must not touch the winner's."""
        target = {"Arn": self._workflow, "Input": json.dumps({"canary_id": canary_id})}
        text = f"Rolls canary {canary_id} back if no driver is active"
        return self._once(resources.dead_man_schedule(self._stage.name, canary_id), text, target)

    def _arm(self, function: FunctionRef, canary_id: str) -> None:
        alias = self._aliases.read(function)
        record = decode(alias.description)
        if record is None or record.canary_id != canary_id or (alias.version == record.baseline and not alias.extra_bp):
            self._disarm(function)
            return
        if not routes_as_recorded(alias, record) and not is_draining(alias, record):
            return  # somebody else's: what is armed has the RevisionId before that, and does nothing
        call = {
            "FunctionName": function.function,
            "Name": function.alias,
            "FunctionVersion": record.baseline,
            "RoutingConfig": {"AdditionalVersionWeights": {}},
            "Description": record.description,
            "RevisionId": alias.revision_id,
        }
        text = f"Rolls {function} back to version {record.baseline} if no driver is active"
        target = {"Arn": f"arn:{self._partition}:{TARGET}", "Input": json.dumps(call)}
        self._put(self._once(resources.dead_man_schedule(self._stage.name, function.key), text, target))

    def _once(self, name: str, text: str, target: dict[str, str]) -> dict[str, object]:
        assert self._settings is not None
        due = self._clock.now() + self._settings.after
        # at() has whole minutes in effect and takes seconds; round up so that it never comes early.
        moment = due.replace(microsecond=0) + timedelta(seconds=1)
        # A refused call (412) is final; the default of 185 retries over 24 h would fight later releases.
        retries = {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 600}
        return {
            "Name": name,
            "GroupName": self._settings.group,
            "ScheduleExpression": f"at({moment.strftime('%Y-%m-%dT%H:%M:%S')})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": text,
            "Target": {**target, "RoleArn": self._settings.role_arn, "RetryPolicy": retries},
        }

    def _put(self, schedule: dict[str, object]) -> None:
        try:
            self._scheduler.call("UpdateSchedule", **schedule)
        except NotFoundError:
            self._scheduler.call("CreateSchedule", **schedule)

    def _disarm(self, function: FunctionRef) -> None:
        self._delete(resources.dead_man_schedule(self._stage.name, function.key), str(function))

    def _delete(self, name: str, subject: str) -> None:
        assert self._settings is not None
        try:
            self._scheduler.call("DeleteSchedule", Name=name, GroupName=self._settings.group)
        except NotFoundError:
            return
        except AwsError as error:
            logger.warning("the dead-man switch of %s couldn't be deleted: %s", subject, error.message)


def is_deployed(stage: StagePlan) -> bool:
    """Whether the switch is the one of `canary infra`: the plan names none, or its role."""
    settings = stage.dead_man
    return settings is None or settings.role_arn.endswith(f":role/{resources.dead_man_role(stage.name)}")
