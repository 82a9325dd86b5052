"""The commands that only look: list, show, explain, what-if. Nothing is changed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from flagkit.cli import words
from flagkit.cli.describe import flag_data, flag_lines, flag_summary
from flagkit.cli.loading import context_of, fetch, known_flag, read_flags, snapshot_of
from flagkit.cli.people import distribution, moves, read_people
from flagkit.cli.screen import paragraph, print_json, say, table
from flagkit.cli.summary import summaries
from flagkit.cli.world import world_of
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UsageError
from flagkit.sources import Document

HIDDEN = "flagkit-segments"  # where flagkit.admin keeps segments that no flag names; no flag for people

Context = Annotated[
    list[str] | None,
    typer.Option("--context", "-c", metavar="NAME=VALUE", help="What else rules may look at; may be repeated."),
]
UsersFile = Annotated[
    Path | None,
    typer.Option("--users", metavar="FILE", help="CSV with a column userId (others are context), or one id a line."),
]
State = Literal["on", "off", "part"]


def list_flags(
    context: typer.Context,
    search: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Only flags with this in key, name or description.")
    ] = None,
    state: Annotated[
        State | None,
        typer.Option("--state", metavar="STATE", help="Only flags that are on, off, or on for part of the users."),
    ] = None,
    source: words.Source = None,
    saved: words.Saved = False,
    version: words.VersionNumber = None,
    as_json: words.AsJson = False,
) -> int:
    """List flags: which are on, and for whom.

    Example: flagkit list checkout --state on
    """
    world = world_of(context)
    document = fetch(world, source, saved=saved, version=version)
    snapshot = snapshot_of(document, world.clock.now)
    snapshot.check()
    flags = read_flags(document)
    about = _about(snapshot, flags)
    keys = [key for key in about if _fits(key, about[key][0], flags, search, state)]
    if as_json:
        rows = [
            {**flag_data(snapshot.definition(key)), "state": about[key][0]}
            for key in keys
            if key not in snapshot.problems
        ]
        print_json(rows)
        return 0
    if keys:
        table(("FLAG", "STATE", "WHO"), [(key, *about[key]) for key in keys])
    else:
        typer.echo("no flags" if not about else "no flag fits")
    _warn(document)
    return 0


def show(
    context: typer.Context,
    key: words.Key,
    source: words.Source = None,
    saved: words.Saved = False,
    version: words.VersionNumber = None,
    as_json: words.AsJson = False,
) -> int:
    """Show one flag: what it is for, who gets it, its variants, rules and attributes.

    Example: flagkit show new_checkout
    """
    world = world_of(context)
    document = fetch(world, source, saved=saved, version=version)
    snapshot = snapshot_of(document, world.clock.now)
    definition = snapshot.definition(known_flag(snapshot, key))
    flags = read_flags(document)
    written = None if flags is None else flags.flags.get(key)
    if as_json:
        texts = {} if written is None else {"name": written.name, "description": written.description}
        print_json({**flag_data(definition), **texts})
        return 0
    lines = flag_lines(definition)
    typer.echo(next(lines))
    if written is not None:
        for text in (written.name, written.description):
            if text and text != key:
                paragraph(text, "  ")
        if written.deprecation is not None:
            typer.echo(f"  to be removed{f' by {written.deprecation.date}' if written.deprecation.date else ''}")
    if flags is not None:
        state, who = summaries(flags)[key]
        paragraph("off" if state == "off" else f"on for {who}", "  ")
    for line in lines:
        if flags is None or definition.variants or definition.attributes:
            typer.echo(line)
    _warn(document)
    return 0


def explain(  # noqa: PLR0913, PLR0917 - each is an option
    context: typer.Context,
    key: words.Key,
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="ID", help="Whom it is asked for.")] = None,
    about: Context = None,
    users: UsersFile = None,
    source: words.Source = None,
    saved: words.Saved = False,
    version: words.VersionNumber = None,
    as_json: words.AsJson = False,
) -> int:
    """Say why a flag answers what it does: each rule, each operand, bucket against threshold; or count many users.

    Example: flagkit explain new_checkout --user 42 --context country=US
    """
    from flagkit.core.explain import explain as explain_flag

    world = world_of(context)
    given = context_of(about or ())
    if user is not None and users is not None:
        raise UsageError("one user or many, not both", hint="Give --user or --users.")
    snapshot = snapshot_of(fetch(world, source, saved=saved, version=version), world.clock.now)
    known_flag(snapshot, key)
    if users is None:
        explanation = explain_flag(snapshot, key, user, given)
        if as_json:
            print_json(explanation.to_dict())
        else:
            typer.echo(explanation.to_text())
        return 0
    people = read_people(users)
    counted = distribution(snapshot, key, people, given)
    if as_json:
        print_json({"key": key, "users": len(people), "answers": dict(counted)})
        return 0
    rows = [(f"{count}", f"{count * 100 / len(people):.1f} %", answer) for answer, count in counted]
    table(("USERS", "SHARE", "ANSWER"), rows)
    return 0


def what_if(
    context: typer.Context,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="A version's number, a file or an address.", show_default=False)
    ],
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these flags.")] = None,
    users: UsersFile = None,
    about: Context = None,
    source: words.Source = None,
    saved: words.Saved = False,
    as_json: words.AsJson = False,
) -> int:
    """Compare two versions over a list of users: who would get another answer if OTHER were served.

    Example: flagkit what-if draft.json --users users.csv
    """
    if users is None:
        raise UsageError("for whom?", hint="Give --users FILE: CSV with a column userId, or one id a line.")
    world = world_of(context)
    people = read_people(users)
    before = snapshot_of(fetch(world, source, saved=saved), world.clock.now)
    number = int(other) if other.isdecimal() and other.isascii() and not Path(other).exists() else None
    second = fetch(world, source, version=number) if number is not None else fetch(world, other)
    after = snapshot_of(second, world.clock.now)
    for key in keys or ():
        known_flag(after if key in after.flags else before, key)
    chosen = keys or [key for key in sorted({*before.flags, *after.flags}) if key != HIDDEN]
    found = list(moves(before, after, chosen, people, context_of(about or ())))
    if as_json:
        rows = [{"key": it.key, "before": it.before, "after": it.after, "users": it.count} for it in found]
        print_json({"users": len(people), "moves": rows})
        return 0
    if not found:
        typer.echo(f"nobody of {len(people)} users gets another answer")
        return 0
    rows_shown = [
        (it.key, f"{it.count} of {len(people)}", f"{it.before} → {it.after}", ", ".join(it.examples)) for it in found
    ]
    table(("FLAG", "USERS", "CHANGE", "FOR EXAMPLE"), rows_shown)
    return 0


def _about(snapshot: Snapshot, flags: FlagDocument | None) -> dict[str, tuple[str, str]]:
    known = {} if flags is None else summaries(flags)
    about: dict[str, tuple[str, str]] = {}
    for key in sorted({*snapshot.flags, *known}):
        if key == HIDDEN:
            continue
        if key in snapshot.problems:
            about[key] = "broken", snapshot.problems[key]
        elif key in known:
            about[key] = known[key]
        else:
            definition = snapshot.definition(key)
            about[key] = (
                "part" if definition.variants else "on" if definition.enabled else "off",
                flag_summary(definition),
            )
    return about


def _fits(key: str, found: str, flags: FlagDocument | None, search: str | None, state: str | None) -> bool:
    if state is not None and found != state:
        return False
    definition = None if flags is None else flags.flags.get(key)
    texts = [key, *((definition.name or "", definition.description or "") if definition is not None else ())]
    return search is None or any(search.lower() in text.lower() for text in texts)


def _warn(document: Document) -> None:
    if document.warning:
        say(f"warning: {document.warning}")
