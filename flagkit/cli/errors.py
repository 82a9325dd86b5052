"""flagkit's errors as they are shown, with their exit codes. It must not decide what went wrong."""

from __future__ import annotations

from typing import Final

from flagkit.cli.shell import BUG, INTERRUPTED, USAGE, Report
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
    REFUSED: "not confirmed, or not approved by another person; nothing was changed",
    DENIED: "a permission is missing, or the source does not exist",
    UNAVAILABLE: "AWS, the network or a receiver of `notify test` did not answer",
    NOT_DEPLOYED: "saved but not live: not deployed yet, or rolled back; or no deployment to stop or roll back",
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
    details += tuple(getattr(error, "__notes__", ()))  # what was done before it, e.g. that a version is saved
    return Report(error.code, message, error.hint, exit_code_of(type(error)), details)


def _violation_line(violation: Violation) -> str:
    """One break of AWS's format in one line."""
    said = violation.message or violation.reason
    value = f" ({violation.value})" if violation.value else ""
    return f"{violation.location or 'document'}: {violation.constraint}{f': {said}' if said else ''}{value}"
