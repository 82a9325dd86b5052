"""Answers laid over those of the document: overrides by argument, environment or test. It must not fetch or parse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flagkit.core.evaluator import FlagFunction
from flagkit.core.snapshot import Snapshot
from flagkit.sources.static import short_form

FlagTable = Mapping[str, FlagFunction]
Layer = Callable[[FlagTable], FlagTable]


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


def fixed(values: Mapping[str, object], *, version: str) -> Layer:
    """A layer of fixed answers, given in short form: `{"checkout": True, "colour": "red"}`. Since 0.1."""
    own = Snapshot.from_document(short_form(values), version=version).flags

    def layer(below: FlagTable) -> FlagTable:
        return Overlay(own, below)

    return layer
