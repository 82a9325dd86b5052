"""The commands that only look: list, show, explain, what-if. Nothing is changed here."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import cli_context, context_of, fetch, known_flag, read_flags, read_text, snapshot_of
from flagkit.cli.output import echo, paragraph, print_json, say, table
from flagkit.errors import UsageError
from flagkit.sources import Document

if TYPE_CHECKING:
    from datetime import datetime

    from flagkit.core.definitions import FlagDefinition, VariantDefinition
    from flagkit.core.documents import FlagDocument
    from flagkit.core.evaluation import Evaluation
    from flagkit.core.snapshot import Snapshot

ID_COLUMNS = frozenset({"userid", "user", "id"})  # in any spelling: userId, user_id, "User ID"

RuleContext = Annotated[
    list[str] | None,
    Option("--context", "-c", metavar="NAME=VALUE", help="What else rules may look at; may be repeated."),
]
UsersFile = Annotated[
    Path | None,
    Option("--users", metavar="FILE", help="CSV with a column userId (others are context), or one id a line."),
]
State = Literal["on", "off", "partial", "scheduled", "ended"]


def list_flags(
    context: Context,
    search: Annotated[
        str | None, Argument(metavar="[TEXT]", help="Only flags with this in key, name or description.")
    ] = None,
    state: Annotated[
        State | None,
        Option("--state", metavar="STATE", help="Only flags in this state."),
    ] = None,
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """List flags with their state and audience.

    Example: flagkit list checkout --state on
    """
    cli = cli_context(context)
    document = fetch(cli, source, saved=saved, version=version)
    snapshot = snapshot_of(document, cli.clock.now)
    snapshot.check()
    flags = read_flags(document)
    about = _about(snapshot, flags, cli.clock.now())
    keys = [key for key in about if _fits(key, about[key][0], flags, search, state)]
    if as_json:
        rows = [
            {**_flag_data(snapshot.definition(key)), "state": about[key][0]}
            for key in keys
            if key not in snapshot.problems
        ]
        print_json(rows)
        return 0
    if keys:
        table(("FLAG", "STATE", "AUDIENCE"), [(key, *about[key][1:]) for key in keys])
    else:
        echo("no flags" if not about else "no flag fits")
    _warn(document)
    return 0


def show(
    context: Context,
    key: options.Key,
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """Show one flag.

    A sentence first; `--verbose` adds the rules.

    Example: flagkit show new_checkout
    """
    cli = cli_context(context)
    document = fetch(cli, source, saved=saved, version=version)
    snapshot = snapshot_of(document, cli.clock.now)
    definition = snapshot.definition(known_flag(snapshot, key))
    flags = read_flags(document)
    written = None if flags is None else flags.flags.get(key)
    if as_json:
        texts = {} if written is None else {"name": written.name, "description": written.description}
        print_json({**_flag_data(definition), **texts})
        return 0
    lines = _flag_lines(definition)
    echo(next(lines))
    if written is not None:
        for text in (written.name, written.description):
            if text and text != key:
                paragraph(text, "  ")
        if written.deprecation is not None:
            echo(f"  to be removed{f' by {written.deprecation.date}' if written.deprecation.date else ''}")
    if flags is not None:
        from flagkit.admin.audience import statuses

        status = statuses(flags, now=cli.clock.now())[key]
        paragraph(f"state: {status.to_text()}", "  ")
        paragraph(f"audience: {status.audience}", "  ")
    for line in lines:
        if flags is None or definition.variants or definition.attributes:
            echo(line)
    _warn(document)
    return 0


def explain(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    key: options.Key,
    user: Annotated[str | None, Option("--user", "-u", metavar="ID", help="Whom it is asked for.")] = None,
    about: RuleContext = None,
    users: UsersFile = None,
    source: options.Source = None,
    saved: options.Saved = False,
    version: options.VersionNumber = None,
    as_json: options.AsJson = False,
) -> int:
    """Explain the answer of a flag for one user, or count many.

    Shows each rule, each operand, and the user's bucket beside its threshold. With --users, counts the answers.

    Example: flagkit explain new_checkout --user 42 --context country=US
    """
    from flagkit.core.explanation import explain as explain_flag

    cli = cli_context(context)
    given = context_of(about or ())
    if user is not None and users is not None:
        raise UsageError("one user or many, not both", hint="Give --user or --users.")
    snapshot = snapshot_of(fetch(cli, source, saved=saved, version=version), cli.clock.now)
    known_flag(snapshot, key)
    if users is None:
        explanation = explain_flag(snapshot, key, user, given)
        if as_json:
            print_json(explanation.to_dict())
        else:
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
    other: Annotated[str, Argument(metavar="OTHER", help="A version's number, a file or an address.")],
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
    if users is None:
        raise UsageError(
            "Missing option --users FILE.", hint="FILE is a CSV with a column userId, or has one id a line."
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
        echo(f"nobody of {len(people)} users gets another answer")
        return 0
    rows_shown = [
        (it.key, f"{it.count} of {len(people)}", f"{it.before} → {it.after}", ", ".join(it.examples)) for it in found
    ]
    table(("FLAG", "USERS", "CHANGE", "FOR EXAMPLE"), rows_shown)
    return 0


def _about(snapshot: Snapshot, flags: FlagDocument | None, now: datetime) -> dict[str, tuple[str, str, str]]:
    """State, state for people, and audience of every flag."""
    from flagkit.admin.audience import statuses

    known = {} if flags is None else statuses(flags, now=now)
    about: dict[str, tuple[str, str, str]] = {}
    for key in sorted({*snapshot.flags, *known}):
        if key in snapshot.problems:
            about[key] = "broken", "broken", snapshot.problems[key]
        elif key in known:
            about[key] = known[key].state, known[key].to_text(), known[key].audience
        else:
            definition = snapshot.definition(key)
            state = "partial" if definition.variants else "on" if definition.enabled else "off"
            about[key] = state, state, _flag_summary(definition)
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


def _flag_summary(definition: FlagDefinition) -> str:
    """`on`, `off`, or the variants in a few words."""
    if not definition.variants:
        words = "on" if definition.enabled else "off"
        return f"{words} {_attributes(definition.attributes)}".rstrip()
    named = ", ".join(f"{variant.name}{'' if variant.enabled else ' (off)'}" for variant in definition.variants)
    return f"variants {named}"


def _flag_lines(definition: FlagDefinition) -> Iterator[str]:
    """The whole flag: each variant with its rule."""
    yield definition.key
    if not definition.variants:
        yield f"  {_flag_summary(definition)}"
    for variant in definition.variants:
        yield f"  {variant.name}: {'on' if variant.enabled else 'off'} {_attributes(variant.attributes)}".rstrip()
        yield f"    {variant.rule or 'for everybody else'}"
    if definition.unseen_variant is not None:
        yield f"  rules exist, but AWS delivers only the default variant, {definition.unseen_variant}"


def _flag_data(definition: FlagDefinition) -> dict[str, object]:
    """The whole flag as JSON-ready data."""
    return {
        "key": definition.key,
        "enabled": definition.enabled,
        "attributes": _plain(definition.attributes),
        "variants": [_variant_data(variant) for variant in definition.variants],
    }


def _variant_data(variant: VariantDefinition) -> dict[str, object]:
    return {
        "name": variant.name,
        "enabled": variant.enabled,
        "rule": variant.rule,
        "attributes": _plain(variant.attributes),
    }


def _attributes(attributes: Mapping[str, object]) -> str:
    return " ".join(f"{name}={json.dumps(_plain(value), ensure_ascii=False)}" for name, value in attributes.items())


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


@dataclass(frozen=True, slots=True)
class User:
    """One user and what rules may look at."""

    user_id: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Moved:
    """How many users go from one answer of a flag to another; the first few of them by id."""

    key: str
    before: str
    after: str
    count: int
    examples: tuple[str, ...]


def read_users(path: Path) -> list[User]:
    """Read users and say how many: CSV with a column `userId` and columns for the context, or one id in each line.

    Raises:
        UsageError: it can't be read, or there is no column with ids.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"there are no users in {path}")
    delimiter = next((sign for sign in ",;\t|" if sign in lines[0]), ",")
    head = [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter))]
    column = next((index for index, name in enumerate(head) if re.sub(r"[^a-z]", "", name.lower()) in ID_COLUMNS), None)
    if column is None and len(head) > 1:
        raise UsageError(
            f"{path} has no column userId; its columns are {', '.join(head)}",
            hint="Name the column with the user ids userId.",
        )
    rows = list(csv.reader(lines if column is None else lines[1:], delimiter=delimiter))
    users = [_user(head, column or 0, row) if column is not None else User(row[0].strip(), {}) for row in rows if row]
    context = [name for index, name in enumerate(head) if index != column] if column is not None else []
    about = f", with context {', '.join(context)}" if context else ""
    say(f"{len(users)} users in {path}{about}")
    return users


