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

from pydantic import JsonValue

from flagkit.admin.entries import EMPTY, Entry, changed_entries, with_entries
from flagkit.admin.stores.base import Version
from flagkit.core.documents import FlagDocument
from flagkit.errors import SourceError


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
    for index, row in enumerate(rows):
        line = _read_line(row) if row.endswith(b"\n") else None
        if line is None:
            if index < len(rows) - 1:
                message = f"the history is damaged at line {first + index + 1}"
                raise SourceError(message, hint="Move the history file away; the next edit starts a new one.")
            break
        lines.append(line)
        good += len(row)
    return lines, good


def document_at(lines: Iterable[Line], number: int) -> FlagDocument:
    """Return what a version said."""
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
    number = lines[-1].version.number + 1 if lines else 1
    changed = changed_entries(before[1], after[1])
    return Line(replace(version, number=number), digest(before[0]), digest(after[0]), changed)


def _read_line(row: bytes) -> Line | None:
    try:
        words = json.loads(row)
        at = words.get("at")
        version = Version(
            int(words["version"]),
            None,
            words.get("by"),
            words.get("why"),
            None if at is None else datetime.fromisoformat(at),
            words.get("id"),
            words.get("remark"),
        )
        entries: dict[str, Entry | None] = {
            str(key): None if entry is None else (entry[0], entry[1]) for key, entry in words["flags"].items()
        }
        return Line(version, str(words["before"]), str(words["after"]), entries)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
