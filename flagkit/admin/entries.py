"""One flag's part of a native document: taking it out, comparing it, putting it into stored content.

What AWS injects (`_createdAt`, `_updatedAt`) never counts as a difference (appconfig.md §10, pain 4). No rules here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import TypeAlias

from pydantic import JsonValue

from flagkit.admin.stores.base import ChangeKind
from flagkit.authoring.editor import part_of, unknown_flag
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import MAX_BYTES, FlagDocument
from flagkit.errors import DocumentError

Entry: TypeAlias = "tuple[JsonValue, JsonValue]"
"""`flags.<key>` and `values.<key>` without what AWS injects; None where one is missing."""

EMPTY = FlagDocument.parse({"version": "1"})

_INJECTED = ("_createdAt", "_updatedAt")
_INDENT = re.compile(r"\s*\{\r?\n([ \t]*)")
_KNOWN = frozenset({"name", "description", "attributes", "_deprecation", *_INJECTED})


def keys_of(document: FlagDocument) -> tuple[str, ...]:
    """Return the keys of all flags, sorted; flags that flagkit keeps for itself are left out."""
    return tuple(sorted({*document.flags, *document.values} - INTERNAL_FLAGS))


def entries_of(document: FlagDocument, keys: Collection[str] | None = None) -> dict[str, Entry]:
    """Return the entries of these flags by key, of all where None, internal ones included."""
    plain = (document if keys is None else part_of(document, keys)).to_dict()
    flags, values = _object(plain.get("flags")), _object(plain.get("values"))
    return {key: (_bare(flags.get(key)), _bare(values.get(key))) for key in sorted({*flags, *values})}


def is_same(first: FlagDocument, second: FlagDocument) -> bool:
    """Tell whether two documents say the same; what AWS injects doesn't count."""
    return not changed_entries(first, second)


def with_entries(document: FlagDocument, entries: Mapping[str, Entry | None]) -> FlagDocument:
    """Return the document with these flags replaced, or taken out where None.

    Raises:
        DocumentError: the result breaks AWS's format.
    """
    changed = FlagDocument.parse(splice(part_of(document, entries).to_dict(), entries))
    flags, values = dict(document.flags), dict(document.values)
    for key in entries:
        flags.pop(key, None)
        values.pop(key, None)
    return document.model_copy(update={"flags": {**flags, **changed.flags}, "values": {**values, **changed.values}})


def splice(content: Mapping[str, JsonValue], entries: Mapping[str, Entry | None]) -> dict[str, JsonValue]:
    """Put entries into decoded content; everything else stays exactly as it is, unknown keys and order included."""
    result = dict(content)
    result.setdefault("version", "1")
    for side, part in enumerate(("flags", "values")):
        present = dict(_object(result.get(part)))
        for key, entry in entries.items():
            old = _object(present.get(key))
            new = None if entry is None else entry[side]
            if new is None:
                present.pop(key, None)
            else:
                present[key] = {**_kept(old, part), **_object(new)}
        result[part] = present
    return result


def changed_entries(before: FlagDocument, after: FlagDocument) -> dict[str, Entry | None]:
    """Return the entries that make `after` of `before`: None where a flag goes."""
    # An edit shares what it left alone with the document that it was made from.
    keys = {
        key
        for key in {*before.flags, *before.values, *after.flags, *after.values}
        if before.flags.get(key) is not after.flags.get(key) or before.values.get(key) is not after.values.get(key)
    }
    old, new = entries_of(before, keys), entries_of(after, keys)
    return {key: new.get(key) for key in sorted({*old, *new}) if old.get(key) != new.get(key)}


def changed_keys(before: FlagDocument, after: FlagDocument) -> dict[str, ChangeKind]:
    """Return the keys of the flags that differ, and how."""
    old, new = {*before.flags, *before.values}, {*after.flags, *after.values}
    return {
        key: "deleted" if key not in new else "changed" if key in old else "created"
        for key in changed_entries(before, after)
        if key not in INTERNAL_FLAGS
    }


def rewritten(content: bytes | None, before: FlagDocument, after: FlagDocument) -> bytes:
    """Return stored content with exactly the flags changed in which `after` differs from `before`.

    It is indented as it was, or compact as it was.

    Args:
        content: what is stored; None for a new document.
        before: `content`, read.
        after: what it is to say.

    Raises:
        DocumentError: the content gets larger than AWS takes.
    """
    text = "{\n  }\n" if content is None else content.decode("utf-8-sig")
    decoded: dict[str, JsonValue] = {} if content is None else json.loads(text)
    new = splice(decoded, changed_entries(before, after))
    indent = _INDENT.match(text)
    if indent is None:
        written = _compact(new)
    else:
        written = json.dumps(new, ensure_ascii=False, indent=indent[1]).encode()
        written += b"\n" if text.endswith("\n") else b""
    if len(written) > MAX_BYTES:
        written = _compact(new)
    if len(written) > MAX_BYTES:
        message = f"the document would have {len(written):,} bytes; AWS takes at most {MAX_BYTES:,}"
        raise DocumentError(message, hint="Delete unused flags (`flagkit stale` finds them), or use a second profile.")
    return written


def require(document: FlagDocument, key: str) -> None:
    """Refuse a key that no flag has.

    Raises:
        UnknownFlagError: with the nearest key as hint.
    """
    if key in INTERNAL_FLAGS or (key not in document.flags and key not in document.values):
        raise unknown_flag(key, keys_of(document))


def _compact(content: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":")).encode()


def _kept(old: Mapping[str, JsonValue], part: str) -> dict[str, JsonValue]:
    # A valid _createdAt is kept by the service, _updatedAt is its own to write (appconfig.md §1.1).
    return {
        name: value for name, value in old.items() if name == "_createdAt" or (part == "flags" and name not in _KNOWN)
    }


def _bare(entry: JsonValue) -> JsonValue:
    if not isinstance(entry, dict):
        return entry
    return {name: value for name, value in entry.items() if name not in _INJECTED}


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
