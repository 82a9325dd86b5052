"""The shell of a command line: help, version, lazily loaded commands, errors and exit codes. It knows no command.

`flagkit` and `canary` both run in it. Nothing heavy is imported before a command needs it: the overview of the commands
is a table, and a command's module is imported when the command is called.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

USAGE: Final = 2
"""Exit code for arguments that can't be used."""
BUG: Final = 70
"""Exit code for an error that nobody expected: EX_SOFTWARE of sysexits.h."""
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells use it."""

HELP: Final = ("-h", "--help")


@dataclass(frozen=True, slots=True)
class Command:
    """One command in the overview.

    Attributes:
        name: what people type.
        target: the function or `Group` that does it, as `module:name`.
        summary: one line; the first sentence of the function's docstring.
    """

    name: str
    target: str
    summary: str

    def load(self) -> Any:
        """Import what does it: a function or a `Group`."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


@dataclass(frozen=True, slots=True)
class Group:
    """Commands below a command, such as `segment put`.

    Attributes:
        alone: the function that the group's own name calls.
        commands: the commands below it.
    """

    alone: Callable[..., int | None]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An error as it is shown.

    Attributes:
        code: stable identifier.
        message: what is wrong.
        hint: one next step; may be empty.
        exit_code: what the process ends with.
        details: more lines below the message.
    """

    code: str
    message: str
    hint: str
    exit_code: int
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A command line.

    Attributes:
        name: what people type.
        summary: what it is for.
        sections: its commands by what people want to do.
        interrupted: the hint after Ctrl-C.
        known: turns the program's own errors into a report; None for any other exception.
        reported: called with every report, after it was written.
    """

    name: str
    summary: str
    sections: Mapping[str, tuple[Command, ...]]
    interrupted: str
    known: Callable[[Exception], Report | None]
    reported: Callable[[Report], None] = field(default=lambda _: None)

    @property
    def commands(self) -> dict[str, Command]:
        """Every command by its name, in the order of the overview."""
        return {command.name: command for commands in self.sections.values() for command in commands}

    def overview(self) -> str:
        """Return what `--help` prints."""
        width = max(len(name) for name in self.commands)
        lines = [f"Usage: {self.name} COMMAND [ARGUMENTS] [OPTIONS]", "", self.summary]
        for title, commands in self.sections.items():
            lines += ["", f"{title}:"]
            lines += [f"  {command.name:<{width}}  {command.summary}" for command in commands]
        return "\n".join([*lines, "", f"`{self.name} COMMAND --help` shows the options of a command.", ""])


def main(program: Callable[[], Program], arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  for the whole process
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no arrows shows ? instead of failing
            setattr(sys, name, _Unbreakable(stream))
    sys.exit(run(program(), sys.argv[1:] if arguments is None else arguments, None))


def run(program: Program, arguments: Sequence[str], context: object | None) -> int:
    """Run one command, turn every error into one line, and return the exit code.

    Args:
        program: the command line.
        arguments: what follows the program's name.
        context: what commands find in `Context.obj`.
    """
    first = arguments[0] if arguments else HELP[0]
    if f"_{program.name.upper()}_COMPLETE" not in os.environ:
        if first in HELP:
            sys.stdout.write(program.overview())
            return 0
        if first == "--version":
            from flagkit.lazy import version

            sys.stdout.write(f"{program.name} {version()}\n")
            return 0
    try:
        import click
    except ModuleNotFoundError as error:  # pragma: no cover - needs an installation without the extra
        sys.stderr.write(f"error[usage]: the command line needs {error.name}\n")
        sys.stderr.write("hint: pip install 'flagkit-canary[cli]'\n")
        return USAGE
    from flagkit.cli.arguments import LazyGroup

    group = LazyGroup(program.name, program.commands)
    try:
        code = group.main(list(arguments), prog_name=program.name, standalone_mode=False, obj=context)
    except SystemExit as end:  # how click ends a completion
        return end.code if isinstance(end.code, int) else 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence: never a traceback
        from flagkit.cli.hints import runnable

        report = _report(program, error, click)
        report = replace(report, hint=runnable(report.hint, group.running))
        write(report, as_json="--json" in arguments)
        program.reported(report)
        return report.exit_code
    return code if isinstance(code, int) else 0


def _report(program: Program, error: BaseException, click: Any) -> Report:
    if isinstance(error, click.UsageError):
        path = getattr(error.ctx, "command_path", program.name)
        return Report("usage", error.format_message(), f"See `{path} --help`.", USAGE)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Report("interrupted", "interrupted by Ctrl-C", program.interrupted, INTERRUPTED)
    known = program.known(error) if isinstance(error, Exception) else None
    if known is not None:
        return known
    variable = f"{program.name.upper()}_TRACEBACK"
    if os.environ.get(variable):
        raise error
    hint = f"This is a bug in {program.name}. Run again with {variable}=1 and report the output."
    return Report("internal", f"{type(error).__name__}: {str(error) or 'no message'}", hint, BUG)


def write(report: Report, *, as_json: bool = False) -> None:
    """Write `error[code]: message` and `hint: …` to stderr; with `as_json` also one JSON object to stdout."""
    from flagkit.cli.output import json_text, visible

    lines = [f"error[{report.code}]: {' '.join(report.message.split())}", *(f"  {line}" for line in report.details)]
    if report.hint:
        lines.append(f"hint: {' '.join(report.hint.split())}")
    sys.stderr.write("".join(f"{visible(line)}\n" for line in lines))
    if as_json:
        data = {"code": report.code, "message": report.message, "details": report.details, "hint": report.hint}
        sys.stdout.write(json_text({"error": {**data, "exit_code": report.exit_code}}) + "\n")


class _Unbreakable:
    """A stream whose reader may go away: what is written then is dropped, and the command goes on.

    With `flagkit off KEY` piped into `head -1`, the flag must be switched off: a closed pipe stops no change.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            written = self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            self._drop(error)
            return len(text)
        return written

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if error.errno not in {errno.EPIPE, errno.EIO}:  # EIO: the terminal was closed
            raise error
        # What is still buffered would fail again when the process ends: it goes nowhere instead.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
