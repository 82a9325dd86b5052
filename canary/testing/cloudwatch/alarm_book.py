"""Keeps alarms, moves them between states, writes their history and carries out their actions.

Parameters are checked before (`alarm_api`), states are decided by `evaluation` and `composite`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from canary.testing.cloudwatch.alarm_model import (
    ALARM,
    CREATED_REASON,
    INSUFFICIENT_DATA,
    OK,
    Alarm,
    AlarmState,
    long_date,
    stamp,
)
from canary.testing.cloudwatch.composite import Rule
from canary.testing.cloudwatch.evaluation import EXTRA_PERIODS, Point, judge
from canary.testing.cloudwatch.metric_alarm import Watch
from canary.testing.cloudwatch.notification import change_event, message, subject
from flagkit.testing.clock import VirtualClock

Publish = Callable[[str, str, str], object]
Send = Callable[[Mapping[str, Any]], object]

MAX_REASON = 1023
EVALUATION_S = 60.0  # alarms with periods of a minute or more are evaluated every minute

_EVALUATION_STATES = {
    "PartialData": "PARTIAL_DATA",
    "InternalError": "EVALUATION_FAILURE",
    "Forbidden": "EVALUATION_ERROR",
}


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of an alarm's history."""

    alarm: str
    alarm_type: str
    at: datetime
    kind: str
    summary: str
    data: str


