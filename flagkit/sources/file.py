"""The document in a local file, read again when the file changes. It must not parse the document."""

from __future__ import annotations

import os
import stat
import time

from flagkit.core.entries import MAX_CONTENT_BYTES
from flagkit.errors import AccessDeniedError, SourceNotFoundError, SourceUnavailableError
from flagkit.sources.base import Document, content_version

_Signature = tuple[int, int, int, int, int]
_TICK_NS = 2_000_000_000  # the coarsest of usual file systems
_HINT = "Check the path; it is relative to the working directory."


class FileSource:
    """A JSON file, for example one that is shipped with the code or written by a sidecar.

    A change is detected by its times, size or inode, so replacing the file atomically (write beside it, then
    `os.replace`) is safe. A file that is written in place can be read half-written; the last good document then stays.

    Args:
        path: the file.
        poll_interval_s: how often to check.
    """

    def __init__(self, path: str | os.PathLike[str], *, poll_interval_s: float = 5.0) -> None:
        self.path = os.fspath(path)
        self.url = f"file:{self.path}"
        self.poll_interval_s = poll_interval_s
        self._seen: _Signature | None = None
        self._version: str | None = None

    def fetch(self) -> Document | None:
        """Return the file's content, or None if it is unchanged."""
        try:
            # One descriptor for both, so that the signature belongs to the bytes.
            with open(self.path, "rb", opener=_without_waiting) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise SourceNotFoundError(f"{self.path} is not a regular file", hint=_HINT)
                # The change time: a writer can set the modification time back, and tools that copy files do.
                times = (status.st_mtime_ns, status.st_ctime_ns)
                signature = (*times, status.st_size, status.st_ino, status.st_dev)
                if signature == self._seen:
                    return None
                content = file.read(MAX_CONTENT_BYTES + 1)  # one more, so that the reader refuses it
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise SourceNotFoundError(f"the file {self.path} does not exist", hint=_HINT) from error
        except PermissionError as error:
            raise AccessDeniedError(
                f"the file {self.path} can't be read: permission denied", hint="Grant read permission on the file."
            ) from error
        except OSError as error:
            raise SourceUnavailableError(f"the file {self.path} can't be read: {error.strerror}") from error
        version = content_version(content)
        # Another write in the same tick of the file system's clock would leave the times as they are.
        self._seen = None if time.time_ns() - max(times) < _TICK_NS else signature
        if version == self._version:  # touched, not changed
            return None
        self._version = version
        return Document(content, version)

    def reset(self) -> None:
        """Make the next fetch deliver the whole document."""
        self._seen = self._version = None

    def close(self) -> None:
        """Do nothing: no connection is open."""


def _without_waiting(path: str, flags: int) -> int:
    """Open without blocking: an ordinary open of a pipe would wait for its writer for ever, and `close` for that."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
