"""A canary's timeline and bars as inline SVG: weight, error shares with intervals, evidence, marked moments.

It draws what the view holds; it must not compute statistics nor decide what is worth showing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

from canary.view.labels import percent
from canary.view.model import Bar, BarsView, CanaryView, MinutePoint, Note, Rate, StreamView

Point = tuple[float, float]
WIDTH = 960
LEFT = 66
RIGHT = 178
TOP = 46
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
class Scale:
    """Maps a range of values to a range of pixels, and keeps what lies outside at the border."""

    low: float
    high: float
    from_px: float
    to_px: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        span = self.high - self.low
        share = 0.0 if span <= 0 else (min(max(value, self.low), self.high) - self.low) / span
        return self.from_px + share * (self.to_px - self.from_px)


def number(value: float) -> str:
    """A coordinate with as few digits as the eye can see."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, *children: str, **attributes: str | float | None) -> str:
    """An element; `class_` becomes `class`, other underscores become hyphens, None is left out."""
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        label = key.rstrip("_").replace("_", "-")
        shown = number(value) if isinstance(value, int | float) else escape(value, quote=True)
        parts.append(f'{label}="{shown}"')
    opening = " ".join(parts)
    return f"<{opening}>{''.join(children)}</{name}>" if children else f"<{opening}/>"


def text_at(x: float, y: float, content: str, **attributes: str | float | None) -> str:
    """A line of text."""
    return element("text", escape(content), x=x, y=y, **attributes)


def line(start: Point, end: Point, **attributes: str | float | None) -> str:
    """A straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **attributes)


def path(points: Sequence[Point], *, closed: bool = False) -> str:
    """Path data through the points."""
    if not points:
        return ""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + ("Z" if closed else "")


def area(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """Path data of the area between two lines with the same x values."""
    return path([*upper, *reversed(lower)], closed=True)


def nice_top(value: float, choices: Sequence[float]) -> float:
    """The smallest choice that holds the value, or the value itself."""
    return next((choice for choice in choices if choice >= value), value)


def minute_ticks(last_min: float, wanted: int = 8) -> list[float]:
    """Round minutes for an axis from 0 to `last_min`."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 240) if last_min / step <= wanted), 480)
    return [float(step * index) for index in range(math.floor(last_min / step) + 1)]


def bars(view: BarsView) -> str:
    """The chart; a black line on a bar marks the share that was asked for."""
    x = Scale(0.0, 1.0, BAR_LEFT, WIDTH - BAR_RIGHT)
    rows = [_row(bar, x, 10.0 + ROW_PX * index) for index, bar in enumerate(view.bars)]
    number = next(_numbers)
    return element(
        "svg",
        element("title", escape(view.title), id=f"bt{number}"),
        element("desc", escape(view.summary), id=f"bd{number}"),
        *rows,
        viewBox=f"0 0 {WIDTH} {14 + ROW_PX * len(view.bars)}",
        role="img",
        aria_labelledby=f"bt{number} bd{number}",
        class_="bars",
    )


def _row(bar: Bar, x: Scale, top: float) -> str:
    middle = top + 15
    parts = [
        text_at(x.from_px - 12, middle, bar.label, text_anchor="end"),
        element("rect", x=x.from_px, y=top, width=x.to_px - x.from_px, height=20, rx=4, class_="bar-track"),
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
                class_="bar strong" if bar.emphasised else "bar",
            )
        )
    if bar.expected_ratio is not None:
        at = x(bar.expected_ratio)
        parts.append(line((at, top - 3), (at, top + 23), class_="expected"))
    parts.append(text_at(x.to_px + 12, middle, bar.text, class_="value"))
    return "".join(parts)


def timeline(view: CanaryView) -> str:
    """The whole timeline; readable by screen readers through its title and description."""
    last_min = max(view.elapsed_min * 1.06, 1.0)  # so that the last moment isn't the frame
    x = Scale(0.0, last_min, LEFT, WIDTH - RIGHT)
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
    parts.append(_minutes_axis(x, last_min, top))
    marks = _marks(view.notes, x, top)
    number = next(_numbers)
    return element(
        "svg",
        element("title", escape(f"Timeline of the canary on {view.stage}"), id=f"t{number}"),
        element("desc", escape(describe(view)), id=f"d{number}"),
        marks,
        *parts,
        viewBox=f"0 0 {WIDTH} {top + 40:.0f}",
        role="img",
        aria_labelledby=f"t{number} d{number}",
        class_="timeline",
    )


