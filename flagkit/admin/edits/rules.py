"""Ordered rules of a flag: the first one that is true decides. Each is a variant with a condition or a percentage.

Percentages and lists of a flag (`rollout`, `target`, `split`) are rules, too; here they keep their place in the order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flagkit.admin.audience import show_names
from flagkit.admin.edits.targeting import Percent, kept_state, with_variants
from flagkit.authoring import FlagSource, RuleSource, VariantSource, decompile, edit_flag
from flagkit.authoring.conditions import parsed
from flagkit.authoring.editor import part_of, related_keys, unknown_flag
from flagkit.authoring.language import show_rule, show_rules, show_where
from flagkit.authoring.ranges import STEPS, read_percent, show_percent
from flagkit.core.documents import FlagDocument
from flagkit.core.lint.findings import Finding
from flagkit.core.lint.reach import RuledVariant, reach
from flagkit.errors import EditError


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule.

    Attributes:
        position: its place, from 1.
        variant: the variant that its users get.
        enabled: whether the flag is on for them.
        users: who it is for, e.g. `50 % of users where country = US`; empty if only lists say it.
        lists: the users, groups and segments that are named, e.g. `user 42`.
        rule: the native rule of a variant that has one; None for percentages, lists and conditions.
        rules: the conditions and percentages that were added to the variant (`add_rule`).
    """

    position: int
    variant: str
    enabled: bool
    users: str = ""
    lists: tuple[str, ...] = ()
    rule: str | None = None
    rules: tuple[RuleSource, ...] = ()


def list_rules(document: FlagDocument, key: str) -> list[RuleView]:
    """Return the rules of a flag in their order.

    Raises:
        UnknownFlagError: there is no such flag.
    """
    keys = {*document.flags, *document.values}
    if key not in keys:
        raise unknown_flag(key, keys)
    flag = decompile(part_of(document, related_keys({key}, document))).flags[key]
    flag = _ordered(flag, key)
    return [_view(flag, index, variant) for index, variant in enumerate(flag.variants[:-1])]


def add_rule(
    document: FlagDocument,
    key: str,
    *,
    when: str | None = None,
    percent: Percent | None = None,
    variant: str | None = None,
    position: int | None = None,
    enabled: bool = True,
) -> FlagDocument:
    """Add a rule. A flag that is off stays off.

    Args:
        document: the native document.
        key: the flag.
        when: a condition, or a native rule, that the users must fulfil; all users where None.
        percent: the percentage of these users; all of them where None.
        variant: the variant they get; one of the rule's own where None. If it has a rule already, this one is an
            alternative to it.
        position: the place in the order, from 1; behind the other rules, before percentages and lists, where None.
        enabled: whether the flag is on for these users.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: there is neither a condition nor a percentage, the place doesn't exist, or nothing would change.
    """
    if when is None and percent is None:
        raise EditError("a rule needs a condition or a percentage", hint="Give --when, --percent or both.")
    steps = None if percent is None else read_percent(percent)
    named: list[str] = []

    def change(flag: FlagSource) -> FlagSource:
        whole = _ordered(flag, key)
        *ruled, default = whole.variants
        name = variant or _free_name(whole.variants)
        named.append(name)
        if name == default.name:
            raise EditError(f"{name} is the default variant of {key}: it has no rule", hint="Name another variant.")
        rule = _rule(whole, key, name, when, steps)
        index = next((index for index, found in enumerate(ruled) if found.name == name), None)
        if index is not None:
            present = ruled[index]
            _check_own(present, key)
            if rule in present.rules:
                raise EditError(f"variant {name} of {key} has this rule", hint=f"`flagkit rule list {key}` shows it.")
            if present.enabled != enabled:
                state = "on" if present.enabled else "off"
                hint = "Name another variant, or none." if enabled else "Leave out --variant."
                raise EditError(f"variant {name} of {key} is {state}", hint=hint)
            ruled[index] = present.model_copy(update={"rules": (*present.rules, rule)})
            if position is not None:
                ruled.insert(_place(position, ruled, key), ruled.pop(index))
        else:
            if default.enabled and enabled and variant is None:
                hint = f"Use --off for users who don't get it, or roll it out first: `flagkit rollout {key} 0`."
                raise EditError(f"the rule changes nothing: {key} is for all users", hint=hint)
            added = VariantSource(name=name, enabled=enabled, values=default.values, rules=(rule,))
            place = _behind_rules(ruled) if position is None else _place(position, [*ruled, added], key)
            ruled.insert(place, added)
        return whole.model_copy(update={"enabled": kept_state(flag), "variants": (*ruled, default)})

    changed = edit_flag(document, key, change)
    _check_reached(changed, key, named[-1])
    return changed


