"""The commands that change flags and segments: from arguments to an edit, which `change` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from flagkit import admin
from flagkit.admin.typed import listed, read_moment, read_percent
from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.change import Change, EditContext, changes
from flagkit.cli.context import cli_context
from flagkit.cli.output import echo, print_json, table
from flagkit.cli.shell import Command, Group
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.core.documents import FlagDocument

Weights = Annotated[list[str], Argument(metavar="VARIANT=PERCENT...", help="For example red=50 blue=50.")]
Values = Annotated[
    list[str],
    Argument(metavar="NAME=VALUE...", help="For example color=blue. NAME= removes a value."),
]
Starts = Annotated[str | None, Option("--from", metavar="TIME", help="Start at this time.")]
Ends = Annotated[str | None, Option("--until", metavar="TIME", help="End at this time.")]
Where = Annotated[
    str | None,
    Option(
        "--where",
        metavar="CONDITION",
        help="Only users with this condition, e.g. 'country in US,CA and plan = pro'. '' for all.",
    ),
]


@changes
def on(key: options.Key) -> Change:
    """Switch a flag on.

    Percentages, lists and schedule apply as before.

    Example: flagkit on new_checkout -m "launch"
    """
    return Change(lambda current: admin.edits.switch_on(current.document, key))


@changes
def off(key: options.Key) -> Change:
    """Switch a flag off.

    Percentages, lists and schedule are kept for `on`.

    Example: flagkit off new_checkout -m "too slow"
    """
    return Change(lambda current: admin.edits.switch_off(current.document, key))


@changes
def kill(
    key: options.Key,
    stop_running: Annotated[
        bool, Option("--stop-running", help="Stop another profile's running deployment, too.")
    ] = False,
) -> Change:
    """Emergency stop: switch a flag off at once.

    Deploys immediately and replaces a running deployment. With --yes there are no prompts.

    Example: flagkit kill new_checkout --yes -m "double charges"
    """
    return Change(lambda current: admin.edits.kill(current.document, key), emergency=True, stop_running=stop_running)


@changes
def rollout(
    key: options.Key,
    percent: Annotated[str, Argument(metavar="PERCENT", help="0 to 100, for example 12.5.")],
    by: options.By = None,
    where: Where = None,
    seed: options.Seed = None,
) -> Change:
    """Roll a flag out to a percentage of users.

    Raising the percentage removes no user.

    Example: flagkit rollout new_checkout 12.5 --where 'country in US,CA'
    """
    share = read_percent(percent)
    rule = read_limit(where)
    return Change(
        lambda current: admin.edits.rollout(current.document, key, share, by=by, where=rule, seed=seed),
        remarks=lambda _: remarks_on(where),
    )


@changes
def target(
    key: options.Key,
    user: options.Users = None,
    group: options.Groups = None,
    segment: Annotated[
        list[str] | None, Option("--segment", metavar="NAME", help="A segment; see `flagkit segment`. Repeat for more.")
    ] = None,
    variant: options.Variant = None,
    remove: Annotated[bool, Option("--remove", help="Remove them instead.")] = False,
) -> Change:
    """Give a flag to named users, groups or segments.

    They get the flag whatever the percentage is.

    Example: flagkit target new_checkout --user 42 --group beta
    """
    if not (listed(user) or listed(group) or listed(segment)):
        raise UsageError(
            "Missing option --user, --group or --segment.", hint="Name at least one user, group or segment."
        )
    return Change(
        lambda current: admin.edits.target(
            current.document,
            key,
            users=listed(user),
            groups=listed(group),
            segments=listed(segment),
            variant=variant,
            remove=remove,
        )
    )


@changes
def split(
    key: options.Key,
    weights: Weights,
    by: options.By = None,
    seed: options.Seed = None,
    remove: Annotated[
        list[str] | None, Option("--remove", metavar="VARIANT", help="Delete this variant; may be repeated.")
    ] = None,
) -> Change:
    """Split users between variants by percentage.

    A change of the percentages moves as few users as possible.

    Example: flagkit split button_color red=50 blue=50
    """
    shares = {name: read_percent(share) for name, share in pairs(weights, "red=50").items()}
    return Change(
        lambda current: admin.edits.split(current.document, key, shares, by=by, seed=seed, remove=remove or ())
    )


@changes
def attr(key: options.Key, values: Values, variant: options.Variant = None) -> Change:
    """Set attributes of a flag or of one variant.

    Example: flagkit attr banner text="Hello" size=3
    """
    given = pairs(values, "color=blue")

    def edit(current: EditContext) -> FlagDocument:
        # NAME= takes the value away, which an empty text would hardly mean.
        read = {
            name: None if text == "" else admin.edits.read_value(current.document, key, name, text)
            for name, text in given.items()
        }
        return admin.edits.set_attributes(current.document, key, read, variant=variant)

    return Change(edit)


@changes
def schedule(
    key: options.Key,
    starts: Starts = None,
    ends: Ends = None,
    clear: Annotated[bool, Option("--clear", help="Remove the schedule.")] = False,
    enable: Annotated[bool, Option("--on", help="Also switch the flag on.")] = False,
) -> Change:
    """Set when a flag starts and ends.

    A schedule has no effect while the flag is off. A time without a time zone is UTC.

    Example: flagkit schedule sale --from 2026-11-27T00:00 --until 2026-12-01
    """
    first, last = read_moment(starts), read_moment(ends)
    return Change(
        lambda current: admin.edits.schedule(
            current.document, key, starts=first, ends=last, clear=clear, enable=enable, now=current.now
        ),
        remarks=lambda current: ["Note: the start is in the past."] if first and first <= current.now else [],
    )


SegmentName = Annotated[str, Argument(metavar="NAME", help="The segment.")]


def list_segments(context: Context, source: options.Source = None, as_json: options.AsJson = False) -> int:
    """List and edit segments: named groups of users.

    Without a command below it, it lists the segments and the flags that use them.

    Example: flagkit segment put testers --user 42 --group qa
    """
    with cli_context(context).store(source) as store:
        segments = admin.edits.list_segments(store.read().document)
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
        table(("SEGMENT", "FLAGS", "USERS"), rows)
    else:
        echo("No segments. Create one: flagkit segment put NAME --user ID")
    return 0


@changes
def segment_put(
    name: SegmentName,
    user: options.Users = None,
    group: options.Groups = None,
    where: Annotated[
        str | None, Option("--where", metavar="CONDITION", help="Also users with this condition, e.g. 'plan = pro'.")
    ] = None,
) -> Change:
    """Create a segment, or replace its definition. Flags that use it follow."""
    rule = read_limit(where) or None
    return Change(
        lambda current: admin.edits.put_segment(
            current.document, name, users=listed(user), groups=listed(group), where=rule
        ),
        remarks=lambda _: remarks_on(where),
    )


@changes
def segment_add(name: SegmentName, user: options.Users = None, group: options.Groups = None) -> Change:
    """Add users or groups to a segment."""
    return Change(
        lambda current: admin.edits.change_segment(current.document, name, users=listed(user), groups=listed(group))
    )


@changes
def segment_remove(name: SegmentName, user: options.Users = None, group: options.Groups = None) -> Change:
    """Remove users or groups from a segment."""
    return Change(
        lambda current: admin.edits.change_segment(
            current.document, name, users=listed(user), groups=listed(group), remove=True
        )
    )


@changes
def segment_delete(name: SegmentName) -> Change:
    """Delete a segment that no flag uses."""
    return Change(lambda current: admin.edits.delete_segment(current.document, name))


SEGMENT = Group(
    list_segments,
    (
        Command("put", "flagkit.cli.edit:segment_put", "Create a segment, or replace its definition."),
        Command("add", "flagkit.cli.edit:segment_add", "Add users or groups to a segment."),
        Command("remove", "flagkit.cli.edit:segment_remove", "Remove users or groups from a segment."),
        Command("delete", "flagkit.cli.edit:segment_delete", "Delete a segment that no flag uses."),
    ),
)


def read_limit(where: str | None) -> str | None:
    """The native rule of a condition; None if there is none, "" to remove it."""
    from flagkit.authoring.language import read_where

    return read_where(where) if where else where


def remarks_on(condition: str | None) -> list[str]:
    """Notes on what a condition may not mean."""
    from flagkit.authoring import language

    return [f"Note: {remark}" for remark in language.remarks_on(condition or "")]


def pairs(given: list[str] | tuple[str, ...], example: str) -> Mapping[str, str]:
    """`name=value` arguments by name.

    Raises:
        UsageError: an argument has no `=`, or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in given:
        name, separator, value = word.partition("=")
        if not (separator and name):
            raise UsageError(f"{word!r} is not of the form NAME=VALUE", hint=f"For example {example}.")
        if name in found:
            raise UsageError(f"{name} is given twice", hint="Give it once.")
        found[name] = value
    return found
