"""What commands write: tables as wide as the terminal, colored changes, JSON. It must not know flags or AWS."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

_COLORS = {"+ ": "green", "- ": "red", "~ ": "yellow"}
_NARROWEST = 8
# Control characters, and those that change the direction of the text or can't be seen: a flag's name could rewrite
# what the terminal shows (CVE-2021-42574).
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_NOT_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def echo(text: str) -> None:
    """Write a line to stdout."""
    click.echo(visible(text))


def say(text: str) -> None:
    """Write what is going on to stderr, so that stdout stays the answer."""
    from flagkit.cli.hints import runnable

    click.echo(visible(runnable(text, click.get_current_context(silent=True))), err=True)


def print_json(value: object) -> None:
    """Write one JSON value to stdout."""
    click.echo(json_text(value, indent=2))


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON that steers no terminal and has no halves of characters."""
    return _NOT_IN_JSON.sub(_json_escape, json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows in columns. On a terminal that is too narrow cells are cut; in a pipe nothing is."""
    cells = [[visible(str(cell)) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    room = width()
    if room is not None:
        widths = _fitted(widths, room - 2 * (len(head) - 1))
    for row in cells:
        line = "  ".join(f"{shortened(cell, width):<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def show_changes(text: str) -> None:
    """Write a difference; its signs are colored on a terminal that takes it."""
    for line in text.splitlines():
        bare = line.lstrip()
        indent = " " * (len(line) - len(bare))
        color = _COLORS.get(bare[:2])
        for shown in _wrapped(visible(bare), indent, indent + "  "):
            click.echo(click.style(shown, fg=color, bold=True) if color and has_colors() else shown)


def paragraph(text: str, indent: str = "") -> None:
    """Write a sentence, wrapped to the terminal."""
    for line in _wrapped(visible(text), indent, indent):
        click.echo(line)


def width() -> int | None:
    """Return the columns of the terminal; None where stdout is no terminal, and nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colors() -> bool:
    """Tell whether stdout takes colors: a terminal, and `NO_COLOR` isn't set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def visible(text: str) -> str:
    """Return text with the characters escaped that would steer the terminal or that nobody sees."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def shortened(text: str, width: int) -> str:
    """Return text of at most so many characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def moment(at: dt.datetime) -> str:
    """Return a moment for people, in UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _fitted(widths: list[int], room: int) -> list[int]:
    """Narrow the widest columns until all fit."""
    fitted = list(widths)
    while sum(fitted) > room and max(fitted) > _NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    room = width()
    if room is None:
        return [first + text]
    return textwrap.wrap(text, room, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [""]


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
