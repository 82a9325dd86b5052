"""The command line of flagkit: words in, exit code out; it holds no policy and imports typer only when run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code: 0 done, 1 error, 2 words that don't fit. Since 0.1."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one command and answers its exit code. Since 0.1."""
    try:
        import typer as _typer  # noqa: F401 -- it comes with the extra
    except ModuleNotFoundError as error:  # pragma: no cover - needs an installation without the extra
        sys.stderr.write(f"error[usage]: the command line needs {error.name}\n")
        sys.stderr.write("hint: pip install 'flagkit-canary[cli]'\n")
        return 2
    from flagkit.cli.app import run_app

    return run_app(arguments)
