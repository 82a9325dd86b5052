"""Pydantic's findings as one line per fault, with the exact field path and the line of the file. Text only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from canary.core.plan import gates, settings, shorthand, stage
from canary.core.plan.values import FunctionRef, format_duration
from canary.errors import PlanError

_TABLES: tuple[type[BaseModel], ...] = tuple(
    thing
    for module in (gates, settings, shorthand, stage)
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, BaseModel)
)
_FIELDS = frozenset(name for table in _TABLES for name in table.model_fields) | {*FunctionRef.__slots__, "probes"}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_EXAMPLES = {
    "functions": '["api:live"]',
    "steps": "[10, 25, 50]",
    "order": '[["worker:live"], ["api:live"]]',
    "names": '["checkout-errors"]',
    "on": '["rolled_back"]',
    "notifications": '[{ kind = "sns", topic_arn = "arn:..." }]',
}
_TABLE = "must be a table"
_MESSAGES = {
    "missing": "is missing",
    "union_tag_not_found": "needs a kind",
    **dict.fromkeys(("too_short", "string_too_short"), "must not be empty"),
    "too_long": "must have at most {max_length} items, but has {actual_length}",
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "dict_type": _TABLE,
    "dataclass_type": 'must be text such as "api:live"',
    "less_than": "must be less than {lt}, but is {input}",
    "less_than_equal": "must be at most {le}, but is {input}",
    "greater_than": "must be greater than {gt}, but is {input}",
    "greater_than_equal": "must be at least {ge}, but is {input}",
    "literal_error": "must be one of {expected}, but is {input}",
    "finite_number": "must be a finite number, but is {input}",
    "string_type": "must be text in quotes, but is {input}",
    "string_pattern_mismatch": "must match {pattern}, but is {input}",
    "time_delta_type": 'must be a duration such as "10m", but is {input}',
    "tuple_type": "must be a list{example}, but is {input}",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false, but is {input}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number, but is {input}"),
    **dict.fromkeys(
        ("decimal_type", "decimal_parsing", "float_type", "float_parsing"), "must be a number, but is {input}"
    ),
}
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TABLE_HEADER = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_UNITS = re.compile(r"(\w+)=(\d+)")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _child(raw: object, part: int | str) -> tuple[bool, object]:
    if isinstance(raw, Mapping):
        return part in raw, raw.get(part)
    if isinstance(raw, Sequence) and not isinstance(raw, str) and isinstance(part, int):
        return part < len(raw), raw[part] if part < len(raw) else None
    return False, None


def _written(raw: object, location: Sequence[int | str], *, name_last: bool = False) -> list[int | str]:
    """The location as the writer of the file sees it: names that pydantic or a shorthand put in are left out."""
    parts: list[int | str] = []
    for index, part in enumerate(location):
        if (index == 4 and location[2] in {"gates", "notifications"}) or (index == 3 and location[0] == "gate_sets"):
            continue  # the kind: pydantic's tag of the union
        written, child = _child(raw, part)
        if written:
            raw = child
        elif not (name_last and index == len(location) - 1):
            continue
        parts.append(part)
    return parts


def _of_the_stage(raw: object, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """`probes = { ... }` of a stage is its gate of that name: the location as it is written."""
    for part in location[:2]:
        _, raw = _child(raw, part)
    if location[2:4] == ("gates", "probes") and _child(raw, "probes")[0]:
        return (*location[:2], "probes", *location[5:])
    return location


def _path(parts: Sequence[int | str]) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "plan"


def _guess(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.55)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _message(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind == "union_tag_invalid":
        tag, expected = fault["ctx"]["tag"], fault["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"unknown kind {_shown(tag)}; expected one of {', '.join(expected)}{_guess(tag, expected)}"
    template = _MESSAGES.get(kind)
    if template is None:
        message = fault["msg"].removeprefix("Value error, ")
        return f"i{message[1:]}, but is {_shown(fault['input'])}" if message.startswith("Input ") else message
    example = _EXAMPLES.get(str(fault["loc"][-1]))
    context = {key: _limit(value) for key, value in fault.get("ctx", {}).items()}
    context |= {"input": _shown(fault["input"]), "example": f" such as {example}" if example else ""}
    return template.format_map(context)


def _limit(value: object) -> object:
    """Bounds of durations come as `datetime.timedelta(seconds=900)`, in text."""
    if not str(value).startswith("datetime.timedelta("):
        return value
    return format_duration(timedelta(**{unit: int(number) for unit, number in _UNITS.findall(str(value))}))


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else "a table" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else f"{text[:50]}..."


def _line(text: str, location: Sequence[int | str]) -> int | None:
    """The line on which the field, or the nearest table around it, is written; None when it can't be found."""
    wanted = [str(part) for part in location if not isinstance(part, int)]
    table: list[str] = []
    best, found = 0, None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE_HEADER.match(line):
            path = table = _parts(header[1])
        elif key := _KEY.match(line):
            path = [*table, *_parts(key[1])]
        else:
            continue
        if len(path) > best and wanted[: len(path)] == path:
            best, found = len(path), number
    return found


def _parts(key: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(key)]


def plan_error(raw: object, error: ValidationError, text: str = "") -> PlanError:
    """The error that lists every fault of the plan, one a line.

    Args:
        raw: the document as it was read.
        error: what pydantic found.
        text: the file's text, for line numbers.
    """
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        location, unknown = _of_the_stage(raw, fault["loc"]), fault["type"] in _UNKNOWN
        parts = _written(raw, location, name_last=fault["type"] == "missing")
        if fault["type"] == "too_short" and fault["input"]:
            continue  # it is short because its items are wrong
        if location[2:3] == ("gates",) and len(parts) < 4 <= len(location):
            continue  # a gate of a set, which is reported where it is written
        number = _line(text, parts)
        where = f" (line {number})" if number else ""
        if unknown:
            name = str(location[-1])
            where_else = " (a field of other tables)" if name in _FIELDS else _guess(name, _FIELDS)
            message = f"unknown field '{name}'{where_else}"
            lines.append(f"{_path(_written(raw, location[:-1]))}{where}: {message}")
        else:
            lines.append(f"{_path(parts)}{where}: {_message(fault)}")
    return PlanError("\n".join(dict.fromkeys(lines)))
