"""The one way to change a document in its readable form: what didn't change stays as it is, to the letter.

Only the flags that are concerned are read and compiled: those that are named, and those that share a segment, a
prerequisite, a layer or a holdout with them. Pure: documents in, documents out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from flagkit.authoring.compiler import Compiler
from flagkit.authoring.conditions import parsed, read_required
from flagkit.authoring.decompiler import decompile
from flagkit.authoring.movement import read_allocations
from flagkit.authoring.source import AuthoringDocument, FlagSource
from flagkit.core.definitions import INTERNAL_FLAGS, ROLLOUTS_FLAG, SEGMENTS_FLAG
from flagkit.core.documents import FlagDeclaration, FlagDocument, FlagValue, Variant
from flagkit.core.rules.ast import Compare, Text
from flagkit.core.shares import HOLDOUT, LAYER, REQUIRES, SEGMENT
from flagkit.errors import EditError, UnknownFlagError

_Entry = TypeVar("_Entry")

# A text in a rule that names something which flags share; it is the seed of a split (`conditions`).
_MARK = re.compile(rf'"((?:{SEGMENT}|{REQUIRES}|{LAYER}|{HOLDOUT})(?:[^"\\]|\\.)*)"')


def apply_source(document: FlagDocument, source: AuthoringDocument) -> FlagDocument:
    """Compile the readable form over the document that it replaces.

    Weights and layers are reallocated with least movement. A flag whose rules and values stay the same keeps its native
    form, timestamps and spacing included, so the difference shows what was meant and nothing else.

    Args:
        document: the present document.
        source: all flags; those it doesn't have are deleted.

    Raises:
        EditError: the source contradicts itself (`compile_document`).
        DocumentError: the result breaks AWS's limits.
    """
    return recompiled(document, source, {*document.flags, *document.values, *source.flags} - {ROLLOUTS_FLAG})


def readable(document: FlagDocument, key: str) -> FlagSource:
    """Return a flag of a native document in its readable form.

    Raises:
        UnknownFlagError: there is no such flag.
    """
    keys = {*document.flags, *document.values} - INTERNAL_FLAGS
    if key not in keys:
        raise unknown_flag(key, keys)
    return decompile(part_of(document, related_keys({key}, document))).flags[key]


def edit_flag(document: FlagDocument, key: str, change: Callable[[FlagSource], FlagSource]) -> FlagDocument:
    """Change one flag of a native document in its readable form.

    Flags that require it, or share a layer with it, follow; all others stay as they are.

    Args:
        document: the present document.
        key: the flag.
        change: gets the flag's readable form and returns the wanted one, e.g. `flag.replaced(percent=250_000)`. It may
            be called more than once.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the change contradicts itself.
        DocumentError: the result breaks AWS's limits.
    """

    def changed(source: AuthoringDocument) -> AuthoringDocument:
        if key not in source.flags:
            raise unknown_flag(key, {*document.flags, *document.values} - {SEGMENTS_FLAG})
        flag = change(source.flags[key])
        try:
            flag.replaced()  # a copy with other fields checks nothing
        except EditError as error:
            raise EditError(f"flags.{key}: {error.message}", hint=error.hint) from error
        return source.model_copy(update={"flags": {**source.flags, key: flag}})

    return edit_document(document, {key}, changed)


def edit_document(
    document: FlagDocument, keys: Iterable[str], change: Callable[[AuthoringDocument], AuthoringDocument]
) -> FlagDocument:
    """Change some flags of a native document, and what they share with others, in their readable form.

    Args:
        document: the present document.
        keys: the flags that the change is about.
        change: gets the readable form of these flags and of all flags that are related to them, and returns the wanted
            one. It may be called more than once.

    Raises:
        EditError: the change contradicts itself.
        DocumentError: the result breaks AWS's limits.
    """
    wanted = set(keys)
    while True:
        part = part_of(document, related_keys(wanted, document))
        source = decompile(part)
        changed = change(source)
        more = _definers(document, _names(changed) - _names(source)) - {*part.flags, *part.values}
        if not more:
            break
        wanted |= more
    touched = _touched(source, changed)
    return recompiled(document, changed, touched) if touched or changed.segments != source.segments else document


def recompiled(document: FlagDocument, source: AuthoringDocument, keys: Iterable[str]) -> FlagDocument:
    """Compile these flags of a source into a document, and the flags that require one of them, however far away.

    The source has at least the related flags of the document. Flags that it doesn't have are deleted. Segments that no
    flag names any more are kept.
    """
    wanted = {*_followers(source, keys), SEGMENTS_FLAG}
    compiled = Compiler(source, read_allocations(document, wanted)).document(sorted(wanted))
    flags, values = dict(document.flags), dict(document.values)
    for key in wanted:
        declaration, value = compiled.flags.get(key), compiled.values.get(key)
        # A flag that had values only needs no declaration now.
        if declaration == FlagDeclaration() and key not in flags and key in values:
            declaration = None
        _put(flags, key, None if declaration is None else _kept_declaration(flags.get(key), declaration))
        _put(values, key, None if value is None else _kept_value(values.get(key), value))
    return document.model_copy(update={"flags": flags, "values": values})


def related_keys(keys: Iterable[str], *documents: FlagDocument) -> set[str]:
    """Return these keys and those of all flags that they share a segment, prerequisite, layer or holdout with.

    What one flag means, and what changes with it, depends on no other flag. Looks at the rules' text only.
    """
    marks: dict[str, set[str]] = {}
    owners: dict[str, set[str]] = {}
    for document in documents:
        for key, value in document.values.items():
            for mark in _marks(key, value):
                marks.setdefault(key, set()).add(mark)
                owners.setdefault(mark, set()).add(key)
    found, waiting = set[str](), {*keys, SEGMENTS_FLAG}
    while waiting:
        key = waiting.pop()
        found.add(key)
        for mark in marks.get(key, ()):
            waiting |= owners.pop(mark, set()) - found
    return found


def segment_users(document: FlagDocument, name: str) -> set[str]:
    """Return the keys of the flags that name a segment; looks at the rules' text only."""
    return _definers(document, {SEGMENT + name})


