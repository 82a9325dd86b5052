"""Words on a terminal: tables of 80 columns, coloured changes, JSON. It must not know flags or AWS."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

WIDTH = 80
_COLOURS = {"+ ": "green", "- ": "red", "~ ": "yellow"}


def print_json(value: object) -> None:
    """Writes one JSON value to stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes rows in columns, never wider than 80: the last column is cut off."""
    cells = [[*map(str, row)] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    room = WIDTH - 2 * (len(head) - 1)
    for column in range(len(head) - 1):
        # The last column keeps a third of the width, whatever the others need.
        widths[column] = min(widths[column], max(8, (room * 2 // 3 - sum(widths[:column])) if column else 40))
    widths[-1] = max(room - sum(widths[:-1]), 8)
    for row in [list(head), *cells]:
        line = "  ".join(f"{shortened(cell, width):<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def changes(text: str) -> None:
    """Writes a difference in lines of at most 80 columns, its signs coloured on a terminal that takes it."""
    for line in text.splitlines():
        words = line.lstrip()
        indent = " " * (len(line) - len(words))
        colour = _COLOURS.get(words[:2])
        for shown in textwrap.wrap(
            words, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
        ):
            click.echo(click.style(shown, fg=colour, bold=True) if colour and has_colours() else shown)


def say(text: str) -> None:
    """Writes what is going on to stderr, so that stdout stays the answer."""
    click.echo(text, err=True)


def paragraph(text: str, indent: str = "") -> None:
    """Writes a sentence in lines of at most 80 columns."""
    click.echo(textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False))


def has_colours() -> bool:
    """Whether stdout takes colours: a terminal, and `NO_COLOR` isn't set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def shortened(text: str, width: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def moment(at: dt.datetime) -> str:
    """A moment for people, in UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