def _user(head: list[str], column: int, row: list[str]) -> User:
    values = dict(zip(head, (value.strip() for value in row), strict=False))
    user_id = values.pop(head[column], "")
    return User(user_id, {name: value for name, value in values.items() if name and value})


def distribution(
    snapshot: Snapshot, key: str, people: Iterable[User], context: Mapping[str, object]
) -> list[tuple[str, int]]:
    """How many users get which answer of a flag, most first."""
    counted = Counter(
        answer_of(snapshot.evaluate(key, person.user_id, {**context, **person.context})) for person in people
    )
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def moves(
    before: Snapshot, after: Snapshot, keys: Iterable[str], people: list[User], context: Mapping[str, object]
) -> Iterator[Moved]:
    """Whoever gets another answer after than before, flag by flag."""
    for key in keys:
        gone: dict[tuple[str, str], list[str]] = {}
        for person in people:
            about = {**context, **person.context}
            first = answer_of(before.evaluate(key, person.user_id, about))
            second = answer_of(after.evaluate(key, person.user_id, about))
            if first != second:
                gone.setdefault((first, second), []).append(person.user_id)
        for (first, second), who in sorted(gone.items(), key=lambda item: -len(item[1])):
            yield Moved(key, first, second, len(who), tuple(who[:3]))


def answer_of(evaluation: Evaluation) -> str:
    """An answer in a word or two."""
    if evaluation.error is not None:
        return f"no answer ({evaluation.error.value})"
    state = "on" if evaluation.enabled else "off"
    if evaluation.variant is not None and evaluation.variant != state:
        state = f"{evaluation.variant}{'' if evaluation.enabled else ' (off)'}"
    if evaluation.enabled and not isinstance(evaluation.value, bool):
        state = f"{state} = {evaluation.value}"
    return state
