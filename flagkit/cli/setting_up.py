"""Setting up: init, iam, typed accessors, shell completion. What is made is decided in flagkit.admin and codegen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flagkit.cli import words
from flagkit.cli.loading import fetch, source_url, write_text
from flagkit.cli.screen import print_json, say
from flagkit.cli.world import World, world_of
from flagkit.core.documents import FlagDocument
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.iam import Resources

Role = Literal["reader", "toggler", "admin"]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write; stdout where left out.")
]


def codegen(
    context: typer.Context,
    source: words.Source = None,
    output: Output = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the module, where there is no FILE.")] = (
        "flags"
    ),
) -> int:
    """Write a Python module with a typed accessor for each flag.

    Example: flagkit codegen -o shop/flags.py
    """
    from flagkit.codegen import generate

    module = name if output is None else output.stem
    if not module.isidentifier():
        raise UsageError(
            f"{module!r} is no name for a module", hint="Name the file as a Python module, e.g. my_flags.py."
        )
    text = generate(FlagDocument.parse(fetch(world_of(context), source).content), module_name=module)
    _write(output, text)
    return 0


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script of a shell.

    Example: eval "$(flagkit completion bash)"
    """
    from typer import completion as shells

    # Not exported to type checkers, but what `--show-completion` uses since typer 0.1.
    typer.echo(
        shells.get_completion_script(  # type: ignore[attr-defined]
            prog_name="flagkit", complete_var="_FLAGKIT_COMPLETE", shell=shell
        )
    )
    return 0


def _write(output: Path | None, text: str) -> None:
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
        say(f"written: {output}")


def init(
    context: typer.Context,
    source: words.Source = None,
    feature_flags: Annotated[
        bool, typer.Option("--feature-flags", help="A profile of AWS's type for flags instead of Freeform.")
    ] = False,
    bake_minutes: Annotated[
        int, typer.Option("--bake-minutes", metavar="N", min=1, max=1440, help="How long alarms watch a deployment.")
    ] = 10,
    yes: words.Yes = False,
    as_json: words.AsJson = False,
) -> int:
    """Make what is missing on AppConfig: application, environment, profile, and two deployment strategies.

    Example: flagkit init --source appconfig://shop/staging/flags
    """
    from flagkit.admin.setup import init as set_up

    world = world_of(context)
    url = source_url(source)
    world.confirm(url, assume_yes=yes)
    report = set_up(
        url,
        profile_type="feature_flags" if feature_flags else "freeform",
        bake_minutes=bake_minutes,
        session=world.session,
        clock=world.clock,
    )
    if as_json:
        print_json({"created": report.created, "found": report.found})
        return 0
    for part in report.created:
        typer.echo(f"made: {part}")
    for part in report.found:
        typer.echo(f"there already: {part}")
    return 0


def iam(
    context: typer.Context,
    role: Annotated[Role, typer.Option("--role", metavar="ROLE", help="reader, toggler or admin.", show_default=False)],
    immediate: Annotated[
        bool, typer.Option("--immediate", help="A toggler who may also deploy at once, as `flagkit kill` does.")
    ] = False,
    source: words.Source = None,
) -> int:
    """Print the least rights that a role needs, for this application.

    Example: flagkit iam --role toggler
    """
    from flagkit.admin.iam import policy

    print_json(policy(role, _resources(world_of(context), source_url(source), immediate=immediate)))
    return 0


def _resources(world: World, url: str, *, immediate: bool) -> Resources:
    from flagkit.admin.iam import Resources
    from flagkit.admin.stores.control import Control
    from flagkit.admin.stores.strategies import GUARDED, IMMEDIATE, found_strategies
    from flagkit.sources.addresses import parse

    address = parse(url)
    if address.scheme != "appconfig":
        raise UsageError("a file needs no rights", hint="Use an address such as appconfig://shop/staging/flags.")
    application, environment, profile = address.names(3)
    region = address.options.get("region")
    control = Control(application, profile, environment, session=world.session, region=region, clock=world.clock)
    try:
        ids = control.environment() | control.profile()
        strategies = found_strategies(control)
        _, partition, _, region, account, _ = control.arn("profile").split(":", 5)
    finally:
        control.close()
    wanted = [
        strategies[name] for name in (GUARDED.name, *([IMMEDIATE.name] if immediate else [])) if name in strategies
    ]
    return Resources(
        region,
        account,
        ids["ApplicationId"],
        ids["EnvironmentId"],
        ids["ConfigurationProfileId"],
        wanted,
        partition,
    )
