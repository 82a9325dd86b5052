"""What a command works with: clock, terminal, credentials, sources and their documents. It must not change flags."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.admin.environments import environment, is_protected
from flagkit.cli.arguments import Context
from flagkit.errors import (
    DocumentError,
    FlagkitError,
    RefusedError,
    SourceError,
    SourceUrlError,
    UsageError,
)
from flagkit.runtime.clock import Clock, machine_clock
from flagkit.sources import Document, DocumentKind, connect
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.changes import FlagChanges
    from flagkit.admin.stores import FlagStore, Version
    from flagkit.core.documents import FlagDocument

DEFAULT_FILE = "flags.json"


@dataclass(frozen=True, slots=True)
class CliContext:
    """What is around a command; tests and demos bring their own.

    Attributes:
        clock: the time.
        session: a boto3 session; the machine's own where None.
        ask: asks a person one question and returns the answer; None: nobody is there.
        is_terminal: whether progress is drawn in place.
    """

    clock: Clock
    session: boto3.Session | None = None
    ask: Callable[[str], str] | None = None
    is_terminal: bool = False

    @contextmanager
    def store(self, source: str | None, *, may_create: bool = False) -> Iterator[FlagStore]:
        """The place that keeps the flags, open."""
        from flagkit.admin.stores import open_store
        from flagkit.cli.output import say

        url = source_url(source, may_create=may_create)
        store = open_store(url, session=self.session, clock=self.clock, warn=say)
        try:
            yield store
        finally:
            store.close()

    def confirm(self, url: str, *, assume_yes: bool) -> None:
        """Asks for the environment's name where it is protected; other places ask nothing.

        Raises:
            RefusedError: another answer, or nobody is there to ask.
        """
        name = environment(url)
        if assume_yes or name is None or not is_protected(name):
            return
        if self.ask is None:
            raise RefusedError(
                f"{name} is a protected environment, and there is no terminal to confirm on",
                hint="Use --yes in scripts.",
            )
        if self.ask(f"{name} is a protected environment. Type its name to confirm: ").strip() != name:
            raise RefusedError(
                f"the environment was not confirmed: expected {name!r}",
                hint="Nothing was changed. Type the name of the environment, or use --yes.",
            )

    def agrees(self, question: str, *, assume_yes: bool) -> bool:
        """Whether a person, or --yes, says yes."""
        if assume_yes:
            return True
        return self.ask is not None and self.ask(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def machine_context() -> CliContext:
    """The machine's own clock, credentials and, if there is one, terminal."""
    person = sys.stdin.isatty() and sys.stderr.isatty()
    return CliContext(machine_clock(), ask=_ask if person else None, is_terminal=sys.stderr.isatty())


def cli_context(context: Context) -> CliContext:
    """The cli that a command was called in."""
    return context.obj if isinstance(context.obj, CliContext) else machine_context()


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()  # empty at the end of input: not confirmed


def source_url(word: str | None, *, may_create: bool = False) -> str:
    """Return the source to read: the given one, $FLAGKIT_SOURCE, or `flags.json` if it exists.

    The grammar is that of `Flags.connect`. With `may_create` it is `flags.json` even if that doesn't exist yet.

    Raises:
        SourceUrlError: no source is given, or it is a directory.
    """
    if word is None:
        word = os.environ.get("FLAGKIT_SOURCE") or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else None)
    if word is None and may_create:
        word = DEFAULT_FILE
    if word is None:
        raise SourceUrlError(
            "no flag source is given",
            hint=f"Give --source or set FLAGKIT_SOURCE. `flagkit create my_flag` creates {DEFAULT_FILE} here.",
        )
    if _is_place(word) and Path(word.removeprefix("file:")).is_dir():
        raise SourceUrlError(f"{word} is a directory", hint="Name a file, e.g. flags.json.")
    return word if ":" in word else f"file:{word}"


