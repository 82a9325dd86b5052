"""From the words of a command to a document, a snapshot, a context; it must not print."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flagkit.core.snapshot import Snapshot
from flagkit.errors import EditError, SourceError, SourceUrlError, UnknownFlagError, UsageError
from flagkit.runtime.clock import SystemClock
from flagkit.sources import Document, DocumentKind, connect

DEFAULT_FILE = "flags.json"


def source_url(word: str | None) -> str:
    """The address to read: the one given, $FLAGKIT_SOURCE, or `flags.json` if it is here.

    A word that names a file is that file.

    Raises:
        SourceUrlError: there is none.

    Since 0.1.
    """
    if word is None:
        word = os.environ.get("FLAGKIT_SOURCE") or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if word is None:
        raise SourceUrlError(
            "no flag source was given", hint=f"Pass --source, set FLAGKIT_SOURCE, or put a {DEFAULT_FILE} here."
        )
    return f"file:{word}" if ":" not in word or Path(word).exists() else word


def fetch(word: str | None) -> Document:
    """The document of a source, asked for once.

    Raises:
        SourceError: it can't be had.

    Since 0.1.
    """
    url = source_url(word)
    source = connect(url)
    try:
        document = source.fetch()
    finally:
        source.close()
    if document is None:
        raise SourceError(f"{url} delivered nothing", hint="Deploy a version, then ask again.")
    return document


def snapshot_of(document: Document) -> Snapshot:
    """All flags of a document.

    Raises:
        DocumentError: it can't be read.

    Since 0.1.
    """
    if document.kind is DocumentKind.FEATURE_FLAGS:
        return Snapshot.from_retrieved(document.content, version=document.version, label=document.label)
    now = SystemClock().now
    return Snapshot.from_json(document.content, version=document.version, label=document.label, now=now)


def known_flag(snapshot: Snapshot, key: str) -> str:
    """The key, if there is such a flag.

    Raises:
        UnknownFlagError: there isn't; the message names those that look alike.

    Since 0.1.
    """
    if key in snapshot.flags:
        return key
    import difflib

    alike = difflib.get_close_matches(key, snapshot.flags, n=3)
    meant = f"; did you mean {' or '.join(alike)}?" if alike else ""
    raise UnknownFlagError(f"there is no flag {key}{meant}")


def context_of(words: Iterable[str]) -> dict[str, object]:
    """`country=US` words as a context.

    Raises:
        UsageError: a word has no `=`.

    Since 0.1.
    """
    context: dict[str, object] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise UsageError(f"{word!r} is no context entry", hint="As in --context country=US")
        context[key] = value
    return context


def write_text(path: Path, text: str) -> None:
    """Writes a file.

    Raises:
        EditError: it can't be written.

    Since 0.1.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EditError(f"{path} can't be written: {error.strerror}") from error
