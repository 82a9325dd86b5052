"""A scatter plot as a plain SVG file: readable in light and dark, no library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import sqrt

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 420, 60, 46, 34, 190


def scatter(title: str, x_name: str, y_name: str, points: Sequence[tuple[str, float, float]], ours: str) -> str:
    """Points with their names; both axes from 0, the vertical one as a square root so that small shares stay apart.

    Args:
        title, x_name, y_name: words.
        points: name, x, y in percent (0 to 100).
        ours: the name to stress.
    """
    x_max = max(x for _, x, _ in points) * 1.08
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * x / x_max, TOP + high * (1 - sqrt(y / 100))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        "<style>text{font:12px system-ui,sans-serif;fill:#333}.g{stroke:#8884;stroke-width:1}.p{fill:#777}.o{fill:#b8730a}"
        ".b{font-weight:700}@media(prefers-color-scheme:dark){text{fill:#ddd}.p{fill:#aaa}}</style>",
        f'<text x="{LEFT}" y="18" class="b">{escape(title)}</text>',
    ]
    for share in (0, 1, 5, 10, 25, 50, 100):
        y = place(0, share)[1]
        parts.append(f'<line class="g" x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share} %</text>')
    step = max(1, round(x_max / 6))
    for tick in range(0, int(x_max) + 1, step):
        parts.append(f'<text x="{place(tick, 0)[0]:.1f}" y="{HEIGHT - 26}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 4}" font-size="11">{escape(y_name)}</text>')
    taken: list[float] = []
    for name, x, y in sorted(points, key=lambda point: -point[2]):
        left, top = place(x, y)
        label = top
        while any(abs(label - other) < 14 for other in taken):
            label += 14 if top < TOP + high / 2 else -14
        taken.append(label)
        mark = "o" if name == ours else "p"
        parts.append(f'<circle class="{mark}" cx="{left:.1f}" cy="{top:.1f}" r="{6 if mark == "o" else 4}"/>')
        parts.append(f'<line class="g" x1="{left:.1f}" y1="{top:.1f}" x2="{LEFT + wide + 8}" y2="{label:.1f}"/>')
        weight = ' class="b"' if name == ours else ""
        parts.append(f'<text{weight} x="{LEFT + wide + 12}" y="{label + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
