"""The dead-man switch: one-time EventBridge schedules that roll back when every driver has died.

It needs no compute: Scheduler itself calls `lambda:UpdateAlias` with the RevisionId of the last write, so it rolls back
exactly what this canary left behind, and does nothing (412) once anybody else has moved the alias. Each sign of life of
a driver pushes it forward. It decides nothing, and a failure here never stops a canary.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from datetime import datetime, timedelta
from typing import Final

from canary.adapters.aws import Api, Session, reading
from canary.core import resources
from canary.core.alias import AliasState
from canary.core.events import CanaryEnded, Event, Judged, TrafficShifted
from canary.core.plan import DeadMan, FunctionRef, StagePlan
from canary.core.record import decode
from canary.errors import AwsError, CanaryError, NotFoundError, UnavailableError
from canary.ports import Aliases, Clock

logger = logging.getLogger("canary.deadman")

TARGET: Final = "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"
"""Scheduler's universal target: any AWS call (docs.aws.amazon.com/scheduler, "managing-targets-universal")."""


class DeadManSwitch:
    """An observer that keeps one schedule per function of the stage while a canary carries traffic.

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
        self._absence: str | None = "" if settings else None
        self._aliases = aliases
        self._clock = clock
        self._scheduler = Api(session, "scheduler")

    def absence(self) -> str:
        """Why there is no switch; empty where there is one.

        Raises:
            UnavailableError: that can't be found out now.
        """
        if self._absence is None:
            self._absence = self._look()
        return self._absence

    def _look(self) -> str:
        """The group of schedules is deployed together with the role, and may be asked for without other permissions."""
        group = resources.SCHEDULE_GROUP
        try:
            self._scheduler.call("GetScheduleGroup", Name=group)
        except UnavailableError:
            raise
        except NotFoundError:
            return f"the schedule group {group} does not exist"
        except AwsError as error:
            return error.message
        with reading("lambda", "GetAlias"):
            _, _, _, region, account, *_ = self._aliases.read(self._stage.functions[0]).arn.split(":")
        role = resources.role_arn(resources.dead_man_role(self._stage.name), account=account, region=region)
        self._settings = DeadMan(role_arn=role, group=group)
        return ""

    def notify(self, event: Event) -> None:
        """Pushes the schedules forward, or deletes them at the end; never raises."""
        if not isinstance(event, (TrafficShifted, Judged, CanaryEnded)):
            return
        for function in self._stage.functions:
            try:
                if self.absence():
                    return
                if isinstance(event, CanaryEnded):
                    self._disarm(function)
                else:
                    self._arm(function, event.canary_id)
            except CanaryError as error:
                logger.warning("canary %s: the dead-man switch of %s: %s", event.canary_id, function, error.message)

    def _arm(self, function: FunctionRef, canary_id: str) -> None:
        alias = self._aliases.read(function)
        record = decode(alias.description)
        if record is None or record.canary_id != canary_id or (alias.version == record.baseline and not alias.extra_bp):
            self._disarm(function)
            return
        assert self._settings is not None
        due = self._clock.now() + self._settings.after
        schedule = self._schedule(alias, record.baseline, record.description, due, self._settings)
        try:
            self._scheduler.call("UpdateSchedule", **schedule)
        except NotFoundError:
            self._scheduler.call("CreateSchedule", **schedule)

    def _schedule(
        self, alias: AliasState, base: str, description: str, due: datetime, settings: DeadMan
    ) -> dict[str, object]:
        function = alias.function
        call = {
            "FunctionName": function.function,
            "Name": function.alias,
            "FunctionVersion": base,
            "RoutingConfig": {"AdditionalVersionWeights": {}},
            "Description": description,
            "RevisionId": alias.revision_id,
        }
        # at() has whole minutes in effect and takes seconds; round up so that it never comes early.
        moment = due.replace(microsecond=0) + timedelta(seconds=1)
        return {
            "Name": schedule_name(self._stage.name, function),
            "GroupName": settings.group,
            "ScheduleExpression": f"at({moment.strftime('%Y-%m-%dT%H:%M:%S')})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": f"Rolls {function} back to version {base} if no driver is active",
            "Target": {
                "Arn": TARGET,
                "RoleArn": settings.role_arn,
                "Input": json.dumps(call),
                # A refused call (412) is final; the default of 185 retries over 24 h would fight later releases.
                "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 600},
            },
        }

    def _disarm(self, function: FunctionRef) -> None:
        assert self._settings is not None
        try:
            self._scheduler.call(
                "DeleteSchedule", Name=schedule_name(self._stage.name, function), GroupName=self._settings.group
            )
        except NotFoundError:
            return
        except AwsError as error:
            logger.warning("the dead-man switch of %s couldn't be deleted: %s", function, error.message)


def schedule_name(stage: str, function: FunctionRef) -> str:
    """The schedule's name: at most 64 characters of what Scheduler allows, unique by a hash."""
    plain = re.sub(r"[^0-9A-Za-z_.-]", "-", f"canary-{stage}-{function.key}")
    mark = hashlib.sha256(f"{stage}/{function.key}".encode()).hexdigest()[:8]
    return f"{plain[:55]}-{mark}"
