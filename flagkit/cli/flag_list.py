"""Laying out flags for people: columns of a table, and the lines about one flag."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from flagkit.admin.flag_view import FlagView
from flagkit.cli.output import moment


def columns(flags: Sequence[FlagView]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the rows of a table of flags; a column that is empty for all flags is left out."""
    rows = [_row(flag) for flag in flags]
    head = ("FLAG", "STATE", "AUDIENCE", "OWNER", "KIND", "TAGS", "CLIENTS", "REMOVE BY", "CHANGED", "BY", "EVALUATED")
    used = [index for index, _ in enumerate(head) if index < 3 or any(row[index] for row in rows)]
    return tuple(head[index] for index in used), [tuple(row[index] for index in used) for row in rows]


def facts(flag: FlagView) -> list[str]:
    """Return what is written about a flag, a line each."""
    about, changes = flag.texts.about, flag.changes
    found = {
        "Owner": about.owner,
        "Kind": about.kind,
        "Tags": ", ".join(about.tags),
        "Remove by": flag.removal,
        "Archived": "yes" if about.archived else "",
        "Client-visible": "yes" if about.client_visible else "",
        "Created": "" if flag.created is None else moment(flag.created),
        "Last changed": "" if flag.changed is None else moment(flag.changed),
        "Last evaluated": flag.evaluated_text,
    }
    if found["Last changed"] and changes.changed_by is not None:
        found["Last changed"] += f" by {_person(changes.changed_by)} (version {changes.version})"
    return [f"{name}: {text}" for name, text in found.items() if text]


def _row(flag: FlagView) -> tuple[str, ...]:
    about = flag.texts.about
    return (
        flag.key,
        flag.shown,
        flag.audience,
        about.owner or "",
        about.kind or "",
        ", ".join(about.tags),
        "visible" if about.client_visible else "",
        flag.removal,
        _day(flag.changed),
        _person(flag.changes.changed_by),
        flag.evaluated_text,
    )


def _person(author: str | None) -> str:
    return "" if author is None else author.rsplit("/", 1)[-1]


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d}"
