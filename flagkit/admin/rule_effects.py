"""For whom an edit of a flag's rules changes something, in sentences. Pure; `audience` says the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flagkit.authoring.language import show_rule, show_rules

if TYPE_CHECKING:
    from flagkit.authoring import FlagSource, VariantSource
    from flagkit.authoring.reading import ShownVariant


def rule_changes(old: FlagSource, new: FlagSource, *, limits_changed: bool, unknown: str) -> Iterator[str]:
    """Say which rules are added and removed; changed ones can't be counted, which `unknown` says."""
    added, removed = _own_rules(new, old), _own_rules(old, new)
    for variant in added:
        gets = f"get variant {variant.name}" if variant.enabled else "don't get it"
        yield f"Now {_rule_text(variant)} {gets}."
    for variant in removed:
        yield f"The rule for {_rule_text(variant)} is removed."
    kept = [flag.model_copy(update={"variants": _without(flag, added + removed)}) for flag in (old, new)]
    if limits_changed or _rules(kept[0]) != _rules(kept[1]) or _order(old, new) != _order(new, old):
        yield f"Conditions or rules change. {unknown}"


def is_ruled(variant: VariantSource | ShownVariant) -> bool:
    """Return whether conditions of its own say who gets a variant."""
    return variant.rule is not None or bool(variant.rules)


def _rule_text(variant: VariantSource) -> str:
    return show_rules(variant.rules) if variant.rules else show_rule(variant.rule or "")


def _own_rules(flag: FlagSource, other: FlagSource) -> list[VariantSource]:
    names = {variant.name for variant in other.variants}
    return [variant for variant in flag.variants if is_ruled(variant) and variant.name not in names]


def _without(flag: FlagSource, variants: list[VariantSource]) -> tuple[VariantSource, ...]:
    return tuple(variant for variant in flag.variants if variant not in variants)


def _order(flag: FlagSource, other: FlagSource) -> list[str]:
    """The variants that both have, in the order of the first one, if rules are among them."""
    names = {variant.name for variant in other.variants}
    common = [variant for variant in flag.variants if variant.name in names]
    return [variant.name for variant in common] if any(map(is_ruled, common)) else []


def _rules(flag: FlagSource) -> tuple[object, ...]:
    return tuple((it.name, it.rule, it.rules) for it in flag.variants if is_ruled(it))
