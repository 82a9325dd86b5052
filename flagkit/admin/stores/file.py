"""Flags in a JSON file, with their history beside it in `<file>.history.jsonl`. Saving is serving.

One writer at a time holds the lock of the history. A version's line is on the disk before the file is replaced; what a
crash left half done is completed by the next writer. What somebody wrote into the file by hand becomes a version, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flagkit.admin.entries import EMPTY, changed_keys, is_same, rewritten, with_entries
from flagkit.admin.identity import local_user
from flagkit.admin.merge import merge
from flagkit.admin.stores import notes
from flagkit.admin.stores.base import Note, Receipt, Stored, Version
from flagkit.admin.stores.disk import Disk, locked
from flagkit.admin.stores.journal import (
    OUTSIDE,
    Line,
    digest,
    document_at,
    encode,
    history_path,
    next_line,
    read_lines,
)
from flagkit.core.documents import FlagDocument
from flagkit.errors import (
    AccessDeniedError,
    FlagkitError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from flagkit.runtime.clock import Clock, machine_clock

LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class _State:
    """File and history as they are on the disk."""

    content: bytes | None
    document: FlagDocument
    lines: list[Line]
    history_bytes: int
    is_newer: bool = False
    """Whether the file was written after the history."""

    @property
    def last(self) -> Line | None:
        return self.lines[-1] if self.lines else None

    @property
    def is_unfinished(self) -> bool:
        """Whether a crash came between the line and the file."""
        if self.last is None or self.is_newer:  # somebody wrote the earlier content back
            return False
        return digest(self.content) == self.last.before != self.last.after

    @property
    def is_recorded(self) -> bool:
        """Whether the history ends with what the file says (reformatting doesn't count)."""
        if self.last is None:
            return self.content is None
        if digest(self.content) == self.last.after:
            return True
        return is_same(document_at(self.lines, self.last.version.number), self.document)


class FileStore:
    """The flags of a JSON file.

    Args:
        path: the file; it need not exist, its folder must.
        clock: the machine's where None.
        disk: how files are written.
        lock_wait_s: how long to wait for another writer.
    """

    deployments = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        disk: Disk | None = None,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        self.path = Path(path)
        self.url = f"file:{path}"
        self._clock = machine_clock() if clock is None else clock
        self._disk = Disk() if disk is None else disk
        self._lock_wait_s = lock_wait_s
        self._known: tuple[list[Line], bytes] = ([], b"")
        self._read: tuple[bytes | None, FlagDocument] = (None, EMPTY)

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one."""
        with self._translated():
            state = self._state()
        if version is None:
            if state.content is None and not missing_ok:
                raise SourceNotFoundError(f"there is no file {self.path}", hint="`flagkit create my_flag` creates it.")
            return self._newest(state)
        newest = self._newest(state)
        if newest.version.number == version and not state.is_recorded:
            return newest
        if all(line.version.number != version for line in state.lines):
            raise SourceNotFoundError(f"{self.path} has no version {version}", hint="`flagkit history` lists them.")
        known = next(line.version for line in state.lines if line.version.number == version)
        document = document_at(state.lines, version)
        return Stored(known, document, document.to_json())

    def save(self, base: Stored, document: FlagDocument, note: Note) -> Receipt:
        """Save a document that was made from `base`; what others saved since is merged in."""
        notes.label_of(note)  # the same ids everywhere
        with self._translated(), locked(self._history(), self._clock, self._lock_wait_s, like=self._target()):
            state = self._recovered(self._state())
            for line in reversed(state.lines):
                if line.version.edit_id == note.edit_id:
                    found = document_at(state.lines, line.version.number)
                    return Receipt(line.version, is_new=True, document=found)
            newest = self._newest(state)
            merged = merge(base.document, document, newest.document)
            if is_same(merged, newest.document):
                return Receipt(newest.version, is_new=False, document=newest.document)
            author = local_user() if note.author is None else note.author
            version = Version(0, None, author, note.reason or None, self._clock.now(), note.edit_id)
            content = rewritten(state.content, state.document, merged)
            line = next_line(state.lines, version, (state.content, state.document), (content, merged))
            self._disk.sweep(self._target())
            self._disk.append(self._history(), encode(line), at=state.history_bytes)
            self._disk.replace(self._target(), content)
            return Receipt(line.version, is_new=True, document=merged)

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        with self._translated():
            state = self._state()
        newest = self._newest(state).version
        if not (state.is_recorded or state.is_unfinished):
            if state.last is not None:
                known = document_at(state.lines, state.last.version.number)
                newest = replace(newest, changes=changed_keys(known, state.document))
            yield newest
        for line in reversed(state.lines):
            yield line.version

    def close(self) -> None:
        """Nothing to let go of."""

    def _newest(self, state: _State) -> Stored:
        if state.content is None and (state.last is None or len(state.lines) == 1):
            return Stored(Version(0), EMPTY, None)
        if state.is_unfinished:
            # The line ahead of the file isn't true yet; the version before it is what the file says.
            earlier = state.lines[:-1]
            version = earlier[-1].version if earlier else Version(0, remark=OUTSIDE)
        elif state.is_recorded and state.last is not None:
            version = state.last.version
        else:
            number = 1 if state.last is None else state.last.version.number + 1
            version = Version(number, at=self._changed_at(), remark=OUTSIDE)
        return Stored(version, state.document, state.content)

    def _recovered(self, state: _State) -> _State:
        """Complete what a crash left half done, and write down what happened outside."""
        if state.is_unfinished:
            assert state.last is not None
            document = with_entries(state.document, state.last.entries)
            content = rewritten(state.content, state.document, document)
            self._disk.replace(self._target(), content)
            return self._state()
        if state.is_recorded:
            return state
        known = document_at(state.lines, state.last.version.number) if state.last is not None else EMPTY
        found = Version(0, at=self._changed_at(), remark=OUTSIDE)
        # What the file was before isn't known; the hash of nothing fits no file.
        line = next_line(state.lines, found, (b"", known), (state.content, state.document))
        self._disk.append(self._history(), encode(line), at=state.history_bytes)
        return self._state()

    def _state(self) -> _State:
        history = self._disk.read(self._history()) or b""
        content = self._disk.read(self.path)
        lines, good = read_lines(history, self._known)
        self._known = (lines, history[:good])
        # An empty file is what `touch` makes, or an editor before its first save.
        stored = None if content is None or not content.strip() else content
        if stored != self._read[0]:
            self._read = (stored, EMPTY if stored is None else FlagDocument.parse(stored))
        return _State(stored, self._read[1], lines, good, self._is_newer())

    def _is_newer(self) -> bool:
        try:
            return self.path.stat().st_mtime_ns > self._history().stat().st_mtime_ns
        except OSError:
            return False

    def _target(self) -> Path:
        return self.path.resolve()  # a link stays a link

    def _history(self) -> Path:
        return history_path(self.path)

    def _changed_at(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except OSError:
            return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FlagkitError:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceNotFoundError(
                f"there is no folder {self.path.parent}", hint="Create the folder, or correct the path."
            ) from error
        except PermissionError as error:
            raise AccessDeniedError(
                f"{error.filename or self.path} can't be changed: permission denied",
                hint="Grant write permission on the file and its folder.",
            ) from error
        except OSError as error:
            raise SourceUnavailableError(
                f"{self.path} can't be changed: {error.strerror or error}",
                hint="The file is unchanged, or the next command completes the change.",
            ) from error
