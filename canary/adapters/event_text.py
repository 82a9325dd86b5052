"""Events as JSON and back: what journals keep; no store is touched here.

Written by hand over the events' own type hints, so that a new field needs no second place to be named, and a journal
of an older version stays readable: fields it doesn't have get their defaults, fields we don't know are dropped.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin

from canary.core.events import Event

_KINDS: dict[str, type] = {
    next(str(field.default) for field in fields(kind) if field.name == "event"): kind for kind in get_args(Event)
}


def to_text(event: Event) -> str:
    """One line of JSON. Since 0.1."""
    return json.dumps(_plain(event), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Event | None:
    """The event again; None for a kind that this version doesn't know, or for a torn line. Since 0.1."""
    try:
        said = json.loads(text)
        event: Event = _built(_KINDS[said["event"]], said)
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return None
    return event


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple | list | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _built(kind: Any, said: Any) -> Any:
    """`said` as a value of type `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        if said is None:
            return None
        return _built(next(option for option in arguments if option is not types.NoneType), said)
    if origin is tuple:
        return tuple(_built(arguments[0], item) for item in said)
    if origin is Literal or not isinstance(kind, type):
        return said
    if is_dataclass(kind):
        hints = _hints(kind)
        known = {field.name: field for field in fields(kind)}
        missing = [
            n for n, f in known.items() if n not in said and f.default is MISSING and f.default_factory is MISSING
        ]
        if missing:
            raise KeyError(missing[0])
        return kind(**{name: _built(hints[name], said[name]) for name in known if name in said})
    if issubclass(kind, datetime):
        return datetime.fromisoformat(said)
    if issubclass(kind, Enum | Decimal):
        return kind(said)
    return float(said) if kind is float else said
