"""flagkit's errors as they are shown, with their exit codes. It must not decide what went wrong."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, get_args

from flagkit.cli.arguments import Argument
from flagkit.cli.shell import BUG, INTERRUPTED, USAGE, Command, Group, Report
from flagkit.errors import (
    AccessDeniedError,
    ConflictError,
    DeploymentBusyError,
    DeploymentError,
    DocumentError,
    EditError,
    FlagkitError,
    NotDeployedError,
    RefusedError,
    RuleError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
    SourceUrlError,
    UsageError,
    Violation,
)

FOUND, INVALID, CONFLICT, REFUSED, DENIED, UNAVAILABLE, NOT_DEPLOYED = 1, 3, 4, 5, 6, 7, 8

EXIT_CODE_MEANINGS: Final = {
    0: "success",
    FOUND: "`lint`, `stale`, `notify`, `diff --exit-code` or `plan --exit-code` found something",
    USAGE: "invalid arguments or source; nothing was changed",
    INVALID: "unknown flag, an edit that cannot be made, or an invalid document; nothing was changed",
    CONFLICT: "another author changed the same flag, or another deployment is running",
    REFUSED: "not confirmed; nothing was changed",
    DENIED: "a permission is missing, or the source does not exist",
    UNAVAILABLE: "AWS, the network or a receiver of `notify test` did not answer",
    NOT_DEPLOYED: "saved but not live: not deployed yet, or the deployment was rolled back",
    BUG: "a bug in flagkit",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""What every exit code means (docs/reference/flagkit-commands.md)."""

# The first class that fits counts, so narrower ones come first.
EXIT_CODES: Final[tuple[tuple[type[FlagkitError], int], ...]] = (
    (UsageError, USAGE),
    (SourceUrlError, USAGE),
    (ConflictError, CONFLICT),
    (SourceBusyError, CONFLICT),
    (DeploymentBusyError, CONFLICT),
    (EditError, INVALID),
    (DocumentError, INVALID),
    (RuleError, INVALID),
    (RefusedError, REFUSED),
    (AccessDeniedError, DENIED),
    (SourceNotFoundError, DENIED),
    (NotDeployedError, DENIED),
    (SourceUnavailableError, UNAVAILABLE),
    (SourceError, UNAVAILABLE),
    (DeploymentError, NOT_DEPLOYED),
    (FlagkitError, FOUND),
)


_COMMAND = re.compile(r"`(flagkit ([a-z-]+)[^`]*)`")


def exit_code_of(error: type[FlagkitError]) -> int:
    """The exit code of a class of errors."""
    return next(code for kind, code in EXIT_CODES if issubclass(error, kind))


def report_of(error: FlagkitError) -> Report:
    """One of our own errors as it is shown."""
    message, *more = error.message.splitlines() or [""]
    details = tuple(more)  # a condition, with a caret under the place
    if isinstance(error, DocumentError) and error.violations and error.violations[0].location not in message:
        message = f"{message}: {_violation_line(error.violations[0])}"
    if isinstance(error, RuleError) and error.rule:
        details = tuple(error.caret.splitlines())
    return Report(error.code, message, error.hint, exit_code_of(type(error)), details)


def with_source(report: Report, arguments: Sequence[str], commands: Mapping[str, Command]) -> Report:
    """Name the source that a command was given in the commands of its hint, so that they run as they are printed."""
    source = _given_source(arguments)
    if source is None or not report.hint:
        return report

    def completed(found: re.Match[str]) -> str:
        command = commands.get(found[2])
        if command is None or "--source" in found[1]:
            return found[0]
        place = _place_of_source(command, found[1].split()[2:3])
        return found[0] if place is None else f"`{found[1]}{place}{shlex.quote(source)}`"

    return replace(report, hint=_COMMAND.sub(completed, report.hint))


def _given_source(arguments: Sequence[str]) -> str | None:
    for index, word in enumerate(arguments):
        if word in {"--source", "-s"} and index + 1 < len(arguments):
            return arguments[index + 1]
        if word.startswith("--source="):
            return word.removeprefix("--source=")
    return None


def _place_of_source(command: Command, below: Sequence[str]) -> str | None:
    """What stands before a source in a command, or in the command below it; None if it takes none."""
    found = command.load()
    if isinstance(found, Group):
        function = next((it.load() for it in found.commands if it.name in below), found.alone)
    else:
        function = found
    parameter = inspect.signature(function, eval_str=True).parameters.get("source")
    if parameter is None:
        return None
    return " " if any(isinstance(part, Argument) for part in get_args(parameter.annotation)) else " --source "


def _violation_line(violation: Violation) -> str:
    """One break of AWS's format in one line."""
    said = violation.message or violation.reason
    value = f" ({violation.value})" if violation.value else ""
    return f"{violation.location or 'document'}: {violation.constraint}{f': {said}' if said else ''}{value}"