class AlarmBook:
    """All alarms of the stand-in.

    Args:
        clock: virtual time; each metric alarm is evaluated on it every minute.
        publish: sends a notification.
        account_id: goes into messages.
        send: sends an event to EventBridge.
    """

    def __init__(self, clock: VirtualClock, publish: Publish, account_id: str, send: Send) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.history: list[HistoryItem] = []
        self._clock = clock
        self._publish = publish
        self._send = send
        self._account_id = account_id

    def put(
        self, kind: str, arn: str, config: Mapping[str, Any], *, watch: Watch | None = None, rule: Rule | None = None
    ) -> None:
        """Creates an alarm, or overwrites its configuration and keeps its state; the same again changes nothing."""
        name = str(config["AlarmName"])
        enabled = bool(config.get("ActionsEnabled", True))
        old = self.alarms.get(name)
        if old is not None and old.config == config and old.actions_enabled == enabled:
            return
        now = self._clock.now()
        if old is None:
            state = AlarmState(INSUFFICIENT_DATA, CREATED_REASON, "", now, now)
        else:
            state = old.state
            self._end(old)
        alarm = Alarm(kind, arn, config, now, state, enabled, rule=rule)
        self.alarms[name] = alarm
        step = "created" if old is None else "updated"
        self._configured(alarm, step)
        if watch is not None:
            alarm.stop = self._clock.call_every(EVALUATION_S, partial(self._evaluate, alarm, watch))
        else:
            self._evaluate_composite(alarm, f"{arn} was {step} and its alarm rule evaluates to {{state}}")

    def enable(self, name: str, *, is_enabled: bool) -> None:
        """Lets an alarm send, or not; an unknown name is passed over."""
        alarm = self.alarms.get(name)
        if alarm is not None and alarm.actions_enabled != is_enabled:
            alarm.actions_enabled = is_enabled
            alarm.configured = self._clock.now()
            self._configured(alarm, "updated")

    def delete(self, name: str) -> None:
        """Ends an alarm; its history stays."""
        alarm = self.alarms.pop(name, None)
        if alarm is not None:
            self._end(alarm)
            self._configured(alarm, "deleted")

    def parents(self, name: str) -> list[Alarm]:
        """Composite alarms that name this one."""
        arn = self.alarms[name].arn
        return [
            alarm
            for alarm in self.alarms.values()
            if alarm.rule is not None and {name, arn}.intersection(alarm.rule.children)
        ]

    def find(self, reference: str) -> Alarm | None:
        """The alarm of a name or an ARN."""
        return self.alarms.get(reference) or next((one for one in self.alarms.values() if one.arn == reference), None)

    def transition(self, alarm: Alarm, value: str, reason: str, reason_data: str) -> None:
        """Moves an alarm to a state, with history, actions and composite alarms; the same state changes nothing."""
        self._transition(alarm, value, reason, reason_data, ())

    def _transition(self, alarm: Alarm, value: str, reason: str, reason_data: str, passed: tuple[str, ...]) -> None:
        if value == alarm.state.value:  # also the old reason stays (captured)
            return
        now, old = self._clock.now(), alarm.state
        alarm.state = AlarmState(value, reason[:MAX_REASON], reason_data, now, now)
        self._write(alarm, "StateUpdate", f"Alarm updated from {old.value} to {value}", _change(old, alarm.state))
        self._act(alarm, old.value)
        self._send(change_event(alarm, old, self._account_id))
        # An alarm that was already part of this chain is not asked again: cycles of composite alarms come to rest.
        chain = (*passed, alarm.name)
        for parent in self.parents(alarm.name):
            if parent.name not in chain:
                words = f"{alarm.arn} transitioned to {value} at {long_date(now)}"
                self._evaluate_composite(parent, words, chain)

    def _evaluate(self, alarm: Alarm, watch: Watch) -> None:
        now = self._clock.now()
        period_s = watch.criteria.period_s
        end_s = int(now.timestamp()) // 60 * 60
        start_s = end_s - (watch.criteria.periods + EXTRA_PERIODS) * period_s
        status, points = watch.read(start_s, end_s)
        alarm.evaluation_state = _EVALUATION_STATES.get(status)
        if alarm.evaluation_state is None:
            self._judged(alarm, watch, points, end_s, now)

    def _judged(self, alarm: Alarm, watch: Watch, points: list[Point], end_s: int, now: datetime) -> None:
        verdict = judge(watch.criteria, points, end_s, now)
        if verdict.state is not None:
            self.transition(alarm, verdict.state, verdict.reason, verdict.reason_data)

    def _evaluate_composite(self, alarm: Alarm, reason: str, passed: tuple[str, ...] = ()) -> None:
        assert alarm.rule is not None
        children = {child: self.find(child) for child in alarm.rule.children}
        states = {child: found.state.value for child, found in children.items() if found is not None}
        truth, witnesses = alarm.rule.holds(states)
        value = ALARM if truth else OK
        named = [found for child in witnesses if (found := children[child]) is not None]
        data = {
            "triggeringAlarms": [
                {"arn": child.arn, "state": {"value": child.state.value, "timestamp": stamp(child.state.updated)}}
                for child in named
            ]
        }
        self._transition(
            alarm, value, reason.replace("{state}", value), json.dumps(data, separators=(",", ":")), passed
        )

    def _act(self, alarm: Alarm, old_state: str) -> None:
        if not alarm.actions_enabled:
            return
        for action in alarm.actions(alarm.state.value):
            text = message(alarm, old_state, self._account_id)
            error = None
            if action.split(":")[2] == "sns":
                try:
                    self._publish(action, subject(alarm), text)
                except (ClientError, BotoCoreError) as problem:
                    error = str(problem)
            else:
                error = "the stand-in carries out SNS actions only"
            done = "Successfully executed" if error is None else "Failed to execute"
            data = {
                "actionState": "Succeeded" if error is None else "Failed",
                "stateUpdateTimestamp": int(alarm.state.updated.timestamp() * 1000),
                "notificationResource": action,
                "publishedMessage": json.dumps({"default": text}),
                "error": error,
            }
            self._write(alarm, "Action", f"{done} action {action}", data)

    def _configured(self, alarm: Alarm, step: str) -> None:
        kind = {"created": "Create", "updated": "Update", "deleted": "Delete"}[step]
        described = {
            name[0].lower() + name[1:]: stamp(value) if isinstance(value, datetime) else value
            for name, value in alarm.described().items()
            if value is not None
        }
        data = {"version": "1.0", "type": kind, f"{step}Alarm": described}
        self._write(alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {step}', data)

    def _write(self, alarm: Alarm, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        text = json.dumps(data, separators=(",", ":"))
        self.history.append(HistoryItem(alarm.name, alarm.kind, self._clock.now(), kind, summary, text))

    @staticmethod
    def _end(alarm: Alarm) -> None:
        if alarm.stop is not None:
            alarm.stop()


def _change(old: AlarmState, new: AlarmState) -> dict[str, Any]:
    return {"version": "1.0", "oldState": _state(old), "newState": _state(new)}


def _state(state: AlarmState) -> dict[str, Any]:
    shown: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason}
    if state.reason_data:
        shown["stateReasonData"] = json.loads(state.reason_data)
    return shown
