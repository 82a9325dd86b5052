"""The metadata of an edit, inside AWS's limits: the description of a version, and its label. Pure.

A description is ASCII with at most 1,024 characters, because it travels in an HTTP header (appconfig.md §7). AWS keeps
no time of a version, so the time is written here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

from flagkit.admin.stores.base import Note, Version
from flagkit.errors import EditError

LABEL_PREFIX = "flagkit-"
MAX_CHARS = 1024

_BETWEEN = " | "
_MARK = "flagkit "
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


def describe(note: Note, *, author: str, at: datetime) -> str:
    """Return the description of a version: the reason for people, the rest for `read`.

    Raises:
        EditError: the reason is too long; nothing is cut off silently.
    """
    facts = json.dumps({"by": author, "at": at.isoformat(timespec="seconds"), "id": note.edit_id})
    # JSON's escapes keep every character in ASCII, line breaks included; and the mark appears once behind the reason.
    facts = facts.replace("|", "\\u007c")
    reason = json.dumps(note.reason)[1:-1]
    if reason.startswith(" "):
        reason = "\\u0020" + reason[1:]  # a header loses the white space around its value (RFC 9110 §5.5)
    text = (reason + _BETWEEN if reason else "") + _MARK + facts
    if len(text) > MAX_CHARS:
        message = f"the reason is too long: AWS keeps {MAX_CHARS} ASCII characters, and {len(text)} are needed"
        raise EditError(message, hint="Shorten it; characters beyond ASCII count six times.")
    return text


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
            )
    except (ValueError, KeyError, TypeError):
        pass
    return Version(number, label, remark=description or None)
