"""The commands of flagkit and how their words are read; each hands over to a module that does one thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from flagkit.cli import as_code, checking, cleaning, flags, history, look, segments, setting_up
from flagkit.cli.changing import changes
from flagkit.cli.failures import INTERRUPTED, USAGE, report, report_bug, report_error
from flagkit.cli.world import World, real_world
from flagkit.errors import FlagkitError

app = typer.Typer(
    name="flagkit",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(value: bool) -> None:
    if value:
        from flagkit import __version__

        typer.echo(f"flagkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Feature flags on AWS AppConfig or in a file: toggle, roll out, target, see, undo."""


app.command("list")(look.list_flags)
app.command()(look.show)
app.command()(look.explain)
app.command("what-if")(look.what_if)
for command in (flags.on, flags.off, flags.rollout, flags.target, flags.split, flags.attr, flags.schedule):
    app.command()(changes(command))
for command in (flags.create, flags.describe, flags.delete, flags.kill):
    app.command()(changes(command))
app.add_typer(segments.segment)
app.command()(history.history)
app.command()(changes(history.revert))
app.command()(history.status)
app.command()(history.deploy)
app.command()(history.stop)
app.command()(history.rollback)
app.command()(as_code.diff)
app.command()(as_code.pull)
app.command()(as_code.plan)
app.command()(changes(as_code.apply))
app.command()(as_code.export)
app.command("import")(changes(as_code.import_flags))
app.command()(checking.lint)
app.command()(cleaning.stale)
app.command()(setting_up.init)
app.command()(setting_up.iam)
app.command()(setting_up.codegen)
app.command()(setting_up.completion)


def run_app(arguments: Sequence[str], world: object | None = None) -> int:
    """Runs one command, turns every error into one line, and answers the exit code. Since 0.1."""
    command = typer.main.get_command(app)
    # Typer ships its own copy of click since 0.20: the class is reached through a name that both have.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    around = world if isinstance(world, World) else real_world()
    if "_FLAGKIT_COMPLETE" in os.environ:  # the shell asks, not a person
        from typer import completion

        completion.completion_init()  # type: ignore[attr-defined] # not exported to type checkers
    try:
        code = command.main(args=list(arguments) or ["--help"], prog_name="flagkit", standalone_mode=False, obj=around)
    except usage_error as error:
        say = getattr(error, "format_message", error.__str__)
        report("usage", say(), _help_hint(error))
        return USAGE
    except FlagkitError as error:
        return report_error(error)
    except (KeyboardInterrupt, typer.Abort):
        report("interrupted", "stopped by Ctrl-C", "`flagkit status` says what is saved and what is served.")
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    except SystemExit as end:  # how typer ends a completion
        return end.code if isinstance(end.code, int) else 0
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: never a traceback
        return report_bug(error)
    return code if isinstance(code, int) else 0


def _help_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"See `{getattr(context, 'command_path', 'flagkit')} --help`."
