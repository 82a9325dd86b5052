"""What counts for which arm: one outcome per user, within a window after the first exposure (statistics.md §4.18).

Pure values: stores, the simulator and tests share these rules. It knows no clock, no store and no plain user id.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar

Number = TypeVar("Number", int, float)

WINDOW_S = 300.0
"""How long outcomes of a user count unless it is set: whole minutes, that of the first exposure included."""
CLOCKS_APART_S = 60.0
"""An outcome may be dated so much before the exposure: two machines dated them. What really happened before it is then
counted, too, in all arms alike; what is left out would make a rollout look healthy."""
FAILED, SLOW = "failed", "slow"
"""The metrics of `report(failed=…)` and `report(slow=…)`."""


class Happened(TypedDict, total=False):
    """What `report` says.

    Attributes:
        failed: something failed for the user; counts for the metric `failed`, or `metric`.
        slow: something took too long; counts for the metric `slow`.
        value: a number such as an order's value; the largest one counts for `metric`, or the metric `value`.
        metric: a name of your own.
    """

    failed: bool
    slow: bool
    value: float | None
    metric: str | None


@dataclass(frozen=True, slots=True)
class Exposed:
    """A user saw a variant of an experiment.

    Attributes:
        experiment: the flag's key, with the rollout's id if there is one.
        user: the hashed user id.
        arm: the variant.
        at_s: Unix time.
    """

    experiment: str
    user: str
    arm: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something bad happened to a user, or a number was measured.

    Attributes:
        experiment: as in `Exposed`.
        user: the hashed user id.
        metric: what it counts for.
        at_s: Unix time.
        value: the number; None where it counts as bad.
    """

    experiment: str
    user: str
    metric: str
    at_s: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of one user of one experiment.

    Attributes:
        arm: of the first exposure; later ones change nothing.
        since_s: when that was.
        bad: metrics that count as bad.
        values: the largest number of each metric.
    """

    arm: str
    since_s: float
    bad: frozenset[str] = frozenset()
    values: Mapping[str, float] = field(default_factory=dict)

    def closes_in(self, window_s: float) -> int:
        """The last minute of the window, in minutes since 1970: the row that the user counts in.

        The minute of the first exposure is the window's first, for both arms alike: so a row is known as soon as the
        minute is over.
        """
        return math.floor(self.since_s / 60.0) + max(1, round(window_s / 60.0)) - 1


@dataclass(frozen=True, slots=True)
class Row:
    """The users of one arm whose windows closed in one minute; also what one user adds to it.

    Attributes:
        minute: in minutes since 1970.
        arm: the variant.
        users: how many.
        bad: for each metric how many of them it counts as bad.
        sums: for each metric the sum of their values; a user without one has 0.
        squares: the sum of the values' squares.
    """

    minute: int
    arm: str
    users: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, float] = field(default_factory=dict)
    squares: Mapping[str, float] = field(default_factory=dict)


def is_usable(event: Exposed | Outcome) -> bool:
    """Whether a store may take it: names of at most 256 bytes without `#`, a time, a finite number below 10^15.

    A store that refuses one event refuses its whole batch, and that is sent again.
    """
    names = (event.experiment, event.user, event.metric if isinstance(event, Outcome) else event.arm)
    value = event.value or 0.0 if isinstance(event, Outcome) else 0.0
    return all(map(_is_name, names)) and 0 < event.at_s < 1e11 and abs(value) < 1e15


def _is_name(text: str) -> bool:
    size = len(text.encode(errors="surrogatepass"))
    return 0 < size <= 256 and "#" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def expose(unit: Unit | None, event: Exposed, window_s: float) -> tuple[Unit, Row | None]:
    """The user after an exposure, and what is added: only the first one counts."""
    if unit is not None:
        return unit, None
    first = Unit(event.arm, event.at_s)
    return first, Row(first.closes_in(window_s), first.arm, users=1)


def report(unit: Unit, outcome: Outcome, window_s: float) -> tuple[Unit, Row | None]:
    """The user after an outcome, and what is added.

    The worst outcome of the window counts, once: bad stays bad, and of several numbers the largest counts. So a
    replayed report adds nothing, and the order of reports doesn't matter.
    """
    minute, metric = unit.closes_in(window_s), outcome.metric
    if not unit.since_s - CLOCKS_APART_S <= outcome.at_s < (minute + 1) * 60.0:
        return unit, None
    if outcome.value is None:
        if metric in unit.bad:
            return unit, None
        return replace(unit, bad=unit.bad | {metric}), Row(minute, unit.arm, bad={metric: 1})
    before = unit.values.get(metric)
    if before is not None and outcome.value <= before:
        return unit, None
    was, now = before or 0.0, outcome.value
    more = Row(minute, unit.arm, sums={metric: now - was}, squares={metric: now * now - was * was})
    return replace(unit, values={**unit.values, metric: now}), more


def add_up(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One row per minute and arm, oldest first."""
    found: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.minute, row.arm), []).append(row)
    return tuple(
        Row(
            minute,
            arm,
            sum(row.users for row in parts),
            _sum([row.bad for row in parts]),
            _sum([row.sums for row in parts]),
            _sum([row.squares for row in parts]),
        )
        for (minute, arm), parts in sorted(found.items())
    )


def _sum(parts: Sequence[Mapping[str, Number]]) -> dict[str, Number]:
    total: dict[str, Number] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total[name] + number if name in total else number
    return total
