"""When flags were last evaluated: the counts that `EmfSink` writes, read from CloudWatch, many flags in one call.

CloudWatch keeps a count for 455 days, and answers by days (UTC). It can't tell a flag that nobody asks for from counts
that were never written, so "never" is only said where some flag has counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from flagkit.errors import SourceUnavailableError
from flagkit.runtime.clock import Clock
from flagkit.runtime.refresher import delay_after_failure

if TYPE_CHECKING:
    import boto3

NEVER: Final = "never"
KEPT_DAYS: Final = 455

LastEvaluated = dt.date | Literal["never"] | None
"""The day (UTC), `never` while counts were recorded, or None where that isn't known."""

# GetMetricData answers with at most 100,800 points: 455 days of 200 flags fit into one page.
_FLAGS = 200
_DAY_S = 86_400
_TRIES = 3
_PAGES = 50


@dataclass(frozen=True, slots=True)
class Evaluations:
    """When flags were last evaluated.

    Attributes:
        days: the last day of each flag that has one.
        since: the first day of which any count is known; None where none is.
        unknown: flags of which CloudWatch didn't answer completely.
    """

    days: Mapping[str, dt.date] = field(default_factory=dict)
    since: dt.date | None = None
    unknown: frozenset[str] = frozenset()

    def last(self, key: str) -> LastEvaluated:
        """Return when a flag was last evaluated."""
        if key in self.days:
            return self.days[key]
        return None if self.since is None or key in self.unknown else NEVER

    def idle_days(self, key: str, today: dt.date) -> int:
        """Return for how many days a flag was not evaluated, as far as is known."""
        last = self.last(key)
        if last is None or self.since is None:
            return 0
        return (today - (self.since if isinstance(last, str) else last)).days


def read_evaluations(
    keys: Iterable[str],
    *,
    namespace: str,
    clock: Clock,
    session: boto3.Session | None = None,
    region: str | None = None,
) -> Evaluations:
    """Read when flags were last evaluated.

    Args:
        keys: the flags. A call answers for 200 of them; AWS charges for each flag that is asked for.
        namespace: of the metrics, as given to `EmfSink`.
        clock: says which day it is, and waits between attempts.
        session: boto3 session; the usual chain where None.
        region: where the metrics are; the session's where None.

    Raises:
        SourceError: CloudWatch refused, or gave no answer in some tries.
    """
    from flagkit.sources.aws import make_client  # botocore: `stale` needs only the values here

    client = make_client("cloudwatch", session, region, read_timeout_s=15.0)
    days: dict[str, dt.date] = {}
    first: list[dt.date] = []
    unknown: set[str] = set()
    chosen = sorted(set(keys))
    try:
        for start in range(0, len(chosen), _FLAGS):
            some = chosen[start : start + _FLAGS]
            complete: set[str] = set()
            for index, status, moments in _results(client, some, namespace, clock):
                if status == "Complete":
                    complete.add(some[index])
                if moments:
                    last = max(moments).astimezone(dt.UTC).date()
                    days[some[index]] = max(last, days.get(some[index], last))
                    first.append(min(moments).astimezone(dt.UTC).date())
            unknown |= {key for key in some if key not in complete}
    finally:
        client.close()
    return Evaluations(days, min(first, default=None), frozenset(unknown))


def _results(
    client: Any, keys: Sequence[str], namespace: str, clock: Clock
) -> Iterator[tuple[int, str, list[dt.datetime]]]:
    midnight = clock.now().astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    queries = [
        {
            "Id": f"f{index}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": "Exposures",
                    "Dimensions": [{"Name": "Flag", "Value": key}],
                },
                "Period": _DAY_S,
                "Stat": "Sum",
            },
        }
        for index, key in enumerate(keys)
    ]
    asked: dict[str, Any] = {
        "MetricDataQueries": queries,
        "StartTime": midnight - dt.timedelta(days=KEPT_DAYS),
        "EndTime": midnight + dt.timedelta(days=1),
        "ScanBy": "TimestampDescending",
    }
    for _ in range(_PAGES):
        answer = _asked(client, asked, clock)
        for found in answer.get("MetricDataResults", ()):
            yield int(found["Id"][1:]), str(found.get("StatusCode")), list(found.get("Timestamps", ()))
        if not answer.get("NextToken") or answer["NextToken"] == asked.get("NextToken"):
            return
        asked["NextToken"] = answer["NextToken"]


def _asked(client: Any, asked: Mapping[str, Any], clock: Clock) -> Any:
    from flagkit.sources.aws import translate

    failures = 0
    while True:
        failures += 1
        try:
            return client.get_metric_data(**asked)
        except Exception as error:
            found = translate(error, "cloudwatch:GetMetricData")
            if failures == _TRIES or not isinstance(found, SourceUnavailableError):
                raise found from error
            clock.sleep(delay_after_failure(failures, 4.0, 0.5))
