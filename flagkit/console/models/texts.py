"""Times and names as people read them. Pure."""

from __future__ import annotations

import datetime as dt
import json


def day(at: dt.datetime | dt.date | None) -> str:
    """Return a day in UTC, or an empty text."""
    if at is None:
        return ""
    return f"{(at.astimezone(dt.UTC) if isinstance(at, dt.datetime) else at):%Y-%m-%d}"


def moment(at: dt.datetime | None) -> str:
    """Return a moment in UTC, or an empty text."""
    return "" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: dt.datetime | dt.date | None) -> str:
    """Return a moment for machines, or an empty text."""
    return "" if at is None else at.isoformat()


def person(author: str | None) -> str:
    """Return who changed something: the last part of an AWS identity, or the name."""
    return "" if author is None else author.rsplit("/", 1)[-1]


def ago(at: dt.datetime | None, now: dt.datetime) -> str:
    """Return how long ago something was, e.g. `3 h ago`; in the future, e.g. `in 2 days`."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    span = age(abs(seconds))
    if span == "just now":
        return span
    return f"{span} ago" if seconds > 0 else f"in {span}"


def span(at: dt.datetime, now: dt.datetime) -> str:
    """Return how old something is, e.g. `3 months`."""
    return age((now - at).total_seconds())


def age(seconds: float) -> str:
    """Return a span in its largest unit, e.g. `3 h` or `2 months`."""
    for size, unit in ((31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3_600, "h"), (60, "min")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 and unit in {'year', 'month', 'day'} else ''}"
    return "just now"


def local(at: dt.datetime | None) -> str:
    """Return a moment as the box for a time takes it, in UTC."""
    return "" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M}"


def shown_value(value: object) -> str:
    """Return a value of a difference for people."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
