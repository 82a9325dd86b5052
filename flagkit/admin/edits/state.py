"""Whether a flag is on: switching it on and off, and its schedule. Nothing of a flag is lost while it is off.

On and off are apart from targeting: no other edit switches a flag on or off (decision 0015).
"""

from __future__ import annotations

import datetime as dt

from flagkit.authoring import FlagSource, VariantSource, edit_flag
from flagkit.authoring.ranges import STEPS
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def switch_on(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag on for its audience: all users, or those it was rolled out or targeted to.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: every variant is off by itself, so on could mean any of them.
    """

    def change(flag: FlagSource) -> FlagSource:
        if flag.variants and not any(variant.enabled for variant in flag.variants):
            return flag.replaced(enabled=None, variants=_one_enabled(flag, key))
        return flag.replaced(enabled=None if flag.variants or flag.is_targeted else True)

    return edit_flag(document, key, change)


def switch_off(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag off for all users; `switch_on` restores exactly what it was.

    Raises:
        UnknownFlagError: there is no such flag.
    """

    def change(flag: FlagSource) -> FlagSource:
        if flag.variants and flag.is_off:
            return flag
        return flag.replaced(enabled=False)

    return edit_flag(document, key, change)


def kill(document: FlagDocument, key: str) -> FlagDocument:
    """Switch a flag off in an emergency: the same edit as `switch_off`, to be deployed at once."""
    return switch_off(document, key)


def schedule(
    document: FlagDocument,
    key: str,
    *,
    starts: dt.datetime | None = None,
    ends: dt.datetime | None = None,
    clear: bool = False,
    enable: bool = False,
    now: dt.datetime,
) -> FlagDocument:
    """Open a flag for its audience from a time on, until a time, or both.

    The flag stays on or off as it is: a schedule has no effect while the flag is off.

    Args:
        document: the native document.
        key: the flag.
        starts: aware; unchanged where None.
        ends: aware; unchanged where None.
        clear: remove both times.
        enable: also switch the flag on.
        now: the present, to refuse an end in the past.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no times, times that contradict each other, an end in the past.
    """
    if (starts is not None or ends is not None) == clear:
        message = "give a start or an end, or clear the schedule" if clear else "no start and no end is given"
        raise EditError(message, hint="For example --from 2026-12-01T09:00:00Z --until 2026-12-24T00:00:00Z.")
    for moment in (starts, ends):
        if moment is not None and moment.tzinfo is None:
            message = f"{moment.isoformat()} needs an offset or Z"
            raise EditError(message, hint="For example 2026-12-01T09:00:00Z.")
    if ends is not None and ends <= now:
        message = f"the end {ends.isoformat()} is in the past"
        raise EditError(message, hint=f"It is {now.isoformat(timespec='minutes')} now.")

    def change(flag: FlagSource) -> FlagSource:
        if clear:
            return _cleared(flag, key)
        times = {"starts": _utc(starts) or flag.starts, "ends": _utc(ends) or flag.ends}
        return flag.replaced(enabled=False if flag.is_off and not flag.variants else _enabled(flag), **times)

    changed = edit_flag(document, key, change)
    return switch_on(changed, key) if enable else changed


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.astimezone(dt.UTC)


def _enabled(flag: FlagSource) -> bool | None:
    return False if flag.enabled is False else None


def _cleared(flag: FlagSource, key: str) -> FlagSource:
    if flag.starts is None and flag.ends is None:
        message = f"{key} has no schedule"
        raise EditError(message)
    bare = flag.model_copy(update={"starts": None, "ends": None})
    if bare.variants:
        # A variant that only the schedule limited needs a weight now: all users.
        *ruled, default = bare.variants
        return bare.replaced(variants=(*(_weighted(variant, bare) for variant in ruled), default))
    return bare if bare.is_targeted else bare.replaced(enabled=not flag.is_off)


def _weighted(variant: VariantSource, flag: FlagSource) -> VariantSource:
    if variant.is_plain and not flag.has_share and not flag.requires:
        return variant.model_copy(update={"weight": STEPS})
    return variant


def _one_enabled(flag: FlagSource, key: str) -> tuple[VariantSource, ...]:
    if len(flag.variants) != 2:
        names = ", ".join(variant.name for variant in flag.variants)
        message = f"every variant of {key} is off by itself: {names}"
        raise EditError(message, hint="Switch a variant on as code (`flagkit pull`, edit, `flagkit apply`).")
    variant, default = flag.variants
    return variant.model_copy(update={"enabled": True}), default
