"""The command reference as a page, written from the commands themselves; docs/canary/cli.md is its output.

`python -m canary.cli.reference` prints it; a test compares.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

from canary.cli.app import app
from canary.cli.output import EXIT_CODES
from canary.errors import CanaryError

_MEANINGS = {
    0: "done: promoted, or the command did what was asked",
    1: "an AWS call or a check of `verify` failed, or a bug",
    2: "the words, the plan or the file don't fit; nothing was done",
    3: "the release was rolled back",
    4: "the release holds: inconclusive, a person must decide",
    5: "refused by preflight or by the stage's rules; nothing was changed",
    6: "conflict: another driver or a foreign writer holds an alias; nothing more was written",
    130: "interrupted by Ctrl-C or SIGTERM; what the plan says was done (`on_interrupt`)",
}
_HEAD = """\
# Commands

Written from the commands themselves by `python -m canary.cli.reference`.

Every command reads `canary.toml` (`--plan` names another file). Words go to stdout, errors to stderr as
`error[code]: what happened` and `hint: what to do`; with `--json` stdout carries JSON lines and nothing else. Colours
follow the terminal, `--no-color` and the environment variable `NO_COLOR`. In GitHub Actions a release also writes an
annotation and a step summary. A first Ctrl-C or SIGTERM during a release does what the plan's `on_interrupt` says
(`ask` asks on a terminal and rolls back elsewhere); a second one changes nothing: no alias is ever left half written.
"""


def reference() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    lines = [_HEAD, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in _MEANINGS.items()]
    lines += ["", "Errors carry these codes, too: see the [error catalogue](../reference/errors.md).", ""]
    for name, command in group.commands.items():
        lines += _command(name, command)
    return "\n".join(lines).rstrip() + "\n"


def known_exit_codes() -> set[int]:
    """Every exit code that the code can produce, for the test that each is explained."""

    def tree(cls: type[CanaryError]) -> Iterator[int]:
        yield cls.exit_code
        for child in cls.__subclasses__():
            yield from tree(child)

    return {0, 2, 4, 130, *EXIT_CODES.values(), *tree(CanaryError)}


def explained_exit_codes() -> set[int]:
    """Every exit code that the page explains."""
    return set(_MEANINGS)


def _command(name: str, command: Any) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    words = " ".join(_argument(argument) for argument in arguments)
    yield f"## canary {name}"
    yield ""
    yield inspect.cleandoc(command.help or "")
    yield ""
    yield f"```\ncanary {name} {f'{words} ' if words else ''}[OPTIONS]\n```"
    yield ""
    rows = [_row(parameter) for parameter in parameters if parameter.help]
    if rows:
        yield "| | | default |"
        yield "|---|---|---|"
        yield from rows
        yield ""


def _argument(argument: Any) -> str:
    shown = (argument.metavar or argument.name).strip("[].").upper()
    dots = "..." if argument.nargs == -1 else ""
    return f"{shown}{dots}" if argument.required else f"[{shown}]{dots}"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        label = _argument(parameter)
    else:
        flags = ", ".join(sorted(parameter.opts, key=len, reverse=True))
        kind = "" if parameter.is_flag else f" {parameter.metavar}"
        label = f"{flags}{kind}"
    default = parameter.default
    shown = "" if default in (None, False, []) or parameter.required else f"`{default}`"
    return f"| `{label}` | {parameter.help} | {shown} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
