"""The alarm operations of the API: put, describe, set, enable, delete, history.

It checks requests and shapes answers; alarms live in the alarm book.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from canary.testing.cloudwatch.alarm_book import AlarmBook, HistoryItem, Publish, Send
from canary.testing.cloudwatch.alarm_model import (
    ALARM,
    COMPOSITE_ALARM,
    INSUFFICIENT_DATA,
    METRIC_ALARM,
    OK,
    Alarm,
    alarm_arn,
)
from canary.testing.cloudwatch.composite import RuleError, parse_rule
from canary.testing.cloudwatch.metric_alarm import watch_of
from canary.testing.cloudwatch.metric_api import ACCOUNT_ID
from canary.testing.cloudwatch.queries import Partial, metric_of
from canary.testing.cloudwatch.store import MetricStore
from flagkit.testing.clock import VirtualClock
from flagkit.testing.wire import CallContext, Service, ServiceError

MAX_NAMES = 100
_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:\d*:\S+$")
_ACTION_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


class AlarmOperations(Service):
    """Alarms of the stand-in's CloudWatch."""

    store: MetricStore
    partials: list[Partial]

    def __init__(self, clock: VirtualClock, publish: Publish, send: Send) -> None:
        self._book = AlarmBook(clock, publish, ACCOUNT_ID, send)

    def alarm_state(self, arn: str) -> str:
        """An alarm's state, for the services that watch alarms; INSUFFICIENT_DATA where there is none."""
        alarm = self._book.find(arn)
        return INSUFFICIENT_DATA if alarm is None else alarm.state.value

    def alarm_states(self) -> dict[str, str]:
        """The state of every alarm, by name."""
        return {name: alarm.state.value for name, alarm in sorted(self._book.alarms.items())}

    def PutMetricAlarm(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Creates or overwrites a metric alarm."""
        arn = self._admit(params, METRIC_ALARM, context.region)
        if "Threshold" in params:
            params = {**params, "Threshold": float(params["Threshold"])}  # JSON carries 5.0 as 5
        watch = watch_of(params, self.store, self.partials, ACCOUNT_ID)
        self._book.put(METRIC_ALARM, arn, params, watch=watch)
        return {}

    def PutCompositeAlarm(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Creates or overwrites a composite alarm."""
        if "ActionsSuppressor" in params:
            raise _invalid("The stand-in has no ActionsSuppressor.")
        arn = self._admit(params, COMPOSITE_ALARM, context.region)
        try:
            rule = parse_rule(params["AlarmRule"])
        except RuleError as error:
            raise _invalid(f"Error in AlarmRule [{error}]") from error
        missing = []
        for child in rule.children:
            full = child if child.startswith("arn:") else alarm_arn(context.region, ACCOUNT_ID, child)
            _check_child(full, arn, context.region)
            if self._book.find(child) is None:
                missing.append(full)
        if missing:
            raise _invalid(
                f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist"
            )
        self._book.put(COMPOSITE_ALARM, arn, params, rule=rule)
        return {}

    def DescribeAlarms(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Alarms by name, prefix, state and type; unknown names are silently absent."""
        kinds = params.get("AlarmTypes", [METRIC_ALARM])  # composite alarms only where listed [model]
        found = [alarm for name, alarm in sorted(self._book.alarms.items()) if self._is_wanted(alarm, kinds, params)]
        page, token = _page(found, params, 50)
        return {
            "MetricAlarms": [alarm.described() for alarm in page if alarm.kind == METRIC_ALARM],
            "CompositeAlarms": [alarm.described() for alarm in page if alarm.kind == COMPOSITE_ALARM],
            "LogAlarms": [],
            "NextToken": token,
        }

    def _is_wanted(self, alarm: Alarm, kinds: Sequence[str], params: Mapping[str, Any]) -> bool:
        actions = [action for state in (OK, ALARM, INSUFFICIENT_DATA) for action in alarm.actions(state)]
        return (
            alarm.kind in kinds
            and alarm.name in params.get("AlarmNames", [alarm.name])
            and alarm.name.startswith(params.get("AlarmNamePrefix", ""))
            and params.get("StateValue") in {None, alarm.state.value}
            and ("ActionPrefix" not in params or any(one.startswith(params["ActionPrefix"]) for one in actions))
            and ("ChildrenOfAlarmName" not in params or self._is_child(alarm, params["ChildrenOfAlarmName"]))
            and ("ParentsOfAlarmName" not in params or self._is_parent(alarm, params["ParentsOfAlarmName"]))
        )

    def _is_child(self, alarm: Alarm, parent: str) -> bool:
        return any(one.name == parent for one in self._book.parents(alarm.name))

    def _is_parent(self, alarm: Alarm, child: str) -> bool:
        return child in self._book.alarms and alarm in self._book.parents(child)

    def DescribeAlarmsForMetric(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Metric alarms on exactly this metric."""
        metric = metric_of(params)
        filters = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        found = [
            alarm
            for _, alarm in sorted(self._book.alarms.items())
            if "MetricName" in alarm.config
            and metric_of(alarm.config) == metric
            and all(params.get(name) in {None, alarm.config.get(name)} for name in filters)
        ]
        return {"MetricAlarms": [alarm.described() for alarm in found]}

    def DescribeAlarmHistory(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """History, newest first; it outlives the alarm."""
        kinds = params.get("AlarmTypes", [METRIC_ALARM])
        found = [item for item in self._book.history if item.alarm_type in kinds and _matches(item, params)]
        if params.get("ScanBy") != "TimestampAscending":
            found.reverse()
        page, token = _page(found, params, 100)
        rows = [
            {
                "AlarmName": item.alarm,
                "AlarmType": item.alarm_type,
                "Timestamp": item.at,
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": item.data,
            }
            for item in page
        ]
        return {"AlarmHistoryItems": rows, "NextToken": token}

    def SetAlarmState(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Puts an alarm into a state until its next evaluation."""
        if params["StateValue"] not in {OK, ALARM, INSUFFICIENT_DATA}:
            raise _invalid(
                f"1 validation error detected: Value '{params['StateValue']}' at 'stateValue' failed to satisfy "
                "constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
            )
        data = params.get("StateReasonData", "")
        if data:
            try:
                json.loads(data)
            except ValueError as error:
                raise ServiceError("InvalidFormat", "StateReasonData must be valid JSON.") from error
        alarm = self._book.alarms.get(params["AlarmName"])
        if alarm is None:
            raise ServiceError("ResourceNotFound", "")
        self._book.transition(alarm, params["StateValue"], params["StateReason"], data)
        return {}

    def EnableAlarmActions(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Lets alarms send."""
        self._each(params, lambda name: self._book.enable(name, is_enabled=True))
        return {}

    def DisableAlarmActions(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Keeps alarms from sending; they still change state."""
        self._each(params, lambda name: self._book.enable(name, is_enabled=False))
        return {}

    def DeleteAlarms(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Deletes alarms, all or none; unknown names are passed over."""
        alarms = [self._book.alarms[name] for name in params["AlarmNames"] if name in self._book.alarms]
        if sum(alarm.kind == COMPOSITE_ALARM for alarm in alarms) > 1:
            raise _invalid("You cannot delete more than one composite alarm in one operation.")
        for alarm in alarms:
            if self._book.parents(alarm.name):
                raise _invalid(f"Cannot delete {alarm.name} as there are composite alarm(s) depending on it.")
        self._each(params, self._book.delete)
        return {}

    def _each(self, params: Mapping[str, Any], do: Callable[[str], None]) -> None:
        if len(params["AlarmNames"]) > MAX_NAMES:
            raise _invalid(f"The collection AlarmNames must not have a size greater than {MAX_NAMES}.")
        for name in params["AlarmNames"]:
            do(name)

    def _admit(self, params: Mapping[str, Any], kind: str, region: str) -> str:
        name = params["AlarmName"]
        old = self._book.alarms.get(name)
        if old is not None and old.kind != kind:
            raise _invalid(f"AlarmName [{name}] is already used by another alarm of a different type")
        for member in _ACTION_LISTS:
            for action in params.get(member, ()):
                if not _ARN.match(action):
                    raise _invalid(f"Invalid arn syntax: {action}")
        return alarm_arn(region, ACCOUNT_ID, name)


def _check_child(child: str, own: str, region: str) -> None:
    _, _, _, child_region, account, *_ = child.split(":", 5)
    if child == own:
        raise _invalid(
            "A composite alarm cannot have a child relation with itself via its AlarmRule, as it would introduce a "
            "circular dependency"
        )
    if account != ACCOUNT_ID:
        raise _invalid("A composite alarm cannot have a child relation with alarms from another AWS account")
    if child_region != region:
        raise _invalid(
            f"Error in AlarmRule [Wrong ARN region, it was {child_region} but {region} was expected instead]"
        )


def _matches(item: HistoryItem, params: Mapping[str, Any]) -> bool:
    return (
        params.get("AlarmName") in {None, item.alarm}
        and params.get("HistoryItemType") in {None, item.kind}
        and params.get("StartDate", item.at) <= item.at
        and item.at <= params.get("EndDate", item.at)
    )


def _page(found: Sequence[Any], params: Mapping[str, Any], default: int) -> tuple[Sequence[Any], str | None]:
    token = params.get("NextToken", "0")
    if not token.isdigit():
        raise ServiceError("InvalidNextToken", f"Invalid NextToken : {token}")
    first, size = int(token), params.get("MaxRecords", default)
    following = first + size
    return found[first:following], str(following) if following < len(found) else None


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
