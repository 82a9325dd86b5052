"""The commands that change one flag: from words to an edit. Edits are flagkit.admin's, carrying out is `changing`'s."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

import typer

from flagkit.admin import edits
from flagkit.cli import words
from flagkit.cli.changing import Change, EditContext
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError, UsageError

Weights = Annotated[
    list[str], typer.Argument(metavar="VARIANT=PERCENT...", help="As in red=50 blue=50.", show_default=False)
]
Values = Annotated[
    list[str],
    typer.Argument(metavar="NAME=VALUE...", help="As in color=blue; NAME= takes a value away.", show_default=False),
]
Starts = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Open from this moment on.")]
Ends = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Closed from this moment on.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="A name for people.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for.")]
RemoveBy = Annotated[str | None, typer.Option("--remove-by", metavar="DAY", help="The day it is to be removed.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="WORDS", help="Only for these, as in 'country in US,CA and plan = pro'; '' for all."
    ),
]


def on(key: words.Key) -> Change:
    """Switch a flag on, for everybody it is meant for.

    Example: flagkit on new_checkout -m "launch"
    """
    return Change(lambda current: edits.switch_on(current.document, key))


def off(key: words.Key) -> Change:
    """Switch a flag off for everybody; who it is meant for is kept for `on`.

    Example: flagkit off new_checkout -m "too slow"
    """
    return Change(lambda current: edits.switch_off(current.document, key))


def kill(
    key: words.Key,
    stop_running: Annotated[
        bool, typer.Option("--stop-running", help="Stop a deployment that is in the way, and go on.")
    ] = False,
) -> Change:
    """Emergency: switch a flag off for everybody, at once, past slow deployments. With --yes it asks nothing.

    Example: flagkit kill new_checkout --yes --stop-running -m "double charges"
    """
    return Change(lambda current: edits.kill(current.document, key), emergency=True, stop_running=stop_running)


def rollout(
    key: words.Key,
    percent: Annotated[str, typer.Argument(metavar="PERCENT", help="0 to 100, as in 12.5.", show_default=False)],
    by: words.By = None,
    where: Where = None,
    seed: words.Seed = None,
) -> Change:
    """Give a flag to a share of the users. Raising the share removes nobody.

    Example: flagkit rollout new_checkout 12.5 --where 'country in US,CA'
    """
    share = read_percent(percent)
    rule = read_limit(where)
    return Change(lambda current: edits.rollout(current.document, key, share, by=by, where=rule, seed=seed))


def target(
    key: words.Key,
    user: words.Users = None,
    group: words.Groups = None,
    segment: Annotated[
        list[str] | None, typer.Option("--segment", metavar="NAME", help="A named group; see `flagkit segment`.")
    ] = None,
    variant: words.Variant = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away from them instead.")] = False,
) -> Change:
    """Give a flag to named users, whatever the share is.

    Example: flagkit target new_checkout --user 42 --group beta
    """
    if not (user or group or segment):
        raise UsageError("nobody is named", hint="Give --user, --group or --segment.")
    return Change(
        lambda current: edits.target(
            current.document,
            key,
            users=user or (),
            groups=group or (),
            segments=segment or (),
            variant=variant,
            remove=remove,
        )
    )


def split(key: words.Key, weights: Weights, by: words.By = None, seed: words.Seed = None) -> Change:
    """Share users out between variants. Shares never overlap, and as few users as possible move.

    Example: flagkit split button_color red=50 blue=50
    """
    shares = {name: read_percent(share) for name, share in pairs(weights, "red=50").items()}
    return Change(lambda current: edits.split(current.document, key, shares, by=by, seed=seed))


def attr(key: words.Key, values: Values, variant: words.Variant = None) -> Change:
    """Set attributes of a flag, or of one of its variants.

    Example: flagkit attr banner text="Hello" size=3
    """
    given = pairs(values, "color=blue")

    def edit(current: EditContext) -> FlagDocument:
        # NAME= takes the value away, which an empty text would hardly mean.
        read = {
            name: None if text == "" else edits.read_value(current.document, key, name, text)
            for name, text in given.items()
        }
        return edits.set_attributes(current.document, key, read, variant=variant)

    return Change(edit)


def schedule(
    key: words.Key,
    starts: Starts = None,
    ends: Ends = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the schedule away.")] = False,
) -> Change:
    """Open a flag from one moment on, until another, or both. A time without a zone is UTC.

    Example: flagkit schedule sale --from 2026-11-27T00:00 --until 2026-12-01
    """
    first, last = read_moment(starts), read_moment(ends)
    return Change(
        lambda current: edits.schedule(current.document, key, starts=first, ends=last, clear=clear, now=current.now)
    )


def create(
    key: words.Key,
    name: Name = None,
    description: Description = None,
    enabled: Annotated[bool, typer.Option("--on/--off", help="Whether it starts on, for everybody.")] = False,
    attributes: Annotated[
        list[str] | None, typer.Option("--attr", metavar="NAME=VALUE", help="A first attribute; may be repeated.")
    ] = None,
    remove_by: RemoveBy = None,
) -> Change:
    """Make a new flag, off at first. A file that doesn't exist yet is made.

    Example: flagkit create new_checkout --name "New checkout" --remove-by 2027-03-01
    """
    values = {attribute: guess(text) for attribute, text in pairs(attributes or (), "color=blue").items()}
    day = read_day(remove_by)
    return Change(
        lambda current: edits.create(
            current.document,
            key,
            name=name,
            description=description,
            enabled=enabled,
            attributes=values or None,
            remove_by=day,
        ),
        may_create=True,
    )


def delete(key: words.Key) -> Change:
    """Delete a flag. Code that still asks for it gets its own default.

    Example: flagkit delete new_checkout -m "everybody has it"
    """
    return Change(lambda current: edits.delete(current.document, key))


def describe(key: words.Key, name: Name = None, description: Description = None, remove_by: RemoveBy = None) -> Change:
    """Change what is written about a flag: name, description, and the day it is to be removed.

    Example: flagkit describe new_checkout --description "One page instead of four" --remove-by 2027-03-01
    """
    if name is None and description is None and remove_by is None:
        raise UsageError("nothing is given", hint="Give --name, --description or --remove-by.")
    day: dt.date | Literal[False] | None = False if remove_by == "" else read_day(remove_by)
    return Change(
        lambda current: edits.describe(current.document, key, name=name, description=description, remove_by=day)
    )


def read_limit(where: str | None) -> str | None:
    """The native rule of a limit in words; None where there is none, "" to take it away."""
    from flagkit.admin.where import read_where

    return read_where(where) if where else where


def pairs(given: list[str] | tuple[str, ...], example: str) -> Mapping[str, str]:
    """`name=value` words by name.

    Raises:
        UsageError: a word has no `=`, or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in given:
        name, separator, value = word.partition("=")
        if not (separator and name):
            raise UsageError(f"{word!r} has no =", hint=f"Write it as {example}.")
        if name in found:
            raise UsageError(f"{name} is given twice")
        found[name] = value
    return found


def read_percent(word: str) -> Decimal:
    """`12.5` or `12.5%`; whether it lies between 0 and 100 is the edit's to say.

    Raises:
        EditError: no number.
    """
    try:
        return Decimal(word.strip().removesuffix("%").strip())
    except InvalidOperation:
        raise EditError(f"{word!r} is no percentage", hint="Write it as 12.5 or 12.5%.") from None


def read_moment(word: str | None) -> dt.datetime | None:
    """An ISO time; without a zone it is UTC.

    Raises:
        UsageError: another form.
    """
    if word is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(word)
    except ValueError:
        raise UsageError(
            f"{word!r} is no time", hint="Write it as 2026-12-01T09:00 (UTC) or 2026-12-01T09:00+01:00."
        ) from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment


def read_day(word: str | None) -> dt.date | None:
    """A day as `2027-03-01`.

    Raises:
        UsageError: another form.
    """
    if not word:
        return None
    try:
        return dt.date.fromisoformat(word)
    except ValueError:
        raise UsageError(f"{word!r} is no day", hint="Write it as 2027-03-01.") from None


def guess(text: str) -> str | int | float | bool:
    """The value that a word for an undeclared attribute means: true, false, a number, else text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if number - number == 0 else text  # nan and inf are text
    return text
