"""The subject and message that an alarm sends to SNS, and the event that it sends to EventBridge.

It writes text from an alarm's values. Form: [stackd] sns_publications and LocalStack's
recorded test_put_metric_alarm, both captured from AWS.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from canary.testing.cloudwatch.alarm_model import ALARM, INSUFFICIENT_DATA, METRIC_ALARM, OK, Alarm, AlarmState, stamp

MAX_SUBJECT = 100  # longer names are cut (captured)

_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-central-1": "EU (Frankfurt)",
}
_STATISTICS = {"SampleCount": "SAMPLE_COUNT"}


def subject(alarm: Alarm) -> str:
    """The subject, e.g. `ALARM: "errors" in US East (N. Virginia)`."""
    name = re.sub(r"[^ -~]+", "_", alarm.name)
    before, after = f'{alarm.state.value}: "', f'" in {region_name(alarm.region)}'
    room = MAX_SUBJECT - len(before) - len(after)
    return before + (name if len(name) <= room else name[: room - 3] + "...") + after


def message(alarm: Alarm, old_state: str, account_id: str) -> str:
    """The JSON document of a transition."""
    config, state = alarm.config, alarm.state
    document: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": config.get("AlarmDescription"),
        "AWSAccountId": account_id,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured),
        "NewStateValue": state.value,
        "NewStateReason": state.reason,
        "StateChangeTime": stamp(state.updated),
        "Region": region_name(alarm.region),
        "AlarmArn": alarm.arn,
        "OldStateValue": old_state,
        "ActionExecutedAfterMuteWindow": False,
        "OKActions": alarm.actions(OK),
        "AlarmActions": alarm.actions(ALARM),
        "InsufficientDataActions": alarm.actions(INSUFFICIENT_DATA),
    }
    if alarm.kind == METRIC_ALARM:
        document["Trigger"] = _trigger(config)
    else:
        del document["AlarmConfigurationUpdatedTimestamp"]
        document["AlarmRule"] = config["AlarmRule"]
        reasons = json.loads(state.reason_data or "{}").get("triggeringAlarms", [])
        document["TriggeringChildren"] = [
            {"Arn": item["arn"], "State": {"Value": item["state"]["value"], "Timestamp": item["state"]["timestamp"]}}
            for item in reasons
        ]
    return json.dumps(document, separators=(",", ":"))


def change_event(alarm: Alarm, old: AlarmState, account_id: str) -> dict[str, Any]:
    """The event of a transition, as EventBridge gets it (CloudWatch user guide, "Alarm events and EventBridge").

    EventBridge gets it of every alarm, whether its actions are enabled or not.
    """
    state = alarm.state
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{alarm.arn} {stamp(state.updated)} {state.value}")),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": account_id,
        "time": f"{state.updated:%Y-%m-%dT%H:%M:%SZ}",
        "region": alarm.region,
        "resources": [alarm.arn],
        "detail": {"alarmName": alarm.name, "previousState": _of_event(old), "state": _of_event(state)},
    }


def _of_event(state: AlarmState) -> dict[str, str]:
    shown = {"timestamp": stamp(state.updated), "value": state.value, "reason": state.reason}
    return {**shown, "reasonData": state.reason_data} if state.reason_data else shown


def region_name(region: str) -> str:
    """A region as CloudWatch names it in messages; the code where the stand-in does not know better."""
    return _REGIONS.get(region, region)


def _trigger(config: Mapping[str, Any]) -> dict[str, Any]:
    trigger: dict[str, Any] = {}
    if "Metrics" not in config:
        is_extended = "ExtendedStatistic" in config
        kind = "ExtendedStatistic" if is_extended else "Statistic"
        statistic = config[kind]
        trigger = {
            "MetricName": config["MetricName"],
            "Namespace": config["Namespace"],
            "StatisticType": kind,
            kind: statistic if is_extended else _STATISTICS.get(statistic, statistic.upper()),
            "Unit": config.get("Unit"),
            "Dimensions": [{"value": item["Value"], "name": item["Name"]} for item in config.get("Dimensions", ())],
        }
    periods = [query["MetricStat"]["Period"] for query in config.get("Metrics", ()) if "MetricStat" in query]
    trigger["Period"] = config.get("Period", min(periods, default=60))
    for name in ("EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "Threshold"):
        if name in config:
            trigger[name] = config[name]
    trigger["TreatMissingData"] = config.get("TreatMissingData", "")
    trigger["EvaluateLowSampleCountPercentile"] = config.get("EvaluateLowSampleCountPercentile", "")
    if "Metrics" in config:
        trigger["Metrics"] = config["Metrics"]
    return trigger
