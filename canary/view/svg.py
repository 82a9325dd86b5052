"""SVG as text: elements, scales and paths; it must not know what a canary is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]


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
