"""History and undo: who changed what, when and why, and the document that restores an earlier state.

Reads versions; saving is the caller's, as a new version, so nothing of the history is ever rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.edits import restore, restore_all
from flagkit.admin.edits.rollouts import changed_rollouts
from flagkit.admin.entries import EMPTY, keys_of
from flagkit.admin.stores.base import Stored, Version, VersionReader
from flagkit.authoring.editor import unknown_flag
from flagkit.core.documents import FlagDocument
from flagkit.errors import DocumentError, EditError, SourceNotFoundError


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the history.

    Attributes:
        version: the version that was made; author, time and reason are its.
        diff: what it changed; with a key, only what it changed of that flag.
        rollouts: the flags whose guarded rollout it is a step of; with a key, only that one.
        problem: why the difference can't be told, e.g. the version isn't a flag document; empty otherwise.
    """

    version: Version
    diff: DocumentDiff
    problem: str = ""
    rollouts: tuple[str, ...] = ()


def history(store: VersionReader, key: str | None = None, *, limit: int | None = None) -> Iterator[Entry]:
    """Yield what was changed, newest first; versions are read as they are needed.

    Args:
        store: where the flags are kept.
        key: only what concerns this flag (or `segment NAME`).
        limit: how many entries at most.

    Raises:
        SourceError: a version can't be read.
    """
    left = limit
    for version, before, after in _steps(store):
        if left == 0:
            return
        if isinstance(before, str) or isinstance(after, str):
            problem = after if isinstance(after, str) else str(before)
            entry = Entry(version, DocumentDiff(), problem)
        else:
            diff = compare(before, after)
            found = diff if key is None else DocumentDiff(tuple(flag for flag in diff.flags if flag.key == key))
            rollouts = tuple(each for each in changed_rollouts(before, after) if key in {None, each})
            if key is not None and not found and not rollouts:
                continue
            entry = Entry(version, found, rollouts=rollouts)
        left = None if left is None else left - 1
        yield entry


def known(store: VersionReader, key: str) -> None:
    """Check that there is a flag, or a segment as `segment NAME`.

    Raises:
        UnknownFlagError: there isn't; the message names those that look alike.
    """
    keys = keys_of(store.read().document)
    if key not in keys:
        raise unknown_flag(key, keys)


def last_changes(store: VersionReader) -> dict[str, datetime | None]:
    """Return when each flag of the newest version last changed what it answers; None where no time is known.

    A flag that follows a changed segment or prerequisite has changed. Texts for people and edits of a flag that is off
    don't count.

    Raises:
        SourceError: a version can't be read.
    """
    left = set(keys_of(store.read().document))
    found: dict[str, datetime | None] = {}
    for entry in history(store):
        for flag in entry.diff.flags:
            if flag.key in left and flag.has_effect:
                found[flag.key] = entry.version.at
                left.discard(flag.key)
        if not left:
            break
    return found


def revert_document(
    store: VersionReader, key: str | None = None, *, to: int | None = None
) -> tuple[Stored, FlagDocument]:
    """Return the newest version, and the document that restores an earlier state, to be saved on it.

    Args:
        store: where the flags are kept.
        key: only this flag; everything where None.
        to: the version to restore; where None, the last change (of the flag) is undone.

    Raises:
        UnknownFlagError: the flag was never there.
        EditError: there is nothing to undo.
        SourceNotFoundError: there is no such version.
    """
    newest = store.read()
    earlier = _before_last(store, key, newest) if to is None else store.read(to).document
    if key is None:
        return newest, restore_all(newest.document, earlier)
    return newest, restore(newest.document, key, earlier)


def _before_last(store: VersionReader, key: str | None, newest: Stored) -> FlagDocument:
    seen = set(keys_of(newest.document))
    for _, before, after in _steps(store):
        if isinstance(before, str) or isinstance(after, str):
            continue
        seen |= {*keys_of(before)}
        diff = compare(before, after)
        if (key is None and diff) or (key is not None and diff.of(key) is not None):
            return before
    if key is not None and key not in seen:
        raise unknown_flag(key, seen)
    message = f"{key} has no changes to undo" if key else "there are no changes to undo"
    raise EditError(message)


def _steps(store: VersionReader) -> Iterator[tuple[Version, FlagDocument | str, FlagDocument | str]]:
    """Yield each version with the document before it and its own; text says why one can't be had."""
    current: tuple[Version, FlagDocument | str] | None = None
    for version in store.versions():
        document = _document(store, version.number)
        if current is not None:
            yield current[0], document, current[1]
        current = version, document
    if current is not None:
        yield current[0], EMPTY, current[1]


def _document(store: VersionReader, number: int) -> FlagDocument | str:
    try:
        return store.read(number).document
    except DocumentError as error:
        return error.message
    except SourceNotFoundError:
        return "the version was deleted"
