"""The document in a local file, read again when the file changes. It must not parse the document."""

from __future__ import annotations

import os

from flagkit.errors import AccessDeniedError, SourceNotFoundError, SourceUnavailableError
from flagkit.sources.base import Document, content_version

_Signature = tuple[int, int, int, int]


class FileSource:
    """A JSON file, e.g. one that is shipped with the code or written by a sidecar.

    A change is noticed by modification time, size or inode, so replacing the file atomically (write beside it, then
    `os.replace`) is safe. A writer that writes in place can be caught half-way; the last good document then stays.

    Args:
        path: the file.
        poll_interval_s: how often to look.

    Since 0.1.
    """

    def __init__(self, path: str | os.PathLike[str], *, poll_interval_s: float = 5.0) -> None:
        self.path = os.fspath(path)
        self.url = f"file:{self.path}"
        self.poll_interval_s = poll_interval_s
        self._seen: _Signature | None = None
        self._version: str | None = None

    def fetch(self) -> Document | None:
        """The file's content, or None when it is unchanged."""
        try:
            # One descriptor for both, so that the signature belongs to the bytes.
            with open(self.path, "rb") as file:  # noqa: PTH123  (pathlib costs 4 ms of import)
                status = os.fstat(file.fileno())
                signature = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
                if signature == self._seen:
                    return None
                content = file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise SourceNotFoundError(
                f"there is no file {self.path}", hint="Check the path; it is relative to the working directory."
            ) from error
        except PermissionError as error:
            raise AccessDeniedError(
                f"the file {self.path} can't be read: permission denied", hint="Grant read permission on the file."
            ) from error
        except OSError as error:
            raise SourceUnavailableError(f"the file {self.path} can't be read: {error.strerror}") from error
        version = content_version(content)
        self._seen = signature
        if version == self._version:  # touched, not changed
            return None
        self._version = version
        return Document(content, version)

    def reset(self) -> None:
        """Makes the next fetch deliver the whole document."""
        self._seen = self._version = None

    def close(self) -> None:
        """Nothing to let go of."""
