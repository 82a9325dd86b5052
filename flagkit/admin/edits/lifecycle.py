"""Creating, describing, deleting and restoring flags."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from flagkit.admin.edits.attributes import set_attributes
from flagkit.admin.edits.rollouts import put_rollout
from flagkit.admin.edits.state import switch_off, switch_on
from flagkit.admin.entries import changed_entries, entries_of, keys_of, require, with_entries
from flagkit.authoring import AuthoringDocument, FlagSource, decompile, edit_flag
from flagkit.authoring.editor import edit_document, part_of, readable, recompiled, related_keys, unknown_flag
from flagkit.core.definitions import INTERNAL_FLAGS, ROLLOUTS_FLAG
from flagkit.core.documents import FlagDocument
from flagkit.core.metadata import FlagKind, problem_of_name
from flagkit.errors import DocumentError, EditError

_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")


def create(  # noqa: PLR0913 - each is a part of the flag
    document: FlagDocument,
    key: str,
    *,
    name: str | None = None,
    description: str | None = None,
    enabled: bool = False,
    attributes: Mapping[str, JsonValue] | None = None,
    owner: str | None = None,
    tags: Iterable[str] = (),
    kind: FlagKind | None = None,
    remove_by: dt.date | None = None,
    client_visible: bool = False,
) -> FlagDocument:
    """Create a flag, off unless `enabled`.

    Args:
        document: the native document.
        key: a lower-case letter, then up to 63 letters, digits, `_` and `-`.
        name: for people; the key where None.
        description: for people.
        enabled: whether it starts on, for all users.
        attributes: its attribute values; their types are declared.
        owner: the person or team to ask.
        tags: words to find it by.
        kind: what it is for.
        remove_by: the day it is planned to be removed.
        client_visible: whether its answers may leave the server, for a browser or an app.

    Raises:
        EditError: the flag exists, or an owner or tag has a character that can't be kept.
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
            owner=_owner(owner),
            tags=_tags(tags),
            kind=kind,
            remove_by=remove_by,
            client_visible=client_visible,
            enabled=enabled,
        )
        return source.model_copy(update={"flags": {**source.flags, key: flag}})

    created = edit_document(document, {key}, add)
    return set_attributes(created, key, attributes) if attributes else created


def delete(document: FlagDocument, key: str) -> FlagDocument:
    """Delete a flag, and the record of its guarded rollout.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: other flags require it.
    """
    require(document, key)

    def remove(source: AuthoringDocument) -> AuthoringDocument:
        needing = sorted(other for other, flag in source.flags.items() if key in flag.flags_required)
        if needing:
            message = f"{key} is required by {', '.join(needing)}"
            raise EditError(message, hint="Remove the prerequisite there first.")
        flags = {other: flag for other, flag in source.flags.items() if other != key}
        return source.model_copy(update={"flags": flags})

    return put_rollout(edit_document(document, {key}, remove), key, None)


def describe(  # noqa: PLR0913 - each is a part of the flag
    document: FlagDocument,
    key: str,
    *,
    name: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
    kind: FlagKind | Literal[""] | None = None,
    remove_by: dt.date | Literal[False] | None = None,
    client_visible: bool | None = None,
) -> FlagDocument:
    """Change what is written about a flag: name, description, owner, tags, kind, day of removal, client visibility.

    None leaves a text as it is, "" removes it; `remove_by=False` removes the day.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: a tag to remove isn't there, or an owner or tag has a character that can't be kept.
    """
    added, removed = _tags(add_tags), set(remove_tags)
    named = _owner(owner)

    def change(flag: FlagSource) -> FlagSource:
        for tag in sorted(removed - {*flag.tags}):
            message = f"{key} has no tag {tag}"
            raise EditError(message, hint=f"Its tags are {', '.join(flag.tags)}." if flag.tags else None)
        tags = dict.fromkeys([*(tag for tag in flag.tags if tag not in removed), *added])
        return flag.replaced(
            name=flag.name if name is None else name or None,
            description=flag.description if description is None else description or None,
            owner=flag.owner if owner is None else named,
            tags=tuple(tags),
            kind=flag.kind if kind is None else kind or None,
            remove_by=flag.remove_by if remove_by is None else remove_by or None,
            client_visible=flag.client_visible if client_visible is None else client_visible,
        )

    return edit_flag(document, key, change)


def archive(document: FlagDocument, key: str, *, undo: bool = False) -> FlagDocument:
    """Archive a flag that is off, or take it out of the archive. An archived flag can't be switched on.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: it is on.
    """

    def change(flag: FlagSource) -> FlagSource:
        if not undo and not flag.is_off:
            message = f"{key} is on, and only a flag that is off can be archived"
            raise EditError(message, hint=f"Switch it off first: `flagkit off {key}`.")
        return flag.replaced(archived=not undo)

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
    needing = {name for name, flag in before.flags.items() if key in flag.flags_required}
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
        with_state: copy on, off and archived, too. Otherwise a flag keeps these as they are here, and a new flag starts
            off.

    Raises:
        UnknownFlagError: the other document has no such flag.
        EditError: a flag requires one that isn't here.
    """
    copied = document
    for key in keys:
        if key not in keys_of(other):
            raise unknown_flag(key, keys_of(other))
        present = readable(document, key) if key in keys_of(document) else None
        copied = restore(copied, key, other)
        if with_state or key not in copied.values:
            continue
        found = readable(copied, key)
        was_on = present is not None and not present.is_off
        if present is not None and present.archived != found.archived:
            copied = edit_flag(switch_off(copied, key), key, lambda flag: flag.replaced(archived=not flag.archived))
            found = readable(copied, key)
        if was_on == found.is_off:
            copied = switch_on(copied, key) if was_on else switch_off(copied, key)
    return copied


def restore_all(document: FlagDocument, other: FlagDocument) -> FlagDocument:
    """Restore everything to what it is in another document, but for the records of guarded rollouts."""
    changed = changed_entries(document, other)
    return with_entries(document, {key: entry for key, entry in changed.items() if key != ROLLOUTS_FLAG})


def _owner(name: str | None) -> str | None:
    problem = problem_of_name(name) if name else None
    if problem is not None:
        message = f"the owner {name!r} {problem}"
        raise EditError(message, hint="Use a name such as payments, or an e-mail address.")
    return name or None


def _tags(names: Iterable[str]) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(names))
    for tag in tags:
        problem = problem_of_name(tag, is_tag=True)
        if problem is not None:
            message = f"the tag {tag!r} {problem}"
            raise EditError(message, hint="Use words such as payments or q3-launch.")
    return tags


def _check_key(key: str) -> None:
    if _KEY.fullmatch(key):
        return
    suggestion = re.sub(r"[^a-z0-9_-]+", "_", key.lower()).strip("_-").lstrip("0123456789_-")[:64]
    message = f"{key!r} is not a valid flag key: lower-case letter first, then letters, digits, - or _, at most 64"
    raise DocumentError(message, hint=f"Try: {suggestion}" if suggestion else None)
