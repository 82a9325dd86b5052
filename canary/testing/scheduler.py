"""Amazon EventBridge Scheduler: keeps schedules and groups, and fires them on the virtual clock."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from canary.testing.firing import Firing, Targets, check_target
from canary.testing.schedules import Schedule, check_dates, first_due, next_due
from flagkit.testing import CallContext, Service, ServiceError, VirtualClock

_NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
_KEPT = (
    "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description", "State", "KmsKeyArn",
    "Target", "FlexibleTimeWindow", "ActionAfterCompletion",
)  # fmt: skip


class SchedulerService(Service):
    """EventBridge Scheduler in process.

    Args:
        clock: virtual time.
        targets: calls what schedules are for.
        seed: makes lateness repeatable.
        region: region of the ARNs.
        account_id: account of the ARNs.

    Attributes:
        lateness_s: a schedule fires up to so much after its time. AWS promises 60 s of precision, no more (Scheduler
            user guide, "Schedule types"); set it to 0 for exact times.
        firings: every firing with its outcome.
    """

    service: ClassVar[str] = "scheduler"

    def __init__(self, *, clock: VirtualClock, targets: Targets, seed: int, region: str, account_id: str) -> None:
        self.clock = clock
        self.lateness_s = 59.0
        self.targets = targets
        self.firings: list[Firing] = []
        self.schedules: dict[tuple[str, str], Schedule] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._random = random.Random(f"{seed}/scheduler")
        self._prefix = f"arn:aws:scheduler:{region}:{account_id}:"
        self._add_group("default")

    def CreateSchedule(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes a schedule; the same ClientToken again is the same request."""
        name, group = self._checked_name(params)
        existing = self.schedules.get((group, name))
        if existing is not None:
            token = params.get("ClientToken")
            if token is not None and token == existing.token and existing.params == _kept(params):
                return {"ScheduleArn": self._arn(existing)}
            raise ServiceError("ConflictException", f"Schedule {name} already exists.")
        now = self.clock.now()
        _check(params)
        check_dates(params, now)
        schedule = Schedule(name, group, _kept(params), now, now, params.get("ClientToken"))
        self._plan(schedule, first_due(params, now))
        self.schedules[group, name] = schedule
        return {"ScheduleArn": self._arn(schedule)}

    def UpdateSchedule(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Replaces a schedule; settings that are left out get their defaults."""
        schedule = self._schedule(params)
        _check(params)
        check_dates(params, self.clock.now())
        due = first_due(params, self.clock.now())
        schedule.cancel()
        schedule.params, schedule.modified_at = _kept(params), self.clock.now()
        self._plan(schedule, due)
        return {"ScheduleArn": self._arn(schedule)}

    def GetSchedule(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a schedule."""
        return self._describe(self._schedule(params))

    def DeleteSchedule(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a schedule; a retry that is already under way goes on."""
        schedule = self._schedule(params)
        self._remove(schedule)
        return {}

    def ListSchedules(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists schedules, filtered by group, prefix and state."""
        found = []
        for _, schedule in sorted(self.schedules.items()):
            wanted = params.get("GroupName") in {None, schedule.group}
            wanted = wanted and schedule.name.startswith(params.get("NamePrefix", ""))
            if wanted and params.get("State") in {None, schedule.params.get("State", "ENABLED")}:
                full = self._describe(schedule)
                names = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")
                entry = {name: full[name] for name in names}
                found.append({**entry, "Target": {"Arn": schedule.params["Target"]["Arn"]}})
        return _page("Schedules", found, params)

    def CreateScheduleGroup(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes a group."""
        _check_name(params["Name"])
        if params["Name"] in self.groups:
            raise ServiceError("ConflictException", f"Schedule group {params['Name']} already exists.")
        arn = self._add_group(params["Name"])["Arn"]
        self._tags[arn] = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
        return {"ScheduleGroupArn": arn}

    def GetScheduleGroup(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a group."""
        return dict(self._group(params["Name"]))

    def ListScheduleGroups(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists groups."""
        prefix = params.get("NamePrefix", "")
        found = [dict(group) for name, group in sorted(self.groups.items()) if name.startswith(prefix)]
        return _page("ScheduleGroups", found, params)

    def DeleteScheduleGroup(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a group and all its schedules."""
        name = params["Name"]
        self._group(name)
        if name == "default":
            raise ServiceError("ValidationException", "The default schedule group can't be deleted.", status=400)
        for schedule in [item for item in self.schedules.values() if item.group == name]:
            self._remove(schedule)
        self._tags.pop(self.groups.pop(name)["Arn"], None)
        return {}

    def TagResource(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Adds tags to a group; schedules have none."""
        self._tags_of(params).update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
        return {}

    def UntagResource(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Removes tags from a group."""
        for key in params["TagKeys"]:
            self._tags_of(params).pop(key, None)
        return {}

    def ListTagsForResource(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads the tags of a group."""
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags_of(params).items()]}

    def _tags_of(self, params: dict[str, Any]) -> dict[str, str]:
        arn = params["ResourceArn"]
        group = self._group(arn.partition(":schedule-group/")[2])
        return self._tags.setdefault(group["Arn"], {})

    def _plan(self, schedule: Schedule, due: datetime) -> None:
        if schedule.is_enabled and (schedule.params.get("EndDate") is None or due <= schedule.params["EndDate"]):
            window = schedule.params["FlexibleTimeWindow"]
            late_s = self._random.uniform(0, self.lateness_s + 60.0 * window.get("MaximumWindowInMinutes", 0))
            schedule.planned = self.clock.call_at(due + timedelta(seconds=late_s), partial(self._fire, schedule, due))

    def _fire(self, schedule: Schedule, due: datetime) -> None:
        schedule.planned = None
        following = next_due(schedule.params, due)
        if following is not None:
            self._plan(schedule, following)
        done = schedule.planned is None
        firing = Firing(schedule.name, schedule.group, self._arn(schedule), schedule.params["Target"], due)
        self.firings.append(firing)
        if done and schedule.params.get("ActionAfterCompletion") == "DELETE":
            self._remove(schedule)
        self.targets.attempt(firing)

    def _remove(self, schedule: Schedule) -> None:
        schedule.cancel()
        self.schedules.pop((schedule.group, schedule.name), None)

    def _checked_name(self, params: dict[str, Any]) -> tuple[str, str]:
        name, group = params["Name"], params.get("GroupName", "default")
        _check_name(name)
        self._group(group)
        return name, group

    def _schedule(self, params: dict[str, Any]) -> Schedule:
        name, group = self._checked_name(params)
        found = self.schedules.get((group, name))
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Schedule {name} does not exist.")
        return found

    def _group(self, name: str) -> dict[str, Any]:
        found = self.groups.get(name)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Schedule group {name} does not exist.")
        return found

    def _add_group(self, name: str) -> dict[str, Any]:
        now = self.clock.now()
        arn = f"{self._prefix}schedule-group/{name}"
        self.groups[name] = {
            "Arn": arn,
            "Name": name,
            "State": "ACTIVE",
            "CreationDate": now,
            "LastModificationDate": now,
        }
        return self.groups[name]

    def _arn(self, schedule: Schedule) -> str:
        return f"{self._prefix}schedule/{schedule.group}/{schedule.name}"

    def _describe(self, schedule: Schedule) -> dict[str, Any]:
        target = schedule.params["Target"]
        retry = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185, **target.get("RetryPolicy", {})}
        return {
            "ScheduleExpressionTimezone": "UTC",
            "State": "ENABLED",
            "ActionAfterCompletion": "NONE",
            **schedule.params,
            "Arn": self._arn(schedule),
            "Name": schedule.name,
            "GroupName": schedule.group,
            "CreationDate": schedule.created_at,
            "LastModificationDate": schedule.modified_at,
            "Target": {**target, "RetryPolicy": retry},
        }


def _kept(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in _KEPT if name in params}


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        pattern = "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"
        text = f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: {pattern}"
        raise ServiceError("ValidationException", text, status=400)


def _check(params: dict[str, Any]) -> None:
    window = params["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        text = "MaximumWindowInMinutes must be set for a flexible time window, and only then."
        raise ServiceError("ValidationException", text, status=400)
    check_target(params["Target"])
    policy = params["Target"].get("RetryPolicy", {})
    if not 0 <= policy.get("MaximumRetryAttempts", 0) <= 185:
        raise ServiceError("ValidationException", "MaximumRetryAttempts must be 0 to 185.", status=400)
    if not 60 <= policy.get("MaximumEventAgeInSeconds", 60) <= 86400:
        raise ServiceError("ValidationException", "MaximumEventAgeInSeconds must be 60 to 86400.", status=400)


def _page(member: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    token = str(params.get("NextToken") or "0")
    if not token.isdecimal():
        raise ServiceError("ValidationException", "Invalid NextToken.", status=400)
    start = int(token)
    end = start + int(params.get("MaxResults") or 100)
    more = {"NextToken": str(end)} if end < len(items) else {}
    return {member: items[start:end], **more}
