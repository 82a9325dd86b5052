"""What the stand-in keeps of an alarm, and how the API shows it.

Values only: nothing is evaluated and nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.testing.cloudwatch.composite import Rule

OK = "OK"
ALARM = "ALARM"
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
METRIC_ALARM = "MetricAlarm"
COMPOSITE_ALARM = "CompositeAlarm"
CREATED_REASON = "Unchecked: Initial alarm creation"

_SHOWN = (
    "AlarmName",
    "AlarmDescription",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "AlarmRule",
)


@dataclass(slots=True)
class AlarmState:
    """State of an alarm.

    Attributes:
        value: OK, ALARM or INSUFFICIENT_DATA.
        reason: text.
        reason_data: JSON, or empty.
        updated: when value or reason last changed.
        transitioned: when the value last changed.
    """

    value: str
    reason: str
    reason_data: str
    updated: datetime
    transitioned: datetime


@dataclass(slots=True, eq=False)
class Alarm:
    """One metric or composite alarm.

    Attributes:
        kind: METRIC_ALARM or COMPOSITE_ALARM.
        arn: its name for other services.
        config: the parameters of the Put call.
        configured: when they last changed.
        state: where it is.
        actions_enabled: may it send.
        evaluation_state: why the last evaluation decided nothing, e.g. `PARTIAL_DATA`.
        rule: of a composite alarm.
        stop: ends the evaluation of a metric alarm.
    """

    kind: str
    arn: str
    config: Mapping[str, Any]
    configured: datetime
    state: AlarmState
    actions_enabled: bool = True
    evaluation_state: str | None = None
    rule: Rule | None = None
    stop: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The alarm's name."""
        return str(self.config["AlarmName"])

    @property
    def region(self) -> str:
        """Where it lives."""
        return self.arn.split(":")[3]

    def actions(self, state: str) -> Sequence[str]:
        """ARNs of what happens on a transition to a state."""
        member = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}[state]
        return list(self.config.get(member, ()))

    def described(self) -> dict[str, Any]:
        """The alarm as DescribeAlarms shows it."""
        shown = {name: self.config[name] for name in _SHOWN if name in self.config}
        if self.kind == METRIC_ALARM:
            shown["Dimensions"] = self.config.get("Dimensions", [])
            shown["EvaluationState"] = self.evaluation_state
        return shown | {
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configured,
            "ActionsEnabled": self.actions_enabled,
            "OKActions": self.actions(OK),
            "AlarmActions": self.actions(ALARM),
            "InsufficientDataActions": self.actions(INSUFFICIENT_DATA),
            "StateValue": self.state.value,
            "StateReason": self.state.reason,
            "StateReasonData": self.state.reason_data or None,
            "StateUpdatedTimestamp": self.state.updated,
            "StateTransitionedTimestamp": self.state.transitioned,
        }


def alarm_arn(region: str, account_id: str, name: str) -> str:
    """The ARN of an alarm."""
    return f"arn:aws:cloudwatch:{region}:{account_id}:alarm:{name}"


def stamp(when: datetime) -> str:
    """A time as CloudWatch writes it in JSON: `2026-09-14T11:18:44.401+0000`."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


def long_date(when: datetime) -> str:
    """A time as CloudWatch writes it in sentences: `Monday 14 September, 2026 11:18:44 UTC`."""
    return f"{when:%A %d %B, %Y %H:%M:%S} UTC"
