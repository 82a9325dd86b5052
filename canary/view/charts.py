"""A canary's timeline and bars as inline SVG: weight, error shares with intervals, evidence, marked moments.

It draws what the view holds; it must not compute statistics nor decide what is worth showing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import count

from canary.core.words import shown
from canary.view.labels import percent
from canary.view.model import Bar, BarsView, CanaryView, MinutePoint, Note, Rate, StreamView
from canary.view.svg import Point, Scale, area, element, line, nice_top, path, text_at

WIDTH = 960
NARROW_WIDTH = 380
LEFT = 66
RIGHT = 200
TOP = 60
WEIGHT_PX = 74
SHARE_PX = 168
EVIDENCE_PX = 84
GAP = 38
_SHARE_TOPS = (0.02, 0.04, 0.08, 0.1, 0.12, 0.16, 0.2, 0.28, 0.4, 0.6, 0.8, 1.0)
BAR_LEFT = 270
BAR_RIGHT = 250
ROW_PX = 34
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class TimeAxis(Scale):
    """The axis of a timeline: minutes since the start, labelled with the time of day.

    Attributes:
        width: of the whole picture.
        narrow: whether labels stand inside, for small screens.
    """

    started_at: datetime
    width: float = WIDTH
    narrow: bool = False


def clock_ticks(started_at: datetime, last_min: float, wanted: int = 8) -> list[tuple[float, str]]:
    """Round times of day on an axis from 0 to `last_min`: minutes since the start, and the label."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 240) if last_min / step <= wanted), 480)
    since_midnight = (started_at - started_at.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 60
    first = math.ceil(since_midnight / step) * step - since_midnight
    ticks = [first + step * index for index in range(math.floor(max(last_min - first, 0.0) / step) + 1)]
    return [(at, f"{started_at + timedelta(minutes=at):%H:%M}") for at in ticks if at <= last_min]


def bars(view: BarsView) -> str:
    """The chart, once for wide screens and once for narrow ones; a black line on a bar marks the requested share."""
    return _wide(_bars(view, narrow=False)) + _narrow(_bars(view, narrow=True))


def _wide(picture: str) -> str:
    return element("div", picture, class_="chart-wide")


def _narrow(picture: str) -> str:
    return element("div", picture, class_="chart-narrow")


def _bars(view: BarsView, *, narrow: bool) -> str:
    x = Scale(0.0, 1.0, 0.0, NARROW_WIDTH) if narrow else Scale(0.0, 1.0, BAR_LEFT, WIDTH - BAR_RIGHT)
    height = ROW_PX * (1.6 if narrow else 1.0)
    rows = [_row(bar, x, 10.0 + height * index, narrow=narrow) for index, bar in enumerate(view.bars)]
    number = next(_numbers)
    return element(
        "svg",
        element("title", escape(view.title), id=f"bt{number}"),
        element("desc", escape(view.summary), id=f"bd{number}"),
        *rows,
        viewBox=f"0 0 {NARROW_WIDTH if narrow else WIDTH} {14 + height * len(view.bars):.0f}",
        role="img",
        aria_labelledby=f"bt{number} bd{number}",
        class_="chart",
    )


def _row(bar: Bar, x: Scale, top: float, *, narrow: bool) -> str:
    middle = top + 15
    if narrow:  # the texts stand above the bar
        texts = text_at(0, top + 11, bar.label) + text_at(
            x.to_px, top + 11, bar.text, class_="chart-value", text_anchor="end"
        )
        top += 18
    else:
        texts = text_at(x.from_px - 12, middle, bar.label, text_anchor="end")
        texts += text_at(x.to_px + 12, middle, bar.text, class_="chart-value")
    parts = [
        texts,
        element("rect", x=x.from_px, y=top, width=x.to_px - x.from_px, height=20, rx=4, class_="chart-track"),
    ]
    width = x(bar.share_ratio) - x.from_px
    if width > 0:
        parts.append(
            element(
                "rect",
                x=x.from_px,
                y=top,
                width=max(width, 2.0),
                height=20,
                rx=4,
                class_="chart-bar chart-strong" if bar.emphasised else "chart-bar",
            )
        )
    if bar.expected_ratio is not None:
        at = x(bar.expected_ratio)
        parts.append(line((at, top - 3), (at, top + 23), class_="chart-expected"))
    return "".join(parts)


def timeline(view: CanaryView) -> str:
    """The whole timeline, once for wide screens and once for narrow ones, with title and description."""
    last_min = max(view.elapsed_min * 1.06, 1.0)  # so that the last moment isn't the frame
    wide = TimeAxis(0.0, last_min, LEFT, WIDTH - RIGHT, view.started_at)
    small = TimeAxis(0.0, last_min, 54, NARROW_WIDTH - 6, view.started_at, NARROW_WIDTH, narrow=True)
    return _wide(_timeline(view, wide)) + _narrow(_timeline(view, small))


def _timeline(view: CanaryView, x: TimeAxis) -> str:
    streams = shown_streams(view)
    parts: list[str] = []
    top = float(TOP)
    parts.append(_weight_panel(view, x, top))
    top += WEIGHT_PX
    for stream in streams:
        top += GAP
        parts.append(_share_panel(view, stream, x, top))
        top += SHARE_PX
    if any(stream.evidence for stream in streams):
        top += GAP
        parts.append(_evidence_panel(view, streams, x, top))
        top += EVIDENCE_PX
    parts.append(_clock_axis(x, top))
    marks = _marks(view.notes, x, top)
    number = next(_numbers)
    return element(
        "svg",
        element("title", escape(f"Timeline of the canary on {view.stage}"), id=f"t{number}"),
        element("desc", escape(describe(view)), id=f"d{number}"),
        marks,
        *parts,
        viewBox=f"0 0 {x.width:g} {top + 40:.0f}",
        role="img",
        aria_labelledby=f"t{number} d{number}",
        class_="chart",
    )


def shown_streams(view: CanaryView) -> tuple[StreamView, ...]:
    """The streams that carry data, at most three: those with the most evidence against, then one of each gate."""
    seen: Counter[str] = Counter()

    def weight(stream: StreamView) -> float:
        # Weak evidence is no order: the plan's stays.
        strongest = max((point.log10 or 0.0 for point in stream.evidence), default=0.0)
        return strongest if strongest >= 1.0 else 0.0

    ranked = []
    for stream in view.streams:
        if stream.minutes:
            ranked.append((-weight(stream), seen[stream.gate], stream))
            seen[stream.gate] += 1
    return tuple(stream for _, _, stream in sorted(ranked, key=lambda entry: entry[:2])[:3])


def describe(view: CanaryView) -> str:
    """The chart as text."""
    steps = ", ".join(
        f"{point.percent:g} % from {view.started_at + timedelta(minutes=point.at_min):%H:%M:%S}"
        for point in view.weights
    )
    shares = " ".join(
        f"{stream.gate}: {_rate_text(view.candidate_name, stream.candidate, stream.unit)}; "
        f"{_rate_text(view.baseline_name, stream.baseline, stream.unit)}; the limit is {percent(stream.limit_ratio)}."
        for stream in shown_streams(view)
    )
    return f"{view.weight_name}: {steps or 'none'}. {shares} {view.headline}"


def _rate_text(name: str, rate: Rate, unit: str) -> str:
    unit = "users" if unit == "means" else unit
    if rate.ratio is None:
        return f"{name}: no {unit}"
    return (
        f"{name} {percent(rate.ratio)} of {rate.requests:,} {unit} "
        f"(interval {percent(rate.low_ratio)} to {percent(rate.high_ratio)})"
    )


def _frame(x: TimeAxis, top: float, height: float, title: str) -> str:
    return text_at(x.from_px, top - 10, title, class_="chart-title") + element(
        "rect", x=x.from_px, y=top, width=x.to_px - x.from_px, height=height, class_="chart-panel"
    )


def _grid(x: TimeAxis, y: Scale, values: Sequence[float], label: Callable[[float], str]) -> str:
    parts = []
    for value in values:
        parts.append(line((x.from_px, y(value)), (x.to_px, y(value)), class_="chart-grid"))
        parts.append(text_at(x.from_px - 8, y(value) + 4, label(value), class_="chart-tick", text_anchor="end"))
    return "".join(parts)


def _clock_axis(x: TimeAxis, bottom: float) -> str:
    ticks = clock_ticks(x.started_at, x.high, 4 if x.narrow else 8)
    parts = [text_at(x(at), bottom + 18, label, class_="chart-tick", text_anchor="middle") for at, label in ticks]
    where = (x.from_px - 4, bottom + 34, "start") if x.narrow else (x.to_px + 8, bottom + 18, "start")
    return "".join(parts) + text_at(*where[:2], "time of day, UTC", class_="chart-tick", text_anchor=where[2])


def _weight_panel(view: CanaryView, x: TimeAxis, top: float) -> str:
    y = Scale(0.0, 100.0, top + WEIGHT_PX, top)
    points: list[Point] = []
    percent_now = 0.0
    for point in view.weights:
        points += [(x(point.at_min), y(percent_now)), (x(point.at_min), y(point.percent))]
        percent_now = point.percent
    points.append((x.to_px, y(percent_now)))
    area = path([(points[0][0], y(0)), *points, (x.to_px, y(0))], closed=True)
    labels = "".join(
        text_at(
            x(point.at_min) + 5,
            y(point.percent) - 5 if point.percent < 80 else y(point.percent) + 14,
            f"{point.percent:g} %",
            class_="chart-value",
        )
        for point in view.weights
        if point.percent > 0
    )
    return (
        _frame(x, top, WEIGHT_PX, view.weight_name)
        + _grid(x, y, (0, 50, 100), lambda value: f"{value:g} %")
        + element("path", d=area, class_="chart-weight-area")
        + element("path", d=path(points), class_="chart-weight-line")
        + labels
    )


def _share_panel(view: CanaryView, stream: StreamView, x: TimeAxis, top: float) -> str:
    highest = max(
        [stream.limit_ratio * 1.6]
        + [rate.ratio or 0.0 for point in stream.minutes for rate in (point.candidate, point.baseline)]
        + [
            min(point.candidate_so_far.high_ratio, 4 * (stream.candidate.ratio or 0.0) + 0.05)
            for point in stream.minutes[2:]
        ]
    )
    y = Scale(0.0, nice_top(highest * 1.08, _SHARE_TOPS), top + SHARE_PX, top)
    last = stream.minutes[-1]
    candidate_end = _ended(y, stream.minutes, lambda point: point.candidate_so_far)
    base_end = _ended(y, stream.minutes, lambda point: point.baseline_so_far)
    old, new = view.words.legend((view.baseline_name, view.candidate_name))
    labels = [
        (candidate_end, f"{new}  {percent(last.candidate_so_far.ratio or 0.0)}", "candidate-text"),
        (base_end, f"{old}  {percent(last.baseline_so_far.ratio or 0.0)}", "baseline-text"),
        (y(stream.limit_ratio), f"limit  {percent(stream.limit_ratio)}", "limit-text"),
    ]
    title = stream.title + _name(view, stream).removeprefix(stream.gate)
    return (
        _frame(
            x,
            top,
            SHARE_PX,
            f"{title[:1].upper()}{title[1:]}"
            + ("" if x.narrow else ": by minute (dots), in total (line with interval)"),
        )
        + _grid(x, y, [y.high * share for share in (0, 0.25, 0.5, 0.75, 1)], percent)
        + _settling(x, last.at_min, top, view.elapsed_min)
        + _interval(x, y, stream.minutes, lambda point: point.baseline_so_far, "baseline")
        + _interval(x, y, stream.minutes, lambda point: point.candidate_so_far, "candidate")
        + line((x.from_px, y(stream.limit_ratio)), (x.to_px, y(stream.limit_ratio)), class_="chart-limit")
        + _dots(x, y, stream.minutes, lambda point: point.baseline, "baseline", view.baseline_name)
        + _dots(x, y, stream.minutes, lambda point: point.candidate, "candidate", view.candidate_name)
        + _labels(x, labels)
    )


def _name(view: CanaryView, stream: StreamView) -> str:
    """`errors`, or `errors, api:live` where there are several functions."""
    return stream.gate + (f", {shown(stream.function)}" if len({s.function for s in view.streams}) > 1 else "")


def _settling(x: TimeAxis, last_min: float, top: float, now_min: float) -> str:
    """Shades the minutes that CloudWatch had not settled: what they hold was not known."""
    width = x(now_min) - x(last_min)
    if width < 6:
        return ""
    shade = element("rect", x=x(last_min), y=top, width=width, height=SHARE_PX, class_="chart-settling")
    return shade + (text_at(x(last_min) + 6, top + 16, "not settled yet", class_="chart-tick") if width > 96 else "")


def _interval(
    x: TimeAxis, y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate], name: str
) -> str:
    points = [(x(point.at_min), pick(point)) for point in minutes if pick(point).requests]
    if not points:
        return ""
    upper = [(at, y(rate.high_ratio)) for at, rate in points]
    lower = [(at, y(rate.low_ratio)) for at, rate in points]
    middle = [(at, y(rate.ratio or 0.0)) for at, rate in points]
    at, last = points[-1]
    whisker = line((at, y(last.low_ratio)), (at, y(last.high_ratio)), class_=f"chart-{name}-whisker")
    return (
        element("path", d=area(upper, lower), class_=f"chart-{name}-area")
        + whisker
        + element("path", d=path(middle), class_=f"chart-{name}-line")
    )


