"""CloudWatch series by exact dimensions: fetched in whole minutes, with how well each of them is known; no meaning.

`GetMetricData` as it wants to be asked (lambda-canary.md §2.2, §2.4): 60-second periods aligned to the minute, start
included and end not, at most 500 queries a call, every page read. A status other than Complete, or a message, is not
evidence. A new version's series are never looked up through ListMetrics, which may lag by 15 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from canary.adapters.aws import Api, patiently
from canary.core.measurements import DataState
from canary.errors import AwsError
from canary.ports import Clock

QUERIES_PER_CALL: Final = 500
PERIOD_S: Final = 60


@dataclass(frozen=True, slots=True)
class Series:
    """One series: CloudWatch finds it only if the dimensions match exactly, no more and no less."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str = "Sum"


@dataclass(slots=True)
class Points:
    """What is known about one series: values by the minute's start."""

    values: dict[datetime, float] = field(default_factory=dict)
    state: DataState = DataState.COMPLETE
    detail: str = ""


Found = Mapping[Series, Points]


class SeriesReader:
    """Fetches many series at once."""

    def __init__(self, cloudwatch: Api, clock: Clock) -> None:
        self._cloudwatch = cloudwatch
        self._clock = clock

    def fetch(self, wanted: Iterable[Series], start: datetime, end: datetime) -> dict[Series, Points]:
        """The values of every series in [start, end); a failed query is told in its state, never raised."""
        series = list(dict.fromkeys(wanted))
        found: dict[Series, Points] = {}
        for first in range(0, len(series), QUERIES_PER_CALL):
            chunk = series[first : first + QUERIES_PER_CALL]
            try:
                found.update(self._fetch_chunk(chunk, start, end))
            except AwsError as error:
                found.update({one: Points(state=DataState.FAILED, detail=error.message) for one in chunk})
        return found

    def _fetch_chunk(self, chunk: Sequence[Series], start: datetime, end: datetime) -> dict[Series, Points]:
        points = {f"q{number}": Points() for number in range(len(chunk))}
        if start >= end:
            return dict(zip(chunk, points.values(), strict=True))
        arguments: dict[str, Any] = {
            "MetricDataQueries": [_query(f"q{number}", one) for number, one in enumerate(chunk)],
            "StartTime": start,
            "EndTime": end,
            "ScanBy": "TimestampAscending",
        }
        warnings: list[str] = []
        while True:
            page = patiently(self._clock, lambda: self._cloudwatch.call("GetMetricData", **arguments))
            warnings += [str(message.get("Value", message)) for message in page.get("Messages", ())]
            for result in page["MetricDataResults"]:
                _take(points[result["Id"]], result)
            if not page.get("NextToken"):
                break
            arguments["NextToken"] = page["NextToken"]
        if warnings:  # they speak of the whole answer, so nothing in it is evidence
            for one in points.values():
                one.state, one.detail = DataState.PARTIAL, "; ".join(warnings)
        return dict(zip(chunk, points.values(), strict=True))


def _query(name: str, series: Series) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in series.dimensions]
    metric = {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}
    return {"Id": name, "ReturnData": True, "MetricStat": {"Metric": metric, "Period": PERIOD_S, "Stat": series.stat}}


_STATES: Final = {"Complete": DataState.COMPLETE, "PartialData": DataState.PARTIAL}


def _take(points: Points, result: Mapping[str, Any]) -> None:
    """Adds one page's part of a result. Its status counts anew: PartialData means "more pages" until the last one."""
    times = [at.astimezone(UTC) for at in result.get("Timestamps", ())]  # botocore gives the machine's time zone
    points.values.update(zip(times, result.get("Values", ()), strict=True))
    status = str(result.get("StatusCode", ""))
    points.state = _STATES.get(status, DataState.FAILED)
    said = "; ".join(str(message.get("Value", message)) for message in result.get("Messages", ()))
    if said and points.state is DataState.COMPLETE:
        points.state = DataState.PARTIAL
    points.detail = said or ("" if points.state is DataState.COMPLETE else f"CloudWatch answered {status}")