def change_rule(
    document: FlagDocument,
    key: str,
    rule: int | str,
    *,
    when: str | None = None,
    percent: Percent | None = None,
    part: int = 1,
) -> FlagDocument:
    """Change the condition and the percentage of a rule; its position, its variant and its seed stay.

    Args:
        document: the native document.
        key: the flag.
        rule: its position or variant.
        when: the condition, or a native rule; all users where None.
        percent: the percentage of these users; all of them where None.
        part: which of the conditions of the variant, from 1, if it has several.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: there is no such rule, or neither a condition nor a percentage.
    """
    if when is None and percent is None:
        raise EditError("a rule needs a condition or a percentage", hint="Give --when, --percent or both.")
    steps = None if percent is None else read_percent(percent)
    named: list[str] = []

    def change(flag: FlagSource) -> FlagSource:
        whole = _ordered(flag, key)
        *ruled, default = whole.variants
        index = _index(ruled, rule, key)
        found = ruled[index]
        named.append(found.name)
        if found.rule is not None:
            if steps is not None or when is None:
                hint = "Put the percentage into the rule, or add another rule."
                raise EditError(f"variant {found.name} of {key} has a native rule: give a condition alone", hint=hint)
            ruled[index] = found.model_copy(update={"rule": when})
        elif not 1 <= part <= len(found.rules):
            hint = f"`flagkit rule list {key}` shows its rules. `flagkit rollout` and `flagkit split` set percentages."
            raise EditError(f"variant {found.name} of {key} has no condition {part}", hint=hint)
        else:
            parts = list(found.rules)
            seed = parts[part - 1].seed or _rule(whole, key, found.name, when, steps).seed
            share = None if steps is None else show_percent(steps)
            fields = {"when": when, "percent": share, "by": parts[part - 1].by, "seed": seed if steps else None}
            parts[part - 1] = RuleSource.model_validate(fields)
            ruled[index] = found.model_copy(update={"rules": tuple(parts)})
        return whole.model_copy(update={"enabled": kept_state(flag), "variants": (*ruled, default)})

    changed = edit_flag(document, key, change)
    _check_reached(changed, key, named[-1])
    return changed


def move_rule(document: FlagDocument, key: str, rule: int | str, position: int) -> FlagDocument:
    """Move a rule, given by its position or variant, to another position.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: there is no such rule or position.
    """

    def change(flag: FlagSource) -> FlagSource:
        *ruled, default = _ordered(flag, key).variants
        index = _index(ruled, rule, key)
        ruled.insert(_place(position, ruled, key), ruled.pop(index))
        return _ordered(flag, key).model_copy(update={"variants": (*ruled, default)})

    return edit_flag(document, key, change)


def remove_rule(document: FlagDocument, key: str, rule: int | str) -> FlagDocument:
    """Remove a rule, given by its position or variant, and its variant.

    Of a variant that has conditions beside a percentage or list, the conditions are removed.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: there is no such rule, or another flag requires the variant.
    """

    def change(flag: FlagSource) -> FlagSource:
        *ruled, default = _ordered(flag, key).variants
        index = _index(ruled, rule, key)
        found = ruled.pop(index)
        if found.rules and (found.is_listed or found.has_weight):
            ruled.insert(index, found.model_copy(update={"rules": ()}))
        if ruled:
            left = flag.model_copy(update={"variants": (*ruled, default)})
            if left.is_off and not flag.is_off:
                hint = f"To switch it off: flagkit off {key}. To give it to nobody: flagkit rollout {key} 0"
                raise EditError(f"{found.name} is the only variant of {key} that is on", hint=hint)
            return left
        # Only the default is left: a flag without variants. If it is on, it is for all users or for nobody.
        alone: dict[str, object] = {"variants": (), "values": default.values}
        if flag.is_off:
            return flag.model_copy(update={**alone, "enabled": False})
        on = {"enabled": True} if default.enabled else {"enabled": None, "percent": 0}
        return flag.model_copy(update={**alone, **on})

    return edit_flag(document, key, change)


