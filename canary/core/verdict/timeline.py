"""Which minutes are scored, and under which weight (statistics.md §3.9, §4.1). Calendar only, no evidence."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.core.measurements import MINUTE, WeightChange

PROPAGATION = timedelta(seconds=60)
"""AWS names no time in which a weight takes effect; so long after a change shares are mixed (lambda-canary.md §1)."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The settled minutes of a run, oldest first, each by its start."""

    minutes: tuple[datetime, ...]

    def index_from(self, at: datetime) -> int:
        """Index of the first minute that begins at `at` or later."""
        return bisect_left(self.minutes, at)


def timeline(weights: Sequence[WeightChange], until: datetime) -> Timeline:
    """The minutes from the first weight to the last one that had ended at `until`."""
    if not weights:
        return Timeline(())
    start = weights[0].at.replace(second=0, microsecond=0)
    count = max(0, (until - start) // MINUTE)
    return Timeline(tuple(start + MINUTE * index for index in range(count)))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The weights of one function (or of the stage) on the timeline.

    Attributes:
        weight: the present share of the candidate, settled or not.
        weights: share of the candidate per minute; the largest within it.
        first: first minute with a weight.
        step_from: first whole minute of the present weight.
        segments: first and last (exclusive) index of the stretches in which one weight was fully in force, with it.
        since_rise: per minute the time since the latest weight increase, None before the first.
    """

    weight: float
    weights: tuple[float, ...]
    first: int
    step_from: int
    segments: tuple[tuple[int, int, float], ...]
    since_rise: tuple[timedelta | None, ...]


def schedule(line: Timeline, changes: Sequence[WeightChange], function: str) -> Schedule:
    """The weights of one function; with an empty `function`, of any function of the stage."""
    mine = [change for change in changes if not function or change.function in ("", function)]
    shares = [float(change.weight_percent) / 100.0 for change in mine]
    count = len(line.minutes)
    weights = [0.0] * count
    since_rise: list[timedelta | None] = [None] * count
    segments: list[tuple[int, int, float]] = []
    before = 0.0
    for index, (change, share) in enumerate(zip(mine, shares, strict=True)):
        until = mine[index + 1].at if index + 1 < len(mine) else None
        begin = line.index_from(change.at.replace(second=0, microsecond=0))
        for minute in range(begin, count):
            inside = line.minutes[minute] < change.at
            weights[minute] = max(share, before) if inside else share
            if share > before:
                since_rise[minute] = max(timedelta(), line.minutes[minute] - change.at)
        end = count if until is None else line.index_from(until.replace(second=0, microsecond=0))
        segments.append((line.index_from(change.at + PROPAGATION), end, share))
        before = share
    return Schedule(
        weight=before,
        weights=tuple(weights),
        first=line.index_from(mine[0].at.replace(second=0, microsecond=0)) if mine else count,
        step_from=line.index_from(mine[-1].at) if mine else count,
        segments=tuple(segment for segment in segments if segment[0] < segment[1]),
        since_rise=tuple(since_rise),
    )
