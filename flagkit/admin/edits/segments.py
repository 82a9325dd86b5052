"""Named groups of users: created before they are used, written into every flag that names them."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence

from flagkit.authoring import AuthoringDocument, SegmentSource, decompile
from flagkit.authoring.editor import edit_document, segment_users
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def list_segments(document: FlagDocument) -> Mapping[str, tuple[SegmentSource, tuple[str, ...]]]:
    """Return all segments by name: who is in, and which flags use it."""
    source = decompile(document)
    return {name: (segment, _flags_of(source, name)) for name, segment in sorted(source.segments.items())}


def put_segment(
    document: FlagDocument,
    name: str,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    where: str | None = None,
) -> FlagDocument:
    """Create a segment or replace what it says; all flags that use it follow.

    Args:
        document: the native document.
        name: any text on one line.
        users: user ids.
        groups: values of the context key `group`.
        where: a native rule for who else is in.

    Raises:
        EditError: nobody would be in it, or `where` is not a valid rule.
    """
    if not name.strip() or "\n" in name or len(name) > 64:
        message = f"{name!r} is not a valid segment name: 1 to 64 characters on one line"
        raise EditError(message)
    segment = SegmentSource(users=_unique(users), groups=_unique(groups), where=where or None)
    return _change(document, name, lambda _: segment)


def change_segment(
    document: FlagDocument,
    name: str,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    remove: bool = False,
) -> FlagDocument:
    """Add users or groups to a segment, or remove them.

    Raises:
        EditError: no such segment, somebody to remove isn't in it, or nobody would be left.
    """

    def change(source: AuthoringDocument) -> SegmentSource:
        present = _segment(source, name)
        return present.model_copy(
            update={
                "users": _changed(present.users, users, f"user {{}} is not in segment {name}", remove=remove),
                "groups": _changed(present.groups, groups, f"group {{}} is not in segment {name}", remove=remove),
            }
        )

    return _change(document, name, change)


def delete_segment(document: FlagDocument, name: str) -> FlagDocument:
    """Delete a segment that no flag uses.

    Raises:
        EditError: no such segment, or flags use it.
    """

    def change(source: AuthoringDocument) -> AuthoringDocument:
        _segment(source, name)
        using = _flags_of(source, name)
        if using:
            message = f"segment {name} is used by {', '.join(using)}"
            command = f"flagkit target {using[0]} --segment {shlex.quote(name)} --remove"
            raise EditError(message, hint=f"Remove it there first: `{command}`.")
        segments = {other: segment for other, segment in source.segments.items() if other != name}
        return source.model_copy(update={"segments": segments})

    return edit_document(document, segment_users(document, name), change)


def _change(document: FlagDocument, name: str, change: Callable[[AuthoringDocument], SegmentSource]) -> FlagDocument:
    def changed(source: AuthoringDocument) -> AuthoringDocument:
        segment = change(source)
        if segment == SegmentSource():
            message = f"segment {name} would be empty"
            raise EditError(message, hint="Give users, groups or a condition.")
        return source.model_copy(update={"segments": {**source.segments, name: segment}})

    return edit_document(document, segment_users(document, name), changed)


def _changed(present: Sequence[str], given: Sequence[str], problem: str, *, remove: bool) -> tuple[str, ...]:
    missing = [value for value in given if value not in present]
    if remove and missing:
        raise EditError(problem.format(", ".join(missing)))
    return tuple(value for value in present if value not in given) if remove else _unique([*present, *missing])


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _flags_of(source: AuthoringDocument, name: str) -> tuple[str, ...]:
    return tuple(sorted(key for key, flag in source.flags.items() if name in flag.segments_named))


def _segment(source: AuthoringDocument, name: str) -> SegmentSource:
    if name not in source.segments:
        close = difflib.get_close_matches(name, source.segments, 1)
        message = f"there is no segment {name}"
        raise EditError(message, hint=f"Did you mean {close[0]}?" if close else "`flagkit segment` lists them.")
    return source.segments[name]
