"""Arguments and options that several commands share, as annotations. Nothing here does anything."""

from __future__ import annotations

from typing import Annotated, Literal

from flagkit.cli.arguments import Argument, Context, Option
from flagkit.errors import FlagkitError


def complete_key(context: Context, incomplete: str) -> list[str]:
    """Keys that begin so, for the shell; none where the flags can't be read."""
    from flagkit.cli.context import cli_context, fetch, snapshot_of

    cli = cli_context(context)
    try:
        snapshot = snapshot_of(fetch(cli, context.params.get("source")), cli.clock.now)
    except FlagkitError:
        return []
    return sorted(key for key in snapshot.flags if key.startswith(incomplete))


Source = Annotated[
    str | None,
    Option("--source", "-s", metavar="SOURCE", help="A file or address; else $FLAGKIT_SOURCE, else flags.json here."),
]
AsJson = Annotated[bool, Option("--json", help="JSON on stdout, for programs.")]
Key = Annotated[str, Argument(metavar="KEY", help="The flag.", complete=complete_key)]
AnyKey = Annotated[
    str | None,
    Argument(metavar="[KEY]", help="The flag; all flags where left out.", complete=complete_key),
]
Saved = Annotated[bool, Option("--saved", help="What is saved last, also if it isn't deployed yet.")]
VersionNumber = Annotated[
    int | None,
    Option("--version", metavar="N", min=1, help="A version of the history instead of what is served."),
]
Users = Annotated[list[str] | None, Option("--user", "-u", metavar="ID", help="A user id; may be repeated.")]
Groups = Annotated[list[str] | None, Option("--group", "-g", metavar="NAME", help="A group of users; may be repeated.")]
By = Annotated[str | None, Option("--by", metavar="NAME", help="What users are drawn by; userId at first.")]
Seed = Annotated[
    str | None,
    Option("--seed", metavar="TEXT", help="What users are drawn with. A new one deals everybody anew."),
]
Variant = Annotated[str | None, Option("--variant", metavar="NAME", help="Which variant, where there are several.")]

# What every change takes; flagkit.cli.change adds these to each command that changes something.
Reason = Annotated[str, Option("--message", "-m", metavar="TEXT", help="Why; kept in the history.")]
Yes = Annotated[bool, Option("--yes", "-y", help="Ask nothing: for scripts.")]
DryRun = Annotated[bool, Option("--dry-run", help="Only show what would change.")]
SaveOnly = Annotated[bool, Option("--save-only", help="Save without deploying; `flagkit deploy` does it later.")]
Pace = Annotated[
    str | None,
    Option(
        "--pace", metavar="PACE", help="guarded (watched by alarms), immediate, or the id of a deployment strategy."
    ),
]
WhenBusy = Annotated[
    Literal["wait", "replace", "queue", "refuse"] | None,
    Option("--when-busy", metavar="ACTION", help="If another deployment is running: wait, replace, queue or refuse."),
]
Wait = Annotated[bool, Option("--wait", help="Stay until the alarms' watch is over, too.")]
