"""The types of fields of the readable form: percentages, ranges, times, conditions, prerequisites. It has no models."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StrictStr

from flagkit.authoring.conditions import read_required, replaced, written_prerequisite
from flagkit.authoring.language import read_condition, written_condition
from flagkit.authoring.ranges import BucketRange, read_percent, show_percent
from flagkit.core.metadata import problem_of_name
from flagkit.core.rules.ast import Boolean, Condition
from flagkit.errors import EditError


def _steps(value: object) -> int:
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            return read_percent(value)
        except EditError as error:
            raise ValueError(error.message) from None
    message = "must be a percentage"
    raise ValueError(message)


def _ranges(value: object) -> tuple[BucketRange, ...]:
    message = "must be a list of [start, end] in percent"
    if not isinstance(value, list | tuple):
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueError
    ranges: list[BucketRange] = []
    for pair in value:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise ValueError(message)
        try:
            ranges.append(BucketRange(_steps(pair[0]), _steps(pair[1])))
        except EditError as error:
            raise ValueError(error.message) from None
    return tuple(sorted(ranges))


@lru_cache(maxsize=4096)
def _condition(text: str) -> str:
    """Write equal conditions alike, so that a flag that was read back equals the one that was written."""
    try:
        return written_condition(read_condition(text))
    except EditError:
        return text  # the compiler refuses it, and knows the place


def _owner(value: str) -> str:
    problem = problem_of_name(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _tags(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        problem = problem_of_name(value, is_tag=True)
        if problem is not None:
            message = f"{value!r} {problem}"
            raise ValueError(message)
    return tuple(dict.fromkeys(values))


@lru_cache(maxsize=4096)
def flags_in(condition: str) -> frozenset[str]:
    """Return the keys of the flags that a condition requires; none if it is not valid."""
    found: set[str] = set()

    def note(entry: str) -> Condition:
        found.add(read_required(entry)[0])
        return Boolean(True)

    if "requires" in condition.lower():  # in the language, and in the name of a native one
        with suppress(EditError):
            replaced(read_condition(condition), note)
    return frozenset(found)


def _aware(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        message = "needs an offset or Z: 2026-12-01T09:00:00Z"
        raise ValueError(message)
    return value.astimezone(dt.UTC)


def _percent(steps: int) -> int | float:
    percent = show_percent(steps)
    return int(percent) if percent == percent.to_integral_value() else float(percent)


def _pairs(ranges: tuple[BucketRange, ...] | None) -> list[list[int | float]] | None:
    return None if ranges is None else [[_percent(span.start), _percent(span.end)] for span in ranges]


Steps = Annotated[int, BeforeValidator(_steps), PlainSerializer(_percent)]
"""A percentage, held in steps of 0.0001 %."""
Ranges = Annotated[tuple[BucketRange, ...], BeforeValidator(_ranges), PlainSerializer(_pairs)]
Moment = Annotated[dt.datetime, AfterValidator(_aware)]
"""A point in time, held in UTC."""
Removal = Annotated[
    # The last form keeps a day that the format takes and the calendar doesn't.
    Literal[True] | dt.date | Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")],
    Field(union_mode="left_to_right"),
]


def _prerequisite(entry: str) -> str:
    try:
        return written_prerequisite(entry)
    except EditError as error:
        raise ValueError(error.message) from None


Where = Annotated[StrictStr, AfterValidator(_condition)]
"""A condition, or a native rule."""
Prerequisite = Annotated[StrictStr, AfterValidator(_prerequisite)]
"""`base`, `base = blue` or `base = off`."""
Owner = Annotated[StrictStr, AfterValidator(_owner)]
Tags = Annotated[tuple[StrictStr, ...], AfterValidator(_tags)]
