"""Where one flag is taken out of a document, changed in its readable form, and put back. Decides no edit.

Everything that isn't meant stays untouched, byte for byte: only the named flag is compiled back, and the flags whose
native rules spell it out (as a prerequisite) or a segment that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import JsonValue

from flagkit.admin.entries import Entry, entries_of, keys_of, require, with_entries
from flagkit.authoring import (
    AuthoringDocument,
    FlagSource,
    SegmentSource,
    compile_document,
    decompile,
    read_allocations,
)
from flagkit.core.documents import FlagDocument, FlagValue
from flagkit.errors import EditError

Words = dict[str, object]

SEGMENTS_FLAG = "flagkit-segments"
"""The native flag that keeps segments which no flag uses yet; it is off for everybody, and lists hide it.

A native document has no place for named groups (decision 0001), and a group is made before it is used.
"""

GUARD = "switched off"
"""The name of a variant that is put in front of all others to switch a flag with variants off, and taken away again.

Its rule is true for everybody, also for users without the context key. So nothing of the flag is lost while it is off.
"""
GUARD_RULE = '(not (split pct::0 by::$userId seed::"switched off"))'

_MAX_KEPT = 31
_LISTS = ("users", "groups", "segments")


def visible_keys(document: FlagDocument) -> tuple[str, ...]:
    """Return the keys of all flags that are flags, sorted: without the keeper of unused segments. Since 0.1."""
    return tuple(key for key in keys_of(document) if key != SEGMENTS_FLAG)


def is_guarded(value: FlagValue | None) -> bool:
    """Tell whether a flag with variants is switched off by a guard."""
    return value is not None and len(value.variants) > 1 and value.variants[0].name == GUARD


def without_guard(document: FlagDocument, key: str) -> FlagDocument:
    """Return the document with the guard of a flag taken away."""
    if not is_guarded(document.values.get(key)):
        return document
    definition, value = entries_of(document)[key]
    assert isinstance(value, dict)
    variants = value["_variants"]
    assert isinstance(variants, list)
    return with_entries(document, {key: (definition, {**value, "_variants": variants[1:]})})


def with_guard(document: FlagDocument, key: str) -> FlagDocument:
    """Return the document with a guard in front of a flag's variants."""
    definition, value = entries_of(document)[key]
    assert isinstance(value, dict)
    variants = value["_variants"]
    assert isinstance(variants, list)
    # Required attributes must have a value in every variant; the default's do.
    assert isinstance(variants[-1], dict)
    guard: dict[str, JsonValue] = {"name": GUARD, "enabled": False, "rule": GUARD_RULE}
    if "attributeValues" in variants[-1]:
        guard["attributeValues"] = variants[-1]["attributeValues"]
    return with_entries(document, {key: (definition, {**value, "_variants": [guard, *variants]})})


def words_of(flag: FlagSource) -> Words:
    """Return the words of a flag, to be changed and read again."""
    return flag.model_dump(by_alias=True, exclude_defaults=True)


def read_words(key: str, words: Words) -> FlagSource:
    """Read the words of one flag.

    Raises:
        EditError: they contradict each other; the place is named.
    """
    return AuthoringDocument.parse({"flags": {key: words}}).flags[key]


def change_flag(
    document: FlagDocument, key: str, change: Callable[[FlagSource], Words | None], *, keep_guard: bool = True
) -> FlagDocument:
    """Change one flag in its readable form.

    Args:
        document: the native document.
        key: the flag.
        change: gets the flag, returns its new words, or None to leave it.
        keep_guard: whether a flag that is switched off by a guard stays so.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the change makes no sense.
    """
    require(document, key)
    if key == SEGMENTS_FLAG:
        message = f"{key} keeps the segments and isn't a flag"
        raise EditError(message, hint="Use `flagkit segment`.")
    guarded = is_guarded(document.values.get(key))
    bare = without_guard(document, key)
    source = decompile(bare)
    words = change(source.flags[key])
    if words is None:
        # What it requires may have changed while it was off.
        return rebuilt(bare, source, {key}) if guarded and not keep_guard else document
    flag = read_words(key, words)
    changed = rebuilt(bare, source.model_copy(update={"flags": {**source.flags, key: flag}}), {key})
    if guarded and keep_guard and changed.values[key].variants:
        return with_guard(changed, key)
    return changed