def _dots(
    x: TimeAxis, y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate], name: str, label: str
) -> str:
    parts = []
    for point in minutes:
        rate = pick(point)
        if rate.ratio is None:
            continue
        at = f"{x.started_at + timedelta(minutes=point.at_min):%H:%M}"
        hint = f"{at}, {label}: {rate.bad} of {rate.requests} ({percent(rate.ratio)})"
        parts.append(
            element(
                "circle",
                element("title", escape(hint)),
                cx=x(point.at_min),
                cy=y(rate.ratio),
                r=3.2,
                class_=f"chart-{name}-dot",
            )
        )
    return "".join(parts)


def _ended(y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate]) -> float:
    last = pick(minutes[-1])
    return y(last.ratio or 0.0)


def _labels(x: TimeAxis, labels: Sequence[tuple[float, str, str]], distance_px: float = 17.0) -> str:
    """Labels at the right edge, moved down just far enough that they don't overlap."""
    parts: list[str] = []
    lowest = -distance_px
    for at, text, name in sorted(labels):
        lowest = max(at, lowest + distance_px)
        if x.narrow:
            parts.append(
                text_at(
                    x.to_px - 5, lowest - 4, text, class_=f"chart-value chart-inside chart-{name}", text_anchor="end"
                )
            )
        else:
            parts.append(text_at(x.to_px + 10, lowest + 4, text, class_=f"chart-value chart-{name}"))
    return "".join(parts)


