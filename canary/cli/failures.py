"""Errors as one line and an exit code, never as a traceback; it must not decide what went wrong."""

from __future__ import annotations

import os
import sys
from typing import Final

from canary.cli.github import annotate
from canary.errors import CanaryError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C or SIGTERM, as shells use it."""


def report(code: str, message: str, hint: str) -> None:
    """Writes `error[code]: message` and `hint: …` to stderr, and an annotation when in GitHub Actions. Since 0.1."""
    first, *further = (line.strip() for line in message.strip().splitlines())
    if len(further) == 1:
        first, further = f"{first}: {further[0]}", []
    sys.stderr.write("\n".join([f"error[{code}]: {first}", *(f"  {line}" for line in further)]) + "\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
    annotate("error", f"canary: {code}", message)


def report_error(error: CanaryError) -> int:
    """Writes one of our own errors and answers its exit code. Since 0.1."""
    report(error.code, error.message, error.hint)
    return error.exit_code


def report_bug(error: Exception) -> int:
    """Writes an error nobody expected, as one line; with CANARY_TRACEBACK=1 it is raised again. Since 0.1."""
    if os.environ.get("CANARY_TRACEBACK"):
        raise error
    message = str(error) or "no message"
    report(
        "internal",
        f"{type(error).__name__}: {message}",
        "This is a bug; run again with CANARY_TRACEBACK=1 and report what it prints.",
    )
    return 1