def holdout_users(document: FlagDocument, name: str) -> set[str]:
    """Return the keys of the flags that are in a holdout; looks at the rules' text only."""
    return _definers(document, {HOLDOUT + name})


def unknown_flag(key: str, keys: Iterable[str]) -> UnknownFlagError:
    """Return the error for a key that no flag has."""
    close = difflib.get_close_matches(key, list(keys), 1, 0.5)
    hint = f"Did you mean {close[0]}? " if close else ""
    return UnknownFlagError(f"there is no flag {key}", hint=hint + UnknownFlagError.default_hint)


def _marks(key: str, value: FlagValue) -> set[str]:
    found = {REQUIRES + key}
    for variant in value.variants:
        for text in _MARK.findall(variant.rule or ""):
            found.add(_mark(_unescaped(text) if "\\" in text else text))
    return found


def _mark(text: str) -> str:
    """Return what related flags have in common: of a prerequisite, the other flag, whatever its answer must be."""
    return REQUIRES + read_required(text.removeprefix(REQUIRES))[0] if text.startswith(REQUIRES) else text


def _unescaped(text: str) -> str:
    match parsed(f'(eq $text "{text}")'):
        case Compare(right=Text(value)):
            return value
        case _:  # pragma: no cover - the rule is one line above
            return text


def _names(source: AuthoringDocument) -> set[str]:
    """Return what the flags of a source name, written as in native rules."""
    names: set[str] = {SEGMENT + name for name in source.segments}
    for flag in source.flags.values():
        names |= {REQUIRES + other for other in flag.flags_required} | {SEGMENT + name for name in flag.segments_named}
        names |= set() if flag.layer is None else {LAYER + flag.layer.name}
        names |= set() if flag.holdout is None else {HOLDOUT + flag.holdout}
    return names


def _definers(document: FlagDocument, names: set[str]) -> set[str]:
    if not names:
        return set()
    return {key for key, value in document.values.items() if names & _marks(key, value)} | {
        key for key in document.flags if REQUIRES + key in names
    }


def part_of(document: FlagDocument, keys: Collection[str]) -> FlagDocument:
    """Return the document with these flags only."""
    return document.model_copy(
        update={
            "flags": {key: flag for key, flag in document.flags.items() if key in keys},
            "values": {key: value for key, value in document.values.items() if key in keys},
        }
    )


def _touched(before: AuthoringDocument, after: AuthoringDocument) -> set[str]:
    """Return the flags whose native form may differ: changed ones, and those that name something that changed."""
    keys = _different(before.flags, after.flags)
    segments = _different(before.segments, after.segments)
    layers, holdouts = _different(before.layers, after.layers), _different(before.holdouts, after.holdouts)
    for key, flag in after.flags.items():
        layer = flag.layer.name if flag.layer is not None else None
        if flag.segments_named & segments or layer in layers or flag.holdout in holdouts:
            keys.add(key)
    return keys


def _different(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def _followers(source: AuthoringDocument, keys: Iterable[str]) -> set[str]:
    found = set(keys)
    while True:
        more = {key for key, flag in source.flags.items() if found & flag.flags_required} - found
        if not more:
            return found
        found |= more


def _put(entries: dict[str, _Entry], key: str, entry: _Entry | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry


def _kept_declaration(old: FlagDeclaration | None, new: FlagDeclaration) -> FlagDeclaration:
    if old is None:
        return new
    timeless = old.model_copy(update={"created_at": None, "updated_at": None})
    stamped = new.model_copy(update={"created_at": old.created_at, "updated_at": old.updated_at})
    return old if timeless == new else stamped


def _kept_value(old: FlagValue | None, new: FlagValue) -> FlagValue:
    if old is None:
        return new
    if _same_value(old, new):
        return old
    return new.model_copy(update={"created_at": old.created_at, "updated_at": old.updated_at})


def _same_value(old: FlagValue, new: FlagValue) -> bool:
    if (bool(old.enabled), old.attributes) != (bool(new.enabled), new.attributes):
        return False
    return len(old.variants) == len(new.variants) and all(map(_same_variant, old.variants, new.variants))


def _same_variant(old: Variant, new: Variant) -> bool:
    if old.model_copy(update={"rule": None}) != new.model_copy(update={"rule": None}):
        return False
    if not (old.rule and new.rule):
        return not old.rule and not new.rule
    return old.rule == new.rule or parsed(old.rule) == parsed(new.rule)
