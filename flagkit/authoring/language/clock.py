"""Time windows, `Mon-Fri 09:00-17:00 Europe/Berlin`, as conditions on the local day and time. It reads no clock.

The rule language can't convert a time to a time zone, so the condition asks for `'$weekday@Europe/Berlin'` and
`'$time@Europe/Berlin'`, which the evaluator knows (flagkit.core.rules.keys).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flagkit.authoring.conditions import all_of, any_of, listed
from flagkit.core.rules.ast import And, Compare, Condition, Key, Membership, Or, Text
from flagkit.core.rules.keys import DAYS, TIME, WEEKDAY
from flagkit.errors import EditError

_HOURS: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAYS_WORD: Final = re.compile(r"[A-Za-z]{3}(?:[-,][A-Za-z]{3})*")
_HINT: Final = "Write days, hours, or both, and a time zone: now in Mon-Fri 09:00-17:00 Europe/Berlin."


def read_window(text: str) -> Condition:
    """Read days, hours and time zone; the zone is UTC if none is named.

    Hours from 22:00 to 06:00 cross midnight: the days are those on which a moment itself lies. The end is not included.

    Raises:
        EditError: not a time window.
    """
    words = text.split()
    days = hours = None
    if words and _DAYS_WORD.fullmatch(words[0]) and words[0][:3].title() in DAYS:
        days = _days(words.pop(0))
    if words and ":" in words[0]:
        hours = _hours(words.pop(0))
    zone = words.pop(0) if words else "UTC"
    if words or (days is None and hours is None):
        raise EditError(f"{text!r} is not a valid time window", hint=_HINT)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = "Use a name of the IANA database, such as Europe/Berlin or UTC."
        raise EditError(f"{zone!r} is not a known time zone", hint=hint) from error
    return window_of(days, hours, zone)


def window_of(days: tuple[str, ...] | None, hours: tuple[str, str] | None, zone: str) -> Condition:
    """Build the condition of a window; `read_days_and_hours` recognises it."""
    parts: list[Condition] = []
    if days is not None:
        parts.append(Membership(Key(WEEKDAY + zone), tuple(map(Text, days))))
    if hours is not None:
        start, end = hours
        first, second = Compare("gte", Key(TIME + zone), Text(start)), Compare("lt", Key(TIME + zone), Text(end))
        parts += [first, second] if start < end else [any_of([first, second])]
    return all_of(parts)


def show_window(parts: tuple[Condition, ...]) -> str | None:
    """Return a window as it is written; None if these conditions, which an `and` joins, are something else."""
    days: tuple[str, ...] | None = None
    hours: tuple[str, str] | None = None
    rest = list(parts)
    zone = _zone(rest[0])
    if zone is None:
        return None
    found = listed(rest[0], WEEKDAY + zone)
    if found is not None:
        if not set(found) <= set(DAYS):
            return None
        days = found
        rest.pop(0)
    if rest:
        bounds = rest[0].operands if isinstance(rest[0], Or) else tuple(rest)
        match bounds:
            case (Compare("gte", _, Text(start)), Compare("lt", _, Text(end))):
                hours = (start, end)
            case _:
                return None
    if window_of(days, hours, zone) != (And(parts) if len(parts) > 1 else parts[0]):
        return None
    shown = [_show_days(days)] if days else []
    shown += [f"{hours[0]}-{hours[1]}"] if hours else []
    text = " ".join([*shown, *([] if zone == "UTC" else [zone])])
    try:
        return text if read_window(text) == window_of(days, hours, zone) else None
    except EditError:
        return None


def _zone(condition: Condition) -> str | None:
    if isinstance(condition, Or):
        condition = condition.operands[0]
    key = condition.value if isinstance(condition, Membership) else getattr(condition, "left", None)
    if not isinstance(key, Key):
        return None
    lead, _, zone = key.name.partition("@")
    return zone if zone and lead + "@" in {WEEKDAY, TIME} else None


def _days(text: str) -> tuple[str, ...]:
    found: set[str] = set()
    for part in text.split(","):
        first, _, last = (day.title() for day in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS or part.count("-") > 1:
            raise EditError(f"{part!r} is not a valid day or range of days", hint="Write Mon, Mon-Fri or Sat,Sun.")
        start, end = DAYS.index(first), DAYS.index(last or first)
        found |= set(DAYS[start : end + 1] if start <= end else (*DAYS[start:], *DAYS[: end + 1]))
    return tuple(day for day in DAYS if day in found)


def _hours(text: str) -> tuple[str, str]:
    found = _HOURS.fullmatch(text)
    start, end = (f"{found[1]}:{found[2]}", f"{found[3]}:{found[4]}") if found else ("", "")
    if not found or start == end or start >= "24:00" or end > "24:00":
        raise EditError(f"{text!r} is not a valid span of hours", hint="Write 09:00-17:00; the end is not included.")
    return start, end


def _show_days(days: tuple[str, ...]) -> str:
    """Return `Mon-Fri`, `Sat,Sun` or `Mon,Wed-Fri`."""
    runs: list[list[str]] = [[days[0]]]
    for before, day in pairwise(days):
        if DAYS.index(day) == DAYS.index(before) + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    shown = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in runs]
    return ",".join(shown)
