"""Checks a PutMetricAlarm request and turns it into what is evaluated: criteria and queries.

It keeps no alarm. Messages: [stackd] alarm_controls, captured, where AWS's are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.testing.cloudwatch.evaluation import COMPARISONS, Criteria, Point
from canary.testing.cloudwatch.queries import MINUTE_S, Partial, QueryRunner, moment
from canary.testing.cloudwatch.statistics import parse_statistic
from canary.testing.cloudwatch.store import MetricStore
from flagkit.testing.wire import ServiceError

DAY_S = 86_400
WEEK_S = 7 * DAY_S
_SCALARS = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
_NOT_MODELLED = (
    "ThresholdMetricId",
    "EvaluationCriteria",
    "EvaluationInterval",
    "EvaluationWindow",
    "WarmUpConfiguration",
)
_MISSING = ("breaching", "notBreaching", "ignore", "missing")
_SAMPLES = "samples"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a metric alarm looks at.

    Attributes:
        criteria: when it goes off.
        queries: members of `Metrics`, made up for a single metric.
        returned: id of the query that is compared with the threshold.
        store: where the metrics are.
        partials: which of them are answered incompletely.
        account_id: the alarm's.
    """

    criteria: Criteria
    queries: Sequence[Mapping[str, Any]]
    returned: str
    store: MetricStore
    partials: Iterable[Partial]
    account_id: str

    def read(self, start_s: int, end_s: int) -> tuple[str, list[Point]]:
        """Status and points of the alarm's series between two times."""
        runner = QueryRunner(
            self.store, self.queries, partials=self.partials, account_id=self.account_id, parameter="Metrics"
        )
        results = runner.run(moment(start_s), moment(end_s))
        series = results[self.returned]
        samples = results[_SAMPLES].points if _SAMPLES in results else {}
        return series.status, [Point(time, value, samples.get(time)) for time, value in series.points.items()]


def watch_of(config: Mapping[str, Any], store: MetricStore, partials: Iterable[Partial], account_id: str) -> Watch:
    """What an alarm of these parameters looks at.

    Raises:
        ServiceError: ValidationError where AWS refuses the parameters, or the stand-in has not modelled them.
    """
    _check(config)
    queries = _metrics(config) if "Metrics" in config else _single(config)
    watch = Watch(_criteria(config, queries), queries, _returned(queries), store, partials, account_id)
    watch.read(0, MINUTE_S)  # an expression that can't be computed is refused now
    return watch


def _check(config: Mapping[str, Any]) -> None:
    for name in _NOT_MODELLED:
        if name in config:
            raise _invalid(f"The stand-in has no {name}.")
    if config.get("ComparisonOperator") not in COMPARISONS:
        raise _invalid("PutMetricAlarm request should have a valid ComparisonOperator parameter")
    if not math.isfinite(float(config.get("Threshold", math.nan))):
        raise _invalid("PutMetricAlarm request should have valid Threshold parameter")
    periods = config.get("EvaluationPeriods")
    if periods is None:
        raise _invalid("PutMetricAlarm request should have an EvaluationPeriods parameter")
    if config.get("DatapointsToAlarm", 1) > periods:
        raise _invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if config.get("TreatMissingData", "missing") not in _MISSING:
        raise _invalid("Supported values for TreatMissingData are breaching, notBreaching, ignore, and missing.")
    if config.get("EvaluateLowSampleCountPercentile", "evaluate") not in {"evaluate", "ignore"}:
        raise _invalid("Supported options for EvaluateLowSampleCountPercentile are evaluate and ignore.")
    if any(query.get("Period") is not None for query in config.get("Metrics", ()) if "MetricStat" in query):
        raise _invalid("Period must not be set for a query with MetricStat.")


def _single(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "Statistic" in config and "ExtendedStatistic" in config:
        raise _invalid(
            "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. "
            "Only one of them should be present"
        )
    statistic = config.get("Statistic", config.get("ExtendedStatistic"))
    for name, value in (("Statistic", statistic), *((name, config.get(name)) for name in ("MetricName", "Namespace"))):
        if value is None:
            raise _invalid(f"PutMetricAlarm request should have a {name} parameter")
    parsed = parse_statistic(str(statistic))
    if parsed is None or parsed.is_basic != ("Statistic" in config):
        raise ServiceError(
            "InvalidParameterValue", f"The value {statistic} for parameter ExtendedStatistic is not supported."
        )
    if "EvaluateLowSampleCountPercentile" in config and parsed.kind != "p":
        raise _invalid(
            f"Option evaluateLowSampleCountPercentile can not be applied with statistic {statistic}. "
            "This option is enabled only for percentile statistics."
        )
    if "Period" not in config:
        raise _invalid("PutMetricAlarm request should have a Period parameter")
    metric = {name: config[name] for name in ("Namespace", "MetricName", "Dimensions") if name in config}
    stat = {"Metric": metric, "Period": config["Period"], "Unit": config.get("Unit")}
    return [
        {"Id": "value", "MetricStat": {**stat, "Stat": statistic}},
        {"Id": _SAMPLES, "MetricStat": {**stat, "Stat": "SampleCount"}, "ReturnData": False},
    ]


def _metrics(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in _SCALARS:
        if name in config:
            raise _invalid(f"{name} should not be set if list of Metrics is set.")
    if "EvaluateLowSampleCountPercentile" in config:
        raise _invalid("The stand-in has no EvaluateLowSampleCountPercentile for a list of Metrics.")
    return list(config["Metrics"])


def _returned(queries: Sequence[Mapping[str, Any]]) -> str:
    shown = [query["Id"] for query in queries if query.get("ReturnData", True)]
    if len(shown) != 1:
        raise _invalid("Exactly one metric query must have ReturnData set to true.")
    return str(shown[0])


def _criteria(config: Mapping[str, Any], queries: Sequence[Mapping[str, Any]]) -> Criteria:
    periods = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
    own = [query["Period"] for query in queries if query.get("Period") and query.get("ReturnData", True)]
    period_s = (own or [min(periods, default=MINUTE_S)])[0]
    count = config["EvaluationPeriods"]
    if period_s < MINUTE_S or period_s % MINUTE_S:
        # AWS takes 10, 20 and 30 for metrics of high resolution; the stand-in keeps minutes.
        raise _invalid("Period must be a multiple of 60: the stand-in keeps no metric of high resolution")
    span_s = period_s * count
    if span_s > (WEEK_S if period_s >= 3600 else DAY_S):
        limit, unit = (WEEK_S, "week") if period_s >= 3600 else (DAY_S, "day")
        sign = ">=" if period_s >= 3600 else "<"
        raise _invalid(
            f"Metrics cannot be checked across more than a {unit} (EvaluationPeriods * Period must be <= {limit}) "
            f"for alarms using period {sign} 3600"
        )
    percentile = None
    if config.get("EvaluateLowSampleCountPercentile") == "ignore":
        percentile = float(config["ExtendedStatistic"][1:])
    return Criteria(
        comparison=config["ComparisonOperator"],
        threshold=float(config["Threshold"]),
        periods=count,
        needed=config.get("DatapointsToAlarm", count),
        period_s=period_s,
        missing=config.get("TreatMissingData", "missing"),
        percentile=percentile,
        statistic=config.get("Statistic", config.get("ExtendedStatistic")),
        unit=config.get("Unit"),
    )


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
