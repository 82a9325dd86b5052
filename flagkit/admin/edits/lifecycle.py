"""Making, describing, deleting and bringing back flags."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from flagkit.admin.edits.attributes import set_attributes
from flagkit.admin.edits.workbench import SEGMENTS_FLAG, Words, change_flag, rebuilt, words_of
from flagkit.admin.entries import changed_entries, entries_of, keys_of, require, unknown, with_entries
from flagkit.authoring import FlagSource, decompile
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


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
    """Make a new flag, off unless said otherwise.

    Args:
        document: the native document.
        key: a lower-case letter, then up to 63 letters, digits, `_` and `-`.
        name: for people; the key where None.
        description: for people.
        enabled: whether it starts on, for everybody.
        attributes: its attribute values; their types are declared.
        remove_by: the day it is planned to be removed.

    Raises:
        EditError: there is such a flag already.
        DocumentError: the key or a value isn't one that AWS takes.

    Since 0.1.
    """
    if key in keys_of(document) or key == SEGMENTS_FLAG:
        message = f"there is a flag {key} already"
        raise EditError(message, hint=f"`flagkit show {key}` shows it.")
    definition: dict[str, JsonValue] = {"name": key if name is None else name}
    if description:
        definition["description"] = description
    if remove_by is not None:
        definition["_deprecation"] = {"status": "planned", "date": remove_by.isoformat()}
    created = with_entries(document, {key: (definition, {"enabled": enabled})})
    return set_attributes(created, key, attributes) if attributes else created


def delete(document: FlagDocument, key: str) -> FlagDocument:
    """Delete a flag.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: other flags require it.

    Since 0.1.
    """
    require(document, key)
    source = decompile(document)
    needing = sorted(other for other, flag in source.flags.items() if key in flag.requires)
    if needing:
        message = f"{key} is required by {', '.join(needing)}"
        raise EditError(message, hint="Take the prerequisite away there first.")
    flags = {other: flag for other, flag in source.flags.items() if other != key}
    return rebuilt(document, source.model_copy(update={"flags": flags}), {key})


def describe(
    document: FlagDocument,
    key: str,
    *,
    name: str | None = None,
    description: str | None = None,
    remove_by: dt.date | Literal[False] | None = None,
) -> FlagDocument:
    """Change what is written about a flag: name, description, and the day it is planned to be removed.

    None leaves a text as it is, "" takes it away; `remove_by=False` takes the day away.

    Raises:
        UnknownFlagError: there is no such flag.

    Since 0.1.
    """

    def change(flag: FlagSource) -> Words:
        words = words_of(flag)
        for word, text in (("name", name), ("description", description)):
            if text == "":
                words.pop(word, None)
            elif text is not None:
                words[word] = text
        if remove_by is False:
            words.pop("deprecated", None)
        elif remove_by is not None:
            words["deprecated"] = remove_by
        return words

    return change_flag(document, key, change)


def restore(document: FlagDocument, key: str, other: FlagDocument) -> FlagDocument:
    """Bring one flag back to what it is in another document; a flag that isn't there goes.

    Raises:
        UnknownFlagError: neither document has it.

    Since 0.1.
    """
    if key not in {*keys_of(document), *keys_of(other)}:
        raise unknown(key, {*keys_of(document), *keys_of(other)})
    # Flags that require it spell it out.
    needing = {name for name, flag in decompile(document).flags.items() if key in flag.requires}
    if needing and key not in keys_of(other):
        message = f"{key} wasn't there, but is required by {', '.join(sorted(needing))}"
        raise EditError(message, hint="Take the prerequisite away there first.")
    restored = with_entries(document, {key: entries_of(other).get(key)})
    source = decompile(restored)
    # A segment that only this flag named stays, though no flag names it any more.
    segments = {**decompile(document).segments, **source.segments}
    if needing or len(segments) > len(source.segments):
        return rebuilt(restored, source.model_copy(update={"segments": segments}), needing)
    return restored


def restore_all(document: FlagDocument, other: FlagDocument) -> FlagDocument:
    """Bring everything back to what it is in another document. Since 0.1."""
    return with_entries(document, changed_entries(document, other))
