"""A flag's schedule and ramp as a picture over time: geometry only, the template draws it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from flagkit.authoring.ranges import STEPS, show_percent

if TYPE_CHECKING:
    from flagkit.authoring import FlagSource

WIDTH: Final = 720
HEIGHT: Final = 150
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 18, 34


@dataclass(frozen=True, slots=True)
class Point:
    """A place of the picture, with what it says."""

    x: float
    y: float
    at: dt.datetime
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The picture.

    Attributes:
        points: where the percentage changes.
        line: the share of the users over time, as an SVG path.
        area: the area below it.
        now: where the present is.
        ticks: times below the axis.
        levels: percentages beside it.
        text: the same in sentences.
    """

    points: tuple[Point, ...]
    line: str
    area: str
    now: float
    ticks: tuple[tuple[float, str], ...]
    levels: tuple[tuple[float, str], ...]
    text: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM


def timeline_of(flag: FlagSource, now: dt.datetime) -> Timeline | None:
    """Return the picture of a flag; None if no time changes it."""
    steps = list(_steps(flag))
    if not steps:
        return None
    moments = [at for at, _ in steps] + [now]
    first, last = min(moments), max(moments)
    pad = max((last - first) * 0.12, dt.timedelta(hours=6))
    begin, end = first - pad, last + pad

    def x(at: dt.datetime) -> float:
        return round(LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - RIGHT), 1)

    def y(percent: Decimal) -> float:
        return round(HEIGHT - BOTTOM - float(percent) / 100 * (HEIGHT - BOTTOM - TOP), 1)

    level = _before(flag)
    path = [f"M{x(begin)} {y(level)}"]
    points: list[Point] = []
    for at, percent in steps:
        path.append(f"H{x(at)} V{y(percent)}")
        points.append(Point(x(at), y(percent), at, f"{percent} %"))
    path.append(f"H{x(end)}")
    line = " ".join(path)
    floor = HEIGHT - BOTTOM
    return Timeline(
        tuple(points),
        line,
        f"{line} V{floor} H{x(begin)} Z",
        x(now),
        tuple(_ticks(begin, end, x)),
        tuple((y(Decimal(percent)), f"{percent} %") for percent in (0, 50, 100)),
        tuple(_sentences(steps, now)),
    )


def _share(flag: FlagSource) -> Decimal:
    if flag.percent is not None:
        return show_percent(flag.percent)
    weights = [variant.weight for variant in flag.variants[:-1] if variant.weight is not None]
    if weights:
        return show_percent(min(STEPS, sum(weights)))
    only_lists = not flag.is_empty and not flag.has_share
    return Decimal(0) if only_lists else Decimal(100)


def _before(flag: FlagSource) -> Decimal:
    return Decimal(0) if flag.starts is not None or flag.ramp else _share(flag)


def _steps(flag: FlagSource) -> Iterator[tuple[dt.datetime, Decimal]]:
    """Yield from when on which share gets the flag, while it is on."""
    found: dict[dt.datetime, Decimal] = {}
    if flag.ramp:
        for step in flag.ramp:
            found[step.at] = show_percent(step.percent)
    if flag.starts is not None:
        passed = [share for at, share in found.items() if at <= flag.starts]
        found = {at: share for at, share in found.items() if at > flag.starts}
        found[flag.starts] = max(passed, default=Decimal(0) if flag.ramp else _share(flag))
    if flag.ends is not None:
        found = {at: share for at, share in found.items() if at < flag.ends}
        found[flag.ends] = Decimal(0)
    yield from sorted(found.items())


def _ticks(begin: dt.datetime, end: dt.datetime, x: object) -> Iterator[tuple[float, str]]:
    assert callable(x)
    span = end - begin
    for part in range(5):
        at = begin + span * (part + 0.5) / 5
        text = f"{at:%d %b %H:%M}" if span < dt.timedelta(days=10) else f"{at:%d %b %Y}"
        yield x(at), text


def _sentences(steps: list[tuple[dt.datetime, Decimal]], now: dt.datetime) -> Iterator[str]:
    for at, percent in steps:
        yield f"{'Since' if at <= now else 'From'} {at:%Y-%m-%d %H:%M} UTC: {percent} %"
