"""Files that survive a crash: read, append, replace, and one writer at a time. It knows no flags."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from flagkit.errors import SourceBusyError
from flagkit.runtime.clock import Clock

_LOCK_TRIES_S = 0.02
_TEMPORARY = ".flagkit-tmp"
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
        """Replace a file as a whole: readers see the old content or the new one, never a part.

        Owner and permissions stay. A file whose owner can't be kept is written in place.
        """
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if not path.exists():
                Path(name).chmod(0o644)  # a temporary file is its owner's alone
            elif not _owned_like(Path(name), path):
                Path(name).unlink()
                self._write(path, content)
                return
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        self._sync_folder(path.parent)

    def sweep(self, path: Path) -> None:
        """Remove the temporary files that killed writers of a file left behind. The caller holds the lock."""
        for left in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
            with suppress(OSError):
                left.unlink()

    def _write(self, path: Path, content: bytes) -> None:
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        with suppress(OSError):  # not every system opens folders
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _owned_like(path: Path, other: Path) -> bool:
    """Give a file the owner, group and permissions of another; tell whether that was possible."""
    wanted = other.stat()
    try:
        if hasattr(os, "chown") and (path.stat().st_uid, path.stat().st_gid) != (wanted.st_uid, wanted.st_gid):
            os.chown(path, wanted.st_uid, wanted.st_gid)
        path.chmod(wanted.st_mode & 0o777)
    except OSError:
        return False
    return True


@contextmanager
def locked(path: Path, clock: Clock, wait_s: float, *, like: Path | None = None) -> Iterator[None]:
    """Hold the lock of a file; a dead process holds none.

    A file that isn't there is created, with the owner and permissions of another one (`like`), if that exists.

    Raises:
        SourceBusyError: somebody else held it for `wait_s`.
    """
    until_s = clock.monotonic() + wait_s
    is_new = not path.exists()
    with path.open("a+b") as file:
        if is_new and like is not None and like.exists():
            _owned_like(path, like)
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
