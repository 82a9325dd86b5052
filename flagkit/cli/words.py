"""Arguments and options that several commands share, as typer annotations; nothing here does anything."""

from __future__ import annotations

from typing import Annotated

import typer

from flagkit.errors import FlagkitError


def complete_key(context: typer.Context, incomplete: str) -> list[str]:
    """Keys that begin so, for the shell; none where the flags can't be read."""
    from flagkit.cli.loading import fetch, snapshot_of
    from flagkit.cli.world import world_of

    world = world_of(context)
    try:
        snapshot = snapshot_of(fetch(world, context.params.get("source")), world.clock.now)
    except FlagkitError:
        return []
    return sorted(key for key in snapshot.flags if key.startswith(incomplete))


Source = Annotated[
    str | None,
    typer.Option(
        "--source", "-s", metavar="SOURCE", help="A file or address; else $FLAGKIT_SOURCE, else flags.json here."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The flag.", show_default=False, autocompletion=complete_key)]
AnyKey = Annotated[
    str | None,
    typer.Argument(
        metavar="[KEY]", help="The flag; all flags where left out.", show_default=False, autocompletion=complete_key
    ),
]
Saved = Annotated[bool, typer.Option("--saved", help="What is saved last, also if it isn't deployed yet.")]
VersionNumber = Annotated[
    int | None,
    typer.Option("--version", metavar="N", min=1, help="A version of the history instead of what is served."),
]
Users = Annotated[list[str] | None, typer.Option("--user", "-u", metavar="ID", help="A user id; may be repeated.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", "-g", metavar="NAME", help="A group of users; may be repeated.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="What users are drawn by; userId at first.")]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="TEXT", help="What users are drawn with. A new one deals everybody anew."),
]
Variant = Annotated[
    str | None, typer.Option("--variant", metavar="NAME", help="Which variant, where there are several.")
]

# What every change takes; flagkit.cli.changing adds these to each command that changes something.
Reason = Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why; kept in the history.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
SaveOnly = Annotated[bool, typer.Option("--save-only", help="Save without deploying; `flagkit deploy` does it later.")]
Pace = Annotated[
    str | None,
    typer.Option(
        "--pace", metavar="PACE", help="guarded (watched by alarms), immediate, or the id of a deployment strategy."
    ),
]
WhenBusy = Annotated[
    str | None,
    typer.Option("--when-busy", metavar="WORD", help="While another deployment runs: wait, replace, queue or refuse."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the alarms' watch is over, too.")]
