"""Answers laid over those of the document: overrides by argument, environment or test. It must not fetch or parse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.core.snapshot import Snapshot
from flagkit.sources.static import short_form

logger = logging.getLogger("flagkit")
FlagTable = Mapping[str, FlagFunction]
Override = Callable[[FlagTable], FlagTable]
Watcher = Callable[[Evaluation, object], object]
"""Told of each answer that was given, and for whom: `(evaluation, user_id)`. Runs in the caller's thread: be quick."""


class Overlay(dict[str, FlagFunction]):
    """A table that looks into another one for what it doesn't hold itself."""

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
    """An override with fixed answers, given in short form: `{"checkout": True, "colour": "red"}`. Since 0.1."""
    own = Snapshot.from_document(short_form(values), version=version).flags

    def override(below: FlagTable) -> FlagTable:
        return Overlay(own, below)

    return override


class Watched(dict[str, FlagFunction]):
    """A table that tells watchers of each answer; its functions are made when they are first asked for."""

    def __init__(self, below: FlagTable, watchers: tuple[Watcher, ...]) -> None:
        super().__init__()
        self._below = below
        self._watchers = watchers

    def __missing__(self, key: str) -> FlagFunction:
        below = self._below
        below[key]  # an unknown flag is the caller's matter

        def watched(user_id: object, context: Mapping[str, object] | None) -> Evaluation:
            evaluation = below[key](user_id, context)
            tell(self._watchers, evaluation, user_id)
            return evaluation

        self[key] = watched
        return watched

    def __contains__(self, key: object) -> bool:
        return key in self._below

    def __iter__(self) -> Iterator[str]:
        return iter(self._below)

    def __len__(self) -> int:
        return len(self._below)


def tell(watchers: tuple[Watcher, ...], evaluation: Evaluation, user_id: object) -> None:
    """Tells watchers of an answer; what one of them raises harms nobody."""
    for watcher in watchers:
        try:
            watcher(evaluation, user_id)
        except Exception:
            logger.exception("flagkit: a watcher failed")