def rebuilt(document: FlagDocument, source: AuthoringDocument, keys: Iterable[str]) -> FlagDocument:
    """Compile these flags of a source into a document; the flags that require one of them follow.

    Segments that no flag uses any more are kept.
    """
    source = with_kept_segments(source)
    wanted = followers(source, keys)
    entries: dict[str, Entry | None] = {key: None for key in wanted if key not in source.flags}
    compiled = entries_of(compile_document(source, allocations=read_allocations(document)))
    for key in (*wanted, SEGMENTS_FLAG):
        if key in compiled:
            entries[key] = compiled[key]
    if SEGMENTS_FLAG not in compiled:
        entries[SEGMENTS_FLAG] = None
    return with_entries(document, entries)


def followers(source: AuthoringDocument, keys: Iterable[str]) -> set[str]:
    """Return the keys and all flags that require one of them, however far away."""
    found = set(keys)
    while True:
        more = {key for key, flag in source.flags.items() if found & set(flag.requires)} - found
        if not more:
            return found
        found |= more


def users_of_segment(source: AuthoringDocument, name: str) -> set[str]:
    """Return the flags that name a segment."""
    return {key for key, flag in source.flags.items() if key != SEGMENTS_FLAG and name in segments_named(flag)}


def segments_named(flag: FlagSource) -> set[str]:
    """Return all segments that a flag names."""
    named = {*flag.segments, *flag.among}
    for variant in flag.variants:
        named |= {*variant.segments}
    return named


def with_kept_segments(source: AuthoringDocument) -> AuthoringDocument:
    """Put the segments that no flag names into the flag that keeps them."""
    flags = {key: flag for key, flag in source.flags.items() if key != SEGMENTS_FLAG}
    used: set[str] = set()
    for flag in flags.values():
        used |= segments_named(flag)
    unused = [name for name in source.segments if name not in used]
    if len(unused) > _MAX_KEPT:
        message = f"{len(unused)} segments are used by no flag; at most {_MAX_KEPT} can be kept"
        raise EditError(message, hint="Give a segment to a flag (`flagkit target`), or delete one.")
    if unused:
        flags[SEGMENTS_FLAG] = keeper(unused)
    return source.model_copy(update={"flags": flags})


def keeper(names: Iterable[str]) -> FlagSource:
    """Return the flag that keeps segments."""
    variants: list[Words] = [{"name": name, "enabled": False, "segments": [name]} for name in names]
    words: Words = {
        "name": "Segments",
        "description": "Named groups of users that no flag uses yet. Not a flag: it is off for everybody.",
        "variants": [*variants, {"name": "nobody", "enabled": False}],
    }
    return read_words(SEGMENTS_FLAG, words)


def is_plain(flag: FlagSource) -> bool:
    """Tell whether a flag is only on or off, for everybody."""
    return not flag.variants and not flag.is_targeted


def spelt_out(flag: FlagSource, *, percent_as_weight: bool = True) -> Words:
    """Return the words of a flag with variants instead of the short form, for what the short form can't say.

    The default then carries the same values, because required attributes need one in every variant (appconfig.md §1.1).
    """
    words = words_of(flag)
    if flag.variants:
        return words
    lists = {name: words.pop(name) for name in _LISTS if name in words}
    words.pop("enabled", None)
    values = words.pop("values", {})
    on: Words = {"name": "on", "enabled": flag.enabled is not False, "values": values, **lists}
    if percent_as_weight and "percent" in words:
        on["weight"] = words.pop("percent")
    return {**words, "variants": [on, {"name": "off", "enabled": False, "values": values}]}


def has_required_attributes(flag: FlagSource) -> bool:
    """Tell whether an attribute must have a value in every variant."""
    return any(attribute.required for attribute in flag.attributes.values())


def segment_source(**words: object) -> SegmentSource:
    """Read a segment's words."""
    return AuthoringDocument.parse({"segments": {"it": words}}).segments["it"]
