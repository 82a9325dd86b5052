"""The history that lies beside a flags file: one JSON line for each version, with what it changed. Pure: no files.

A line is written before the file is replaced and carries the file's hash before and after. So after a crash in between
it is clear which of both happened, and the change can be completed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagkit.admin.stores.base import ChangeKind, Version
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.errors import SourceError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from flagkit.admin.entries import Entry
    from flagkit.core.documents import FlagDocument

OUTSIDE = "changed outside flagkit"
_INJECTED = frozenset({"_createdAt", "_updatedAt"})


@dataclass(frozen=True, slots=True)
class Line:
    """One version of the file.

    Attributes:
        version: number, author, reason, time, edit.
        before: hash of the file before.
        after: hash of the file after.
        entries: what changed; None where a flag went.
    """

    version: Version
    before: str
    after: str
    entries: Mapping[str, Entry | None]


def history_path(path: Path) -> Path:
    """Return the file that keeps the history of a file; a link's is beside the file that it leads to."""
    target = path.resolve()
    return target.with_name(f"{target.name}.history.jsonl")


def digest(content: bytes | None) -> str:
    """Return the hash of a file's content; `none` for no file."""
    return "none" if content is None else hashlib.sha256(content).hexdigest()


def encode(line: Line) -> bytes:
    """Return a line as it is written."""
    version = line.version
    words: dict[str, JsonValue] = {
        "version": version.number,
        "at": None if version.at is None else version.at.isoformat(),
        "by": version.author,
        "why": version.reason,
        "id": version.edit_id,
        "remark": version.remark,
        "before": line.before,
        "after": line.after,
        "flags": {key: None if entry is None else list(entry) for key, entry in line.entries.items()},
    }
    return json.dumps({word: value for word, value in words.items() if value is not None}).encode() + b"\n"


def read_lines(content: bytes, known: tuple[Sequence[Line], bytes] = ((), b"")) -> tuple[list[Line], int]:
    """Read a history.

    Args:
        content: its bytes.
        known: lines that were read before, and their bytes: if the content begins with these, only the rest is read.

    Returns:
        The lines, and how many bytes of the content they are: a crash can leave half a line behind them.

    Raises:
        SourceError: a line before the last one is damaged.
    """
    grown = content.startswith(known[1])
    lines: list[Line] = list(known[0]) if grown else []
    good = len(known[1]) if grown else 0
    rows = content[good:].split(b"\n")
    rows = [row + b"\n" for row in rows[:-1]] + ([rows[-1]] if rows[-1] else [])
    first = len(lines)
    present = keys_at(lines) if rows else set()
    for index, row in enumerate(rows):
        line = _read_line(row, present) if row.endswith(b"\n") else None
        if line is None:
            if index < len(rows) - 1:
                message = f"the history is damaged at line {first + index + 1}"
                raise SourceError(message, hint="Move the history file away; the next edit starts a new one.")
            break
        lines.append(line)
        good += len(row)
    return lines, good


def keys_at(lines: Iterable[Line]) -> set[str]:
    """Return the keys of the flags that are there after some lines."""
    present: set[str] = set()
    for line in lines:
        _follow(present, line.entries)
    return present


def versions_beside(content: bytes | None, lines: Sequence[Line], written: datetime) -> list[Version]:
    """Return all versions of a file, newest first, without checking any document.

    What was changed in the file outside flagkit is one more version, whose changes are compared as JSON; the file was
    written at that time.
    """
    found = [line.version for line in reversed(lines)]
    last = lines[-1] if lines else None
    if content is None or last is None or digest(content) == last.after:
        return found
    entries: dict[str, Entry] = {}
    for line in lines:
        entries.update({key: entry for key, entry in line.entries.items() if entry is not None})
        for key in (key for key, entry in line.entries.items() if entry is None):
            entries.pop(key, None)
    now = _entries(json.loads(content))
    differing = {key: now.get(key) for key in sorted({*now, *entries}) if now.get(key) != entries.get(key)}
    changes = _kinds(differing, {*entries})
    return [Version(last.version.number + 1, at=written, remark=OUTSIDE, changes=changes), *found] if changes else found


def document_at(lines: Iterable[Line], number: int) -> FlagDocument:
    """Return what a version said."""
    from flagkit.admin.entries import EMPTY, with_entries

    entries: dict[str, Entry | None] = {}
    for line in lines:
        if line.version.number > number:
            break
        entries.update(line.entries)
    present = {key: entry for key, entry in entries.items() if entry is not None}
    return with_entries(EMPTY, present)


def next_line(
    lines: Sequence[Line],
    version: Version,
    before: tuple[bytes | None, FlagDocument],
    after: tuple[bytes | None, FlagDocument],
) -> Line:
    """Return the line for the step from one content to the next; it gets the next number."""
    from flagkit.admin.entries import changed_entries

    number = lines[-1].version.number + 1 if lines else 1
    changed = changed_entries(before[1], after[1])
    kinds = _kinds(changed, {*before[1].flags, *before[1].values})
    return Line(replace(version, number=number, changes=kinds), digest(before[0]), digest(after[0]), changed)


def _read_line(row: bytes, present: set[str]) -> Line | None:
    """Read one line; `present` are the keys before it, and become those after it."""
    try:
        words = json.loads(row)
        at = words.get("at")
        entries: dict[str, Entry | None] = {
            str(key): None if entry is None else (entry[0], entry[1]) for key, entry in words["flags"].items()
        }
        number, remark = int(words["version"]), words.get("remark")
        version = Version(
            number,
            None,
            words.get("by"),
            words.get("why"),
            None if at is None else datetime.fromisoformat(at),
            words.get("id"),
            remark,
            # The file as it was found before the first edit: when its flags were created or changed isn't known.
            None if number == 1 and remark == OUTSIDE else _kinds(entries, present),
        )
        line = Line(version, str(words["before"]), str(words["after"]), entries)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    _follow(present, entries)
    return line


def _kinds(entries: Mapping[str, Entry | None], present: set[str]) -> dict[str, ChangeKind]:
    return {
        key: "deleted" if entry is None else "changed" if key in present else "created"
        for key, entry in entries.items()
        if key not in INTERNAL_FLAGS
    }


def _follow(present: set[str], entries: Mapping[str, Entry | None]) -> None:
    for key, entry in entries.items():
        if entry is None:
            present.discard(key)
        else:
            present.add(key)


def _entries(document: Any) -> dict[str, Entry]:
    """Return the entries of a decoded document as they are written into the history."""
    sides = [document.get(side) if isinstance(document, dict) else None for side in ("flags", "values")]
    flags, values = (side if isinstance(side, dict) else {} for side in sides)
    return {key: (_bare(flags.get(key)), _bare(values.get(key))) for key in sorted({*flags, *values})}


def _bare(entry: JsonValue) -> JsonValue:
    return {n: v for n, v in entry.items() if n not in _INJECTED} if isinstance(entry, dict) else entry
