"""Named groups of users: made before they are used, written into every flag that names them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from flagkit.admin.edits.workbench import SEGMENTS_FLAG, rebuilt, segment_source, users_of_segment
from flagkit.authoring import AuthoringDocument, SegmentSource, decompile
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def list_segments(document: FlagDocument) -> Mapping[str, tuple[SegmentSource, tuple[str, ...]]]:
    """Return all segments by name: who is in, and which flags use it. Since 0.1."""
    source = decompile(document)
    return {
        name: (segment, tuple(sorted(users_of_segment(source, name))))
        for name, segment in sorted(source.segments.items())
    }


def put_segment(
    document: FlagDocument,
    name: str,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    where: str | None = None,
) -> FlagDocument:
    """Make a segment or replace what it says; all flags that use it follow.

    Args:
        document: the native document.
        name: any text on one line.
        users: user ids.
        groups: values of the context key `group`.
        where: a native rule for who else is in.

    Raises:
        EditError: nobody would be in it, or `where` is no rule.

    Since 0.1.
    """
    if not (users or groups or where):
        message = f"nobody would be in segment {name}"
        raise EditError(message, hint="Give users, groups or a condition.")
    if not name.strip() or "\n" in name or len(name) > 64:
        message = f"{name!r} can't be the name of a segment: it has 1 to 64 characters on one line"
        raise EditError(message)
    words: dict[str, object] = {"users": list(dict.fromkeys(users)), "groups": list(dict.fromkeys(groups))}
    return _put(document, name, segment_source(**words, where=where or None))


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

    Since 0.1.
    """
    segment = _segment(decompile(document), name)
    lists = {"users": (segment.users, tuple(users)), "groups": (segment.groups, tuple(groups))}
    changed: dict[str, Sequence[str]] = {}
    for word, (present, given) in lists.items():
        missing = [value for value in given if value not in present]
        if remove and missing:
            message = f"{word.removesuffix('s')} {', '.join(missing)} isn't in segment {name}"
            raise EditError(message)
        changed[word] = [value for value in present if value not in given] if remove else [*present, *missing]
    return put_segment(document, name, users=changed["users"], groups=changed["groups"], where=segment.where)


def delete_segment(document: FlagDocument, name: str) -> FlagDocument:
    """Delete a segment that no flag uses.

    Raises:
        EditError: no such segment, or flags use it.

    Since 0.1.
    """
    source = decompile(document)
    _segment(source, name)
    using = sorted(users_of_segment(source, name))
    if using:
        message = f"segment {name} is used by {', '.join(using)}"
        raise EditError(message, hint="Take it away there first: flagkit target KEY --segment NAME --remove.")
    segments = {other: segment for other, segment in source.segments.items() if other != name}
    return rebuilt(document, source.model_copy(update={"segments": segments}), {SEGMENTS_FLAG})


def _put(document: FlagDocument, name: str, segment: SegmentSource) -> FlagDocument:
    source = decompile(document)
    changed = source.model_copy(update={"segments": {**source.segments, name: segment}})
    return rebuilt(document, changed, users_of_segment(source, name))


def _segment(source: AuthoringDocument, name: str) -> SegmentSource:
    if name not in source.segments:
        close = difflib.get_close_matches(name, source.segments, 1)
        message = f"there is no segment {name}"
        raise EditError(message, hint=f"Did you mean {close[0]}?" if close else "`flagkit segment` lists them.")
    return source.segments[name]
