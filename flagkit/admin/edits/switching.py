"""On, off, and off in an emergency. Nothing of a flag is lost while it is off."""

from __future__ import annotations

from flagkit.admin.edits.workbench import (
    Words,
    change_flag,
    is_guarded,
    is_plain,
    with_guard,
    words_of,
)
from flagkit.admin.entries import require
from flagkit.authoring import FlagSource
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def switch_on(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag on: for everybody, or for those it was rolled out or targeted to before.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: all variants are off by their own, so on could mean any of them.

    Since 0.1.
    """

    def change(flag: FlagSource) -> Words | None:
        if is_plain(flag):
            return {**words_of(flag), "enabled": True}
        if not flag.variants:
            words = words_of(flag)
            words.pop("enabled", None)
            return words
        if is_guarded(document.values.get(key)) or any(variant.enabled for variant in flag.variants):
            return None
        names = ", ".join(variant.name for variant in flag.variants)
        message = f"every variant of {key} is off ({names}): which one is to be on?"
        raise EditError(message, hint="Change it as code (`flagkit pull`, edit, `flagkit apply`).")

    return change_flag(document, key, change, keep_guard=False)


def switch_off(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag off for everybody; `switch_on` brings back exactly what it was.

    Raises:
        UnknownFlagError: there is no such flag.

    Since 0.1.
    """
    require(document, key)
    value = document.values.get(key)
    if is_guarded(value):
        return document
    switched: list[bool] = []

    def change(flag: FlagSource) -> Words | None:
        if flag.variants:
            return None
        switched.append(True)
        return {**words_of(flag), "enabled": False}

    changed = change_flag(document, key, change)
    if switched or value is None or not any(variant.enabled for variant in value.variants):
        return changed
    return with_guard(document, key)


def kill(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag off in an emergency: the same edit as `switch_off`, to be deployed at once. Since 0.1."""
    return switch_off(document, key)
