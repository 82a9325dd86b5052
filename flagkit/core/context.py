"""What a caller's context values mean: text, and from text numbers, instants and booleans. It must not know rules.

AppConfig's context is text: the Agent takes it from HTTP headers (appconfig.md §2.3, §6). So every value of a caller
has one text form, and a comparison reads that text as the type of the literal it is compared with (decision 0021).
Whatever has no text form, or isn't the type asked for, is None here and false in a comparison. Nothing here raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

if TYPE_CHECKING:
    from uuid import UUID

Context: TypeAlias = Mapping[str, object]
"""The attributes of a caller by name."""

UserId: TypeAlias = "str | SupportsIndex | float | Decimal | date | UUID | None"
"""What identifies a user: a value that has a text form. A mapping is the context, not a user."""

MAX_NUMBER_CHARS = 128
"""The longest text that is read as a number. Keeps arithmetic on hostile input cheap."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))?)?)?"
    r"(?(4)|T?)",
    re.ASCII,
)
# The set Go's strconv.ParseBool takes, as the service does for `enabled` (recording of 2026-09-28, "enabled-coercion").
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
_LISTS = (list, tuple, set, frozenset)
_PLAIN = (str, int, bool, float, datetime)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY_S = 86_400


def text_of(value: object) -> str | None:
    """Return the text form of a context value; None if it has none (None, dictionaries, objects, nan, …).

    Strings are themselves, booleans `true` and `false`, numbers what Python prints, times ISO 8601 in UTC (a naive
    datetime counts as UTC), dates `YYYY-MM-DD`, UUIDs their usual form. Lists, tuples and sets are a JSON array of
    their elements' texts, each in the form of `element_text`.
    """
    if value is None:
        return None
    try:
        return _text_of(value)
    except Exception:  # noqa: BLE001 - a hostile subclass can raise anything; a read never does
        return None


def _text_of(value: object) -> str | None:  # noqa: C901, PLR0911 - one case per type
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value) if value - value == 0 else None
    if isinstance(value, Decimal):
        return Decimal.__str__(value) if value.is_finite() else None
    if isinstance(value, datetime):
        return f"{_utc(value).replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return date.isoformat(value)
    for kind in _LISTS:
        if isinstance(value, kind):
            elements: Callable[[Any], Iterable[object]] = kind.__iter__
            return _list_text(elements(value))  # its own elements: another iterator need not end
    if isinstance(value, Integral):  # numpy's integers, which aren't int
        return int.__repr__(int(value))
    # By name, because importing uuid costs 3 ms, which a caller that passes one has already paid.
    if type(value).__name__ == "UUID" and type(value).__module__ == "uuid":
        return str(value)
    return None


def _list_text(values: Iterable[object]) -> str:
    """Lists in lists have no text: one that holds itself twice would double at each level."""
    texts = (text_of(element) for element in values if not isinstance(element, _LISTS))
    return f"[{','.join([element_text(text) for text in texts if text is not None])}]"


def element_text(text: str) -> str:
    r"""Return how an element stands in the text of a list: a JSON string, with quotes and commas as `\u0022`, `\u002c`.

    So quotes and commas are only between elements, and `(contains $roles "\"admin\"")` is true for the element `admin`
    and for no other.
    """
    inside = json.dumps(text, ensure_ascii=False)[1:-1]
    return '"' + inside.replace('\\"', "\\u0022").replace(",", "\\u002c") + '"'


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:  # as the clock tells it
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def number_of(value: object) -> int | Decimal | None:
    """Return the exact decimal value of a context value, if its text is a finite number."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    text = text_of(value)
    if text is not None and len(text) <= 18 and text.isascii() and text.isdigit():
        return int(text)  # the usual one, in a quarter of the time
    if text is None or len(text) > MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)


def instant_of(value: object) -> int | None:
    """Return nanoseconds since 1970 of a context value, if it is a time or its text a W3C date."""
    if isinstance(value, datetime):
        try:
            since = _utc(value) - _EPOCH
            return ((since.days * _DAY_S + since.seconds) * 1_000_000 + since.microseconds) * 1000
        except Exception:  # noqa: BLE001 - a foreign tzinfo can raise anything
            return None
    text = text_of(value)
    match = None if text is None or len(text) > MAX_NUMBER_CHARS else _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        local = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return None
    offset_s = 0 if zone in {None, "Z"} else int(zone[0] + "60") * (int(zone[1:3]) * 60 + int(zone[4:6]))
    seconds = (local - _EPOCH) // _SECOND - offset_s
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def boolean_of(value: object) -> bool | None:
    """Return whether a context value's text says true or false, in one of Go's spellings."""
    text = text_of(value)
    return None if text is None else _BOOLEANS.get(text)


def bound(user_id: UserId, context: Context | None) -> tuple[UserId, Context | None]:
    """Convert once what every read for one user would convert again; the answers are the same.

    Values that aren't plain text, numbers or times (enumerations, UUIDs, other libraries' integers) become their text.
    The context is copied, so a later change of the caller's dictionary isn't seen.
    """
    if context is None:
        return _converted(user_id), None
    try:
        return _converted(user_id), {name: _converted(value) for name, value in context.items()}
    except Exception:  # noqa: BLE001 - not a mapping, or a hostile one: each read will say so
        return user_id, context


def _converted(value: Any) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    text = text_of(value)
    return value if text is None else text
