"""What people type: numbers, percentages, times, days, lists of names. It knows no flag."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from flagkit.errors import EditError, UsageError


def read_number(word: str) -> Decimal:
    """Return a finite number as it is typed.

    Python also reads digits of other scripts and `1_000`; here they are slips, as `NaN` and `Infinity` are.

    Raises:
        ValueError: not such a number.
    """
    try:
        number = Decimal(word)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (word.isascii() and "_" not in word and number.is_finite()):
        raise ValueError(f"{word!r} is not a number")
    return number


def listed(given: Sequence[str] | None) -> tuple[str, ...]:
    """Names as given, and those of a list with commas: `--user 42,44`; quotes keep a comma: `--user '"a,b"'`."""
    rows = csv.reader(given or (), skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())


def read_percent(word: str) -> Decimal:
    """`12.5` or `12.5%`; whether it lies between 0 and 100 is the edit's to say.

    Raises:
        EditError: not a number.
    """
    try:
        return read_number(word.strip().removesuffix("%").strip())
    except ValueError:
        raise EditError(f"{word!r} is not a valid percentage", hint="Write it as 12.5 or 12.5%.") from None


def read_moment(word: str | None) -> dt.datetime | None:
    """An ISO time; without a zone it is UTC.

    Raises:
        UsageError: another form.
    """
    if word is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(word)
    except ValueError:
        raise UsageError(
            f"{word!r} is not a valid time", hint="Use 2027-01-31, 2027-01-31T09:00 (UTC) or 2027-01-31T09:00+01:00."
        ) from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment


def read_day(word: str | None) -> dt.date | None:
    """A day as `2027-03-01`.

    Raises:
        UsageError: another form.
    """
    if not word:
        return None
    try:
        return dt.date.fromisoformat(word)
    except ValueError:
        raise UsageError(f"{word!r} is not a valid date", hint="Use YYYY-MM-DD, for example 2027-03-01.") from None


def typed_value(text: str) -> str | int | float | bool:
    """The value that text means for an undeclared attribute: true, false, a number, else text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if number - number == 0 else text  # nan and inf are text
    return text
