"""The command references of `flagkit` and `canary`, written from the commands themselves for `generate.py`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from canary.cli.app import program as canary_program
from canary.cli.output import EXIT_CODES as PHASE_CODES
from flagkit.cli.app import program as flagkit_program
from flagkit.cli.arguments import command_of
from flagkit.cli.errors import EXIT_CODE_MEANINGS, EXIT_CODES
from flagkit.cli.shell import BUG, INTERRUPTED, Program
from flagkit.core.lint import Severity

_FLAGKIT = """\
# flagkit commands

Generated from the commands by `make generate`. [For product teams](../product-teams.md) introduces them without AWS
terms.

`--source` says where the flags are: a file (`flags.json`, `file:flags.json`; its history is kept beside it) or
`appconfig://APPLICATION/ENVIRONMENT/PROFILE`. Without it, `$FLAGKIT_SOURCE` is used, else `flags.json` in the current
directory. Commands that read show what is live; `--saved` shows the newest saved version.

A command that changes flags first shows what changes and for whom, then saves a new version, and on AppConfig deploys
it. Changes by others to other flags are merged; a concurrent change to the same flag is refused. Environments named
`prod*` or `live*` ask for their name; `$FLAGKIT_PROTECTED` sets other patterns, separated by commas, and `--yes` skips
the prompts. The next command reports what is saved but not deployed.

Results go to stdout; progress and errors go to stderr, errors as `error[code]: message` and `hint: next step`. With
`--json`, stdout carries JSON and nothing else; an error is
`{"error": {"code", "message", "details", "hint", "exit_code"}}`. `NO_COLOR` switches colors off.
`eval "$(flagkit completion bash)"` completes commands and flags in the shell.
"""

_CANARY = """\
# canary commands

Generated from the commands by `make generate`.

