"""Choosing and sorting flags: filters, orders, and whether a flag is stale. It must not print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flagkit.admin.flag_view import FlagView

STALE_DAYS = 90
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which flags are listed; what is None or empty doesn't choose."""

    search: str | None = None
    state: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    kind: str | None = None
    stale: bool = False
    archived: bool = False
    client_visible: bool = False

    def fits(self, flag: FlagView, now: datetime) -> bool:
        """Tell whether a flag is listed."""
        return flag.is_hidden == self.archived and self._matches(flag, now)

    def hides(self, flag: FlagView, now: datetime) -> bool:
        """Tell whether a flag is left out only because it is archived."""
        return flag.is_hidden and self._matches(flag, now)

    def _matches(self, flag: FlagView, now: datetime) -> bool:
        about = flag.texts.about
        texts = (flag.key, flag.texts.name, about.description, about.owner, *about.tags)
        tags = {tag.lower() for tag in about.tags}
        return (
            (self.state is None or flag.state == self.state)
            and (self.kind is None or about.kind == self.kind)
            and (self.owner is None or (about.owner or "").lower() == self.owner.lower())
            and (about.client_visible or not self.client_visible)
            and all(tag.lower() in tags for tag in self.tags)
            and (self.search is None or any(self.search.lower() in (text or "").lower() for text in texts))
            and (not self.stale or is_stale(flag, now))
        )


def is_stale(flag: FlagView, now: datetime) -> bool:
    """Tell whether a flag is past its removal date, or gives all users the same answer and didn't change for long."""
    changed = flag.changed
    settled = changed is not None and now - changed >= timedelta(days=STALE_DAYS)
    same = flag.state in {"off", "ended"} or (flag.state == "on" and flag.audience == "all users")
    return flag.is_overdue or (settled and same)


def ordered(flags: Sequence[FlagView], column: str) -> list[FlagView]:
    """Return flags in the order of a column; times newest first, what isn't known last."""
    orders: dict[str, Callable[[FlagView], Any]] = {
        "key": lambda flag: flag.key,
        "state": lambda flag: flag.state,
        "owner": lambda flag: (flag.texts.about.owner is None, (flag.texts.about.owner or "").lower()),
        "kind": lambda flag: (flag.texts.about.kind is None, flag.texts.about.kind or ""),
        "remove-by": lambda flag: (flag.texts.remove_by is None, flag.texts.remove_by or ""),
        "changed": lambda flag: flag.changed or _NEVER,
        "created": lambda flag: flag.created or _NEVER,
        "evaluated": lambda flag: "0" if flag.evaluated == "never" else flag.evaluated_text,
    }
    return sorted(flags, key=orders[column], reverse=column in {"changed", "created", "evaluated"})
