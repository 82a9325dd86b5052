"""CloudWatch series by exact dimensions: which ones each gate needs, and how they are fetched; it judges none of them.

`GetMetricData` as it wants to be asked (lambda-canary.md §2.2, §2.4): 60-second periods aligned to the minute, start
included and end not, at most 500 queries a call, every page read. A status other than Complete, or a message, is not
evidence. A new version's series are never looked up through ListMetrics, which may lag by 15 minutes.
Names and dimensions: lambda-canary.md §2.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from canary.adapters.aws import Api, reading
from canary.core import emf
from canary.core.measurements import DataState
from canary.core.plan import (
    EmfGate,
    ErrorsGate,
    Http5xxGate,
    LatencyGate,
    MeasuredGate,
    MetricGate,
    MetricRef,
    RatioGate,
    ThrottlesGate,
)
from canary.errors import AwsError
from canary.ports import Clock, Target
from flagkit.channels.text import printable

QUERIES_PER_CALL: Final = 500
_WORDS: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[A-Za-z_][A-Za-z0-9_]*")
"""Words of an expression, quoted texts as a whole."""
PERIOD_S: Final = 60


@dataclass(frozen=True, slots=True)
class Series:
    """One series: CloudWatch finds it only if the dimensions match exactly, no more and no less."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str = "Sum"

    def __str__(self) -> str:
        dimensions = ", ".join(f"{name}={value}" for name, value in self.dimensions)
        return f"{self.namespace} {self.name} {{{dimensions}}}"


@dataclass(slots=True)
class Points:
    """What is known about one series: values by the minute's start."""

    values: dict[datetime, float] = field(default_factory=dict)
    state: DataState = DataState.COMPLETE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """Metric math over other series, computed by CloudWatch.

    Attributes:
        metrics: the series by the ids that the expression uses.
    """

    expression: str
    metrics: tuple[tuple[str, Series], ...]

    def __str__(self) -> str:
        return f"{self.expression} with {', '.join(f'{name} = {series}' for name, series in self.metrics)}"


Wanted = Series | Formula
SeriesValues = Mapping[Wanted, Points]


class SeriesReader:
    """Fetches many series at once."""

    def __init__(self, cloudwatch: Api, clock: Clock) -> None:
        self._cloudwatch = cloudwatch
        self._clock = clock

    def fetch(self, wanted: Iterable[Wanted], start: datetime, end: datetime) -> dict[Wanted, Points]:
        """The values of every series in [start, end); a failed query is told in its state, never raised."""
        found: dict[Wanted, Points] = {}
        for chunk in _chunks(dict.fromkeys(wanted)):
            try:
                with reading("cloudwatch", "GetMetricData"):
                    found.update(self._fetch_chunk(chunk, start, end))
            except AwsError as error:
                found.update({one: Points(state=DataState.FAILED, detail=error.message) for one in chunk})
        return found

    def _fetch_chunk(self, chunk: Sequence[Wanted], start: datetime, end: datetime) -> dict[Wanted, Points]:
        if start >= end:
            return {one: Points() for one in chunk}
        # A query without a result is not "no traffic": it is a query that was not answered.
        points = {
            f"q{number}": Points(state=DataState.FAILED, detail="CloudWatch did not answer this query")
            for number in range(len(chunk))
        }
        pages = self._cloudwatch.pages_by_token(
            self._clock,
            "GetMetricData",
            MetricDataQueries=[query for number, one in enumerate(chunk) for query in _queries(f"q{number}", one)],
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )
        warnings: list[str] = []
        for page in pages:
            warnings += [_message(message) for message in page.get("Messages") or ()]
            for result in page["MetricDataResults"]:
                if one := points.get(str(result["Id"])):
                    _add_page(one, result, start, end)
        if warnings:  # they concern the whole answer, so nothing in it is evidence
            for one in points.values():
                one.state, one.detail = DataState.PARTIAL, "; ".join(warnings)
        return dict(zip(chunk, points.values(), strict=True))


def _chunks(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """As many as one call may have queries; a formula is a query, and each of its metrics another."""
    chunk: list[Wanted] = []
    queries = 0
    for one in wanted:
        needed = 1 + len(one.metrics) if isinstance(one, Formula) else 1
        if queries + needed > QUERIES_PER_CALL:
            yield chunk
            chunk, queries = [], 0
        chunk.append(one)
        queries += needed
    if chunk:
        yield chunk


def _queries(name: str, wanted: Wanted) -> list[dict[str, Any]]:
    if isinstance(wanted, Series):
        return [_query(name, wanted)]
    # Ids are one name space for the whole call, so those of an expression are prefixed.
    names = {own: f"{name}_{own}" for own, _ in wanted.metrics}
    expression = _WORDS.sub(lambda found: names.get(found[0], found[0]), wanted.expression)
    metrics = [_query(names[own], series, returned=False) for own, series in wanted.metrics]
    return [{"Id": name, "ReturnData": True, "Expression": expression, "Period": PERIOD_S}, *metrics]


def billed(wanted: Iterable[Wanted]) -> int:
    """How many metrics a request for these counts as; metric math itself is free."""
    return sum("MetricStat" in query for one in dict.fromkeys(wanted) for query in _queries("q", one))


def _query(name: str, series: Series, *, returned: bool = True) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in series.dimensions]
    metric = {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}
    stat = {"Metric": metric, "Period": PERIOD_S, "Stat": series.stat}
    return {"Id": name, "ReturnData": returned, "MetricStat": stat}


