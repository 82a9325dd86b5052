"""The completion command of both command lines."""

from __future__ import annotations

from typing import Annotated, Literal

import click

from flagkit.cli.arguments import Argument, Context


def completion(
    context: Context,
    shell: Annotated[Literal["bash", "zsh", "fish"], Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script for a shell.

    Evaluate it in the start file of the shell, as in `eval "$(flagkit completion bash)"`.
    """
    from click.shell_completion import get_completion_class

    root = context.find_root()
    name = str(root.info_name)
    script = get_completion_class(shell)
    assert script is not None  # click has all three
    click.echo(script(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())
    return 0
