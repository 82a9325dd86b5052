"""Pydantic's findings in words: one line per fault, with the exact field path. Words only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from canary.core.plan import gates, settings, shorthand, stage
from canary.core.plan.values import FunctionRef
from canary.errors import PlanError

_TABLES: tuple[type[BaseModel], ...] = tuple(
    thing
    for module in (gates, settings, shorthand, stage)
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, BaseModel)
)
_WORDS = frozenset(name for table in _TABLES for name in table.model_fields) | frozenset(FunctionRef.__slots__)
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_SAY = {
    "missing": "is missing",
    "union_tag_not_found": "needs a kind",
    "too_short": "must not be empty",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "dataclass_type": 'must read like "api:live"',
}


def _child(raw: object, part: int | str) -> tuple[bool, object]:
    if isinstance(raw, Mapping):
        return part in raw, raw.get(part)
    if isinstance(raw, Sequence) and not isinstance(raw, str) and isinstance(part, int):
        return part < len(raw), raw[part] if part < len(raw) else None
    return False, None


def _path(raw: object, location: Sequence[int | str], *, name_last: bool = False) -> str:
    """The path as the writer of the file sees it: names that pydantic or a shorthand put in are left out."""
    path = ""
    for index, part in enumerate(location):
        written, child = _child(raw, part)
        if written:
            raw = child
        elif not (name_last and index == len(location) - 1):
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _guess(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.55)
    return f"; did you mean {close[0]}?" if close else ""


def _message(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind in _UNKNOWN:
        return "is no field of a plan" + _guess(str(fault["loc"][-1]), _WORDS)
    if kind == "union_tag_invalid":
        tag, expected = fault["ctx"]["tag"], fault["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f'the kind "{tag}" is none of {", ".join(expected)}{_guess(tag, expected)}'
    message = _SAY.get(kind) or fault["msg"].removeprefix("Value error, ")
    return "i" + message[1:] if message.startswith("Input ") else message


def plan_error(raw: object, error: ValidationError) -> PlanError:
    """The error that tells every fault of the plan, one a line."""
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        location = fault["loc"]
        if fault["type"] == "too_short" and any(line.startswith(f"{_path(raw, location)}[") for line in lines):
            continue  # it is short because its items are wrong
        path = _path(raw, location, name_last=fault["type"] in ("missing", *_UNKNOWN))
        lines.append(f"{path or 'plan'}: {_message(fault)}")
    return PlanError("\n".join(lines))
