"""Decides the state of a metric alarm from its newest points: M out of N, missing data, wording.

It is pure: points in, verdict out. Rules: lambda-canary.md §5, "How alarm state is evaluated when data is missing".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canary.testing.cloudwatch.alarm_model import ALARM, INSUFFICIENT_DATA, OK, stamp

EXTRA_PERIODS = 2  # "CloudWatch retrieves the 5 most recent data points" for 3 evaluation periods

_COMPARE: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": ("greater than", lambda value, limit: value > limit),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, limit: value >= limit),
    "LessThanThreshold": ("less than", lambda value, limit: value < limit),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, limit: value <= limit),
}
COMPARISONS = tuple(_COMPARE)


@dataclass(frozen=True, slots=True)
class Criteria:
    """When a metric alarm goes off.

    Attributes:
        comparison: one of COMPARISONS.
        threshold: what values are compared with.
        periods: N, how many points are evaluated.
        needed: M, how many of them must breach.
        period_s: length of a period.
        missing: `missing`, `ignore`, `breaching` or `notBreaching`.
        percentile: of a percentile alarm that ignores small samples, else None.
        statistic: for the reason data, where the alarm has one metric.
        unit: likewise.
    """

    comparison: str
    threshold: float
    periods: int
    needed: int
    period_s: int
    missing: str = "missing"
    percentile: float | None = None
    statistic: str | None = None
    unit: str | None = None

    def breaches(self, value: float) -> bool:
        """Is the value beyond the threshold?"""
        return _COMPARE[self.comparison][1](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Point:
    """One period's value, with the samples behind it where known."""

    time_s: int
    value: float
    samples: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation says; `state` is None where the alarm keeps its state."""

    state: str | None
    reason: str
    reason_data: str


def judge(criteria: Criteria, points: Sequence[Point], end_s: int, now: datetime) -> Verdict:
    """The state of an alarm.

    Args:
        criteria: the alarm's.
        points: every existing point of the evaluation range.
        end_s: where the evaluation range ends.
        now: for the reason data.
    """
    # Real points, however old within the range, come before any filling in.
    recent = sorted(points, key=lambda point: -point.time_s)[: criteria.periods]
    solid = [point for point in recent if _is_solid(criteria, point)]
    bad = [point for point in solid if criteria.breaches(point.value)]
    good = [point for point in solid if not criteria.breaches(point.value)]
    missing = criteria.periods - len(recent)
    state = _state(criteria, len(bad), len(good), missing, is_unsure=len(solid) < len(recent))
    if state is None and criteria.missing == "missing" and bad and len(solid) == len(recent):
        # Only breaching points, too few: an alarm is premature until the oldest is M periods old.
        is_old = (end_s - bad[-1].time_s) // criteria.period_s >= criteria.needed
        state = ALARM if is_old else INSUFFICIENT_DATA
    if state is None:
        return Verdict(None, "", "")
    shown = {ALARM: bad, OK: good, INSUFFICIENT_DATA: []}[state]
    return Verdict(state, _reason(criteria, state, shown, missing), _data(criteria, state, recent, shown, end_s, now))


def _state(criteria: Criteria, bad: int, good: int, missing: int, *, is_unsure: bool) -> str | None:
    if bad >= criteria.needed:
        return ALARM
    if good > criteria.periods - criteria.needed:
        return OK
    if is_unsure:
        return None
    if criteria.missing == "breaching":
        return ALARM if bad + missing >= criteria.needed else OK
    if criteria.missing == "notBreaching" or good:
        return OK
    if criteria.missing == "missing" and not bad:
        return INSUFFICIENT_DATA
    return None


def _is_solid(criteria: Criteria, point: Point) -> bool:
    """Has the point enough samples for its percentile?"""
    if criteria.percentile is None or point.samples is None:
        return True
    # lambda-canary.md §2.3, "low data samples": fewer than 10/(1-p), or 10/p below the median.
    tail = min(criteria.percentile, 100 - criteria.percentile)
    return point.samples * tail >= 1000


def _reason(criteria: Criteria, state: str, shown: Sequence[Point], missing: int) -> str:
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_count(missing, 'datapoint')} {_were(missing)} unknown."
    if not shown:
        treated = "Breaching" if state == ALARM else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {_count(missing, 'period')} and "
            f"{_count(missing, 'missing datapoint')} {_were(missing)} treated as [{treated}]."
        )
    values = ", ".join(f"{point.value} ({_when(point.time_s):%d/%m/%y %H:%M:%S})" for point in shown)
    words = _COMPARE[criteria.comparison][0]
    crossed = f"{_were(len(shown))} {words if state == ALARM else 'not ' + words} the threshold ({criteria.threshold})"
    if criteria.periods == 1:
        return f"Threshold Crossed: 1 datapoint [{values}] {crossed}."
    needed = criteria.needed if state == ALARM else criteria.periods - criteria.needed + 1
    step = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {criteria.periods} datapoints [{values}] {crossed} "
        f"(minimum {_count(needed, 'datapoint')} for {step} transition)."
    )


def _data(
    criteria: Criteria, state: str, recent: Sequence[Point], shown: Sequence[Point], end_s: int, now: datetime
) -> str:
    known = {point.time_s: point for point in recent}
    oldest, newest = (min(known), max(known)) if known else (0, -1)
    needed = criteria.periods - criteria.needed + 1 if state == OK else criteria.needed
    evaluated: list[dict[str, Any]] = [
        {"timestamp": stamp(_when(point.time_s)), "sampleCount": point.samples, "value": point.value}
        for point in shown[:needed]
    ]
    for place in range(1, criteria.periods + EXTRA_PERIODS + 1):
        time_s = end_s - place * criteria.period_s
        if len(evaluated) < needed and time_s not in known:
            evaluated.append({"timestamp": stamp(_when(time_s))})
    evaluated.sort(key=lambda item: item["timestamp"], reverse=True)
    data = {
        "version": "1.0",
        "queryDate": stamp(now),
        "startDate": stamp(_when(oldest)) if known else None,
        "unit": criteria.unit,
        "statistic": criteria.statistic,
        "period": criteria.period_s,
        "recentDatapoints": [
            known[time_s].value if time_s in known else None for time_s in range(oldest, newest + 1, criteria.period_s)
        ],
        "threshold": criteria.threshold,
        "evaluatedDatapoints": [{key: item for key, item in row.items() if item is not None} for row in evaluated],
    }
    return json.dumps({key: value for key, value in data.items() if value is not None}, separators=(",", ":"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _when(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
