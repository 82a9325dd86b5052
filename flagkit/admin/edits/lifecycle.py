"""Creating, describing, deleting and restoring flags."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from flagkit.admin.edits.attributes import set_attributes
from flagkit.admin.edits.state import switch_off, switch_on
from flagkit.admin.entries import changed_entries, entries_of, keys_of, require, with_entries
from flagkit.authoring import AuthoringDocument, FlagSource, decompile, edit_flag
from flagkit.authoring.editor import edit_document, part_of, recompiled, related_keys, unknown_flag
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument
from flagkit.errors import DocumentError, EditError

_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")


def create(
    document: FlagDocument,
    key: str,
    *,
    name: str | None = None,
    description: str | None = None,
    enabled: bool = False,
    attributes: Mapping[str, JsonValue] | None = None,
    remove_by: dt.date | None = None,
) -> FlagDocument:
    """Create a flag, off unless `enabled`.

    Args:
        document: the native document.
        key: a lower-case letter, then up to 63 letters, digits, `_` and `-`.
        name: for people; the key where None.
        description: for people.
        enabled: whether it starts on, for all users.
        attributes: its attribute values; their types are declared.
        remove_by: the day it is planned to be removed.

    Raises:
        EditError: the flag exists.
        DocumentError: the key or a value isn't one that AWS accepts.
    """
    _check_key(key)
    if key in keys_of(document) or key in INTERNAL_FLAGS:
        message = f"the flag {key} exists"
        raise EditError(message, hint=f"`flagkit show {key}` shows it.")

    def add(source: AuthoringDocument) -> AuthoringDocument:
        flag = FlagSource(
            name=key if name is None else name,
            description=description or None,
            deprecated=remove_by,
            enabled=enabled,
        )
        return source.model_copy(update={"flags": {**source.flags, key: flag}})

    created = edit_document(document, {key}, add)
    return set_attributes(created, key, attributes) if attributes else created


def delete(document: FlagDocument, key: str) -> FlagDocument:
    """Delete a flag.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: other flags require it.
    """
    require(document, key)

    def remove(source: AuthoringDocument) -> AuthoringDocument:
        needing = sorted(other for other, flag in source.flags.items() if key in flag.requires)
        if needing:
            message = f"{key} is required by {', '.join(needing)}"
            raise EditError(message, hint="Remove the prerequisite there first.")
        flags = {other: flag for other, flag in source.flags.items() if other != key}
        return source.model_copy(update={"flags": flags})

    return edit_document(document, {key}, remove)


def describe(
    document: FlagDocument,
    key: str,
    *,
    name: str | None = None,
    description: str | None = None,
    remove_by: dt.date | Literal[False] | None = None,
) -> FlagDocument:
    """Change what is said about a flag: name, description, and the day it is planned to be removed.

    None leaves a text as it is, "" removes it; `remove_by=False` removes the day.

    Raises:
        UnknownFlagError: there is no such flag.
    """

    def change(flag: FlagSource) -> FlagSource:
        day = flag.deprecated if remove_by is None else remove_by or None
        return flag.replaced(
            name=flag.name if name is None else name or None,
            description=flag.description if description is None else description or None,
            deprecated=day,
        )

    return edit_flag(document, key, change)


def restore(document: FlagDocument, key: str, other: FlagDocument) -> FlagDocument:
    """Restore one flag to what it is in another document; a flag that isn't there is deleted.

    Raises:
        UnknownFlagError: neither document has it.
        EditError: the flag would be deleted, but other flags require it.
    """
    known = {*keys_of(document), *keys_of(other)}
    if key not in known:
        raise unknown_flag(key, known)
    restored = with_entries(document, {key: entries_of(other, {key}).get(key)})
    keys = related_keys({key}, document, restored)
    before, after = decompile(part_of(document, keys)), decompile(part_of(restored, keys))
    needing = {name for name, flag in before.flags.items() if key in flag.requires}
    if needing and key not in keys_of(other):
        message = f"{key} didn't exist then, but is required by {', '.join(sorted(needing))}"
        raise EditError(message, hint="Remove the prerequisite there first.")
    # A segment that only this flag named stays, though no flag names it any more.
    source = after.model_copy(update={"segments": {**before.segments, **after.segments}})
    return recompiled(restored, source, needing)


def copy(document: FlagDocument, keys: Iterable[str], other: FlagDocument, *, with_state: bool = False) -> FlagDocument:
    """Copy flags of another document, for example of another environment; flags that it doesn't name stay.

    Args:
        document: the native document.
        keys: the flags.
        other: the document to copy from.
        with_state: copy on and off, too. Otherwise a flag stays on or off as it is here, and a new flag starts off.

    Raises:
        UnknownFlagError: the other document has no such flag.
        EditError: a flag requires one that isn't here.
    """
    copied = document
    for key in keys:
        if key not in keys_of(other):
            raise unknown_flag(key, keys_of(other))
        was_on = key in keys_of(document) and not _is_off(document, key)
        copied = restore(copied, key, other)
        if not with_state and key in copied.values and was_on == _is_off(copied, key):
            copied = switch_on(copied, key) if was_on else switch_off(copied, key)
    return copied


def _is_off(document: FlagDocument, key: str) -> bool:
    return decompile(part_of(document, related_keys({key}, document))).flags[key].is_off


def restore_all(document: FlagDocument, other: FlagDocument) -> FlagDocument:
    """Restore everything to what it is in another document."""
    return with_entries(document, changed_entries(document, other))


def _check_key(key: str) -> None:
    if _KEY.fullmatch(key):
        return
    suggestion = re.sub(r"[^a-z0-9_-]+", "_", key.lower()).strip("_-").lstrip("0123456789_-")[:64]
    message = f"{key!r} is not a valid flag key: lower-case letter first, then letters, digits, - or _, at most 64"
    raise DocumentError(message, hint=f"Try: {suggestion}" if suggestion else None)
