"""A condition in both notations, and built by clicks. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flagkit.authoring.language import read_where, remarks_on, show_where
from flagkit.errors import EditError, FlagkitError

OPERATORS: Final = {
    "=": "is",
    "!=": "is not",
    "in": "is one of",
    "not in": "is none of",
    ">=": "is at least (number or version)",
    "<": "is below (number or version)",
    "starts with": "starts with",
    "ends with": "ends with",
    "contains": "contains",
    "matches": "matches the pattern",
    "before": "is before (time)",
    "after": "is after (time)",
    "exists": "is given",
    "is missing": "is missing",
    "in cidr": "is in the network",
    "now in": "the time is in (Mon-Fri 09:00-17:00 Europe/Berlin)",
    "requires": "the flag is on",
}
"""What the builder offers: the operator, and how it reads."""

_BARE: Final = re.compile(r"[^\s\"=!<>,()\[\]]+")
_KEYWORD: Final = re.compile(r"(?i:and|or|not|in|is|starts|ends|contains|matches|exists|before|after|ignoring)")
_OR: Final = re.compile(r"\bor\b", re.IGNORECASE)
_UNQUOTED: Final = frozenset({"in", "not in", "now in", "in cidr"})


@dataclass(frozen=True, slots=True)
class ShownCondition:
    """A condition in both notations.

    Attributes:
        readable: as people write it; the native rule where it has no such form.
        native: the native rule.
        problem: what is wrong with it; empty if nothing is.
        caret: the line with a caret under the place, two lines; empty if nothing is wrong.
        hint: the next step.
        remarks: what it may not mean.
    """

    readable: str = ""
    native: str = ""
    problem: str = ""
    caret: str = ""
    hint: str = ""
    remarks: tuple[str, ...] = ()


def both_ways(text: str) -> ShownCondition:
    """Return a condition in both notations, or what is wrong with it."""
    if not text.strip():
        return ShownCondition()
    try:
        native = read_where(text)
    except FlagkitError as error:
        problem, caret = split_caret(error.message)
        return ShownCondition(problem=problem, caret=caret, hint=error.hint)
    return ShownCondition(show_where(native), native, remarks=tuple(remarks_on(text)))


def split_caret(message: str) -> tuple[str, str]:
    """Return the message of an error, and the lines that show the place."""
    first, _, rest = message.partition("\n")
    return first, rest


def built(text: str, attribute: str, operator: str, value: str, joined: str) -> str:
    """Return a condition with one more test, as it is chosen in the builder.

    Raises:
        EditError: a part is missing.
    """
    if operator not in OPERATORS:
        raise EditError(f"{operator!r} is not an operator")
    attribute, value = attribute.strip(), value.strip()
    if operator == "now in":
        test = f"now in {value}"
    elif operator == "requires":
        test = f"requires {value or attribute}"
    elif not attribute:
        raise EditError("the test has no attribute", hint="Name an attribute of the user, e.g. country.")
    elif operator in {"exists", "is missing"}:
        test = f"{attribute} {operator}"
    elif not value:
        raise EditError(f"the test of {attribute} has no value", hint="Enter a value, e.g. US.")
    else:
        test = f"{attribute} {operator} {value if operator in _UNQUOTED else _quoted(value)}"
    text = text.strip()
    if not text:
        return test
    if joined == "or":
        return f"{text} or {test}"
    return f"({text}) and {test}" if _OR.search(text) else f"{text} and {test}"


def _quoted(value: str) -> str:
    if value.startswith('"') or (_BARE.fullmatch(value) and not _KEYWORD.fullmatch(value)):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
