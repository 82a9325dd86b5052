"""The command line of flagkit: arguments in, exit code out. It holds no policy and imports click only when run."""

from __future__ import annotations

import gc
from collections.abc import Sequence

__all__ = ["main", "run"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code (docs/reference/flagkit-commands.md)."""
    from flagkit.cli import shell
    from flagkit.cli.app import program

    # Thousands of flags are thousands of objects without a cycle; looking for one costs a tenth of the command's time.
    gc.set_threshold(50_000)
    shell.main(program, arguments)


def run(arguments: Sequence[str], context: object | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: what follows `flagkit`.
        context: a `flagkit.cli.context.CliContext`, for tests and demos; the machine's own where None.
    """
    from flagkit.cli import shell
    from flagkit.cli.app import program

    return shell.run(program(), arguments, context)
