"""What a change proposal is, and how it is written down. Pure: no files, no clock.

A proposal holds only the flags that it changes, as they were and as they are to be, so others can be changed meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from flagkit.admin.entries import Entry
from flagkit.admin.identity import Person
from flagkit.errors import SourceError

Status = Literal["open", "applied", "rejected", "withdrawn"]

Entries: TypeAlias = Mapping[str, "Entry | None"]
"""Flags by key; None where there is none."""

KEPT_CLOSED: Final = 100
"""Closed proposals that are kept; older ones are in the history of the flags, if they were applied."""

MAX_BYTES: Final = 1_000_000
"""Of all proposals of a source; AppConfig takes 2 MB."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval.

    Attributes:
        by: who.
        at: when.
        seen: the fingerprint of the change that was shown; an approval of another change doesn't count.
    """

    by: Person
    at: datetime
    seen: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for approval, or did.

    Attributes:
        id: the id of the edit, under which it is saved once.
        environment: the environment that it is for; None for a file.
        author: who proposed it.
        reason: why.
        at: when.
        base: the number of the version that it was made from.
        before: the changed flags as they were.
        after: the changed flags as they are to be.
        status: `open` until it is saved, rejected or withdrawn.
        approvals: in the order of their time.
        closed_by: who rejected it, or withdrew it.
        closed_at: when it was closed.
        remark: why it was rejected.
        version: the version that it was saved as.
    """

    id: str
    environment: str | None
    author: Person
    reason: str
    at: datetime
    base: int
    before: Entries = field(hash=False)
    after: Entries = field(hash=False)
    status: Status = "open"
    approvals: tuple[Approval, ...] = ()
    closed_by: Person | None = None
    closed_at: datetime | None = None
    remark: str = ""
    version: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The flags that it changes."""
        return tuple(sorted(self.after))

    def approved(self, seen: str) -> tuple[Approval, ...]:
        """Return the approvals that count for a change: of that change, each by another person, none by the author."""
        found: list[Approval] = []
        for approval in self.approvals:
            others = [self.author, *(item.by for item in found)]
            if approval.seen == seen and not any(approval.by.is_same(other) for other in others):
                found.append(approval)
        return tuple(found)


def fingerprint(changes: Entries) -> str:
    """Return what two changes share only if they are the same."""
    return hashlib.sha256(json.dumps(changes, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def encode(proposals: Iterable[Proposal]) -> bytes:
    """Return proposals as they are written: all that are open, and the last that were closed."""
    found = list(proposals)
    closed = sorted((item for item in found if item.status != "open"), key=lambda item: item.closed_at or item.at)
    dropped = {item.id for item in closed[:-KEPT_CLOSED]}
    kept = [_encoded(item) for item in found if item.id not in dropped]
    return json.dumps({"version": 1, "proposals": kept}, separators=(",", ":")).encode()


def decode(content: bytes) -> tuple[Proposal, ...]:
    """Read proposals.

    Raises:
        SourceError: they are damaged, or of a newer flagkit.
    """
    try:
        data = json.loads(content)
        if data["version"] != 1:
            raise SourceError("the proposals are written by a newer flagkit", hint="Update flagkit.")
        return tuple(_decoded(item) for item in data["proposals"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError("the proposals are damaged", hint="Restore their file or profile.") from error


def _encoded(item: Proposal) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": item.id,
        "environment": item.environment,
        "author": _person(item.author),
        "reason": item.reason,
        "at": item.at.isoformat(),
        "base": item.base,
        "before": dict(item.before),
        "after": dict(item.after),
        "status": item.status,
        "approvals": [{"by": _person(it.by), "at": it.at.isoformat(), "seen": it.seen} for it in item.approvals],
        "closed_by": None if item.closed_by is None else _person(item.closed_by),
        "closed_at": None if item.closed_at is None else item.closed_at.isoformat(),
        "remark": item.remark,
        "version": item.version,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _decoded(data: Mapping[str, Any]) -> Proposal:
    if data["status"] not in {"open", "applied", "rejected", "withdrawn"}:
        raise ValueError(data["status"])
    approvals = (
        Approval(_read_person(it["by"]), datetime.fromisoformat(it["at"]), str(it["seen"]))
        for it in data.get("approvals", ())
    )
    closed_by, closed_at = data.get("closed_by"), data.get("closed_at")
    return Proposal(
        str(data["id"]),
        data.get("environment"),
        _read_person(data["author"]),
        str(data.get("reason", "")),
        datetime.fromisoformat(data["at"]),
        int(data["base"]),
        _entries(data["before"]),
        _entries(data["after"]),
        data["status"],
        tuple(approvals),
        None if closed_by is None else _read_person(closed_by),
        None if closed_at is None else datetime.fromisoformat(closed_at),
        str(data.get("remark", "")),
        None if data.get("version") is None else int(data["version"]),
    )


def _person(person: Person) -> list[str]:
    return [person.name, person.subject]


def _read_person(data: Sequence[str]) -> Person:
    name, subject = data
    return Person(str(name), str(subject))


def _entries(data: Mapping[str, Any]) -> dict[str, Entry | None]:
    return {str(key): None if entry is None else (entry[0], entry[1]) for key, entry in data.items()}
