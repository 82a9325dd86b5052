"""The commands of canary and how their words are read; each hands over to a module that does one thing."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from canary.cli import demo, inspect, release, simulate
from canary.cli.output import INTERRUPTED, report, report_bug, report_error
from canary.cli.session import CliContext, default_context
from canary.errors import CanaryError

app = typer.Typer(
    name="canary",
    help="Release a Lambda version step by step, judge each step by evidence, and come back by itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(release.deploy)
app.command()(release.promote)
app.command()(release.rollback)
app.command()(inspect.status)
app.command()(release.pause)
app.command()(release.resume)
app.command()(release.abort)
app.command()(inspect.history)
app.command()(inspect.verify)
app.command()(inspect.doctor)
app.command()(inspect.plan)
app.command()(simulate.simulate)
app.command()(simulate.replay)
app.command()(demo.demo)


def run_app(arguments: Sequence[str], context: object | None = None) -> int:
    """Runs one command, turns every error into one line, and answers the exit code."""
    command = typer.main.get_command(app)
    chosen = context if isinstance(context, CliContext) else default_context()
    # Typer ships its own copy of click since 0.20: the class is reached through a name that both have.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        code = command.main(args=list(arguments) or ["--help"], prog_name="canary", standalone_mode=False, obj=chosen)
    except usage_error as error:
        report("usage", getattr(error, "message", str(error)) or "a word is missing", _help_hint(error))
        return 2
    except CanaryError as error:
        return report_error(error)
    except (KeyboardInterrupt, typer.Abort):
        report("interrupted", "stopped before anything was changed", "")
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: never a traceback
        return report_bug(error)
    return code if isinstance(code, int) else 0


def _help_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"See `{getattr(context, 'command_path', 'canary')} --help`."
