"""The command reference as a page, written from the commands themselves; docs/flagkit-cli.md is its output.

`python -m flagkit.cli.reference` prints it; a test compares.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

from flagkit.cli.app import app
from flagkit.cli.failures import EXIT_CODES, MEANINGS
from flagkit.core.lint import Severity

_HEAD = """\
# Commands of flagkit

Written from the commands themselves by `python -m flagkit.cli.reference`. A page without AWS words is
[For product teams](product-teams.md).

Where the flags are kept is said by `--source`, else `$FLAGKIT_SOURCE`, else it is `flags.json` in this directory:
a file (`flags.json`, `file:flags.json`; its history is kept beside it) or `appconfig://APPLICATION/ENVIRONMENT/PROFILE`.
Commands that look show what is served; `--saved` shows what was saved last.

Every command that changes something shows first what changes and for whom, then saves it as a new version, and on
AppConfig deploys it. Other people's changes to other flags are merged in; a change of the same flag in between is
refused. Environments called `prod*` or `live*` ask for their name first; `$FLAGKIT_PROTECTED` holds other patterns,
separated by commas, and `--yes` asks nothing. What was saved and not deployed is said by the next command.

Words go to stdout, what is going on to stderr, errors to stderr as `error[code]: what happened` and
`hint: what to do`; with `--json` stdout carries one JSON value and nothing else. `NO_COLOR` switches colours off.
`eval "$(flagkit completion bash)"` completes commands and flags in your shell.
"""

_LINT = {
    "shadowed-split": (Severity.WARNING, "a share that gets nobody, because earlier variants have those users"),
    "unreachable": (Severity.WARNING, "a variant that nobody can get"),
    "weights": (Severity.WARNING, "percentages that read like weights and aren't, or shares that miss a little"),
    "mixed-draws": (Severity.WARNING, "variants of one flag that draw users by different seeds or keys"),
    "missing-seed": (Severity.WARNING, "a split without a seed"),
    "reshuffle": (Severity.WARNING, "percentages that deal everybody anew (with `--against`)"),
    "unknown-key": (Severity.WARNING, "a context key that looks misspelt, or that `--context-key` doesn't name"),
    "type-slip": (Severity.WARNING, '`"true"` or `"18"` in quotes, where true or 18 is meant'),
    "expired": (Severity.WARNING, "a schedule that is over"),
    "removal-due": (Severity.WARNING, "a flag past the day it was to be removed"),
    "long-rule": (Severity.WARNING, "a rule near AWS's 16,384 characters"),
    "large-document": (Severity.WARNING, "a document near AWS's 2 MB"),
    "MaxEntries(32)": (Severity.WARNING, "more variants than AWS documents"),
    "started": (Severity.NOTICE, "a start that has passed: the condition can go"),
    "no-value": (Severity.NOTICE, "a flag that is declared and has no value"),
    "undeclared": (Severity.NOTICE, "a flag that has a value and is not declared"),
}


def reference() -> str:
    """The whole page. Since 0.1."""
    group: Any = typer.main.get_command(app)
    lines = [_HEAD, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    lines += ["", "| error | exit code |", "|---|---|"]
    lines += [f"| `{kind.code}` | {code} |" for kind, code in EXIT_CODES]
    lines += ["", "## What lint finds", "", "Errors are AWS's own, by AWS's names, with line, column and a caret.", ""]
    lines += ["| finding | severity | what |", "|---|---|---|"]
    lines += [f"| `{name}` | {severity.value} | {what} |" for name, (severity, what) in _LINT.items()]
    lines += ["", *_commands("flagkit", group)]
    return "\n".join(lines).rstrip() + "\n"


def lint_codes() -> set[str]:
    """Every finding that the page explains. Since 0.1."""
    return set(_LINT)


def _commands(start: str, group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        yield from _command(f"{start} {name}", command)
        if hasattr(command, "commands"):
            yield from _commands(f"{start} {name}", command)


def _command(name: str, command: Any) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    words = " ".join(argument.metavar for argument in arguments)
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    yield f"## {name}"
    yield ""
    yield text.strip()
    yield ""
    lines = [f"{name} {f'{words} ' if words else ''}[OPTIONS]", *([example.strip()] if example else [])]
    yield "```\n" + "\n".join(lines) + "\n```"
    yield ""
    rows = [_row(parameter) for parameter in parameters if parameter.help]
    if rows:
        yield "| | | default |"
        yield "|---|---|---|"
        yield from rows
        yield ""


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        label = parameter.metavar
    else:
        flags = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len, reverse=True))
        kind = "" if parameter.is_flag else f" {parameter.metavar}"
        label = f"{flags}{kind}"
    default = parameter.default
    shown = "" if default in (None, False, [], "") or parameter.required else f"`{default}`"
    return f"| `{label}` | {parameter.help} | {shown} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
