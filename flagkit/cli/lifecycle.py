"""The commands that create, describe, archive and delete flags. They make an edit, which `change` carries out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from flagkit import admin
from flagkit.admin.typed import listed, read_day, typed_value
from flagkit.cli import options
from flagkit.cli.arguments import Option
from flagkit.cli.change import Change, changes
from flagkit.cli.edit import pairs
from flagkit.errors import UsageError

Name = Annotated[str | None, Option("--name", metavar="TEXT", help="Display name.")]
Description = Annotated[str | None, Option("--description", metavar="TEXT", help="What the flag is for.")]
Owner = Annotated[str | None, Option("--owner", metavar="NAME", help="The person or team to ask.")]
Tags = Annotated[
    list[str] | None, Option("--tag", metavar="TAG", help="A tag, or several with commas. May be repeated.")
]
Kind = Annotated[
    Literal["release", "experiment", "ops", "permission"] | None,
    Option("--kind", metavar="KIND", help="What it is for: release, experiment, ops or permission."),
]
RemoveBy = Annotated[str | None, Option("--remove-by", metavar="DAY", help="Planned removal date, YYYY-MM-DD.")]

ClientVisible = Annotated[
    bool | None,
    Option(
        "--client-visible/--no-client-visible",
        help="Whether browsers and apps may get its answers, attributes included (see `flagkit ofrep`).",
    ),
]


@changes
def create(  # noqa: PLR0913, PLR0917 - each is an option
    key: options.Key,
    name: Name = None,
    description: Description = None,
    enabled: Annotated[bool, Option("--on/--off", help="Create it on, for all users, or off.")] = False,
    attributes: Annotated[
        list[str] | None, Option("--attr", metavar="NAME=VALUE", help="An attribute. Repeat for more.")
    ] = None,
    owner: Owner = None,
    tag: Tags = None,
    kind: Kind = None,
    remove_by: RemoveBy = None,
    client_visible: ClientVisible = None,
) -> Change:
    """Create a flag, off unless --on is given.

    A file that does not exist is created.

    Example: flagkit create new_checkout --owner payments --kind release --remove-by 2027-03-01
    """
    values = {attribute: typed_value(text) for attribute, text in pairs(attributes or (), "color=blue").items()}
    day = read_day(remove_by)
    return Change(
        lambda current: admin.edits.create(
            current.document,
            key,
            name=name,
            description=description,
            enabled=enabled,
            attributes=values or None,
            owner=owner,
            tags=listed(tag),
            kind=kind,
            remove_by=day,
            client_visible=bool(client_visible),
        ),
        may_create=True,
    )


@changes
def delete(key: options.Key) -> Change:
    """Delete a flag.

    Code that still asks for it gets its own default.

    Example: flagkit delete new_checkout -m "all users have it"
    """
    return Change(lambda current: admin.edits.delete(current.document, key))


@changes
def describe(  # noqa: PLR0913, PLR0917 - each is an option
    key: options.Key,
    name: Name = None,
    description: Description = None,
    owner: Owner = None,
    tag: Tags = None,
    untag: Annotated[
        list[str] | None,
        Option("--untag", metavar="TAG", help="Remove a tag, or several with commas. May be repeated."),
    ] = None,
    kind: Annotated[
        Literal["release", "experiment", "ops", "permission", ""] | None,
        Option("--kind", metavar="KIND", help="What it is for: release, experiment, ops or permission."),
    ] = None,
    remove_by: RemoveBy = None,
    client_visible: ClientVisible = None,
) -> Change:
    """Set what is written about a flag: name, owner, tags and more.

    An empty text removes what is written: `--owner ''`.

    Example: flagkit describe new_checkout --owner payments --tag q3 --remove-by 2027-03-01
    """
    if all(given is None for given in (name, description, owner, tag, untag, kind, remove_by, client_visible)):
        raise UsageError(
            "Missing option --name, --description, --owner, --tag, --untag, --kind, --remove-by or --client-visible.",
            hint="Give at least one.",
        )
    day: dt.date | Literal[False] | None = False if remove_by == "" else read_day(remove_by)
    return Change(
        lambda current: admin.edits.describe(
            current.document,
            key,
            name=name,
            description=description,
            owner=owner,
            add_tags=listed(tag),
            remove_tags=listed(untag),
            kind=kind,
            remove_by=day,
            client_visible=client_visible,
        )
    )


@changes
def archive(
    key: options.Key, undo: Annotated[bool, Option("--undo", help="Take it out of the archive.")] = False
) -> Change:
    """Archive a flag that is off.

    It is kept with its history, `list` hides it, and it can't be switched on.

    Example: flagkit archive new_checkout -m "all users have it"
    """
    return Change(lambda current: admin.edits.archive(current.document, key, undo=undo))
