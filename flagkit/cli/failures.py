"""Errors as one line, a hint and an exit code, never as a traceback; it must not decide what went wrong."""

from __future__ import annotations

import os
import sys
from typing import Final

from flagkit.cli.describe import violation_line
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
)

FOUND, USAGE, INVALID, CONFLICT, REFUSED, DENIED, UNAVAILABLE, NOT_SERVED, BUG = 1, 2, 3, 4, 5, 6, 7, 8, 70
INTERRUPTED: Final = 130

MEANINGS: Final = {
    0: "done, or there was nothing to do",
    FOUND: "`lint`, `stale`, `diff` or `plan` found something",
    USAGE: "the words or the address don't fit; nothing was done",
    INVALID: "no such flag, a change that makes no sense, or a document that AWS would refuse; nothing was changed",
    CONFLICT: "somebody else changed the same flag, or another deployment runs",
    REFUSED: "not confirmed; nothing was changed",
    DENIED: "a right is missing, or there is no such place",
    UNAVAILABLE: "AWS or the network gave no answer",
    NOT_SERVED: "saved, but not served: not deployed, or the deployment was rolled back",
    BUG: "a bug in flagkit",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""What every exit code means (docs/flagkit-cli.md)."""

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
    (DeploymentError, NOT_SERVED),
    (FlagkitError, FOUND),
)


def exit_code(error: FlagkitError) -> int:
    """The exit code of one of our errors. Since 0.1."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def report(code: str, message: str, hint: str) -> None:
    """Writes `error[code]: message` and `hint: …` to stderr. Since 0.1."""
    sys.stderr.write(f"error[{code}]: {' '.join(message.split())}\n")
    if hint:
        sys.stderr.write(f"hint: {' '.join(hint.split())}\n")


def report_error(error: FlagkitError) -> int:
    """Writes one of our own errors and answers its exit code. Since 0.1."""
    message = error.message
    if isinstance(error, DocumentError) and error.violations and error.violations[0].location not in message:
        message = f"{message}: {violation_line(error.violations[0])}"
    report(error.code, message, error.hint)
    if isinstance(error, RuleError) and error.rule:
        sys.stderr.write("".join(f"  {line}\n" for line in error.caret.splitlines()))
    return exit_code(error)


def report_bug(error: Exception) -> int:
    """Writes an error nobody expected, as one line; with FLAGKIT_TRACEBACK=1 it is raised again. Since 0.1."""
    if os.environ.get("FLAGKIT_TRACEBACK"):
        raise error
    hint = "This is a bug; run again with FLAGKIT_TRACEBACK=1 and report what it prints."
    report("internal", f"{type(error).__name__}: {error}", hint)
    return BUG
