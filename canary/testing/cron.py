"""Cron expressions of EventBridge Scheduler: `cron(minutes hours day-of-month month day-of-week year)`. Values only.

Scheduler user guide, "Schedule types": lists, ranges, steps, `L`, `W`, `#`, and `?` in one of the two day fields.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from flagkit.testing import ServiceError

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LIMITS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_LOOK_AHEAD_DAYS: Final = 366 * 8  # a 29 February at the longest


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; the day fields stay text because `L`, `W` and `#` depend on the month."""

    minutes: frozenset[int]
    hours: frozenset[int]
    day_of_month: str
    months: frozenset[int]
    day_of_week: str
    years: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Self:
        """Reads an expression.

        Raises:
            ServiceError: AWS's refusal of an invalid one.
        """
        match = re.fullmatch(r"cron\((.*)\)", expression)
        fields = match[1].upper().split() if match else []
        try:
            if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
                _invalid()
            minutes, hours, months, years = (_values(fields[index], index) for index in (0, 1, 3, 5))
            found = cls(minutes, hours, fields[2], months, fields[4], years)
            found._days(2026, 1)
        except (ValueError, IndexError):
            raise ServiceError(
                "ValidationException", f"Invalid Schedule Expression {expression}.", status=400
            ) from None
        return found

    def after(self, moment: datetime, zone: str) -> datetime | None:
        """The first time after a moment; None if there is none within eight years."""
        local = moment.astimezone(ZoneInfo(zone))
        day = local.date()
        for _ in range(_LOOK_AHEAD_DAYS):
            if day.year in self.years and day.month in self.months and day.day in self._days(day.year, day.month):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)
                        if at > moment:
                            return at
            day += timedelta(days=1)
        return None

    def _days(self, year: int, month: int) -> frozenset[int]:
        last = calendar.monthrange(year, month)[1]
        if self.day_of_month != "?":
            return frozenset(_days_of_month(self.day_of_month, year, month, last))
        return frozenset(_days_of_week(self.day_of_week, year, month, last))


def _invalid() -> None:
    raise ValueError


def _days_of_month(text: str, year: int, month: int, last: int) -> Sequence[int]:
    if text == "L":
        return [last]
    if match := re.fullmatch(r"(\d{1,2}|L)W", text):
        wanted = last if match[1] == "L" else int(match[1])
        if not 1 <= wanted <= 31:
            raise ValueError
        days = [day for day in range(1, last + 1) if date(year, month, day).weekday() < 5]
        return [min(days, key=lambda day: (abs(day - wanted), day))]
    return [day for day in _values(text, 2) if day <= last]


def _days_of_week(text: str, year: int, month: int, last: int) -> Sequence[int]:
    if match := re.fullmatch(r"(\w+)#([1-5])", text):
        days = _weekdays(match[1], year, month, last)
        return days[int(match[2]) - 1 : int(match[2])]
    if text != "L" and text.endswith("L"):
        return _weekdays(text[:-1], year, month, last)[-1:]
    wanted = _values("7" if text == "L" else text, 4)
    return [day for day in range(1, last + 1) if _day_number(date(year, month, day)) in wanted]


def _weekdays(name: str, year: int, month: int, last: int) -> list[int]:
    number = _number(name, 4)
    return [day for day in range(1, last + 1) if _day_number(date(year, month, day)) == number]


def _day_number(day: date) -> int:
    return (day.weekday() + 1) % 7 + 1  # Sunday is 1


def _values(text: str, index: int) -> frozenset[int]:
    low, high = _LIMITS[index]
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if span == "*":
            first, final = low, high
        elif "-" in span:
            first, final = (_number(word, index) for word in span.split("-"))
        else:
            first = _number(span, index)
            final = high if slash else first
        if first > final or (slash and int(step) < 1):
            raise ValueError
        found.update(range(first, final + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(word: str, index: int) -> int:
    names = {3: _MONTHS, 4: _DAYS}.get(index, ())
    value = names.index(word) + 1 if word in names else int(word)
    low, high = _LIMITS[index]
    if not low <= value <= high:
        raise ValueError
    return value
