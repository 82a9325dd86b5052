"""Answers metric queries: windows, periods, units, expressions, status. Used by GetMetricData and by alarms.

It reads the store and knows no wire format beyond the query's own members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from canary.testing.cloudwatch.bins import Bin
from canary.testing.cloudwatch.metric_math import MathError, Points, Window, evaluate
from canary.testing.cloudwatch.statistics import Statistic, compute, parse_statistic
from canary.testing.cloudwatch.store import MetricId, MetricStore
from flagkit.testing.wire import ServiceError

MINUTE_S = 60
SHORT_PERIODS = (1, 5, 10, 20, 30)

_ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")
_FORBIDDEN = (
    "Access denied when getting data - please check that this account and the requested metric account are linked"
)


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Metrics whose queries aren't answered `Complete`; `CloudWatchService.restore` ends it."""

    status: str
    message: str
    namespace: str | None
    name: str | None
    dimensions: Mapping[str, str] | None

    def hits(self, metric: MetricId) -> bool:
        """Is this metric meant?"""
        return (
            self.namespace in {None, metric.namespace}
            and self.name in {None, metric.name}
            and (self.dimensions is None or tuple(sorted(self.dimensions.items())) == metric.dimensions)
        )


@dataclass(slots=True)
class Result:
    """What one query gave.

    Attributes:
        label: as CloudWatch names the series.
        points: start of the period → value.
        status: `Complete`, `PartialData`, `InternalError` or `Forbidden`.
        messages: (code, text).
    """

    label: str
    points: Points
    status: str = "Complete"
    messages: list[tuple[str, str]] = field(default_factory=list)


def metric_of(metric: Mapping[str, Any]) -> MetricId:
    """The identity of a metric as requests carry it."""
    for member in ("Namespace", "MetricName"):
        if member not in metric:
            raise _invalid(f"The parameter {member} is required.")
    pairs = [(item["Name"], item["Value"]) for item in metric.get("Dimensions", ())]
    if len({name for name, _ in pairs}) < len(pairs):
        raise ServiceError("InvalidParameterValue", "No metric may specify the same dimension name twice.")
    return MetricId.of(metric["Namespace"], metric["MetricName"], dict(pairs))


def is_period(seconds: int) -> bool:
    """May a period be that long?"""
    return seconds in SHORT_PERIODS or (seconds >= MINUTE_S and seconds % MINUTE_S == 0)


