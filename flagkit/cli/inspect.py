"""The commands that show flags: list, show, explain, what-if. They change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import changes_of, cli_context, context_of, fetch, read_text
from flagkit.cli.evaluations import evaluations_of
from flagkit.cli.output import echo, paragraph, print_json, say, table
from flagkit.errors import UsageError
from flagkit.sources import Document

if TYPE_CHECKING:
    from flagkit.admin.people import User


RuleContext = Annotated[
    list[str] | None,
    Option("--context", "-c", metavar="NAME=VALUE", help="An attribute for the rules. Repeat for more."),
]
UsersFile = Annotated[
    Path | None,
    Option(
        "--users", metavar="FILE", help="CSV with a column userId and columns of attributes, or one user id per line."
    ),
]
Verbose = Annotated[bool, Option("--verbose", "-v", help="Show the rules, too.")]
State = Literal["on", "off", "partial", "scheduled", "ended", "broken"]


def list_flags(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    search: Annotated[str | None, Argument(metavar="[TEXT]", help="Text in the key, name or description.")] = None,
    state: Annotated[
        State | None,
        Option(
            "--state", metavar="STATE", help="Only flags in this state: on, off, partial, scheduled, ended, broken."
        ),
    ] = None,
    owner: Annotated[
        str | None, Option("--owner", metavar="NAME", help="Only flags of this owner; '' for none.")
    ] = None,
    tag: Annotated[
        list[str] | None, Option("--tag", metavar="TAG", help="Only flags with this tag. Repeat for flags with all.")
    ] = None,
    kind: Annotated[
        Literal["release", "experiment", "ops", "permission"] | None,
        Option("--kind", metavar="KIND", help="Only flags of this kind: release, experiment, ops, permission."),
    ] = None,
    stale: Annotated[
        bool,
        Option("--stale", help="Only flags past their removal date, or on or off for all and unchanged for 90 days."),
    ] = False,
    archived: Annotated[bool, Option("--archived", help="Only archived flags, which are hidden otherwise.")] = False,
    client_visible: Annotated[
        bool, Option("--client-visible", help="Only flags whose answers browsers and apps may get.")
    ] = False,
    sort: Annotated[
        Literal["key", "state", "owner", "kind", "changed", "created", "evaluated", "remove-by"],
        Option(
            "--sort",
            metavar="COLUMN",
            help="key, state, owner, kind, changed, created, evaluated (newest first) or remove-by.",
        ),
    ] = "key",
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """List flags with their state, audience, owner and last change.

    Example: flagkit list checkout --state on --owner payments
    """
    from flagkit.admin.flag_list import Filter, ordered
    from flagkit.admin.flag_view import snapshot_of, views
    from flagkit.cli.flag_list import columns

    cli = cli_context(context)
    document = fetch(cli, source, saved=saved, version=version)
    snapshot, now = snapshot_of(document, cli.clock.now), cli.clock.now()
    wanted = Filter(search, state, owner, tuple(tag or ()), kind, stale, archived, client_visible)
    flags = views(document, snapshot, now, changes_of(cli, source, document, snapshot.flags))
    evaluated = evaluations_of(cli, source, snapshot.flags)
    if evaluated is not None:
        flags = {key: replace(flag, evaluated=evaluated.last(key)) for key, flag in flags.items()}
    chosen = ordered([flag for flag in flags.values() if wanted.fits(flag, now)], sort)
    if as_json:
        print_json([flag.data() for flag in chosen])
        return 0
    if chosen:
        table(*columns(chosen))
    else:
        echo("No flags." if not flags else "No matching flags.")
    hidden = 0 if archived else sum(wanted.hides(flag, now) for flag in flags.values())
    if hidden:
        say(f"{hidden} archived {'flag is' if hidden == 1 else 'flags are'} hidden; --archived lists them.")
    _warn(document)
    return 0


def show(
    context: Context,
    key: options.Key,
    verbose: Verbose = False,
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """Show one flag.

    State, audience and attributes; `--verbose` adds the rules.

    Example: flagkit show new_checkout
    """
    from flagkit.admin.flag_view import known_flag, snapshot_of, view_of
    from flagkit.cli.flag_list import facts

    cli = cli_context(context)
    document = fetch(cli, source, saved=saved, version=version)
    snapshot = snapshot_of(document, cli.clock.now)
    known_flag(snapshot, key)
    changes = changes_of(cli, source, document, [key]).get(key)
    evaluated = evaluations_of(cli, source, [key], snapshot.flags)
    flag = view_of(document, snapshot, key, cli.clock.now(), changes)
    flag = flag if evaluated is None else replace(flag, evaluated=evaluated.last(key))
    if as_json:
        print_json(flag.data())
        return 0
    name = flag.texts.name or key
    echo(key if name == key else f"{key} ({name})")
    if flag.texts.about.description is not None:
        paragraph(flag.texts.about.description, "  ")
    paragraph(f"State: {flag.shown}", "  ")
    paragraph(f"Audience: {flag.audience}" if flag.state != "broken" else flag.audience, "  ")
    for line in facts(flag):
        paragraph(line, "  ")
    if flag.rollout is not None:
        paragraph(f"Guarded rollout: {flag.rollout.to_text()} (canary {flag.rollout.id})", "  ")
        paragraph(
            "A change of the flag by hand is a conflict: canary stops, and the flag stays as it was changed.", "  "
        )
    for line in flag.details():
        echo(f"  {line}")
    for line in flag.rules() if verbose else ():
        echo(f"  {line}")
    _warn(document)
    return 0


def explain(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    key: options.Key,
    user: Annotated[str | None, Option("--user", "-u", metavar="ID", help="The user.")] = None,
    about: RuleContext = None,
    users: UsersFile = None,
    verbose: Verbose = False,
    code: Annotated[bool, Option("--code", help="Show the Python function that evaluates the flag.")] = False,
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """Explain the answer of a flag for one user, or count many.

    One sentence; `--verbose` adds each rule, each operand, and the user's bucket beside its threshold. With --users,
    counts the answers.

    Example: flagkit explain new_checkout --user 42 --context country=US
    """
    from flagkit.admin.flag_view import known_flag, reason_of, snapshot_of, view_of
    from flagkit.admin.people import distribution
    from flagkit.core.explanation import explain as explain_flag

    cli = cli_context(context)
    given = context_of(about or ())
    if user is not None and users is not None:
        raise UsageError("--user and --users cannot be combined", hint="Give one of them.")
    document = fetch(cli, source, saved=saved, version=version)
    snapshot = snapshot_of(document, cli.clock.now)
    known_flag(snapshot, key)
    if code:
        echo(snapshot.source(key) or f"{key} has no rules: its answer is the same for every user.")
        return 0
    if users is None:
        explanation = explain_flag(snapshot, key, user, given)
        if as_json:
            print_json(explanation.to_dict())
        else:
            paragraph(reason_of(explanation, view_of(document, snapshot, key, cli.clock.now())))
            if verbose:
                echo(explanation.to_text())
        return 0
    people = read_users(users)
    counted = distribution(snapshot, key, people, given)
    if as_json:
        print_json({"key": key, "users": len(people), "answers": dict(counted)})
        return 0
    rows = [(f"{count}", f"{count * 100 / len(people):.1f} %", answer) for answer, count in counted]
    table(("USERS", "SHARE", "ANSWER"), rows)
    return 0


def what_if(
    context: Context,
    other: Annotated[str, Argument(metavar="OTHER", help="A version number, a file or a source.")],
    keys: Annotated[list[str] | None, Argument(metavar="[KEY]...", help="Only these flags.")] = None,
    users: UsersFile = None,
    about: RuleContext = None,
    source: options.Source = None,
    saved: options.Saved = False,
    as_json: options.AsJson = False,
) -> int:
    """List the users whose answer differs between two versions.

    OTHER is a version number, a file or a source.

    Example: flagkit what-if draft.json --users users.csv
    """
    from flagkit.admin.flag_view import known_flag, snapshot_of
    from flagkit.admin.people import moves

    if users is None:
        raise UsageError(
            "Missing option --users FILE.", hint="Give a CSV file with a column userId, or one user id per line."
        )
    cli = cli_context(context)
    people = read_users(users)
    before = snapshot_of(fetch(cli, source, saved=saved), cli.clock.now)
    number = int(other) if other.isdecimal() and other.isascii() and not Path(other).exists() else None
    second = fetch(cli, source, version=number) if number is not None else fetch(cli, other)
    after = snapshot_of(second, cli.clock.now)
    for key in keys or ():
        known_flag(after if key in after.flags else before, key)
    chosen = keys or sorted({*before.flags, *after.flags})
    found = list(moves(before, after, chosen, people, context_of(about or ())))
    if as_json:
        rows = [{"key": it.key, "before": it.before, "after": it.after, "users": it.count} for it in found]
        print_json({"users": len(people), "moves": rows})
        return 0
    if not found:
        echo(f"No answer differs for {len(people)} users.")
        return 0
    rows_shown = [
        (it.key, f"{it.count} of {len(people)}", f"{it.before} → {it.after}", ", ".join(it.examples)) for it in found
    ]
    table(("FLAG", "USERS", "CHANGE", "EXAMPLES"), rows_shown)
    return 0


def _warn(document: Document) -> None:
    if document.warning:
        say(f"warning: {document.warning}")


def read_users(path: Path) -> list[User]:
    """Read users and say how many.

    Raises:
        UsageError: it can't be read, or there is no column with ids.
    """
    from flagkit.admin.people import parse_users

    users, context = parse_users(read_text(path), str(path))
    about = f", with context {', '.join(context)}" if context else ""
    say(f"{len(users)} {'user' if len(users) == 1 else 'users'} in {path}{about}")
    return users
