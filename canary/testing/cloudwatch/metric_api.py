"""The metric operations of the API: PutMetricData, GetMetricData, GetMetricStatistics, ListMetrics.

It checks requests and pages answers; numbers come from `queries`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from canary.testing.cloudwatch.bins import Bin
from canary.testing.cloudwatch.publication import publish
from canary.testing.cloudwatch.queries import (
    Partial,
    QueryRunner,
    Result,
    buckets,
    is_period,
    metric_of,
    moment,
    window_of,
)
from canary.testing.cloudwatch.statistics import Statistic, compute, parse_statistic
from canary.testing.cloudwatch.store import MetricId, MetricStore
from flagkit.testing.clock import VirtualClock
from flagkit.testing.wire import CallContext, Service, ServiceError

ACCOUNT_ID = "123456789012"  # moto's
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
MAX_ROWS = 1440
LIST_PAGE = 500
RECENT_S = 3 * 3600.0


class MetricOperations(Service):
    """Metrics of the stand-in's CloudWatch.

    Attributes:
        list_delay_s: time until a new metric appears in ListMetrics; AWS says up to 15 minutes.
    """

    clock: VirtualClock
    store: MetricStore

    def __init__(self, clock: VirtualClock, store: MetricStore) -> None:
        self.clock = clock
        self.store = store
        self.list_delay_s = 900.0
        self.partials: list[Partial] = []

    def partial(
        self,
        namespace: str | None = None,
        metric: str | None = None,
        dimensions: Mapping[str, str] | None = None,
        *,
        status: str = "PartialData",
        message: str = "Some of the data could not be retrieved.",
    ) -> Partial:
        """Answers queries of some metrics incompletely, until `restore`.

        Args:
            namespace: which; None matches everything, here and below.
            metric: name of the metric.
            dimensions: exact dimensions.
            status: `PartialData` (the older half of the points), `InternalError` or `Forbidden` (none).
            message: text of the result's message; its code is the status.
        """
        rule = Partial(status, message, namespace, metric, dimensions)
        self.partials.append(rule)
        return rule

    def restore(self, rule: Partial) -> None:
        """Ends what `partial` began."""
        self.partials.remove(rule)

    def PutMetricData(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Stores samples."""
        if params.get("EntityMetricData"):
            raise ServiceError("InvalidParameterCombination", "The stand-in has no EntityMetricData.")
        publish(self.store, params["Namespace"], params.get("MetricData", ()), self.clock.now())
        return {}

    def GetMetricData(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Values of several metrics."""
        queries: Sequence[Mapping[str, Any]] = params["MetricDataQueries"]
        if not 0 < len(queries) <= MAX_QUERIES:
            raise _invalid(f"The collection MetricDataQueries must have between 1 and {MAX_QUERIES} members.")
        if params["StartTime"] == params["EndTime"]:
            raise _invalid("The parameter StartTime must not equal parameter EndTime.")
        if params["StartTime"] > params["EndTime"]:
            raise _invalid("The parameter EndTime must be greater than StartTime.")
        limit = params.get("MaxDatapoints", MAX_DATAPOINTS)
        if not 0 < limit <= MAX_DATAPOINTS:
            raise _invalid(f"The parameter MaxDatapoints must be between 1 and {MAX_DATAPOINTS}.")
        runner = QueryRunner(self.store, queries, partials=self.partials, account_id=ACCOUNT_ID)
        results = runner.run(params["StartTime"], params["EndTime"])
        # Metrics come before expressions, each in the order of the request (captured).
        shown = [query for query in queries if query.get("ReturnData", True)]
        shown.sort(key=lambda query: "Expression" in query)
        request = {name: value for name, value in params.items() if name != "NextToken"}
        token = _Token(request, "InvalidNextToken", "")
        first = token.read(params.get("NextToken"))
        return _page(
            [(query["Id"], results[query["Id"]]) for query in shown],
            first,
            limit,
            is_descending=params.get("ScanBy") != "TimestampAscending",
            token=token,
        )

    def GetMetricStatistics(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Statistics of one metric."""
        period = params["Period"]
        if not params["StartTime"] < params["EndTime"]:
            raise _value_error("The parameter StartTime must be less than the parameter EndTime.")
        if not is_period(period):
            raise _value_error("The parameter Period must be a value in the set [1, 5, 10, 20, 30].")
        window = window_of(params["StartTime"], params["EndTime"], period)
        # By the period that was asked for: stored are minutes, but a day of seconds is refused.
        asked = math.ceil((window.end_s - window.start_s) / period)
        if asked > MAX_ROWS:
            raise ServiceError(
                "InvalidParameterCombination",
                f"You have requested up to {asked} datapoints, which exceeds the limit of {MAX_ROWS}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            )
        statistics = _statistics(params.get("Statistics", ()), params.get("ExtendedStatistics", ()))
        rows = [
            row
            for unit, periods in buckets(self.store, metric_of(params), window, params.get("Unit")).items()
            for time, data in periods.items()
            if (row := _row(statistics, time, unit, data))
        ]
        return {"Label": params["MetricName"], "Datapoints": rows}

    def ListMetrics(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Metrics by namespace, name and dimensions, each once."""
        if params.get("RecentlyActive", "PT3H") != "PT3H":
            raise _value_error("Request parameter recentlyActive value is invalid")
        request = {name: value for name, value in params.items() if name != "NextToken"}
        token = _Token(request, "InvalidParameterValue", "Request parameter NextToken is invalid")
        first = token.read(params.get("NextToken"))
        now_s = self.clock.epoch_s()
        found = [
            metric
            for metric, since_s, last_s in self.store.metrics()
            if since_s + self.list_delay_s <= now_s
            and ("RecentlyActive" not in params or last_s >= now_s - RECENT_S)
            and _is_listed(metric, params)
        ]
        found.sort(key=lambda metric: (metric.namespace, metric.name, metric.dimensions))
        rows = [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            }
            for metric in found[first : first + LIST_PAGE]
        ]
        following = first + LIST_PAGE
        return {"Metrics": rows, "NextToken": token.write(following) if following < len(found) else None}


def _statistics(basic: Sequence[str], extended: Sequence[str]) -> list[Statistic]:
    if not (basic or extended):
        raise ServiceError("InvalidParameterCombination", "At least one of the parameters must be specified.")
    parsed = []
    for number, name in enumerate(basic, 1):
        statistic = parse_statistic(name)
        if statistic is None or not statistic.is_basic:
            raise _value_error(
                f"The parameter Statistics.member.{number}.<list element> must be a value in the set "
                "[SampleCount, Average, Sum, Minimum, Maximum]."
            )
        parsed.append(statistic)
    for number, name in enumerate(extended, 1):
        statistic = parse_statistic(name)
        if statistic is None or statistic.is_basic:
            place = f"ExtendedStatistics.member.{number}.<list element>"
            raise _value_error(f"The value {name} for parameter {place} is not supported.")
        parsed.append(statistic)
    return parsed


def _row(statistics: Sequence[Statistic], time: int, unit: str, data: Bin) -> dict[str, Any] | None:
    values = [(statistic, value) for statistic in statistics if (value := compute(statistic, data)) is not None]
    if not values:
        return None
    return {
        "Timestamp": moment(time),
        "Unit": unit,
        **{statistic.name: value for statistic, value in values if statistic.is_basic},
        "ExtendedStatistics": {statistic.name: value for statistic, value in values if not statistic.is_basic} or None,
    }


def _is_listed(metric: MetricId, params: Mapping[str, Any]) -> bool:
    own = dict(metric.dimensions)
    return (
        params.get("Namespace") in {None, metric.namespace}
        and params.get("MetricName") in {None, metric.name}
        and all(
            wanted["Name"] in own and wanted.get("Value") in {None, own[wanted["Name"]]}
            for wanted in params.get("Dimensions", ())
        )
    )


class _Token:
    """Paging tokens that fit one request only."""

    def __init__(self, request: Mapping[str, Any], code: str, message: str) -> None:
        self._mark = f"{zlib.crc32(repr(sorted(request.items())).encode()):08x}"
        self._error = (code, message)

    def write(self, place: int) -> str:
        return f"{self._mark}.{place}"

    def read(self, token: str | None) -> int:
        if token is None:
            return 0
        mark, _, place = token.partition(".")
        if mark != self._mark or not place.isdigit():
            raise ServiceError(*self._error)
        return int(place)


def _page(
    results: Sequence[tuple[str, Result]], first: int, limit: int, *, is_descending: bool, token: _Token
) -> dict[str, Any]:
    """One page of results: `limit` points from `first` on, over all results in turn."""
    ends = [0]
    for _, result in results:
        ends.append(ends[-1] + len(result.points))
    last = min(first + limit, ends[-1])
    rows = []
    for (name, result), (begin, end) in zip(results, pairwise(ends), strict=True):
        times = sorted(result.points, reverse=is_descending)[max(0, first - begin) : max(0, last - begin)]
        is_truncated = end > last and result.status == "Complete"
        rows.append(
            {
                "Id": name,
                "Label": result.label,
                "Timestamps": [moment(time) for time in times],
                "Values": [result.points[time] for time in times],
                "StatusCode": "PartialData" if is_truncated else result.status,
                "Messages": [{"Code": code, "Value": text} for code, text in result.messages] or None,
            }
        )
    return {
        "MetricDataResults": rows,
        "NextToken": token.write(last) if last < ends[-1] else None,
        "Messages": [],
    }


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)


def _value_error(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)