def shown_streams(view: CanaryView) -> tuple[StreamView, ...]:
    """The streams that carry data, those with the most evidence against first, at most three."""

    def weight(stream: StreamView) -> float:
        # Weak evidence is no order: the plan's stays.
        strongest = max((point.log10 or 0.0 for point in stream.evidence), default=0.0)
        return strongest if strongest >= 1.0 else 0.0

    return tuple(sorted((stream for stream in view.streams if stream.minutes), key=weight, reverse=True)[:3])


def describe(view: CanaryView) -> str:
    """The chart as text."""
    steps = ", ".join(f"{point.percent:g} % from minute {point.at_min:g}" for point in view.weights)
    shares = " ".join(
        f"{stream.gate}: {_rate_text(view.candidate_name, stream.candidate)}; "
        f"{_rate_text(view.baseline_name, stream.baseline)}; the limit is {percent(stream.limit_ratio)}."
        for stream in shown_streams(view)
    )
    return f"Traffic on {view.candidate_name}: {steps or 'none'}. {shares} {view.headline}"


def _rate_text(name: str, rate: Rate) -> str:
    if rate.ratio is None:
        return f"{name} served no requests"
    return (
        f"{name} {percent(rate.ratio)} of {rate.requests:,} requests "
        f"(interval {percent(rate.low_ratio)} to {percent(rate.high_ratio)})"
    )


def _frame(x: Scale, top: float, height: float, title: str) -> str:
    return text_at(x.from_px, top - 10, title, class_="panel-title") + element(
        "rect", x=x.from_px, y=top, width=x.to_px - x.from_px, height=height, class_="panel"
    )


def _grid(x: Scale, y: Scale, values: Sequence[float], label: Callable[[float], str]) -> str:
    parts = []
    for value in values:
        parts.append(line((x.from_px, y(value)), (x.to_px, y(value)), class_="grid"))
        parts.append(text_at(x.from_px - 8, y(value) + 4, label(value), class_="tick", text_anchor="end"))
    return "".join(parts)


def _minutes_axis(x: Scale, last_min: float, bottom: float) -> str:
    parts = [
        text_at(x(minute), bottom + 18, f"{minute:g}", class_="tick", text_anchor="middle")
        for minute in minute_ticks(last_min)
    ]
    return "".join(parts) + text_at(x.to_px + 8, bottom + 18, "minutes", class_="tick")


def _weight_panel(view: CanaryView, x: Scale, top: float) -> str:
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
            class_="value",
        )
        for point in view.weights
        if point.percent > 0
    )
    return (
        _frame(x, top, WEIGHT_PX, f"Traffic on {view.candidate_name}")
        + _grid(x, y, (0, 50, 100), lambda value: f"{value:g} %")
        + element("path", d=area, class_="weight-area")
        + element("path", d=path(points), class_="weight-line")
        + labels
    )


def _share_panel(view: CanaryView, stream: StreamView, x: Scale, top: float) -> str:
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
    labels = [
        (candidate_end, f"{view.candidate_name}  {percent(last.candidate_so_far.ratio or 0.0)}", "candidate-text"),
        (base_end, f"{view.baseline_name}  {percent(last.baseline_so_far.ratio or 0.0)}", "baseline-text"),
        (y(stream.limit_ratio), f"limit  {percent(stream.limit_ratio)}", "limit-text"),
    ]
    title = f"{stream.title}, {stream.function}" if len({s.function for s in view.streams}) > 1 else stream.title
    return (
        _frame(x, top, SHARE_PX, f"{title[:1].upper()}{title[1:]}: by minute (dots), in total (line with interval)")
        + _grid(x, y, [y.high * share for share in (0, 0.25, 0.5, 0.75, 1)], percent)
        + _settling(x, last.at_min, top, view.elapsed_min)
        + _interval(x, y, stream.minutes, lambda point: point.baseline_so_far, "baseline")
        + _interval(x, y, stream.minutes, lambda point: point.candidate_so_far, "candidate")
        + line((x.from_px, y(stream.limit_ratio)), (x.to_px, y(stream.limit_ratio)), class_="limit")
        + _dots(x, y, stream.minutes, lambda point: point.baseline, "baseline", view.baseline_name)
        + _dots(x, y, stream.minutes, lambda point: point.candidate, "candidate", view.candidate_name)
        + _labels(x, labels)
    )


def _settling(x: Scale, last_min: float, top: float, now_min: float) -> str:
    """Shades the minutes that CloudWatch had not settled: what they hold was not known."""
    width = x(now_min) - x(last_min)
    if width < 6:
        return ""
    shade = element("rect", x=x(last_min), y=top, width=width, height=SHARE_PX, class_="settling")
    return shade + (text_at(x(last_min) + 6, top + 16, "not settled yet", class_="tick") if width > 96 else "")


