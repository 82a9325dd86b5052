"""The command line of canary: words in, exit code out; it holds no policy and imports typer only when run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code (docs/canary/cli.md)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str], context: object | None = None) -> int:
    """Runs one command and answers its exit code.

    Args:
        arguments: the words behind `canary`.
        context: a `canary.cli.session.CliContext`, for tests and demos; the real one where None.
    """
    try:
        import rich as _rich  # noqa: F401 -- both come with the extra
        import typer as _typer  # noqa: F401
    except ModuleNotFoundError as error:  # pragma: no cover - needs an installation without the extra
        sys.stderr.write(f"error[usage]: the command line needs {error.name}\n")
        sys.stderr.write("hint: pip install 'flagkit-canary[cli]'\n")
        return 2
    from canary.cli.app import run_app

    return run_app(arguments, context)
