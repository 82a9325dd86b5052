"""The CloudWatch dashboard of a stage: its alarms, both versions of each function, and the driver. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canary.core.plan import FunctionRef, StagePlan

Widget = dict[str, Any]

_REGION = "${AWS::Region}"
_BY_VERSION = (("Invocations", "Sum"), ("Errors", "Sum"), ("Duration", "p99"))


def dashboard(stage: StagePlan, tick_function: str, alarm_arns: Sequence[str]) -> Widget:
    """The dashboard's body; `${AWS::Region}` is for CloudFormation to fill in.

    Args:
        stage: the stage.
        tick_function: name of the function that drives canaries.
        alarm_arns: of the stage's alarms.
    """
    widgets = [
        {
            "type": "alarm",
            "width": 24,
            "height": 3,
            "properties": {"title": f"Alarms of {stage.name}", "alarms": list(alarm_arns)},
        }
    ]
    for function in stage.functions if stage.flag is None else ():
        widgets += [_by_version(function, metric, stat) for metric, stat in _BY_VERSION]
    driver = [["AWS/Lambda", name, "FunctionName", tick_function] for name in ("Invocations", "Errors")]
    widgets.append(_graph(f"Driver {tick_function}", "Sum", driver))
    return {"widgets": widgets}


def _by_version(function: FunctionRef, metric: str, stat: str) -> Widget:
    """One line per version: a search finds those that have had traffic, whatever their number."""
    name = function.name
    search = (
        f'SEARCH(\'{{AWS/Lambda,ExecutedVersion,FunctionName,Resource}} FunctionName="{name}" '
        f'Resource="{name}:{function.alias}" MetricName="{metric}"\', \'{stat}\', 60)'
    )
    lines = [[{"expression": search, "label": "version ${PROP('Dim.ExecutedVersion')}", "id": "versions"}]]
    return _graph(f"{function.key}: {metric} ({stat}) by version", stat, lines)


def _graph(title: str, stat: str, metrics: Sequence[object]) -> Widget:
    properties = {"title": title, "region": _REGION, "stat": stat, "period": 60, "metrics": list(metrics)}
    return {"type": "metric", "width": 8, "height": 6, "properties": properties}