def other_url(name: str, source: str | None) -> str:
    """Return the URL of a source that is given by its URL, as a file, or as another environment of a source.

    Raises:
        SourceUrlError: it is an environment, but the source has none.
    """
    if ":" in name or "/" in name or Path(name).exists() or name.endswith(".json"):
        return source_url(name, may_create=True)
    source = source_url(source)
    url = parse(source)
    if url.scheme == "file":
        raise SourceUrlError(
            f"{name!r} is neither a file nor an environment of {source}",
            hint="Give a file, or a source such as appconfig://shop/staging/flags.",
        )
    application, _, profile = url.names(3)
    region = f"?region={url.options['region']}" if "region" in url.options else ""
    return f"{url.scheme}://{application}/{name}/{profile}{region}"


def _is_place(word: str) -> bool:
    """Whether a word could name a file at all.

    Raises:
        SourceUrlError: it holds what no name or address can hold.
    """
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        raise SourceUrlError(f"{word!r} is not a valid file name") from None
    if "\0" in word:
        raise SourceUrlError(f"{word!r} is not a valid file name")
    return ":" not in word or word.startswith("file:")


def fetch(cli: CliContext, word: str | None, *, saved: bool = False, version: int | None = None) -> Document:
    """The document of a source, asked for once: what is served, or what is saved.

    Raises:
        SourceError: it can't be had.
    """
    if saved or version is not None:
        with cli.store(word) as store:
            stored = store.read(version)
        return Document(stored.content or b"", str(stored.version.number), stored.version.label)
    url = source_url(word)
    source = connect(url, session=cli.session)
    try:
        document = source.fetch()
    finally:
        source.close()
    if document is None:
        raise SourceError(f"{url} returned no document", hint="Deploy a version, then try again.")
    return document


def changes_of(cli: CliContext, word: str | None, document: Document, keys: Iterable[str]) -> dict[str, FlagChanges]:
    """Who last changed the flags of a document, and when; empty where nobody may look, or nothing is kept."""
    from flagkit.admin.changes import flag_changes, up_to

    try:
        return flag_changes(up_to(document, _versions(cli, word)), keys)
    except FlagkitError:
        return {}  # the flags are shown; who changed them isn't known


def _versions(cli: CliContext, word: str | None) -> Iterator[Version]:
    """Yield the versions of a source, newest first; a file's without checking a document."""
    url = parse(source_url(word))
    if url.scheme == "appconfig":
        from flagkit.admin.stores.opening import open_plain_store

        # Nobody waits for it: the flags are here.
        with closing(open_plain_store(source_url(word), session=cli.session, clock=cli.clock, tries=1)) as store:
            yield from store.versions()
    elif url.scheme == "file":
        from flagkit.admin.stores.journal import history_path, read_lines, versions_beside

        path = Path(url.rest.removeprefix("//") if url.rest.startswith("//") else url.rest)
        try:
            content, history = path.read_bytes(), history_path(path)
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            lines, _ = read_lines(history.read_bytes() if history.exists() else b"")
        except (OSError, ValueError):
            return
        yield from versions_beside(content, lines, written)


def read_flags(document: Document) -> FlagDocument | None:
    """The document as people write it; None if it breaks AWS's format, or rules weren't delivered."""
    from flagkit.core.documents import FlagDocument

    if document.kind is DocumentKind.FEATURE_FLAGS:
        return None
    try:
        return FlagDocument.parse(document.content)
    except DocumentError:
        return None


def context_of(words: Iterable[str]) -> dict[str, object]:
    """`country=US` words as a context.

    Raises:
        UsageError: a word has no `=`.
    """
    context: dict[str, object] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise UsageError(f"{word!r} is not of the form NAME=VALUE", hint="For example --context country=US.")
        context[key] = value
    return context


def write_text(path: Path, text: str) -> None:
    """Writes a file.

    Raises:
        UsageError: it can't be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="Name another file.") from error


def write_artifact(output: Path | None, text: str, kind: str, *, as_json: bool) -> None:
    """Write a text that another program reads to a file, or to stdout; with `as_json` as an entry of JSON.

    Raises:
        UsageError: the file can't be written.
    """
    from flagkit.cli.output import print_json, say

    if output is not None:
        write_text(output, text)
        say(f"Wrote {output}.")
    if as_json:
        print_json({"file": None if output is None else str(output), kind: text})
    elif output is None:
        sys.stdout.write(text)


def read_text(path: Path) -> str:
    """Reads a file.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="Check the name.") from error