def _evidence_panel(view: CanaryView, streams: Sequence[StreamView], x: TimeAxis, top: float) -> str:
    strongest = [point.log10 or 0.0 for stream in streams for point in stream.evidence]
    y = Scale(-1.0, max(view.bound_log10 + 0.7, min(max(strongest), 12.0)), top + EVIDENCE_PX, top)
    ticks = [value for value in (0, 2, 4, 8, 12) if value <= y.high]
    bound = y(view.bound_log10)
    parts = [
        _frame(
            x,
            top,
            EVIDENCE_PX,
            f"Odds {view.words.against}" + ("" if x.narrow else " at each evaluation (logarithmic)"),
        ),
        _grid(
            x, y, ticks, lambda value: f"{10**value:,.0f}:1" if value < (3 if x.narrow else 5) else f"10^{value:g}:1"
        ),
        line((x.from_px, bound), (x.to_px, bound), class_="chart-limit"),
    ]
    labels = [(bound, f"rolls back at {10**view.bound_log10:,.0f}:1", "limit-text")]
    for stream in streams:
        points = [(x(point.at_min), y(point.log10)) for point in stream.evidence if point.log10 is not None]
        hint = element("title", escape(f"{stream.label} of {shown(stream.function) or view.stage}"))
        if points:
            # Evidence starts at odds of 1:1 when traffic is shifted.
            whole = [(x(0.0), y(0.0)), *points]
            parts.append(element("path", hint, d=path(whole), class_="chart-evidence"))
            at, height = points[-1]
            parts.append(element("circle", hint, cx=at, cy=height, r=2.6, class_="chart-candidate-dot"))
            if height <= bound and not x.narrow:  # there it would stand on the title; the table has it
                labels.append((height, _name(view, stream), "candidate-text"))
    return "".join(parts) + _labels(x, labels)


def _marks(notes: Sequence[Note], x: TimeAxis, bottom: float) -> str:
    parts = []
    free_px = [-100.0, -100.0]  # right end of the last label on each of two rows
    drawn = -100.0
    for note in notes:
        if not note.marks:
            continue
        at = x(note.at_min)
        width = 6.6 * len(note.title) + 8
        row = 0 if at > free_px[0] else 1
        anchored_left = at + width < x.width - 10
        free_px[row] = at + width if anchored_left else at
        if at - drawn > 6:
            parts.append(line((at, 14 + 14.0 * row), (at, bottom), class_=f"chart-mark chart-{note.tone}"))
            drawn = at
        parts.append(
            text_at(
                at + 5 if anchored_left else at - 5,
                18 + 14.0 * row,
                note.title,
                class_=f"chart-mark-text chart-{note.tone}",
                text_anchor="start" if anchored_left else "end",
            )
        )
    return "".join(parts)