Every command reads `canary.toml`; `--plan` names another file. Results go to stdout, errors to stderr as
`error[code]: message` and `hint: next step`. With `--json`, stdout carries JSON lines and nothing else; an error is
`{"error": {"code", "message", "details", "hint", "exit_code"}}`. Colors follow the terminal, `--no-color` and
`NO_COLOR`. In GitHub Actions a release also writes an annotation and a step summary. The first Ctrl-C, SIGTERM or
SIGHUP during a release does what `on_interrupt` in the plan says (`ask` asks on a terminal and rolls back elsewhere);
a second one changes nothing. No alias is left partially written.
"""

_LINT = {
    "shadowed-split": (Severity.WARNING, "a percentage that nobody gets, because earlier variants have those users"),
    "unreachable": (Severity.WARNING, "a variant that nobody can get"),
    "weights": (Severity.WARNING, "percentages that look like weights, or that do not quite add up to 100"),
    "mixed-draws": (Severity.WARNING, "variants of one flag that are bucketed by different seeds or keys"),
    "missing-seed": (Severity.WARNING, "a split without a seed"),
    "reshuffle": (Severity.WARNING, "percentages that reassign all users (with `--against`)"),
    "unknown-key": (Severity.WARNING, "a context key that looks misspelt, or that `--context-key` does not name"),
    "type-slip": (Severity.WARNING, '`"true"` or `"18"` in quotes, where true or 18 is meant'),
    "expired": (Severity.WARNING, "a schedule that has ended"),
    "removal-due": (Severity.WARNING, "a flag past its removal date"),
    "archived-on": (Severity.WARNING, "an archived flag that is on"),
    "long-rule": (Severity.WARNING, "a rule near AWS's limit of 16,384 characters"),
    "large-document": (Severity.WARNING, "a document near AWS's limit of 2 MB"),
    "MaxEntries(32)": (Severity.WARNING, "more variants than AWS documents"),
    "started": (Severity.NOTICE, "a start that has passed: the condition can be removed"),
    "patterns-unchecked": (Severity.WARNING, "rules with patterns, where google-re2 is not installed"),
    "no-value": (Severity.NOTICE, "a flag that is declared and has no value"),
    "undeclared": (Severity.NOTICE, "a flag that has a value and is not declared"),
}
"""Every finding of lint, with what it means; a test compares it with the code."""

_CANARY_CODES = {
    0: "promoted, or the command did what was asked",
    1: "an AWS call failed, a check of `verify` failed, or `infra --diff` found a difference",
    2: "invalid arguments, plan or file; nothing was changed",
    3: "the release was rolled back",
    4: "the release is on hold: inconclusive, it waits for a decision",
    5: "refused by preflight or by the rules of the stage; nothing was changed",
    6: "conflict: another driver or an external change holds an alias; nothing more was written",
    7: "no data: nothing failed, but something could not be evaluated without traffic "
    "(`verify`, `doctor`, a promotion that was not watched)",
    BUG: "a bug in canary",
    INTERRUPTED: "interrupted by Ctrl-C, SIGTERM or SIGHUP; `on_interrupt` of the plan was carried out",
}


def flagkit_page() -> str:
    """The reference of flagkit."""
    lines = [_FLAGKIT, *_codes(EXIT_CODE_MEANINGS), "", "| error | exit code |", "|---|---|"]
    lines += [f"| `{kind.code}` | {code} |" for kind, code in EXIT_CODES]
    lines += ["", "## Findings of lint", ""]
    lines += [
        "Errors carry AWS's names, with line, column and a caret.",
        "",
        "| finding | severity | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {severity.value} | {what} |" for name, (severity, what) in _LINT.items()]
    return _page(lines, flagkit_program())


def canary_page() -> str:
    """The reference of canary."""
    lines = [_CANARY, *_codes(_CANARY_CODES), "", "The exit code of each error is in the [error catalogue](errors.md)."]
    return _page(lines, canary_program())


def lint_codes() -> set[str]:
    """Every finding that the page explains."""
    return set(_LINT)


def canary_exit_codes() -> tuple[set[int], set[int]]:
    """The exit codes that canary can return, and those that the page explains."""
    from canary.errors import CanaryError

    def tree(cls: type[CanaryError]) -> Iterator[int]:
        yield cls.exit_code
        for child in cls.__subclasses__():
            yield from tree(child)

    return {0, 2, 4, BUG, INTERRUPTED, *PHASE_CODES.values(), *tree(CanaryError)}, set(_CANARY_CODES)


def _codes(meanings: dict[int, str]) -> list[str]:
    rows = [f"| {code} | {meaning} |" for code, meaning in meanings.items()]
    return ["## Exit codes", "", "| code | meaning |", "|---|---|", *rows]


def _page(lines: list[str], program: Program) -> str:
    lines += ["", "## Overview", "", "```\n" + program.overview().rstrip() + "\n```", ""]
    for command in program.commands.values():
        lines += _command(f"{program.name} {command.name}", command_of(command))
    return "\n".join(lines).rstrip() + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    usage = " ".join([name, *(str(argument.metavar) for argument in arguments), "[OPTIONS]"])
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    yield f"## {name}"
    yield ""
    yield text.strip()
    yield ""
    yield "\n".join(["```", usage, *([example.strip()] if example else []), "```"])
    yield ""
    rows = [_row(parameter) for parameter in command.params]
    if rows:
        yield "| | | default |"
        yield "|---|---|---|"
        yield from rows
        yield ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            yield from _command(f"{name} {below}", command.get_command(context, below))


def _row(parameter: Any) -> str:
    if isinstance(parameter, click.Argument):
        label, text = str(parameter.metavar), getattr(parameter, "text", "")
    else:
        flags = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len, reverse=True))
        label, text = (flags if parameter.is_flag else f"{flags} {_metavar(parameter)}"), parameter.help
    shown = f"`{parameter.default}`" if getattr(parameter, "show_default", False) else ""
    return f"| `{label}` | {str(text).replace('|', '&#124;')} | {shown} |"


def _metavar(parameter: click.Option) -> str:
    return parameter.metavar or parameter.type.name.upper()
