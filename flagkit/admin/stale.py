"""Flags that are no longer needed: code against document, and flags that never change. Pure: texts and times in.

Finds what is certain: a flag whose key only appears as some text is `mentioned`, not used.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from flagkit.admin.audience import statuses
from flagkit.admin.entries import keys_of
from flagkit.admin.evaluations import NEVER, Evaluations
from flagkit.authoring import decompile
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument
from flagkit.core.metadata import is_past, read_metadata

Finding = Literal["missing", "unused", "always_on", "always_off", "unevaluated", "overdue", "archived"]

# Names under which code asks for a flag: flagkit's own, OpenFeature's, Powertools'.
_CALLS = frozenset(
    {
        *("is_enabled", "evaluate", "boolean", "string", "integer", "number", "object", "explain"),
        *("get_boolean_value", "get_string_value", "get_integer_value", "get_float_value", "get_object_value"),
        *(
            "get_boolean_details",
            "get_string_details",
            "get_integer_details",
            "get_float_details",
            "get_object_details",
        ),
        *("isEnabled", "getBooleanValue", "getStringValue", "getNumberValue", "getObjectValue", "useFlag"),
        *("useBooleanFlagValue", "useStringFlagValue", "useNumberFlagValue", "useObjectFlagValue"),
    }
)
_CALL_TEXT = re.compile(
    rf"""\b({"|".join(sorted(_CALLS))})\s*(?:<[^<>()]*>)?\(\s*(["'`])([a-z][A-Za-z0-9_-]{{0,63}})\2"""
)
_QUOTED = re.compile(r"""(["'`])([a-z][A-Za-z0-9_-]{0,63})\1""")


@dataclass(frozen=True, slots=True)
class Reference:
    """One place in code that names a flag.

    Attributes:
        key: the key.
        path: the file.
        line: from 1.
        is_call: whether it is asked for there; otherwise the text merely appears.
    """

    key: str
    path: str
    line: int
    is_call: bool


@dataclass(frozen=True, slots=True)
class Stale:
    """One finding.

    Attributes:
        key: the flag.
        finding: `missing` (in code, not in the document), `unused` (the other way round), `always_on`, `always_off`
            (nothing changed for so many days), `unevaluated` (no program asked for it for so many days), `overdue`
            (past its removal date), `archived` (but still in code).
        reason: one sentence.
        places: where the code names it.
    """

    key: str
    finding: Finding
    reason: str
    places: tuple[Reference, ...] = ()


def scan(path: str, text: str) -> tuple[Reference, ...]:
    """Find the flags that a source text names.

    Args:
        path: the file's name; `.py` is parsed, everything else is searched.
        text: its content.
    """
    if path.endswith(".py"):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return tuple(_searched(path, text))
        return tuple(_walked(path, tree))
    return tuple(_searched(path, text))


def find_stale(
    document: FlagDocument,
    references: Iterable[Reference],
    last_changed: Mapping[str, dt.datetime | None],
    *,
    now: dt.datetime,
    days: int = 90,
    evaluations: Evaluations | None = None,
) -> tuple[Stale, ...]:
    """Find flags that can go, or that code asks for in vain.

    Args:
        document: the flags.
        references: what `scan` found in all files; if empty, code isn't compared.
        last_changed: when each flag last changed what it answers; flags without a known time are never called stale.
        now: the present.
        days: after how many days without a change a flag that is on (or off) for everybody is stale.
        evaluations: when flags were last evaluated; None where that isn't known.
    """
    places: dict[str, list[Reference]] = {}
    for reference in references:
        places.setdefault(reference.key, []).append(reference)
    archived = {key for key, flag in document.flags.items() if read_metadata(flag.description).archived}
    found = [*_in_code(document, places, archived)] if places else []
    settled = [it for it in _settled(document, places, last_changed, now, days) if it.key not in archived]
    idle = [] if evaluations is None else _idle(document, places, last_changed, evaluations, now, days)
    return (*found, *settled, *(it for it in idle if it.key not in archived), *_overdue(document, places, now))


def _in_code(
    document: FlagDocument, places: Mapping[str, list[Reference]], archived: Collection[str]
) -> Iterator[Stale]:
    keys = keys_of(document)
    for key, found in sorted(places.items()):
        calls = tuple(reference for reference in found if reference.is_call)
        if key not in keys and calls:
            first = calls[0]
            reason = f"{first.path}:{first.line} reads it, but the document has no such flag"
            yield Stale(key, "missing", reason, calls)
        elif key in archived and calls:
            first = calls[0]
            yield Stale(key, "archived", f"{first.path}:{first.line} reads it, but it is archived", calls)
    source = decompile(document)
    required = {other for flag in source.flags.values() for other in flag.flags_required}
    for key in keys:
        if key not in places and key not in required and key not in archived:
            yield Stale(key, "unused", "none of the searched files names it")


def _settled(
    document: FlagDocument,
    places: Mapping[str, list[Reference]],
    last_changed: Mapping[str, dt.datetime | None],
    now: dt.datetime,
    days: int,
) -> Iterator[Stale]:
    for key, status in statuses(document, now=now).items():
        changed = last_changed.get(key)
        if changed is None or now - changed < dt.timedelta(days=days):
            continue
        since = f"since {changed:%Y-%m-%d} ({(now - changed).days} days)"
        where = tuple(places.get(key, ()))
        if status.state == "on" and status.audience == "all users":
            yield Stale(key, "always_on", f"on for all users {since}", where)
        elif status.state in {"off", "ended"} or (status.state == "partial" and status.audience == "0 % of users"):
            yield Stale(key, "always_off", f"off for all users {since}", where)


def _idle(
    document: FlagDocument,
    places: Mapping[str, list[Reference]],
    last_changed: Mapping[str, dt.datetime | None],
    evaluations: Evaluations,
    now: dt.datetime,
    days: int,
) -> Iterator[Stale]:
    """Yield flags that nobody asks for, though they are old enough, and counts are old enough to tell."""
    required = {other for flag in decompile(document).flags.values() for other in flag.requires}
    for key in sorted(document.flags.keys() - INTERNAL_FLAGS - required):
        changed = last_changed.get(key)
        idle_days = evaluations.idle_days(key, now.astimezone(dt.UTC).date())
        if changed is None or now - changed < dt.timedelta(days=days) or idle_days < days:
            continue
        last = evaluations.last(key)
        reason = f"not evaluated since {evaluations.since if last == NEVER else last} ({idle_days} days)"
        yield Stale(key, "unevaluated", reason, tuple(places.get(key, ())))


def _overdue(document: FlagDocument, places: Mapping[str, list[Reference]], now: dt.datetime) -> Iterator[Stale]:
    for key, definition in sorted(document.flags.items()):
        date = None if definition.deprecation is None else definition.deprecation.date
        if date is not None and is_past(date, now):
            yield Stale(key, "overdue", f"its removal date was {date}", tuple(places.get(key, ())))


def _walked(path: str, tree: ast.AST) -> Iterator[Reference]:
    asked: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _CALLS:
            keywords = [keyword.value for keyword in node.keywords if keyword.arg in {"key", "flag_key"}]
            for argument in (*node.args[:1], *keywords):
                asked.add(id(argument))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _QUOTED.fullmatch(f'"{node.value}"')
            if match is not None:
                yield Reference(node.value, path, node.lineno, id(node) in asked)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _searched(path: str, text: str) -> Iterator[Reference]:
    asked = {match.start(3): match for match in _CALL_TEXT.finditer(text)}
    for match in _QUOTED.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Reference(match[2], path, line, match.start(2) in asked)
