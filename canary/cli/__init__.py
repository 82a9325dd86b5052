"""The command line of canary: arguments in, exit code out. It holds no policy and imports click only when run."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main", "run"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code (docs/reference/canary-commands.md)."""
    from canary.cli.app import program
    from flagkit.cli import shell

    try:
        shell.main(program, arguments)
    finally:
        _ignore_signals()


def _ignore_signals() -> None:
    """A signal on the way out must not replace the exit code, which tells what became of the traffic."""
    import signal
    from contextlib import suppress

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, ValueError):  # not on this system, or not the main thread
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def run(arguments: Sequence[str], context: object | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: what follows `canary`.
        context: a `canary.cli.session.CliContext`, for tests and demos; the machine's own where None.
    """
    from canary.cli.app import program
    from flagkit.cli import shell

    return shell.run(program(), arguments, context)
