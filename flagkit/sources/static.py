"""A document that is given in the code, for tests and bundled fallbacks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from flagkit.sources.base import Document, content_version


class StaticSource:
    """A document from memory; `replace` and `flags.refresh()` swap it, as a deployment would.

    Args:
        document: JSON, the decoded document, or a short form `{"flag": True}`.
        url: the address shown to people.

    Since 0.1.
    """

    poll_interval_s = math.inf  # nothing to ask for: `replace` is followed by `flags.refresh()`

    def __init__(self, document: bytes | str | Mapping[str, object], *, url: str = "static:") -> None:
        self.url = url
        self._content = _content(document)
        self._delivered = False

    def replace(self, document: bytes | str | Mapping[str, object]) -> None:
        """Puts another document in place; the next fetch delivers it."""
        self._content = _content(document)
        self._delivered = False

    def fetch(self) -> Document | None:
        """The document, or None when it is unchanged."""
        if self._delivered:
            return None
        self._delivered = True
        return Document(self._content, content_version(self._content))

    def reset(self) -> None:
        """Makes the next fetch deliver the document again."""
        self._delivered = False

    def close(self) -> None:
        """Nothing to let go of."""


def short_form(flags: Mapping[str, object]) -> dict[str, object]:
    """A whole document from `{"flag": True, "colour": "red"}`: a boolean switches, anything else is its value.

    A mapping is taken as the flag's entry in `values`, word by word. Since 0.1.
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
        return document.encode(errors="surrogatepass")  # half a character is the reader's to refuse or take
    whole = document if "version" in document and "values" in document else short_form(document)
    return json.dumps(whole).encode()
