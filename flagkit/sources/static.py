"""A document that is given in code, for tests and bundled fallbacks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from flagkit.sources.base import Document, content_version


class StaticSource:
    """A document from memory; `replace` and `flags.refresh()` swap it, as a deployment would.

    Args:
        document: JSON, the decoded document, or a short form `{"flag": True}`.
        url: the source URL, for display.
    """

    poll_interval_s = math.inf  # never polled: `replace` is followed by `flags.refresh()`

    def __init__(self, document: bytes | str | Mapping[str, object], *, url: str = "static:") -> None:
        self.url = url
        self._content = _content(document)
        self._delivered = False

    def replace(self, document: bytes | str | Mapping[str, object]) -> None:
        """Replace the document; the next fetch delivers it."""
        self._content = _content(document)
        self._delivered = False

    def fetch(self) -> Document | None:
        """Return the document, or None if it is unchanged."""
        if self._delivered:
            return None
        self._delivered = True
        return Document(self._content, content_version(self._content))

    def reset(self) -> None:
        """Make the next fetch deliver the document again."""
        self._delivered = False

    def close(self) -> None:
        """Do nothing: no connection is open."""


def short_form(flags: Mapping[str, object]) -> dict[str, object]:
    """Return a whole document for `{"flag": True, "colour": "red"}`: a boolean is on or off, anything else a value.

    A mapping is the flag's entry in `values` as it stands.
    """
    values = {key: _entry(value) for key, value in flags.items()}
    return {"version": "1", "flags": {key: {"name": key} for key in flags}, "values": values}


def _entry(value: object) -> object:
    if isinstance(value, bool):
        return {"enabled": value}
    if isinstance(value, Mapping):
        return dict(value)
    return {"enabled": True, "value": value}


def _content(document: bytes | str | Mapping[str, object]) -> bytes:
    if isinstance(document, bytes):
        return document
    if isinstance(document, str):
        return document.encode(errors="surrogatepass")  # a lone surrogate is left to the reader
    whole = document if "version" in document and "values" in document else short_form(document)
    return json.dumps(whole).encode()