def _ordered(flag: FlagSource, key: str) -> FlagSource:
    """Return a flag with its variants written out, so that rules can stand beside its percentage and lists."""
    if flag.variants or not flag.is_targeted:
        return with_variants(flag)
    on, off = with_variants(flag).variants
    weight = flag.percent
    ordered = with_variants(flag).model_copy(update={"percent": None})
    if weight is None and flag.has_share and not flag.is_empty:
        weight = STEPS
        ordered = ordered.model_copy(update={"percent_seed": flag.seed or key if flag.ramp else None})
    return ordered.model_copy(update={"variants": (on.model_copy(update={"weight": weight}), off)})


def _view(flag: FlagSource, index: int, variant: VariantSource) -> RuleView:
    named_users = {"user": variant.users, "group": variant.groups, "segment": variant.segments}
    lists = tuple(show_names(kind, values) for kind, values in named_users.items() if values)
    if variant.rule is None:
        steps = flag.percent if variant.weight is None else variant.weight
        where = "" if flag.where is None else f" where {show_where(flag.where)}"
        share = "users" if steps is None else f"{show_percent(steps)} % of users"
        if flag.ramp and steps in {None, STEPS} and (variant.has_weight or variant.is_empty):
            share = "a growing share of users"
        says_nothing = share == "users" and (lists or variant.rules)
        users = [show_rules(variant.rules)] if variant.rules else []
        users += [] if says_nothing else [f"{share}{where}"]
        return RuleView(index + 1, variant.name, variant.enabled, " and ".join(users), lists, rules=variant.rules)
    return RuleView(index + 1, variant.name, variant.enabled, show_rule(variant.rule), lists, variant.rule)


def _rule(flag: FlagSource, key: str, name: str, when: str | None, steps: int | None) -> RuleSource:
    """Build a rule. Beside variants with weights its percentage has a seed of its own.

    Otherwise, who is below 50 % there would be below 50 % of the weights, too, and the rest would all get one variant.
    """
    weighted = sum(variant.has_weight for variant in flag.variants)
    seed = f"{flag.seed or key}:{name}" if steps is not None and weighted > 1 else None
    percent = None if steps is None else show_percent(steps)
    return RuleSource.model_validate({"when": when or None, "percent": percent, "seed": seed})


def _check_own(variant: VariantSource, key: str) -> None:
    if variant.rule is not None:
        hint = "Name another variant, or change the flag as code (`flagkit pull`, edit, `flagkit apply`)."
        raise EditError(f"variant {variant.name} of {key} has a native rule, which can't be added to", hint=hint)


def _free_name(ruled: Sequence[VariantSource]) -> str:
    taken = {variant.name for variant in ruled}
    return next(name for number in range(1, len(ruled) + 2) if (name := f"rule-{number}") not in taken)


def _check_reached(document: FlagDocument, key: str, name: str) -> None:
    """Refuse a rule that no user gets."""
    for found in _unreachable(document, key):
        if found.location == _place_of(key, name):
            hint = f"The first rule that is true decides. `flagkit rule list {key}` shows them; use --position."
            raise EditError(f"{key}: {found.message}", hint=hint)


def _place_of(key: str, name: str) -> str:
    return f"values.{key}.{name}"


def _unreachable(document: FlagDocument, key: str) -> list[Finding]:
    value = document.values.get(key)
    rules = [] if value is None else [(it.name, it.rule) for it in value.variants if it.rule]
    variants = [RuledVariant(name, _place_of(key, name), rule, parsed(rule)) for name, rule in rules]
    never = dt.datetime.min.replace(tzinfo=dt.UTC)  # before any schedule
    return [found for found in reach(key, variants, never) if found.code == "unreachable"]


def _behind_rules(ruled: Sequence[VariantSource]) -> int:
    is_rule = [variant.rule is not None or (bool(variant.rules) and not variant.has_weight) for variant in ruled]
    return is_rule.index(False) if False in is_rule else len(ruled)


def _index(ruled: Sequence[VariantSource], rule: int | str, key: str) -> int:
    names = [variant.name for variant in ruled]
    if isinstance(rule, str) and rule not in names and rule.isascii() and rule.isdecimal():
        rule = int(rule)
    if isinstance(rule, int) and 1 <= rule <= len(names):
        return rule - 1
    if rule in names:
        return names.index(str(rule))
    raise EditError(f"{key} has no rule {rule}", hint=f"`flagkit rule list {key}` shows its rules.")


def _place(position: int, ruled: Sequence[VariantSource], key: str) -> int:
    if not 1 <= position <= len(ruled):
        raise EditError(f"{key} has no position {position}", hint=f"Positions are 1 to {len(ruled)}.")
    return position - 1
