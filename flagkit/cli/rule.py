"""Rules, prerequisites, holdouts and ramps of a flag. The edits are made in `flagkit.admin.edits`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from flagkit import admin
from flagkit.admin.typed import read_moment, read_percent
from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.change import Change, changes
from flagkit.cli.context import cli_context
from flagkit.cli.edit import read_limit, remarks_on
from flagkit.cli.output import echo, print_json, table
from flagkit.cli.shell import Command, Group
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.edits import RuleView

When = Annotated[
    str | None,
    Option("--when", metavar="CONDITION", help="The users it is for, e.g. 'country = US and appVersion >= 1.10.0'."),
]
Percent = Annotated[str | None, Option("--percent", metavar="PERCENT", help="A percentage of them. Default: all.")]
Position = Annotated[
    int | None, Option("--position", metavar="N", min=1, help="Its position. Default: after the other rules.")
]
Rule = Annotated[str, Argument(metavar="RULE", help="The position or the variant of the rule.")]


def about_rules(context: Context) -> int:
    """List and edit the ordered rules of a flag.

    The first rule that is true for a user decides; the percentages and lists of `rollout`, `target` and `split` are
    rules, too.

    Example: flagkit rule add new_checkout --when 'country = US' --percent 50
    """
    echo(context.get_help())
    return 0


def list_rules(
    context: Context, key: options.Key, source: options.Source = None, as_json: options.AsJson = False
) -> int:
    """List the rules of a flag in their order.

    Example: flagkit rule list new_checkout
    """
    with cli_context(context).store(source) as store:
        rules = admin.edits.list_rules(store.read().document, key)
    if as_json:
        print_json([_data(rule) for rule in rules])
    elif rules:
        rows = [
            (
                str(rule.position),
                rule.variant,
                "on" if rule.enabled else "off",
                " and ".join([*filter(None, [rule.users]), *rule.lists]),
            )
            for rule in rules
        ]
        table(("RULE", "VARIANT", "STATE", "USERS"), rows)
    else:
        echo("No rules.")
    return 0


@changes
def add_rule(
    key: options.Key,
    when: When = None,
    percent: Percent = None,
    variant: options.Variant = None,
    position: Position = None,
    off: Annotated[bool, Option("--off", help="The flag is off for these users.")] = False,
) -> Change:
    """Add a rule.

    It comes after the other rules and before percentages and lists, unless --position is given. The users get
    --variant, or a variant of the rule's own. If that variant has a percentage of `split`, the users of the rule get it
    instead of other variants with a percentage.

    Example: flagkit rule add new_checkout --when 'country = US' --percent 50 --position 1
    """
    rule, share = read_limit(when) or None, None if percent is None else read_percent(percent)
    return Change(
        lambda current: admin.edits.add_rule(
            current.document, key, when=rule, percent=share, variant=variant, position=position, enabled=not off
        ),
        remarks=lambda _: remarks_on(when),
    )


@changes
def change_rule(
    key: options.Key,
    rule: Rule,
    when: When = None,
    percent: Percent = None,
    part: Annotated[
        int, Option("--part", metavar="N", min=1, help="Which condition of the variant, if it has several.")
    ] = 1,
) -> Change:
    """Change the condition and the percentage of a rule.

    Its position, its variant and its users' buckets stay.

    Example: flagkit rule change new_checkout 1 --when 'country in US,CA' --percent 50
    """
    limit, share = read_limit(when) or None, None if percent is None else read_percent(percent)
    return Change(
        lambda current: admin.edits.change_rule(
            current.document, key, _named(rule), when=limit, percent=share, part=part
        ),
        remarks=lambda _: remarks_on(when),
    )


@changes
def move_rule(
    key: options.Key, rule: Rule, position: Annotated[int, Argument(metavar="POSITION", help="Its new position.")]
) -> Change:
    """Move a rule to another position.

    Example: flagkit rule move new_checkout 3 1
    """
    return Change(lambda current: admin.edits.move_rule(current.document, key, _named(rule), position))


@changes
def remove_rule(key: options.Key, rule: Rule) -> Change:
    """Remove a rule and its variant.

    Of a variant that has conditions beside a percentage or list, only the conditions are removed.

    Example: flagkit rule remove new_checkout 2
    """
    return Change(lambda current: admin.edits.remove_rule(current.document, key, _named(rule)))


@changes
def require(
    key: options.Key,
    others: Annotated[
        list[str], Argument(metavar="FLAG...", help="Flags that must be on, or FLAG=VARIANT, or FLAG=off.")
    ],
    remove: Annotated[bool, Option("--remove", help="Remove these prerequisites instead.")] = False,
) -> Change:
    """Limit a flag to users for whom other flags are on.

    FLAG=VARIANT means users who get this variant of it, FLAG=off users for whom it is off.

    Example: flagkit require express_checkout new_checkout button=blue
    """
    return Change(lambda current: admin.edits.require(current.document, key, others, remove=remove))


@changes
def holdout(
    key: options.Key,
    name: Annotated[str, Argument(metavar="HOLDOUT", help="Its name. Flags with the same one share its users.")],
    percent: Annotated[
        str | None,
        Option("--percent", metavar="PERCENT", help="The percentage of users it holds out, for all its flags."),
    ] = None,
    remove: Annotated[bool, Option("--remove", help="Remove the flag from the holdout.")] = False,
) -> Change:
    """Keep a percentage of the users out of a flag, to compare with them later.

    Flags with the same holdout keep the same users out. Users who are targeted by name get the flag all the same.

    Example: flagkit holdout new_checkout 2027-q1 --percent 5
    """
    share = None if percent is None else read_percent(percent)
    return Change(lambda current: admin.edits.holdout(current.document, key, name, percent=share, remove=remove))


@changes
def ramp(
    key: options.Key,
    steps: Annotated[list[str], Argument(metavar="PERCENT@TIME...", help="For example 5@2027-01-01 50@2027-01-08.")],
) -> Change:
    """Let the percentage of a flag grow by itself.

    `flagkit rollout` replaces the ramp. A time without a time zone is UTC.

    Example: flagkit ramp new_checkout 5@2027-01-11 25@2027-01-18 100@2027-01-25
    """
    read = [_step(step) for step in steps]
    return Change(lambda current: admin.edits.ramp(current.document, key, read))


RULE = Group(
    about_rules,
    (
        Command("list", "flagkit.cli.rule:list_rules", "List the rules of a flag in their order."),
        Command("add", "flagkit.cli.rule:add_rule", "Add a rule."),
        Command("change", "flagkit.cli.rule:change_rule", "Change the condition and the percentage of a rule."),
        Command("move", "flagkit.cli.rule:move_rule", "Move a rule to another position."),
        Command("remove", "flagkit.cli.rule:remove_rule", "Remove a rule and its variant."),
    ),
)


def _step(text: str) -> tuple[dt.datetime, Decimal]:
    percent, at, moment = text.partition("@")
    time = read_moment(moment) if at and moment else None
    if time is None:
        raise UsageError(
            f"{text!r} is not of the form PERCENT@TIME", hint="For example 5@2027-01-01 50@2027-01-08T09:00."
        )
    return time, read_percent(percent)


def _named(rule: str) -> int | str:
    return int(rule) if rule.isascii() and rule.isdecimal() else rule


def _data(rule: RuleView) -> dict[str, object]:
    return {
        "position": rule.position,
        "variant": rule.variant,
        "enabled": rule.enabled,
        "users": rule.users,
        "lists": list(rule.lists),
        "rule": rule.rule,
        "rules": [each.model_dump(mode="json", exclude_none=True) for each in rule.rules],
    }