_STATES: Final = {"Complete": DataState.COMPLETE, "PartialData": DataState.PARTIAL}


def _add_page(points: Points, result: Mapping[str, Any], start: datetime, end: datetime) -> None:
    """Adds one page's part of a result. Its status counts anew: PartialData means "more pages" until the last one."""
    times = [at.astimezone(UTC) for at in result.get("Timestamps") or ()]  # botocore gives the machine's time zone
    values = [float(value) for value in result.get("Values") or ()]
    points.values.update(zip(times, values, strict=True))
    status = printable(str(result.get("StatusCode", "")))
    points.state = _STATES.get(status, DataState.FAILED)
    message = "; ".join(_message(message) for message in result.get("Messages") or ())
    odd = [value for value in values if not math.isfinite(value)]
    if odd:
        message = f"CloudWatch answered the value {odd[0]:g}"
    elif any(not start <= at < end or at.second or at.microsecond for at in times):
        message = "CloudWatch answered minutes that were not asked for"
    if message and points.state is DataState.COMPLETE:
        points.state = DataState.PARTIAL
    points.detail = message or ("" if points.state is DataState.COMPLETE else f"CloudWatch answered {status}")
    if odd:
        points.values.clear()


def _message(message: Mapping[str, Any]) -> str:
    return printable(str(message.get("Value", message)), 300)


LAMBDA: Final = "AWS/Lambda"
API: Final = "AWS/ApiGateway"
BALANCER: Final = "AWS/ApplicationELB"


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """Requests and how many of them were bad, each the sum of one or more series."""

    requests: tuple[Series, ...]
    bad: tuple[Series, ...]

    @property
    def series(self) -> tuple[Series, ...]:
        """All of them."""
        return (*self.requests, *self.bad)


@dataclass(frozen=True, slots=True)
class PerVersionSeries:
    """Series of a gate that tells the versions apart.

    Attributes:
        both: the alias' totals: the history, and what the candidate is taken from when the baseline's own series is
            missing. None when there is no such total (then `baseline` is the history too).
    """

    candidate: RequestSeries
    baseline: RequestSeries
    both: RequestSeries | None


SeriesPlan = PerVersionSeries | RequestSeries
"""A `RequestSeries` alone can't tell the versions apart."""


def by_alias(target: Target, name: str, stat: str = "Sum") -> Series:
    """A series of the alias, both versions together."""
    return Series(LAMBDA, name, _alias(target), stat)


def by_version(target: Target, version: str, name: str, stat: str = "Sum") -> Series:
    """A series of one version behind the alias."""
    return Series(LAMBDA, name, (*_alias(target), ("ExecutedVersion", version)), stat)


def by_function(target: Target, name: str) -> Series:
    """A series of the function however it was called."""
    return Series(LAMBDA, name, (("FunctionName", target.function.name),))


def series_plan(gate: MeasuredGate, target: Target, stage: str) -> SeriesPlan:
    """The series of a counting gate for one function."""
    match gate:
        case ErrorsGate():
            return _lambda(target, ("Invocations", "Sum"), ("Errors", "Sum"))
        case LatencyGate(source="lambda"):
            return _lambda(target, ("Duration", "SampleCount"), ("Duration", over(gate.edge)))
        case LatencyGate():
            return _slow(gate, target)
        case ThrottlesGate():
            # A throttled request never ran: it is in neither Invocations nor Errors, and has no version.
            throttled = by_alias(target, "Throttles")
            return RequestSeries((by_alias(target, "Invocations"), throttled), (throttled,))
        case Http5xxGate():
            return _http_5xx(gate, target)
        case EmfGate():
            bad = emf.ERRORS if gate.bad == "errors" else emf.SLOW
            return PerVersionSeries(
                _emf(gate, target, target.candidate, bad), _emf(gate, target, target.baseline, bad), None
            )
        case RatioGate():
            return PerVersionSeries(
                RequestSeries(
                    (of_metric(gate.denominator, target, target.candidate, stage),),
                    (of_metric(gate.numerator, target, target.candidate, stage),),
                ),
                RequestSeries(
                    (of_metric(gate.denominator, target, target.baseline, stage),),
                    (of_metric(gate.numerator, target, target.baseline, stage),),
                ),
                None,
            )