def _interval(
    x: Scale, y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate], name: str
) -> str:
    points = [(x(point.at_min), pick(point)) for point in minutes if pick(point).requests]
    if not points:
        return ""
    upper = [(at, y(rate.high_ratio)) for at, rate in points]
    lower = [(at, y(rate.low_ratio)) for at, rate in points]
    middle = [(at, y(rate.ratio or 0.0)) for at, rate in points]
    at, last = points[-1]
    whisker = line((at, y(last.low_ratio)), (at, y(last.high_ratio)), class_=f"{name}-whisker")
    return (
        element("path", d=area(upper, lower), class_=f"{name}-band")
        + whisker
        + element("path", d=path(middle), class_=f"{name}-line")
    )


def _dots(
    x: Scale, y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate], name: str, label: str
) -> str:
    parts = []
    for point in minutes:
        rate = pick(point)
        if rate.ratio is None:
            continue
        hint = f"minute {point.at_min:g}, {label}: {rate.bad} of {rate.requests} ({percent(rate.ratio)})"
        parts.append(
            element(
                "circle",
                element("title", escape(hint)),
                cx=x(point.at_min),
                cy=y(rate.ratio),
                r=3.2,
                class_=f"{name}-dot",
            )
        )
    return "".join(parts)


def _ended(y: Scale, minutes: Sequence[MinutePoint], pick: Callable[[MinutePoint], Rate]) -> float:
    last = pick(minutes[-1])
    return y(last.ratio or 0.0)


def _labels(x: Scale, labels: Sequence[tuple[float, str, str]], distance_px: float = 17.0) -> str:
    """Labels at the right edge, moved down just far enough that they don't overlap."""
    parts: list[str] = []
    lowest = -distance_px
    for at, text, name in sorted(labels):
        lowest = max(at, lowest + distance_px)
        parts.append(text_at(x.to_px + 10, lowest + 4, text, class_=f"value {name}"))
    return "".join(parts)


def _evidence_panel(view: CanaryView, streams: Sequence[StreamView], x: Scale, top: float) -> str:
    strongest = [point.log10 or 0.0 for stream in streams for point in stream.evidence]
    y = Scale(-1.0, max(view.bound_log10 + 0.7, min(max(strongest), 12.0)), top + EVIDENCE_PX, top)
    ticks = [value for value in (0, 2, 4, 8, 12) if value <= y.high]
    bound = y(view.bound_log10)
    parts = [
        _frame(x, top, EVIDENCE_PX, "Odds against the new version at each evaluation (logarithmic)"),
        _grid(x, y, ticks, lambda value: f"{10**value:,.0f}:1" if value < 5 else f"10^{value:g}:1"),
        line((x.from_px, bound), (x.to_px, bound), class_="limit"),
    ]
    labels = [(bound, f"rolls back at {10**view.bound_log10:,.0f}:1", "limit-text")]
    for stream in streams:
        points = [(x(point.at_min), y(point.log10)) for point in stream.evidence if point.log10 is not None]
        hint = element("title", escape(f"{stream.gate} of {stream.function}"))
        if points:
            # Evidence starts at odds of 1:1 when traffic is shifted.
            whole = [(x(0.0), y(0.0)), *points]
            parts.append(element("path", hint, d=path(whole), class_="evidence"))
            at, height = points[-1]
            parts.append(element("circle", hint, cx=at, cy=height, r=2.6, class_="candidate-dot"))
            if height <= bound:
                labels.append((height, stream.gate, "candidate-text"))
    return "".join(parts) + _labels(x, labels)


def _marks(notes: Sequence[Note], x: Scale, bottom: float) -> str:
    parts = []
    free_px = [-100.0, -100.0]  # right end of the last label on each of two rows
    drawn = -100.0
    for note in notes:
        if not note.marks:
            continue
        at = x(note.at_min)
        width = 6.6 * len(note.title) + 8
        row = 0 if at > free_px[0] else 1
        anchored_left = at + width < x.to_px + RIGHT - 10
        free_px[row] = at + width if anchored_left else at
        if at - drawn > 6:
            parts.append(line((at, 14 + 14.0 * row), (at, bottom), class_=f"mark {note.tone}"))
            drawn = at
        parts.append(
            text_at(
                at + 5 if anchored_left else at - 5,
                18 + 14.0 * row,
                note.title,
                class_=f"mark-text {note.tone}",
                text_anchor="start" if anchored_left else "end",
            )
        )
    return "".join(parts)
