"""Who gets a flag: a share of the users, named users, or variants by weight. None of these switches it on or off."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from pydantic import JsonValue

from flagkit.authoring import FlagSource, VariantSource, decompile, edit_flag
from flagkit.authoring.compiler import expanded
from flagkit.authoring.conditions import ON, USER, parsed
from flagkit.authoring.editor import part_of, related_keys
from flagkit.authoring.ranges import STEPS, read_percent, show_percent
from flagkit.core.documents import FlagDocument
from flagkit.core.lint.logic import keys_of
from flagkit.core.rules.ast import Exists, walk
from flagkit.core.snapshot import Snapshot
from flagkit.errors import EditError

Percent: TypeAlias = "Decimal | float | str"

_Lists: TypeAlias = Mapping[str, tuple[str, ...]]
_AS_CODE = "Change the flag as code (`flagkit pull`, edit, `flagkit apply`)."


def rollout(
    document: FlagDocument,
    key: str,
    percent: Percent,
    *,
    by: str | None = None,
    where: str | None = None,
    seed: str | None = None,
) -> FlagDocument:
    """Give a flag to a share of the users. A flag that is off stays off.

    Of a flag with several weighted variants, this is the share of the users that takes part.

    Args:
        document: the native document.
        key: the flag.
        percent: 0 to 100, in steps of 0.0001.
        by: the context key that users are bucketed by; unchanged where None (at first `userId`).
        where: a native rule that limits the share, "" for none; unchanged where None.
        seed: the bucketing seed; unchanged where None (at first the flag's key). Another seed reassigns all users.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: not a percentage, or the flag has a rule written by hand.
    """
    steps = read_percent(percent)

    def change(flag: FlagSource) -> FlagSource:
        limit = flag.where if where is None else where or None
        if flag.variants:
            changed = _share_of_variants(flag, key, steps, replace_rule=where is not None)
        else:
            changed = flag.model_copy(update={"enabled": kept_state(flag), "percent": steps})
        return _bucketed(changed.model_copy(update={"ramp": (), "where": limit}), by, seed)

    return edit_flag(document, key, change)


def target(
    document: FlagDocument,
    key: str,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    segments: Sequence[str] = (),
    variant: str | None = None,
    remove: bool = False,
) -> FlagDocument:
    """Give a flag to named users, groups (`$group`) or segments, whatever the percentages say; or stop doing so.

    Somebody who is on the list of another variant moves to this one. A flag that is off stays off.

    Args:
        document: the native document.
        key: the flag.
        users: user ids.
        groups: values of the context key `group`.
        segments: names of segments.
        variant: which variant they get; needed for flags with several.
        remove: remove from the list instead of adding to it.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the flag is on for all users anyway, somebody who is to be removed isn't on the list, or a user gets
            another variant first by a segment.
    """
    lists = {"users": tuple(users), "groups": tuple(groups), "segments": tuple(segments)}
    if not any(lists.values()):
        message = "no users, groups or segments are given"
        raise EditError(message, hint="Name at least one, e.g. --user 42.")

    def change(flag: FlagSource) -> FlagSource:
        if flag.variants:
            return _target_variant(flag, key, lists, variant, remove=remove)
        if variant not in {None, "on"}:
            message = f"{key} has no variant {variant}"
            raise EditError(message)
        if not flag.is_targeted and flag.enabled and not remove:
            message = f"{key} is already on for all users"
            raise EditError(message, hint=f"To limit it first: `flagkit rollout {key} 0`")
        update: dict[str, object] = {"enabled": kept_state(flag)}
        for kind, values in lists.items():
            update[kind] = _changed(getattr(flag, kind), values, f"{key} is not targeted to {kind}", remove=remove)
        changed = flag.model_copy(update=update)
        # Without anybody on a list, on would mean all users.
        return changed if changed.is_targeted else changed.model_copy(update={"percent": 0})

    changed = edit_flag(document, key, change)
    if not remove:
        _check_reached(changed, key, lists["users"])
    return changed


def split(
    document: FlagDocument,
    key: str,
    weights: Mapping[str, Percent],
    *,
    by: str | None = None,
    seed: str | None = None,
    remove: Collection[str] = (),
) -> FlagDocument:
    """Share the users out among variants; the rest goes to the default variant. A flag that is off stays off.

    The variants own disjoint ranges, and a change of weights moves as few users as possible (docs/bucketing.md).

    Args:
        document: the native document.
        key: the flag.
        weights: percent by variant; new variants start with the flag's attribute values. The default variant may be
            named if everything adds up to 100.
        by: the context key that users are bucketed by; unchanged where None.
        seed: the bucketing seed; unchanged where None. Another seed reassigns all users.
        remove: variants to delete, with their values and lists.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the weights are more than 100 %, or 0 %; a variant with a weight is neither named nor removed.
    """
    steps = {name: read_percent(weight) for name, weight in weights.items()}
    total = sum(steps.values())
    if not 0 < total <= STEPS:
        message = f"the weights add up to {show_percent(total)} %; they must be more than 0 % and at most 100 %"
        raise EditError(message)

    def change(flag: FlagSource) -> FlagSource:
        whole = with_variants(flag)
        *ruled, default = whole.variants
        if default.name in steps and total != STEPS:
            message = (
                f"{default.name} is the default variant and gets the rest: the weights must add up to 100 %, "
                f"not {show_percent(total)} %"
            )
            raise EditError(message)
        wanted = {name: weight for name, weight in steps.items() if name != default.name}
        _check_removed(ruled, default, wanted, remove, key, implicit=not flag.variants)
        kept = [_weighted(variant, wanted.get(variant.name), key) for variant in ruled if variant.name not in remove]
        if not flag.variants:
            kept = [variant for variant in kept if variant.name in wanted or not variant.is_empty]
        present = {variant.name for variant in kept}
        fresh = [
            VariantSource(name=name, values=default.values).model_copy(update={"weight": weight})
            for name, weight in wanted.items()
            if name not in present
        ]
        changed = whole.model_copy(update={"variants": (*kept, *fresh, default)})
        if not any(variant.has_weight for variant in ruled) and _is_drawn(whole):
            # Who takes part keeps taking part: the percentage keeps its seed, and the weights get one of their own.
            line = flag.seed or key
            pinned = tuple(_pinned(variant, line) for variant in changed.variants)
            changed = changed.model_copy(update={"seed": f"{line}:split", "percent_seed": line, "variants": pinned})
        return _bucketed(changed, by, seed)

    return edit_flag(document, key, change)


def _is_drawn(flag: FlagSource) -> bool:
    """Whether a percentage selects users by the flag's seed."""
    shares = [flag.percent, *(rule.percent for it in flag.variants for rule in it.rules if rule.seed is None)]
    return bool(flag.ramp) or any(share not in {None, 0, STEPS} for share in shares)


def _pinned(variant: VariantSource, seed: str) -> VariantSource:
    rules = [rule.model_copy(update={"seed": rule.seed or seed}) if rule.percent else rule for rule in variant.rules]
    return variant.model_copy(update={"rules": tuple(rules)})


def kept_state(flag: FlagSource) -> bool | None:
    """Return `enabled` for a flag that is targeted now: off stays off."""
    return False if flag.is_off else None


def _bucketed(flag: FlagSource, by: str | None, seed: str | None) -> FlagSource:
    return flag.model_copy(
        update={
            "by": flag.by if by is None else by or "userId",
            "seed": flag.seed if seed is None else seed or None,
        }
    )


def _share_of_variants(flag: FlagSource, key: str, steps: int, *, replace_rule: bool) -> FlagSource:
    own = own_variants(flag)
    if any(variant.rules for variant in flag.variants) and len(own) <= 1 and not any(it.rule for it in own):
        return beside_rules(flag, steps)
    first, *others = flag.variants
    written = [variant.name for variant in flag.variants if variant.rule is not None]
    if written and not (len(others) == 1 and replace_rule):
        message = f"variant {written[0]} of {key} has a rule written by hand, which a percentage would replace"
        raise EditError(message, hint="Give --where to replace it, or change the flag as code.")
    if len(others) != 1:
        return flag.model_copy(update={"percent": steps})
    share = first.model_copy(update={"rule": None, "ranges": None, "weight": steps})
    return flag.model_copy(update={"percent": None, "variants": (share, *others)})


def own_variants(flag: FlagSource) -> list[VariantSource]:
    """Return the variants that are for a percentage or list, not for rules alone as `flagkit rule add` makes them."""
    return [variant for variant in flag.variants[:-1] if not _is_rule(variant)]


def beside_rules(flag: FlagSource, steps: int) -> FlagSource:
    """Give a percentage to the one variant that isn't for rules alone; without one, to a new one behind the rules."""
    own = own_variants(flag)
    if own:
        shared = own[0].model_copy(update={"ranges": None, "weight": steps})
        variants = [shared if variant is own[0] else variant for variant in flag.variants]
        return flag.model_copy(update={"variants": tuple(variants)})
    *ruled, default = flag.variants
    name = next(
        name
        for name in (ON, *(f"{ON}-{number}" for number in range(len(ruled) + 2)))
        if name not in {variant.name for variant in flag.variants}
    )
    shared = VariantSource(name=name, values=default.values).model_copy(update={"weight": steps})
    rest = default.model_copy(update={"enabled": False})
    return flag.model_copy(update={"variants": (*ruled, shared, rest), "enabled": kept_state(flag)})


def _target_variant(flag: FlagSource, key: str, lists: _Lists, name: str | None, *, remove: bool) -> FlagSource:
    index = _index(flag, key, name)
    variants: list[VariantSource] = []
    for position, variant in enumerate(flag.variants):
        update: dict[str, object] = {}
        for kind, values in lists.items():
            present: tuple[str, ...] = getattr(variant, kind)
            if position == index:
                problem = f"variant {variant.name} of {key} is not targeted to {kind}"
                update[kind] = _changed(present, values, problem, remove=remove)
            elif not remove:
                update[kind] = tuple(value for value in present if value not in values)
        variants.append(variant.model_copy(update=update))
    for position, variant in enumerate(flag.variants[:-1]):
        if variants[position].is_plain and not variant.is_plain:
            # Without anybody on a list, the variant would be for all users.
            variants[position] = variants[position].model_copy(update={"weight": 0})
    return flag.model_copy(update={"variants": tuple(variants)})


def _is_rule(variant: VariantSource) -> bool:
    """Whether the variant is made of rules alone, as `flagkit rule add` makes them."""
    return bool(variant.rules) and not variant.has_weight and not variant.is_listed


def _check_reached(document: FlagDocument, key: str, users: Sequence[str]) -> None:
    """Refuse to target users who get an earlier variant by a segment: they would still get that one."""
    source = decompile(part_of(document, related_keys({key}, document)))
    for variant in source.flags[key].variants[:-1]:
        if users and set(users) <= set(variant.users):
            return
        for name in variant.segments:
            hidden = [user for user in users if user in source.segments[name].users]
            if hidden:
                message = f"user {', '.join(hidden)} gets variant {variant.name} first, by segment {name}"
                hint = f"Remove the user from the segment, or the segment from variant {variant.name}."
                raise EditError(message, hint=hint)
        _check_not_first(document, key, variant.name, users)


def _check_not_first(document: FlagDocument, key: str, name: str, users: Sequence[str]) -> None:
    """Refuse users who get this earlier variant by a rule that asks for nothing but the user id."""
    found = next(variant for variant in document.values[key].variants if variant.name == name)
    nodes = list(walk(parsed(found.rule or "")))
    keys = {name for node in nodes for name in ((node.key.name,) if isinstance(node, Exists) else keys_of(node))}
    if keys != {USER}:
        return
    alone: JsonValue = [{"name": name, "enabled": True, "rule": found.rule}, {"name": "rest", "enabled": False}]
    snapshot = Snapshot.from_document({"version": "1", "values": {key: {"_variants": alone}}})
    hidden = [user for user in users if snapshot.evaluate(key, user).enabled]
    if hidden:
        hint = f"Move it behind: flagkit rule list {key}, flagkit rule move {key} {name} POSITION"
        raise EditError(f"user {', '.join(hidden)} gets variant {name} first, by its rule", hint=hint)


def _changed(present: tuple[str, ...], given: tuple[str, ...], problem: str, *, remove: bool) -> tuple[str, ...]:
    missing = [value for value in given if value not in present]
    if remove and missing:
        raise EditError(f"{problem.removesuffix('s')} {', '.join(missing)}")
    if remove:
        return tuple(value for value in present if value not in given)
    return (*present, *dict.fromkeys(missing))


def _index(flag: FlagSource, key: str, variant: str | None) -> int:
    ruled = flag.variants[:-1]
    names = [item.name for item in ruled]
    own = [item.name for item in own_variants(flag)]
    if variant is None and len(own) == 1:
        variant = own[0]
    if variant is None:
        message = f"{key} has several variants: {', '.join(names)}"
        raise EditError(message, hint=f"Name one, e.g. --variant {names[0]}.")
    if variant not in names:
        message = f"{key} has no variant {variant} that users can be targeted to, only {', '.join(names)}"
        raise EditError(message)
    found = ruled[names.index(variant)]
    if found.rule is not None:
        message = f"variant {found.name} of {key} has a rule written by hand; users can't be added to it"
        raise EditError(message, hint=_AS_CODE)
    return names.index(variant)


def with_variants(flag: FlagSource) -> FlagSource:
    """Return the long form of a flag: its variants are written out, and what is said about on and off stays."""
    if flag.variants:
        return flag
    if not flag.is_targeted:
        default = VariantSource(name="default", enabled=bool(flag.enabled), values=flag.values)
        variants: tuple[VariantSource, ...] = (default,)
    else:
        on, off = expanded(flag)
        variants = (on.model_copy(update={"enabled": True}), off.model_copy(update={"values": flag.values}))
    bare: dict[str, object] = {"values": {}, "users": (), "groups": (), "segments": ()}
    return flag.model_copy(update={**bare, "enabled": kept_state(flag), "variants": variants})


def _check_removed(
    ruled: Sequence[VariantSource],
    default: VariantSource,
    wanted: Mapping[str, int],
    remove: Collection[str],
    key: str,
    *,
    implicit: bool,
) -> None:
    names = [variant.name for variant in ruled]
    for name in remove:
        if name in wanted:
            raise EditError(f"variant {name} of {key} can't be removed and have a weight")
        if name == default.name:
            raise EditError(f"{name} is the default variant of {key} and can't be removed")
        if name not in names:
            raise EditError(f"{key} has no variant {name} that could be removed", hint=f"It has {', '.join(names)}.")
    if implicit:
        return
    for variant in ruled:
        weighted = variant.weight is not None or variant.ranges is not None
        if weighted and variant.name not in wanted and variant.name not in remove:
            close = difflib.get_close_matches(variant.name, [name for name in wanted if name not in names], 1)
            typo = f"Did you mean {variant.name} instead of {close[0]}? " if close else ""
            raise EditError(
                f"variant {variant.name} of {key} has a weight, but is not named",
                hint=f"{typo}Give it a weight ({variant.name}=0 keeps it for nobody), or --remove {variant.name}.",
            )


def _weighted(variant: VariantSource, weight: int | None, key: str) -> VariantSource:
    if weight is None:
        return variant
    if variant.rule is not None:
        message = f"variant {variant.name} of {key} has a rule written by hand; a weight would replace it"
        raise EditError(message, hint="Choose another name, or change the flag as code.")
    return variant.model_copy(update={"weight": weight, "ranges": None})
