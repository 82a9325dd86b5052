"""Putting two people's edits together, flag by flag. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from flagkit.admin.edits.workbench import SEGMENTS_FLAG, followers, rebuilt, segments_named
from flagkit.admin.entries import entries_of, with_entries
from flagkit.authoring import AuthoringDocument, FlagSource, decompile
from flagkit.core.documents import FlagDocument
from flagkit.errors import ConflictError, EditError

_Part = TypeVar("_Part")


def merge(base: FlagDocument, ours: FlagDocument, theirs: FlagDocument) -> FlagDocument:
    """Put our edits of `base` and theirs together.

    A flag counts as edited by somebody if its readable form differs: what a prerequisite or a segment was spelt out to
    follows the other flag and is written again.

    Args:
        base: what both started from.
        ours: what we made of it.
        theirs: what they made of it.

    Raises:
        ConflictError: both edited the same flag or segment, differently; all of them are named.

    Since 0.1.
    """
    native = [entries_of(document) for document in (base, ours, theirs)]
    if native[1] == native[0]:
        return theirs
    if native[2] in (native[0], native[1]):
        return ours
    sources = [decompile(document) for document in (base, ours, theirs)]
    flags = _picked(*(_flags(source) for source in sources))
    segments = _picked(*(source.segments for source in sources))
    conflicts = [f"flag {key}" for key, side in flags.items() if side is None]
    conflicts += [f"segment {name}" for name, side in segments.items() if side is None]
    if conflicts:
        raise _conflict(conflicts)
    merged = with_entries(theirs, {key: native[1].get(key) for key, side in flags.items() if side == 1})
    return _consistent(merged, _joined(sources, flags, segments), sources)


def _flags(source: AuthoringDocument) -> dict[str, FlagSource]:
    return {key: flag for key, flag in source.flags.items() if key != SEGMENTS_FLAG}


def _picked(base: Mapping[str, _Part], ours: Mapping[str, _Part], theirs: Mapping[str, _Part]) -> dict[str, int | None]:
    """Return which side each part comes from: 1 ours, 2 theirs (also where nobody changed it), None for a conflict."""
    sides: dict[str, int | None] = {}
    for key in sorted({*base, *ours, *theirs}):
        old, own, other = base.get(key), ours.get(key), theirs.get(key)
        if own in (old, other):
            sides[key] = 2
        else:
            sides[key] = 1 if other == old else None
    return sides


def _joined(
    sources: Sequence[AuthoringDocument], flags: Mapping[str, int | None], segments: Mapping[str, int | None]
) -> AuthoringDocument:
    """Return what both sides mean together."""
    _, ours, theirs = sources
    joined = {key: sources[side].flags[key] for key, side in flags.items() if side and key in sources[side].flags}
    named: set[str] = set()
    for flag in joined.values():
        named |= segments_named(flag)
    # A segment that one side deleted and the other side began to use stays.
    kept = {name: segment for source in sources for name, segment in source.segments.items() if name in named}
    kept |= {
        name: sources[side].segments[name] for name, side in segments.items() if side and name in sources[side].segments
    }
    return theirs.model_copy(
        update={
            "flags": joined,
            "segments": kept,
            "layers": {**ours.layers, **theirs.layers},
            "holdouts": {**ours.holdouts, **theirs.holdouts},
        }
    )


def _consistent(merged: FlagDocument, source: AuthoringDocument, sources: Sequence[AuthoringDocument]) -> FlagDocument:
    """Spell segments and prerequisites out again where one side's edit met the other side's copy of it."""
    base, ours, theirs = sources
    edited = {key for key in source.flags if base.flags.get(key) != source.flags[key]}
    moved = {
        name
        for name, segment in source.segments.items()
        if any(other.segments.get(name, segment) != segment for other in (base, ours, theirs))
    }
    stale = {key for key in followers(source, edited) if source.flags[key].requires}
    stale |= {key for key, flag in source.flags.items() if segments_named(flag) & moved}
    try:
        result = rebuilt(merged, source, stale)
    except EditError as error:
        raise _conflict([error.message]) from error
    read_back = _flags(decompile(result))
    lost = [f"flag {key}" for key in sorted({*source.flags, *read_back}) if source.flags.get(key) != read_back.get(key)]
    if lost:
        raise _conflict(lost)
    return result


def _conflict(what: Sequence[str]) -> ConflictError:
    message = f"somebody else changed {', '.join(what)} in between"
    return ConflictError(message, hint="Look at the new state (`flagkit show`) and repeat the edit.")
