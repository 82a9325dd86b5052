"""The last good document on disk, for a start while the source is unavailable. It must not decide when to use it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile

from flagkit.sources.base import Document, DocumentKind

logger = logging.getLogger("flagkit")
_FORMAT = 1


class DiskCache:
    """One file per source URL, replaced atomically and readable by its owner only.

    A process that is killed while it writes leaves the old file whole. The content's hash is written in front, so a
    damaged file is noticed and not served.

    Args:
        directory: created if it is missing; e.g. `/tmp/flagkit` in AWS Lambda.
        source_url: the source whose document is kept.
    """

    def __init__(self, directory: str | os.PathLike[str], source_url: str) -> None:
        self._directory = os.fspath(directory)
        name = hashlib.sha256(source_url.encode()).hexdigest()[:16]
        self._source_url = source_url
        self.path = os.path.join(self._directory, f"flags-{name}.json")  # noqa: PTH118  (pathlib costs 4 ms)

    def save(self, document: Document) -> bool:
        """Write a document; an error of the disk is logged and otherwise ignored."""
        head = {
            "format": _FORMAT,
            "source": self._source_url,
            "version": document.version,
            "label": document.label,
            "kind": str(document.kind),
            "sha256": hashlib.sha256(document.content).hexdigest(),
        }
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)  # noqa: PTH103
            # mkstemp creates the file with mode 0600, under a name that is not in use.
            descriptor, fresh = tempfile.mkstemp(prefix=".flags-", dir=self._directory)
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123
                    file.write(json.dumps(head).encode() + b"\n" + document.content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, self.path)  # noqa: PTH105
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(fresh)  # noqa: PTH108
                raise
        except OSError as error:
            logger.warning("flagkit: the flag document can't be cached in %s: %s", self._directory, error.strerror)
            return False
        return True

    def load(self) -> Document | None:
        """Return the cached document, or None if there is none or it is damaged."""
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123
                # In a shared directory another user could have created a file of that name before.
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    logger.warning("flagkit: %s belongs to another user and is not used", self.path)
                    return None
                head_line, _, content = file.read().partition(b"\n")
            head = json.loads(head_line)
            whole = (
                head["format"] == _FORMAT
                and head["source"] == self._source_url
                and head["sha256"] == hashlib.sha256(content).hexdigest()
            )
            if whole:
                return Document(content, head["version"], head["label"], DocumentKind(head["kind"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        logger.warning("flagkit: the cached flag document %s is damaged and not used", self.path)
        return None
