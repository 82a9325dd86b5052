"""The commands around segments: named groups of users. Edits are flagkit.admin's, carrying out is `changing`'s."""

from __future__ import annotations

from typing import Annotated

import typer

from flagkit.admin import edits
from flagkit.cli import words
from flagkit.cli.changing import Change, changes
from flagkit.cli.flags import read_limit
from flagkit.cli.screen import print_json, table
from flagkit.cli.world import world_of

segment = typer.Typer(
    name="segment",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The segment.", show_default=False)]


@segment.callback()
def _callback(context: typer.Context, source: words.Source = None, as_json: words.AsJson = False) -> int | None:
    """Named groups of users, for `flagkit target KEY --segment NAME`; without a word, all of them.

    Example: flagkit segment put testers --user 42 --group qa
    """
    if context.invoked_subcommand is not None:
        return None
    with world_of(context).store(source) as store:
        segments = edits.list_segments(store.read().document)
    if as_json:
        print_json(
            {
                name: {**found.model_dump(exclude_defaults=True), "flags": flags}
                for name, (found, flags) in segments.items()
            }
        )
        return 0
    rows = []
    for name, (found, flags) in segments.items():
        who = [*found.users, *(f"group {group}" for group in found.groups), *([found.where] if found.where else [])]
        rows.append((name, ", ".join(flags) or "-", ", ".join(who)))
    if rows:
        table(("SEGMENT", "FLAGS", "WHO"), rows)
    else:
        typer.echo("no segments yet; make one: flagkit segment put NAME --user ID")
    return 0


@segment.command("put")
@changes
def put(
    name: Name,
    user: words.Users = None,
    group: words.Groups = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="WORDS", help="Who else is in, as in 'plan = pro'.")
    ] = None,
) -> Change:
    """Make a segment, or replace what it says; every flag that names it follows."""
    rule = read_limit(where) or None
    return Change(
        lambda current: edits.put_segment(current.document, name, users=user or (), groups=group or (), where=rule)
    )


@segment.command("add")
@changes
def add(name: Name, user: words.Users = None, group: words.Groups = None) -> Change:
    """Add users or groups to a segment."""
    return Change(lambda current: edits.change_segment(current.document, name, users=user or (), groups=group or ()))


@segment.command("remove")
@changes
def remove(name: Name, user: words.Users = None, group: words.Groups = None) -> Change:
    """Remove users or groups from a segment."""
    return Change(
        lambda current: edits.change_segment(current.document, name, users=user or (), groups=group or (), remove=True)
    )


@segment.command("delete")
@changes
def delete(name: Name) -> Change:
    """Delete a segment that no flag names."""
    return Change(lambda current: edits.delete_segment(current.document, name))
