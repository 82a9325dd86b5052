"""The commands of flagkit and how their words are read; reading and explaining is the core's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flagkit.cli.describe import flag_data, flag_lines, flag_summary, violation_line
from flagkit.cli.loading import context_of, fetch, known_flag, snapshot_of, write_text
from flagkit.errors import DocumentError, FlagkitError, UsageError

app = typer.Typer(
    name="flagkit",
    help="Feature flags on AWS AppConfig: list, show, explain and check them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Source = Annotated[
    str | None,
    typer.Option("--source", "-s", metavar="SOURCE", help="A file or address; $FLAGKIT_SOURCE, else flags.json."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The flag.", show_default=False)]


@app.command("list")
def list_flags(source: Source = None, as_json: AsJson = False) -> int:
    """List all flags."""
    document = fetch(source)
    snapshot = snapshot_of(document)
    snapshot.check()
    keys = sorted(snapshot.flags)
    if as_json:
        _print_json([flag_data(snapshot.definition(key)) for key in keys if key not in snapshot.problems])
        return 0
    width = max((len(key) for key in keys), default=0)
    for key in keys:
        broken = snapshot.problems.get(key)
        typer.echo(f"{key:<{width}}  {f'broken: {broken}' if broken else flag_summary(snapshot.definition(key))}")
    if document.warning:
        typer.echo(f"warning: {document.warning}", err=True)
    return 0


@app.command()
def show(key: Key, source: Source = None, as_json: AsJson = False) -> int:
    """Show one flag: its variants, their rules and attributes."""
    snapshot = snapshot_of(fetch(source))
    definition = snapshot.definition(known_flag(snapshot, key))
    if as_json:
        _print_json(flag_data(definition))
        return 0
    for line in flag_lines(definition):
        typer.echo(line)
    return 0


@app.command()
def explain(
    key: Key,
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="ID", help="Whom it is asked for.")] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", "-c", metavar="NAME=VALUE", help="What else rules may look at.")
    ] = None,
    source: Source = None,
    as_json: AsJson = False,
) -> int:
    """Say why a flag answers what it does: each rule, each operand, bucket against threshold."""
    from flagkit.core.explain import explain as explain_flag

    snapshot = snapshot_of(fetch(source))
    explanation = explain_flag(snapshot, known_flag(snapshot, key), user, context_of(context or ()))
    if as_json:
        _print_json(explanation.to_dict())
    else:
        typer.echo(explanation.to_text())
    return 0


@app.command()
def lint(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A file or address; $FLAGKIT_SOURCE, else flags.json.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check a document as AWS does, and name every break. Exit code 1 if there is one."""
    from flagkit.core.documents import FlagDocument

    document = fetch(source)
    try:
        warnings = FlagDocument.parse(document.content).warnings
    except DocumentError as error:
        if as_json:
            _print_json({"ok": False, "violations": [asdict(item) for item in error.violations]})
        else:
            for violation in error.violations:
                typer.echo(violation_line(violation))
            typer.echo(f"{len(error.violations)} broken")
        return 1
    if as_json:
        _print_json({"ok": True, "violations": [], "warnings": [asdict(item) for item in warnings]})
    else:
        for warning in warnings:
            typer.echo(f"warning: {violation_line(warning)}")
        typer.echo("ok")
    return 0


@app.command()
def codegen(
    source: Source = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The module to write; stdout where left out.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the module, where there is no FILE.")] = (
        "flags"
    ),
) -> int:
    """Write a Python module with a typed accessor for each flag."""
    from flagkit.codegen import generate
    from flagkit.core.documents import FlagDocument

    module = name if output is None else output.stem
    if not module.isidentifier():
        raise UsageError(
            f"{module!r} is no name for a module", hint="Name the file as a Python module, e.g. my_flags.py."
        )
    text = generate(FlagDocument.parse(fetch(source).content), module_name=module)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
    return 0


def run_app(arguments: Sequence[str]) -> int:
    """Runs one command, turns every error into one line, and answers the exit code. Since 0.1."""
    command = typer.main.get_command(app)
    # Typer ships its own copy of click since 0.20: the class is reached through a name that both have.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        code = command.main(args=list(arguments), prog_name="flagkit", standalone_mode=False)
    except usage_error as error:
        context = getattr(error, "ctx", None)
        message = getattr(error, "message", str(error)) or "a word is missing"
        return _report("usage", message, f"See `{getattr(context, 'command_path', 'flagkit')} --help`.", 2)
    except DocumentError as error:
        first = f": {violation_line(error.violations[0])}" if error.violations else ""
        return _report(error.code, f"{error.message}{first}", error.hint, 1)
    except FlagkitError as error:
        return _report(error.code, error.message, error.hint, 2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        if os.environ.get("FLAGKIT_TRACEBACK"):
            raise
        hint = "This is a bug; run again with FLAGKIT_TRACEBACK=1 and report what it prints."
        return _report("internal", f"{type(error).__name__}: {error}", hint, 1)
    return code if isinstance(code, int) else 0


def _report(code: str, message: str, hint: str, exit_code: int) -> int:
    sys.stderr.write(f"error[{code}]: {' '.join(message.split())}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
    return exit_code


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
