"""What a schedule says: its expression, when it is due next, and what it calls. Values only, nothing fires here."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from canary.testing.cron import Cron
from flagkit.testing import ServiceError
from flagkit.testing.clock import Planned

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|minutes|hour|hours|day|days)\)")
LAST = datetime(9999, 12, 31, tzinfo=UTC)
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(slots=True)
class Schedule:
    """A schedule.

    Attributes:
        params: the request that made it, by AWS's names.
        token: ClientToken of that request.
        planned: its next firing on the clock.
    """

    name: str
    group: str
    params: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    token: str | None = None
    planned: Planned | None = None

    @property
    def is_enabled(self) -> bool:
        """Does it fire?"""
        return bool(self.params.get("State", "ENABLED") == "ENABLED")

    def cancel(self) -> None:
        """Takes the next firing back."""
        if self.planned is not None:
            self.planned.cancel()
            self.planned = None


def first_due(params: dict[str, Any], now: datetime) -> datetime:
    """When a schedule fires first.

    Raises:
        ServiceError: if the expression isn't one that the stand-in fires.
    """
    expression = params["ScheduleExpression"]
    if match := _AT.fullmatch(expression):
        return _in_zone(match[1], params.get("ScheduleExpressionTimezone", "UTC"))
    start: datetime | None = params.get("StartDate")
    if expression.startswith("cron("):
        zone = params.get("ScheduleExpressionTimezone", "UTC")
        found = Cron.parse(expression).after(max(now, start or now), zone)
        return LAST if found is None else found
    interval = interval_of(expression)
    # Without a StartDate a rate-based schedule starts invoking its target at once (Scheduler user guide,
    # "Schedule types").
    if start is None or interval is None:
        return now
    missed = max(0, math.ceil((now - start) / interval))
    return start + missed * interval


def next_due(params: dict[str, Any], due: datetime) -> datetime | None:
    """When a schedule fires after it was due; None for the last time."""
    expression = params["ScheduleExpression"]
    if expression.startswith("cron("):
        return Cron.parse(expression).after(due, params.get("ScheduleExpressionTimezone", "UTC"))
    interval = interval_of(expression)
    return None if interval is None else due + interval


def check_dates(params: dict[str, Any], now: datetime) -> None:
    """Checks start and end of a schedule.

    Raises:
        ServiceError: the start is past, or the end is not after the start.
    """
    start, end = params.get("StartDate"), params.get("EndDate")
    if start is not None and start < now - timedelta(minutes=5):
        text = "The StartDate you specify cannot be earlier than 5 minutes ago."
        raise ServiceError("ValidationException", text, status=400)
    if end is not None and end < now:
        raise ServiceError(
            "ValidationException", "The EndDate you specify must come after the current time.", status=400
        )


def interval_of(expression: str) -> timedelta | None:
    """The interval of a rate, None for a one-time schedule.

    Raises:
        ServiceError: if the expression isn't one that the stand-in fires.
    """
    if _AT.fullmatch(expression):
        return None
    if match := _RATE.fullmatch(expression):
        return timedelta(seconds=int(match[1]) * _UNIT_S[match[2].rstrip("s")])
    raise ServiceError("ValidationException", f"Invalid Schedule Expression {expression}.", status=400)


def _in_zone(text: str, zone: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ServiceError("ValidationException", f"Invalid Schedule Expression at({text}).", status=400) from error
