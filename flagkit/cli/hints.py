"""Commands in hints and notes name the source that was given, so that they run as they are printed.

It must not decide what a hint says.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Sequence
from typing import Any, Final

import click

from flagkit.cli.arguments import LazyGroup
from flagkit.cli.shell import Command, Group

NAMED_SOURCE: Final = "flagkit.source"
"""The key in `Context.meta` of the source that a command works on, where it isn't the one of `--source`."""

_COMMAND = re.compile(r"`([a-z]+) ([a-z-]+)([^`]*)`")


def runnable(text: str, context: click.Context | None) -> str:
    """Return a text whose commands in backticks name the source that the running command was given."""
    if context is None or "`" not in text:
        return text
    source = context.meta.get(NAMED_SOURCE) or context.params.get("source")
    root = context.find_root()
    if not isinstance(source, str) or not isinstance(root.command, LazyGroup):
        return text
    known = root.command.known

    def completed(found: re.Match[str]) -> str:
        whole, program, name, rest = found[0], *found.groups()
        if program != root.info_name or name not in known or "--source" in rest or "--help" in rest:
            return whole
        takes = _takes_source(known[name], rest.split()[:1])
        return f"{whole[:-1]} --source {shlex.quote(source)}`" if takes else whole

    return _COMMAND.sub(completed, text)


def _takes_source(command: Command, below: Sequence[str]) -> bool:
    """Whether a command, or the command below it, has the option `--source`."""
    found: Any = command.load()
    if isinstance(found, Group):
        function = next((it.load() for it in found.commands if it.name in below), found.alone)
    else:
        function = found
    return "source" in inspect.signature(function, eval_str=True).parameters
