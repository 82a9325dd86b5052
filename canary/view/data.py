"""The view model as JSON-ready data; it must not drop or invent a field."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def data(value: object) -> JsonValue:  # noqa: PLR0911 - one line per kind of value
    """Plain JSON values of a view, an event or any frozen value: times in ISO 8601, durations in seconds. Since 0.1."""
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return data(value.value)
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): data(item) for key, item in value.items()}
        case list() | tuple() | frozenset() | set():
            return [data(item) for item in value]
    if is_dataclass(value):
        return {item.name: data(getattr(value, item.name)) for item in fields(value)}
    return str(value)