def window_of(start: datetime, end: datetime, period_s: int) -> Window:
    """The periods of a request: from the minute of its start, up to but without the minute of its end."""
    # GetMetricData: StartTime is rounded down to the minute, EndTime is exclusive; buckets start at StartTime.
    first_s = int(start.timestamp()) // MINUTE_S * MINUTE_S
    end_s = int(end.timestamp()) // MINUTE_S * MINUTE_S
    return Window(first_s, max(first_s, end_s), max(MINUTE_S, period_s))


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as aware UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def buckets(store: MetricStore, metric: MetricId, window: Window, unit: str | None) -> dict[str, dict[int, Bin]]:
    """The samples of a metric by unit and period."""
    found: dict[str, dict[int, Bin]] = {}
    by_unit = store.read(metric, window.start_s // MINUTE_S, window.end_s // MINUTE_S, unit)
    for name, minutes in sorted(by_unit.items()):
        periods: dict[int, list[Bin]] = {}
        for minute, data in minutes.items():
            place = (minute * MINUTE_S - window.start_s) // window.period_s
            periods.setdefault(window.start_s + place * window.period_s, []).append(data)
        found[name] = {time: parts[0] if len(parts) == 1 else Bin.merged(parts) for time, parts in periods.items()}
    return found


class QueryRunner:
    """Runs the queries of one request against the store.

    Args:
        store: the metrics.
        queries: members of `MetricDataQueries` or of an alarm's `Metrics`.
        partials: which metrics are answered incompletely.
        account_id: the caller's.
        parameter: how error messages name the list.

    Raises:
        ServiceError: ValidationError where a query can't be run.
    """

    def __init__(
        self,
        store: MetricStore,
        queries: Sequence[Mapping[str, Any]],
        *,
        partials: Iterable[Partial] = (),
        account_id: str,
        parameter: str = "MetricDataQueries",
    ) -> None:
        self._store = store
        self._partials = tuple(partials)
        self._account_id = account_id
        self._queries: dict[str, Mapping[str, Any]] = {}
        self._metrics: dict[str, tuple[MetricId, Statistic]] = {}
        self._asked: dict[MetricId, set[str]] = {}
        for number, query in enumerate(queries, 1):
            self._admit(query, f"{parameter}.member.{number}", parameter)
        periods = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
        self.period_s = max(MINUTE_S, min(periods, default=MINUTE_S))
        self._results: dict[str, Result] = {}
        self._open: list[str] = []
        self._span: tuple[datetime, datetime] | None = None

    def _admit(self, query: Mapping[str, Any], place: str, parameter: str) -> None:
        name = query["Id"]
        if not _ID.match(name):
            raise _invalid(f"The value for parameter {place}.Id is not matching the expected pattern {_ID.pattern}.")
        if name in self._queries:
            raise _invalid(f"The values for parameter id in {parameter} are not unique.")
        stat = query.get("MetricStat")
        if stat is not None and "Expression" in query:
            raise _invalid(
                f"The parameters {place}.Expression and {place}.MetricStat are mutually exclusive and you have "
                "specified both."
            )
        if stat is None and "Expression" not in query:
            raise _invalid(f"The parameter {place} must have either Expression or MetricStat.")
        if stat is not None:
            statistic = parse_statistic(stat["Stat"])
            if statistic is None:
                raise _invalid(f"The value for parameter {place}.MetricStat.Stat is not a valid statistic.")
            metric = metric_of(stat["Metric"])
            self._metrics[name] = metric, statistic
            self._asked.setdefault(metric, set()).add(statistic.name)
        period = query.get("Period") if stat is None else stat["Period"]
        if period is not None and not is_period(period):
            raise _invalid(f"The value for parameter {place}.Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
        self._queries[name] = query

    def run(self, start: datetime, end: datetime) -> dict[str, Result]:
        """Every query's result over a window, by id."""
        self._span = (start, end)
        self._results = {}
        for name in self._queries:
            self._result(name)
        return self._results

    def _result(self, name: str) -> Result:
        if name not in self._results:
            if name in self._open:
                raise MathError(f"Circular dependency on '{name}'")
            self._open.append(name)
            query = self._queries[name]
            result = self._metric(name, query) if "MetricStat" in query else self._expression(name, query)
            self._open.pop()
            self._results[name] = result
        return self._results[name]

    def _window(self, period_s: int) -> Window:
        assert self._span is not None
        return window_of(*self._span, period_s)

    def _metric(self, name: str, query: Mapping[str, Any]) -> Result:
        stat = query["MetricStat"]
        metric, statistic = self._metrics[name]
        # A metric that is asked in several ways is told apart by the statistic (captured: "Weighted p90").
        label = metric.name if len(self._asked[metric]) == 1 else f"{metric.name} {statistic.name}"
        result = Result(query.get("Label") or label, {})
        if query.get("AccountId", self._account_id) != self._account_id:
            result.status = "Forbidden"
            result.messages.append(("Forbidden", _FORBIDDEN))
            return result
        by_unit = buckets(self._store, metric, self._window(stat["Period"]), stat.get("Unit"))
        if len(by_unit) > 1:
            result.messages.append(("MultipleUnits", f"Multiple units returned: '[{', '.join(by_unit)}]'"))
        # Units are never added up: the first one by name answers for a period.
        chosen: dict[int, Bin] = {}
        for periods in by_unit.values():
            chosen = periods | chosen
        for time in sorted(chosen):
            value = compute(statistic, chosen[time])
            if value is not None:
                result.points[time] = value
        self._degrade(metric, result)
        return result

    def _degrade(self, metric: MetricId, result: Result) -> None:
        for rule in self._partials:
            if rule.hits(metric):
                result.status = rule.status
                result.messages.append((rule.status, rule.message))
                times = sorted(result.points)
                kept = times[: len(times) // 2] if rule.status == "PartialData" else []
                result.points = {time: result.points[time] for time in kept}
                return

    def _expression(self, name: str, query: Mapping[str, Any]) -> Result:
        result = Result(query.get("Label") or name, {})
        statuses: list[Result] = []

        def resolve(other: str) -> Points:
            if other not in self._queries:
                raise MathError(f"ID '{other}' not found")
            found = self._result(other)
            statuses.append(found)
            return found.points

        window = self._window(query.get("Period") or self.period_s)
        try:
            result.points = evaluate(query["Expression"], resolve, window)
        except MathError as error:
            raise _invalid(f"Error in expression '{name}': {error}") from error
        for source in statuses:
            if source.status != "Complete":
                result.status, result.messages = source.status, source.messages
        if result.status in {"InternalError", "Forbidden"}:
            result.points = {}
        return result


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
