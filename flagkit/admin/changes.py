"""Who last changed each flag, and when, from one listing of the versions; no document is read.

A version names the flags that it changed (`stores.notes`, `stores.journal`). One that doesn't, because another tool
saved it, could have changed any flag: what is older than it is then not known to be the last change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flagkit.admin.stores.base import Version
from flagkit.sources.base import Document


@dataclass(frozen=True, slots=True)
class FlagChanges:
    """When a flag was created, and last changed; what isn't known is None.

    Attributes:
        created: when it was created.
        changed: when it was last changed.
        changed_by: who changed it last.
        version: the version of that change.
    """

    created: datetime | None = None
    changed: datetime | None = None
    changed_by: str | None = None
    version: int | None = None


UNKNOWN: Final = FlagChanges()


def flag_changes(versions: Iterable[Version], keys: Iterable[str]) -> dict[str, FlagChanges]:
    """Return when and by whom these flags were created and last changed.

    Args:
        versions: newest first; no more of them are taken than are needed.
        keys: the flags.
    """
    undated, unchanged = set(keys), set(keys)
    last: dict[str, Version] = {}
    created: dict[str, datetime | None] = {}
    for version in versions:
        if version.changes is None:
            unchanged.clear()
            continue
        for key, kind in version.changes.items():
            if key in unchanged:
                last[key] = version
                unchanged.discard(key)
            if key in undated and kind == "created":
                # What a file held when its history began was created at some earlier time.
                created[key] = None if version.number == 1 and version.remark else version.at
                undated.discard(key)
        if not undated:
            break
    return {
        key: FlagChanges(created.get(key), found.at, found.author, found.number)
        if (found := last.get(key)) is not None
        else FlagChanges(created.get(key))
        for key in {*last, *created}
    }


def up_to(document: Document, versions: Iterator[Version]) -> Iterator[Version]:
    """Leave out what was saved after the document."""
    number = int(document.version) if document.version and document.version.isdecimal() else None
    waits = number is not None or document.label is not None
    for version in versions:
        if waits and (version.number == number or (document.label is not None and version.label == document.label)):
            waits = False
        if not waits:
            yield version
