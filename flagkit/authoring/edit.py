"""Putting the readable form over an existing document: what didn't change stays as it is, to the letter.

Pure: documents in, documents out. Saving, deploying and asking people belong to others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from flagkit.authoring.compiler import compile_document
from flagkit.authoring.decompiler import decompile
from flagkit.authoring.movement import read_allocations
from flagkit.authoring.source import AuthoringDocument, FlagSource
from flagkit.core.documents import FlagDeclaration, FlagDocument, FlagValue, Variant
from flagkit.core.rules.parser import parse_rule
from flagkit.errors import UnknownFlagError


def apply_source(document: FlagDocument, source: AuthoringDocument) -> FlagDocument:
    """Compile the readable form over the document that it replaces.

    Weights and layers are reallocated with least movement. A flag whose rules and values stay the same keeps its native
    form, timestamps and spacing included, so the difference shows what was meant and nothing else.

    Args:
        document: the present document.
        source: all flags; those it doesn't have are gone.

    Raises:
        EditError: the words contradict each other (`compile_document`).
        DocumentError: the result breaks AWS's limits.

    Since 0.1.
    """
    compiled = compile_document(source, allocations=read_allocations(document))
    flags = {
        key: _kept_definition(document.flags.get(key), definition)
        for key, definition in compiled.flags.items()
        # A flag that had values only needs no declaration now.
        if definition != FlagDeclaration() or key in document.flags or key not in document.values
    }
    values = {key: _kept_value(document.values.get(key), value) for key, value in compiled.values.items()}
    return document.model_copy(update={"flags": flags, "values": values})


def edit_flag(document: FlagDocument, key: str, change: Callable[[FlagSource], FlagSource]) -> FlagDocument:
    """Change one flag of a native document by its readable form.

    Flags that require it, or share a layer with it, follow; all others stay as they are.

    Args:
        document: the present document.
        key: the flag.
        change: gets the flag's readable form and returns the wanted one, e.g. `flag.model_copy(update=…)`.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the change makes no sense.
        DocumentError: the result breaks AWS's limits.

    Since 0.1.
    """
    source = decompile(document)
    if key not in source.flags:
        close = difflib.get_close_matches(key, source.flags, 1)
        message = f"there is no flag {key}"
        raise UnknownFlagError(message, hint=f"Did you mean {close[0]}?" if close else None)
    # Read again, because a copy with updated words checks nothing.
    words = change(source.flags[key]).model_dump(by_alias=True, exclude_defaults=True)
    flags = {**source.flags, key: FlagSource.parse(words, f"flags.{key}")}
    return apply_source(document, source.model_copy(update={"flags": flags}))


def _kept_definition(old: FlagDeclaration | None, new: FlagDeclaration) -> FlagDeclaration:
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
    return old.rule == new.rule or parse_rule(old.rule) == parse_rule(new.rule)
