"""Which users tell the share of each step of a rollout (statistics.md §4.18). It doesn't test them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from canary.core.measurements import MINUTE, WeightChange
from canary.core.verdict.timeline import schedule, timeline

POLLED: Final = timedelta(minutes=1)
"""Besides the time that a shift takes: programs poll AppConfig once a minute (appconfig.md §3), so the first users of a
step still meet the percentage before it."""


@dataclass(frozen=True, slots=True)
class ShareStep:
    """The users who were first exposed while one percentage was in force.

    Attributes:
        share: of the users who should get the variant, 0 to 1.
        exposed: who got it.
        others: who did not.
    """

    share: float
    exposed: int
    others: int


def undisturbed(segments: Sequence[tuple[int, int, float]], window: timedelta) -> tuple[tuple[int, int, float], ...]:
    """The minutes in which windows ended that were opened while all programs had the percentage.

    A user counts in the minute in which the window closes, so the first exposure was so much earlier.
    """
    later, polled = window // MINUTE - 1, POLLED // MINUTE
    return tuple(
        (a + later + polled, b + later, weight) for a, b, weight in segments if 0.0 < weight < 1.0 and a + polled < b
    )


def steps_of(
    users: Mapping[datetime, tuple[int, int]], changes: Sequence[WeightChange], window: timedelta, until: datetime
) -> tuple[ShareStep, ...]:
    """The users of each step of a rollout.

    Args:
        users: with and without the variant, by the minute in which their windows ended.
        changes: the percentages, oldest first; the last one is 0 or 100 where the rollout is over.
        window: of the outcomes.
        until: the first minute whose windows are open.
    """
    line = timeline(changes, until)
    found: list[ShareStep] = []
    for a, b, share in undisturbed(schedule(line, changes, "").segments, window):
        rows = [users.get(minute, (0, 0)) for minute in line.minutes[a:b]]
        found.append(ShareStep(share, sum(on for on, _ in rows), sum(off for _, off in rows)))
    return tuple(found)
