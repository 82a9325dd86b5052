"""The Journal port on files: one `ID.jsonl` per canary in a directory, a line an event; history, never truth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from canary.adapters.event_text import from_text, to_text
from canary.adapters.rows import row_of
from canary.core.events import Event


class FileJournal:
    """A directory of journals. Several processes may append at once.

    Args:
        directory: made when the first event is written.

    Since 0.1.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def append(self, event: Event) -> None:
        """Writes one line in one call and waits until it is on the disk.

        Raises:
            OSError: the disk says no.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(event.canary_id)
        line = f"{to_text(event)}\n".encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line)  # one write with O_APPEND: lines of several processes don't mix
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def events(self, canary_id: str) -> Iterator[Event]:
        """All events of one canary, oldest first; a line that was torn by a crash is left out."""
        yield from _read(self._path(canary_id))

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first."""
        rows = [row for path in self._directory.glob("*.jsonl") if (row := row_of(_read(path)))]
        chosen = [row for row in rows if stage in (None, row["stage"])]
        return sorted(chosen, key=lambda row: row["started_at"], reverse=True)

    def _path(self, canary_id: str) -> Path:
        name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in canary_id) or "_"
        return self._directory / f"{name}.jsonl"


def _read(path: Path) -> Iterator[Event]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        if event := from_text(line):
            yield event
