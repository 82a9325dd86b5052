"""Files that survive a crash: read, append, replace, and one writer at a time. It knows no flags."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from flagkit.errors import SourceBusyError
from flagkit.runtime.clock import Clock

_LOCK_TRIES_S = 0.02
_LOCK_AT = 2**31 - 2  # far behind the content: on Windows a locked byte can't be read by others

fcntl: ModuleType | None
msvcrt: ModuleType | None
try:
    import fcntl
except ImportError:
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None


class Disk:
    """The few things that are done to files; tests put a failing one in its place."""

    def read(self, path: Path) -> bytes | None:
        """Return a file's content, or None if there is no file."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def append(self, path: Path, content: bytes, *, at: int) -> None:
        """Write content at an offset, cut off what was behind it, and wait until it is on the disk."""
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(at)
            file.seek(at)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, path: Path, content: bytes) -> None:
        """Replace a file as a whole: readers see the old content or the new one, never a part."""
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A temporary file is the owner's alone; the flags keep the rights they had.
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        self._sync_folder(path.parent)

    def _sync_folder(self, folder: Path) -> None:
        with suppress(OSError):  # not every system opens folders
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def locked(path: Path, clock: Clock, wait_s: float) -> Iterator[None]:
    """Hold the lock of a file, which is made if it isn't there; a dead process holds none.

    Raises:
        SourceBusyError: somebody else held it for `wait_s`.
    """
    until_s = clock.monotonic() + wait_s
    with path.open("a+b") as file:
        while not _try_lock(file.fileno()):
            if clock.monotonic() >= until_s:
                message = f"{path.name} is locked by another writer"
                raise SourceBusyError(message)
            clock.sleep(_LOCK_TRIES_S)
        try:
            yield
        finally:
            _unlock(file.fileno())


def _try_lock(handle: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(handle, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _unlock(handle: int) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)
    elif msvcrt is not None:
        os.lseek(handle, _LOCK_AT, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
