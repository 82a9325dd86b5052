"""From the words of a command to a document, a snapshot, a context; it must not print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, SourceError, SourceUrlError, UnknownFlagError, UsageError
from flagkit.sources import Document, DocumentKind, connect

if TYPE_CHECKING:
    from flagkit.cli.world import World

DEFAULT_FILE = "flags.json"


def source_url(word: str | None, *, may_create: bool = False) -> str:
    """The address to read: the one given, $FLAGKIT_SOURCE, or `flags.json` if it is here.

    A word that names a file is that file. With `may_create` it is `flags.json` even if it isn't here yet.

    Raises:
        SourceUrlError: there is none.

    Since 0.1.
    """
    if word is None:
        word = os.environ.get("FLAGKIT_SOURCE") or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if word is None and may_create:
        word = DEFAULT_FILE
    if word is None:
        raise SourceUrlError(
            "no flag source was given",
            hint=f"Pass --source or set FLAGKIT_SOURCE; `flagkit create KEY` makes {DEFAULT_FILE} here.",
        )
    if _is_place(word) and Path(word.removeprefix("file:")).is_dir():
        raise SourceUrlError(f"{word} is a directory", hint="Name the file in it, e.g. flags.json.")
    return f"file:{word}" if ":" not in word or Path(word).exists() else word


def _is_place(word: str) -> bool:
    """Whether a word could name a file at all.

    Raises:
        SourceUrlError: it holds what no name or address can hold.
    """
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        raise SourceUrlError(f"{word!r} is no name of a file") from None
    if "\0" in word:
        raise SourceUrlError(f"{word!r} is no name of a file")
    return ":" not in word or word.startswith("file:")


def fetch(world: World, word: str | None, *, saved: bool = False, version: int | None = None) -> Document:
    """The document of a source, asked for once: what is served, or what is saved.

    Raises:
        SourceError: it can't be had.

    Since 0.1.
    """
    if saved or version is not None:
        with world.store(word) as store:
            stored = store.read(version)
        return Document(stored.content or b"", str(stored.version.number), stored.version.label)
    url = source_url(word)
    source = connect(url, session=world.session)
    try:
        document = source.fetch()
    finally:
        source.close()
    if document is None:
        raise SourceError(f"{url} delivered nothing", hint="Deploy a version, then ask again.")
    return document


def read_flags(document: Document) -> FlagDocument | None:
    """The document as people write it; None if it breaks AWS's format, or rules weren't delivered. Since 0.1."""
    if document.kind is DocumentKind.FEATURE_FLAGS:
        return None
    try:
        return FlagDocument.parse(document.content)
    except DocumentError:
        return None


def snapshot_of(document: Document, now: Callable[[], datetime]) -> Snapshot:
    """All flags of a document.

    Raises:
        DocumentError: it can't be read.

    Since 0.1.
    """
    if document.kind is DocumentKind.FEATURE_FLAGS:
        return Snapshot.from_retrieved(document.content, version=document.version, label=document.label)
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

    alike = difflib.get_close_matches(key, snapshot.flags, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(alike)}? {UnknownFlagError.default_hint}" if alike else None
    raise UnknownFlagError(f"there is no flag {key}", hint=hint)


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
        UsageError: it can't be written.

    Since 0.1.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="Name another file.") from error


def read_text(path: Path) -> str:
    """Reads a file.

    Raises:
        UsageError: it can't be read.

    Since 0.1.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="Check the name.") from error
