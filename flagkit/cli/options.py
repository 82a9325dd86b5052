"""Arguments and options that several commands share, as annotations. Nothing here does anything."""

from __future__ import annotations

from typing import Annotated, Literal

from flagkit.cli.arguments import Argument, Context, Option
from flagkit.errors import FlagkitError


def complete_key(context: Context, incomplete: str) -> list[str]:
    """The keys with this start, for the shell; none if the flags can't be read."""
    from flagkit.admin.flag_view import snapshot_of
    from flagkit.cli.context import cli_context, fetch

    cli = cli_context(context)
    try:
        snapshot = snapshot_of(fetch(cli, context.params.get("source")), cli.clock.now)
    except FlagkitError:
        return []
    return sorted(key for key in snapshot.flags if key.startswith(incomplete))


Source = Annotated[
    str | None,
    Option(
        "--source",
        "-s",
        metavar="SOURCE",
        help="Where the flags are: a file or a source URL. Default: $FLAGKIT_SOURCE, else flags.json.",
    ),
]
AsJson = Annotated[bool, Option("--json", help="Output JSON.")]
Key = Annotated[str, Argument(metavar="KEY", help="The flag.", complete=complete_key)]
AnyKey = Annotated[
    str | None,
    Argument(metavar="[KEY]", help="The flag. Default: all flags.", complete=complete_key),
]
Saved = Annotated[bool, Option("--saved", help="Show the newest saved version, deployed or not.")]
VersionNumber = Annotated[
    int | None,
    Option("--version", metavar="N", min=1, help="Show this saved version."),
]
Users = Annotated[
    list[str] | None, Option("--user", "-u", metavar="ID", help="A user id, or several with commas. May be repeated.")
]
Groups = Annotated[
    list[str] | None,
    Option("--group", "-g", metavar="NAME", help="A group of users, or several with commas. May be repeated."),
]
By = Annotated[
    str | None, Option("--by", metavar="NAME", help="The context key that users are bucketed by. Default: userId.")
]
Seed = Annotated[
    str | None,
    Option("--seed", metavar="TEXT", help="The bucketing seed. A new seed reassigns all users."),
]
Variant = Annotated[str | None, Option("--variant", metavar="NAME", help="The variant, if the flag has several.")]

# What every change takes; flagkit.cli.change adds these to each command that changes something.
Reason = Annotated[str, Option("--message", "-m", metavar="TEXT", help="The reason, kept in the history.")]
Yes = Annotated[bool, Option("--yes", "-y", help="Skip confirmation prompts.")]
DryRun = Annotated[bool, Option("--dry-run", help="Show what would change; save nothing.")]
Propose = Annotated[bool, Option("--propose", help="Propose the change for approval; save nothing.")]
SaveOnly = Annotated[bool, Option("--save-only", help="Save without deploying.")]
Pace = Annotated[
    str | None,
    Option(
        "--pace",
        metavar="PACE",
        help="guarded (with a bake time for alarms), immediate, or the id of a deployment strategy.",
    ),
]
WhenBusy = Annotated[
    Literal["wait", "replace", "queue", "refuse"] | None,
    Option("--when-busy", metavar="ACTION", help="If another deployment is running: wait, replace, queue or refuse."),
]
Wait = Annotated[bool, Option("--wait", help="Wait until the bake time has passed, too.")]