def of_gate(gate: MetricGate, target: Target, version: str, stage: str) -> Wanted:
    """What a metric gate reads for one version: its metric, or its expression over several."""
    if gate.metric is not None:
        return of_metric(gate.metric, target, version, stage)
    metrics = tuple((name, of_metric(metric, target, version, stage)) for name, metric in gate.metrics.items())
    return Formula(gate.expression or "", metrics)


def usual_series(target: Target) -> Series:
    """The p95 of the alias' Duration, minute by minute: what is usual before the start."""
    return by_alias(target, "Duration", "p95")


def above_usual(target: Target, edge_ms: float) -> PerVersionSeries:
    """Requests that took longer than the baseline's usual p95."""
    return _lambda(target, ("Duration", "SampleCount"), ("Duration", over(edge_ms)))


def over(edge: float) -> str:
    """The statistic "how many were above": exact at a bin edge; at most ten decimals are allowed."""
    return f"TC({edge:.7f}:)"


def of_metric(metric: MetricRef, target: Target, version: str, stage: str) -> Series:
    """A metric of the plan with its placeholders filled in."""
    dimensions = tuple((name, filled(value, target, version, stage)) for name, value in metric.dimensions.items())
    return Series(metric.namespace, metric.name, dimensions, metric.stat)


def filled(text: str, target: Target, version: str, stage: str) -> str:
    """A text of the plan with {function}, {alias}, {version} and {stage} filled in."""
    names = {
        "function": target.function.name,
        "alias": target.function.alias,
        "version": version,
        "stage": stage,
    }
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _alias(target: Target) -> tuple[tuple[str, str], ...]:
    name = target.function.name
    return (("FunctionName", name), ("Resource", f"{name}:{target.function.alias}"))


def _lambda(target: Target, requests: tuple[str, str], bad: tuple[str, str]) -> PerVersionSeries:
    def of(version: str) -> RequestSeries:
        return RequestSeries((by_version(target, version, *requests),), (by_version(target, version, *bad),))

    return PerVersionSeries(
        of(target.candidate),
        of(target.baseline),
        RequestSeries((by_alias(target, *requests),), (by_alias(target, *bad),)),
    )


def _slow(gate: LatencyGate, target: Target) -> RequestSeries:
    if gate.source == "url":
        namespace, name, dimensions = LAMBDA, "UrlRequestLatency", _alias(target)
    elif gate.source == "alb":
        namespace, name, dimensions = BALANCER, "TargetResponseTime", _load_balancer(gate.target)
    else:
        name = "IntegrationLatency" if gate.source == "websocket" else "Latency"
        namespace, dimensions = API, _api(gate.source, gate.target)
    return RequestSeries(
        (Series(namespace, name, dimensions, "SampleCount"),), (Series(namespace, name, dimensions, over(gate.edge)),)
    )


def _http_5xx(gate: Http5xxGate, target: Target) -> RequestSeries:
    if gate.source == "url":
        return RequestSeries((by_alias(target, "UrlRequestCount"),), (by_alias(target, "Url5xxCount"),))
    if gate.source == "alb":
        where = _load_balancer(gate.target)
        bad = Series(BALANCER, "HTTPCode_Target_5XX_Count", where)
        return RequestSeries((Series(BALANCER, "RequestCount", where),), (bad,))
    where = _api(gate.source, gate.target)
    if gate.source == "websocket":
        # A message has no HTTP status: what failed is the integration, or the API itself.
        failed = (Series(API, "IntegrationError", where), Series(API, "ExecutionError", where))
        return RequestSeries((Series(API, "MessageCount", where),), failed)
    name = "5XXError" if gate.source == "apigateway" else "5xx"
    return RequestSeries((Series(API, "Count", where, "SampleCount"),), (Series(API, name, where),))


def _api(source: str, target: str | None) -> tuple[tuple[str, str], ...]:
    """REST APIs are named, HTTP and WebSocket APIs have an id; a stage of theirs is a dimension of its own."""
    name, _, stage = (target or "").partition("/")
    dimension = "ApiName" if source == "apigateway" else "ApiId"
    return ((dimension, name), *([("Stage", stage)] if stage else []))


def _load_balancer(target: str | None) -> tuple[tuple[str, str], ...]:
    """`app/NAME/ID`, or with `targetgroup/NAME/ID` before it, or the ARNs: a target group wants both dimensions."""
    names = [name.rpartition(":")[2].removeprefix("loadbalancer/") for name in (target or "").split()]
    groups = [("TargetGroup", name) for name in names if name.startswith("targetgroup/")]
    return (*groups, *(("LoadBalancer", name) for name in names if not name.startswith("targetgroup/")))


def _emf(gate: EmfGate, target: Target, version: str, bad: str) -> RequestSeries:
    dimensions = tuple(zip(emf.DIMENSIONS, (target.function.name, version), strict=True))
    return RequestSeries(
        (Series(gate.namespace, emf.REQUESTS, dimensions),),
        (Series(gate.namespace, bad, dimensions),),
    )
