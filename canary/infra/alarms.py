"""The alarms of a stage: for its functions, and for the APIs, queues and tables that the plan names. Data only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from canary.adapters.cloudwatch import queue_name
from canary.adapters.series import LAMBDA, RequestSeries, Series, by_alias, series_plan
from canary.core.plan import Http5xxGate, LatencyGate, MetricGate, Plan, QueueGate, StagePlan
from canary.ports import Target

Resource = dict[str, Any]

LONGEST_NAME: Final = 255
"""Characters of an alarm's name (CloudWatch, "PutMetricAlarm")."""

_RUNBOOK = "docs/canary/runbook.md"


def alarms(plan: Plan, stage: StagePlan, tick_function: str) -> dict[str, Resource]:
    """The alarms by logical id, each sending to the stage's topic.

    Args:
        plan: the whole plan, for its journal.
        stage: the stage.
        tick_function: name of the function that drives canaries.
    """
    targets = [Target(function, "0", "0") for function in stage.functions]
    found: dict[str, Resource] = {}
    for target in targets if stage.flag is None else ():
        series = by_alias(target, "Errors")
        found |= _alarm(stage, "Errors", target.function.key, _over(series, 10, period_s=300))
    found |= _alarm(stage, "TickErrors", tick_function, _over(_of_function(tick_function), 2, period_s=300))
    for gate in stage.gates.values():
        if isinstance(gate, Http5xxGate):
            for target in targets if gate.source == "url" else targets[:1]:
                found |= _error_rate(stage, gate, target)
        elif isinstance(gate, LatencyGate):
            for target in targets if gate.source in {"lambda", "url"} else targets[:1]:
                found |= _slowest(stage, gate, target)
        elif isinstance(gate, QueueGate):
            name = queue_name(gate.queue)
            series = Series("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", name),), "Maximum")
            found |= _alarm(stage, "DeadLetters", name, _over(series, 0, period_s=60))
    for table in tables(plan, stage):
        throttled = [
            Series("AWS/DynamoDB", name, (("TableName", table),))
            for name in ("ReadThrottleEvents", "WriteThrottleEvents")
        ]
        found |= _alarm(
            stage, "Throttles", table, _formula("FILL(m0, 0) + FILL(m1, 0)", throttled, 0, period_s=300, periods=1)
        )
    return found


def tables(plan: Plan, stage: StagePlan) -> list[str]:
    """The DynamoDB tables that a stage names: those of the journal, of outcomes, and of its metric gates."""
    stores = [where.partition(":") for where in (plan.journal, stage.outcomes or "")]
    gates = (gate for gate in stage.gates.values() if isinstance(gate, MetricGate))
    metrics = (metric for gate in gates for metric in gate.references if metric.namespace == "AWS/DynamoDB")
    named = {metric.dimensions.get("TableName", "") for metric in metrics}
    named |= {rest.strip("/") for kind, _, rest in stores if kind == "dynamodb"}
    return sorted(name for name in named if name and "{" not in name)


def is_of_a_release(logical_id: str) -> bool:
    """Whether an alarm speaks of what users get, and may therefore roll a release back."""
    return logical_id.startswith(("Errors", "ErrorRate", "Slow"))


def _error_rate(stage: StagePlan, gate: Http5xxGate, target: Target) -> dict[str, Resource]:
    planned = series_plan(gate, target, stage.name)
    assert isinstance(planned, RequestSeries)
    series = [*planned.bad, *planned.requests]
    bad = " + ".join(f"FILL(m{number}, 0)" for number in range(len(planned.bad)))
    requests = " + ".join(f"m{number}" for number in range(len(planned.bad), len(series)))
    name = gate.target or target.function.key
    return _alarm(
        stage, "ErrorRate", name, _formula(f"100 * ({bad}) / ({requests})", series, 1, period_s=60, periods=5)
    )


def _slowest(stage: StagePlan, gate: LatencyGate, target: Target) -> dict[str, Resource]:
    if gate.source == "lambda":
        series = by_alias(target, "Duration", "p99")
    else:
        planned = series_plan(gate, target, stage.name)
        assert isinstance(planned, RequestSeries)
        (counted,) = planned.requests
        series = Series(counted.namespace, counted.name, counted.dimensions, "p99")
    limit = 1 if gate.source == "alb" else 1000  # seconds there, milliseconds elsewhere
    return _alarm(stage, "Slow", gate.target or target.function.key, _over(series, limit, period_s=60, periods=5))


def _over(series: Series, limit: float, *, period_s: int, periods: int = 1) -> Resource:
    statistic: Resource = {"Statistic": series.stat}
    if series.stat.startswith("p"):
        statistic = {"ExtendedStatistic": series.stat, "EvaluateLowSampleCountPercentile": "ignore"}
    return {
        **_metric(series),
        **statistic,
        "Period": period_s,
        "EvaluationPeriods": periods,
        "Threshold": limit,
    }


def _formula(expression: str, series: Sequence[Series], limit: float, *, period_s: int, periods: int) -> Resource:
    metrics = [
        {
            "Id": f"m{number}",
            "ReturnData": False,
            "MetricStat": {"Metric": _metric(one), "Period": period_s, "Stat": one.stat},
        }
        for number, one in enumerate(series)
    ]
    return {
        "Metrics": [{"Id": "value", "Expression": expression, "ReturnData": True}, *metrics],
        "EvaluationPeriods": periods,
        "Threshold": limit,
    }


def _metric(series: Series) -> Resource:
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
    }


def _of_function(name: str) -> Series:
    return Series(LAMBDA, "Errors", (("FunctionName", name),))


_MEANINGS = {
    "Errors": "more than 10 errors in 5 minutes",
    "TickErrors": "the driver failed at least 3 times in 5 minutes",
    "ErrorRate": "more than 1 % of the requests failed for 5 minutes",
    "Slow": "p99 was above 1 s for 5 minutes",
    "DeadLetters": "messages are in the dead-letter queue",
    "Throttles": "requests to the table were throttled",
}


def _alarm(stage: StagePlan, kind: str, name: str, measured: Resource) -> dict[str, Resource]:
    actions = [{"Ref": "Topic"}]
    plain = f"canary-{stage.name}-{kind}-{name}"
    if len(plain) > LONGEST_NAME or any(f"-{other}" in stage.name for other in _MEANINGS):  # as another stage's
        mark = hashlib.sha256(f"{stage.name}/{plain}".encode()).hexdigest()[:8]
        plain = f"{plain[: LONGEST_NAME - 9]}-{mark}"
    properties = {
        "AlarmName": plain,
        "AlarmDescription": f"{name}: {_MEANINGS[kind]}. See {_RUNBOOK}.",
        **measured,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": actions,
        "OKActions": actions,
    }
    return {logical_id(kind, name): {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}


def logical_id(kind: str, name: str) -> str:
    """An id that CloudFormation takes, and that stays when others are added or removed."""
    plain = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))[:40]
    return f"{kind}{plain}{hashlib.sha256(name.encode()).hexdigest()[:6]}"
