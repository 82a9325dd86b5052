"""Answers above those of the document: overrides by argument, environment or test, and watchers. It must not fetch."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Mapping

from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.core.snapshot import Snapshot
from flagkit.sources.static import short_form

logger = logging.getLogger("flagkit")
FlagTable = Mapping[str, FlagFunction]
Override = Callable[[FlagTable], FlagTable]
Watcher = Callable[[Evaluation, object], object]
"""Called with each answer and its user: `(evaluation, user_id)`. Runs in the reading thread, so it must be quick."""
Follower = Callable[[Evaluation, object, Mapping[str, object] | None], object]
"""A watcher of one flag that is given the context, too. It must not raise."""
Choice = Callable[[str], Follower | None]
"""What follows a flag, None for nothing; asked once for each flag that is read and each table."""
Chooser = Callable[[Snapshot | None], Choice]
"""Called with the snapshot of a new table, before the table is used. Neither it nor its choice must raise."""


class Overlay(dict[str, FlagFunction]):
    """A table that falls back to another one for the keys it lacks."""

    def __init__(self, own: Mapping[str, FlagFunction], below: FlagTable) -> None:
        super().__init__(own)
        self._below = below

    def __missing__(self, key: str) -> FlagFunction:
        return self._below[key]

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._below

    def __iter__(self) -> Iterator[str]:
        yield from self._below
        yield from (key for key in super().__iter__() if key not in self._below)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def fixed(values: Mapping[str, object], *, version: str) -> Override:
    """An override with fixed answers, given in short form: `{"checkout": True, "colour": "red"}`."""
    own = Snapshot.from_document(short_form(values), version=version).flags

    def override(below: FlagTable) -> FlagTable:
        return Overlay(own, below)

    return override


class Watched(dict[str, FlagFunction]):
    """A table that notifies watchers of each answer; its functions are created when they are first used."""

    def __init__(self, below: FlagTable, watchers: tuple[Watcher, ...], choices: tuple[Choice, ...] = ()) -> None:
        super().__init__()
        self._below = below
        self._watchers = watchers
        self._choices = choices

    def __missing__(self, key: str) -> FlagFunction:
        below = self._below
        below[key]  # raises for an unknown flag, which the caller handles
        watchers = self._watchers
        followers = tuple(follower for choice in self._choices if (follower := choice(key)) is not None)

        def watched(user_id: object, context: Mapping[str, object] | None) -> Evaluation:
            evaluation = below[key](user_id, context)
            for follower in followers:
                follower(evaluation, user_id, context)
            if watchers:
                notify(watchers, evaluation, user_id)
            return evaluation

        self[key] = watched
        return watched

    def __contains__(self, key: object) -> bool:
        return key in self._below

    def __iter__(self) -> Iterator[str]:
        return iter(self._below)

    def __len__(self) -> int:
        return len(self._below)


def notify(watchers: tuple[Watcher, ...], evaluation: Evaluation, user_id: object) -> None:
    """Call the watchers; what one of them raises is logged."""
    for watcher in watchers:
        try:
            watcher(evaluation, user_id)
        except Exception:
            logger.exception("flagkit: a watcher raised an exception")


def weakly(install: Callable[[FlagTable], None]) -> Callable[[FlagTable], object]:
    """Return the method without a reference that would keep its client alive."""
    method = weakref.WeakMethod(install)

    def call(table: FlagTable) -> None:
        alive = method()
        if alive is not None:
            alive(table)

    return call
