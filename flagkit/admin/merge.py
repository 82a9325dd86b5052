"""Merging two people's edits, flag by flag. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from flagkit.admin.edits.rollouts import put_rollout, rollout_records
from flagkit.admin.entries import changed_entries, with_entries
from flagkit.authoring import AuthoringDocument, FlagSource, decompile
from flagkit.authoring.editor import part_of, recompiled, related_keys
from flagkit.core.documents import FlagDocument
from flagkit.errors import ConflictError, EditError

_Part = TypeVar("_Part")


def merge(base: FlagDocument, ours: FlagDocument, theirs: FlagDocument) -> FlagDocument:
    """Merge our edits of `base` and theirs.

    A flag counts as edited by somebody if its readable form differs: the copy of a prerequisite or a segment in it
    follows the other flag and is written again. The record of a guarded rollout is written by nobody who hasn't seen
    the flag as it is: both change together, or neither.

    Args:
        base: what both started from.
        ours: what we made of it.
        theirs: what they made of it.

    Raises:
        ConflictError: both edited the same flag or segment, differently; all of them are named.
    """
    mine, others = changed_entries(base, ours), changed_entries(base, theirs)
    if not mine:
        return theirs
    if not others or mine == others:
        return ours
    keys = related_keys({*mine, *others}, base, ours, theirs)
    sources = [decompile(part_of(document, keys)) for document in (base, ours, theirs)]
    flags = _picked(*(source.flags for source in sources))
    segments = _picked(*(source.segments for source in sources))
    holdouts = _picked(*(source.holdouts for source in sources))
    records = _picked(*(rollout_records(document) for document in (base, ours, theirs)))
    old, new = sources[0].flags, sources[2].flags
    unseen = {key for key, side in records.items() if side is None or (side == 1 and old.get(key) != new.get(key))}
    conflicts = [f"flag {key}" for key, side in flags.items() if side is None]
    conflicts += [f"the guarded rollout of {key}" for key in sorted(unseen) if f"flag {key}" not in conflicts]
    conflicts += [f"segment {name}" for name, side in segments.items() if side is None]
    conflicts += [f"holdout {name}" for name, side in holdouts.items() if side is None]
    if conflicts:
        raise _conflict(conflicts)
    merged = with_entries(theirs, {key: mine.get(key) for key, side in flags.items() if side == 1})
    for key, side in records.items():
        merged = put_rollout(merged, key, rollout_records(ours).get(key)) if side == 1 else merged
    return _consistent(merged, _joined(sources, flags, segments, holdouts), sources, keys)


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
    sources: Sequence[AuthoringDocument],
    flags: Mapping[str, int | None],
    segments: Mapping[str, int | None],
    holdouts: Mapping[str, int | None],
) -> AuthoringDocument:
    """Return what both sides mean together."""
    _, ours, theirs = sources
    joined = {key: sources[side].flags[key] for key, side in flags.items() if side and key in sources[side].flags}
    named = frozenset[str]().union(*(flag.segments_named for flag in joined.values()))
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
            "holdouts": {**ours.holdouts, **theirs.holdouts}
            | {
                name: sources[side].holdouts[name]
                for name, side in holdouts.items()
                if side and name in sources[side].holdouts
            },
        }
    )


def _consistent(
    merged: FlagDocument, source: AuthoringDocument, sources: Sequence[AuthoringDocument], keys: set[str]
) -> FlagDocument:
    """Write segments and prerequisites again where one side's edit met the other side's copy of it."""
    base, ours, theirs = sources
    edited = {key for key in source.flags if base.flags.get(key) != source.flags[key]}
    moved = {
        name
        for name, segment in source.segments.items()
        if any(other.segments.get(name, segment) != segment for other in (base, ours, theirs))
    }
    moved_holdouts = {
        name
        for name, holdout in source.holdouts.items()
        if any(other.holdouts.get(name, holdout) != holdout for other in (base, ours, theirs))
    }
    stale = {key for key, flag in source.flags.items() if flag.holdout in moved_holdouts}
    stale |= {key for key, flag in source.flags.items() if edited & flag.flags_required or flag.segments_named & moved}
    stale |= {key for key in edited if source.flags[key].flags_required}
    try:
        result = recompiled(merged, source, stale)
    except EditError as error:
        raise _conflict([error.message]) from error
    read_back: Mapping[str, FlagSource] = decompile(part_of(result, keys)).flags
    lost = [f"flag {key}" for key in sorted({*source.flags, *read_back}) if source.flags.get(key) != read_back.get(key)]
    if lost:
        raise _conflict(lost)
    return result


def _conflict(what: Sequence[str]) -> ConflictError:
    message = f"somebody else changed {', '.join(what)} since you read it"
    return ConflictError(message, hint="Check the new state (`flagkit list`) and repeat the edit.")
