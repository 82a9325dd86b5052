"""Horizontal bars as inline SVG: a counted share beside the one asked for; it must not count anything."""

from __future__ import annotations

from html import escape
from itertools import count

from canary.view.model import Bar, BarsView
from canary.view.svg import Scale, element, line, words

WIDTH = 960
LEFT = 270
RIGHT = 250
ROW_PX = 34
_numbers = count(1)


def bars(view: BarsView) -> str:
    """The chart; a black line on a bar marks the share that was asked for. Since 0.1."""
    x = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
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
        words(x.from_px - 12, middle, bar.label, text_anchor="end"),
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
    parts.append(words(x.to_px + 12, middle, bar.text, class_="value"))
    return "".join(parts)
