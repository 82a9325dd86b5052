"""The metadata of an edit, inside AWS's limits: the description of a version, and its label. Pure.

A description is ASCII with at most 1,024 characters, because it travels in an HTTP header (appconfig.md §7). AWS keeps
no time of a version, so the time is written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from flagkit.admin.stores.base import ChangeKind, Note, Version
from flagkit.errors import EditError

LABEL_PREFIX = "flagkit-"
MAX_CHARS = 1024

_BETWEEN = " | "
_MARK = "flagkit "
_SIGNS: Mapping[ChangeKind, str] = {"created": "+", "changed": "", "deleted": "-"}
_KINDS: Mapping[str, ChangeKind] = {"+": "created", "-": "deleted"}
_EDIT_ID = re.compile(r"[A-Za-z0-9._-]{1,50}")


def label_of(note: Note) -> str:
    """Return the version label that carries the edit's id, unique in its profile.

    Raises:
        EditError: the id can't be part of a label.
    """
    if _EDIT_ID.fullmatch(note.edit_id) is None:
        message = f"{note.edit_id!r} is not a valid edit id: use up to 50 letters, digits, dots and dashes"
        raise EditError(message)
    return LABEL_PREFIX + note.edit_id


def describe(note: Note, *, author: str, at: datetime, changes: Mapping[str, ChangeKind] | None = None) -> str:
    """Return the description of a version: the reason for people, the rest for `read`.

    The changed flags are left out where they don't fit; the reason and the author are never shortened.

    Raises:
        EditError: the reason is too long; nothing is cut off silently.
    """
    facts: dict[str, object] = {"by": author, "at": at.isoformat(timespec="seconds"), "id": note.edit_id}
    text = _description(note.reason, facts)
    if changes is not None:
        signed = [_SIGNS[kind] + key for key, kind in changes.items()]
        longer = _description(note.reason, {**facts, "flags": signed})
        text = longer if len(longer) <= MAX_CHARS else text
    if len(text) > MAX_CHARS:
        message = f"the reason is too long: AWS keeps {MAX_CHARS} ASCII characters, and {len(text)} are needed"
        raise EditError(message, hint="Shorten it; characters beyond ASCII count six times.")
    return text


def _description(reason: str, facts: Mapping[str, object]) -> str:
    # JSON's escapes keep every character in ASCII, line breaks included; and the mark appears once behind the reason.
    written = json.dumps(facts, separators=(",", ":")).replace("|", "\\u007c")
    shown = json.dumps(reason)[1:-1]
    if shown.startswith(" "):
        shown = "\\u0020" + shown[1:]  # a header loses the white space around its value (RFC 9110 §5.5)
    return (shown + _BETWEEN if shown else "") + _MARK + written


def read(number: int, label: str | None, description: str | None) -> Version:
    """Return what is known about a version; a description of another tool is kept as a remark."""
    reason, _, facts = (description or "").rpartition(_BETWEEN)
    try:
        known = json.loads(facts.removeprefix(_MARK)) if facts.startswith(_MARK) else None
        if isinstance(known, dict):
            return Version(
                number,
                label,
                author=str(known["by"]),
                reason=json.loads(f'"{reason}"') or None,
                at=datetime.fromisoformat(known["at"]),
                edit_id=str(known["id"]),
                changes=_changes(known.get("flags")),
            )
    except (ValueError, KeyError, TypeError):
        pass
    return Version(number, label, remark=description or None)


def _changes(signed: object) -> dict[str, ChangeKind] | None:
    if not isinstance(signed, list):
        return None
    return {str(key).lstrip("+-"): _KINDS.get(str(key)[:1], "changed") for key in signed}
