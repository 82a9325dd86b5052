"""When a flag is open. The clock is the caller's; whoever evaluates provides `$now` (docs/authoring.md)."""

from __future__ import annotations

import datetime as dt

from flagkit.admin.edits.workbench import (
    Words,
    change_flag,
    has_required_attributes,
    is_plain,
    read_words,
    spelt_out,
    words_of,
)
from flagkit.authoring import FlagSource
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def schedule(
    document: FlagDocument,
    key: str,
    *,
    starts: dt.datetime | None = None,
    ends: dt.datetime | None = None,
    clear: bool = False,
    now: dt.datetime,
) -> FlagDocument:
    """Open a flag from one moment on, until another, or both; a flag that is off will be on in that time.

    Args:
        document: the native document.
        key: the flag.
        starts: aware; unchanged where None.
        ends: aware; unchanged where None.
        clear: take both times away: the flag then stays as it is at `now`.
        now: the present, to refuse an end in the past.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no times, times that contradict each other, an end in the past.

    Since 0.1.
    """
    if (starts is not None or ends is not None) == clear:
        message = "give a start or an end, or take the schedule away"
        raise EditError(message, hint="For example --from 2026-12-01T09:00:00Z --until 2026-12-24T00:00:00Z.")
    if ends is not None and ends.tzinfo is not None and ends <= now:
        message = f"{ends.isoformat()} is in the past"
        raise EditError(message)

    def change(flag: FlagSource) -> Words:
        if clear:
            return _cleared(flag, key, now)
        words = words_of(flag)
        if is_plain(flag):
            if not flag.enabled and starts is None:
                message = f"{key} is off; without a start there is nothing to end"
                raise EditError(message, hint="Give --from as well, or switch it on first.")
            words.pop("enabled", None)
        words |= {word: moment for word, moment in (("from", starts), ("until", ends)) if moment is not None}
        changed = read_words(key, words)
        return spelt_out(changed) if has_required_attributes(flag) and not flag.variants else words

    return change_flag(document, key, change)


def _cleared(flag: FlagSource, key: str, now: dt.datetime) -> Words:
    if flag.starts is None and flag.ends is None:
        message = f"{key} has no schedule"
        raise EditError(message)
    words = words_of(flag)
    del_words = [word for word in ("from", "until") if word in words]
    for word in del_words:
        del words[word]
    if flag.variants or read_words(key, words).is_targeted:
        return _opened(flag, words)
    is_open = (flag.starts is None or flag.starts <= now) and (flag.ends is None or now < flag.ends)
    return {**words, "enabled": is_open and flag.enabled is not False}


def _opened(flag: FlagSource, words: Words) -> Words:
    # A variant that only the schedule limited needs a share now: everybody.
    variants = words.get("variants", ())
    assert isinstance(variants, list | tuple)
    for source, variant in zip(flag.variants[:-1], variants, strict=False):
        if source.is_plain and not flag.has_share and not flag.requires:
            variant["weight"] = 100
    return words
