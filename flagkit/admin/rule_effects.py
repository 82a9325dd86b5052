"""For whom an edit of a flag's rules changes something, in sentences. Pure; `audience` says the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flagkit.authoring.language import show_rule, show_rules

if TYPE_CHECKING:
    from flagkit.authoring import FlagSource, RuleSource, VariantSource
    from flagkit.authoring.reading import ShownVariant


def rule_changes(old: FlagSource, new: FlagSource, *, limits_changed: bool, unknown: str) -> Iterator[str]:
    """Say which rules are added and removed; what other limits or another order change is `unknown`."""
    before, after = _entries(old), _entries(new)
    for (name, rule), enabled in after.items():
        if (name, rule) not in before:
            gets = f"get variant {name}" if enabled else "don't get it"
            yield f"Now {_users(rule)} {gets}."
    for name, rule in before:
        if (name, rule) not in after:
            yield f"The rule for {_users(rule)} is removed."
    if limits_changed or _order(old, new) != _order(new, old):
        yield f"Conditions or rules change. {unknown}"


def is_ruled(variant: VariantSource | ShownVariant) -> bool:
    """Return whether conditions of its own say who gets a variant."""
    return variant.rule is not None or bool(variant.rules)


def _entries(flag: FlagSource) -> dict[tuple[str, RuleSource | str], bool]:
    """Return the rules by variant, and whether the flag is on for their users; native ones as text."""
    found: dict[tuple[str, RuleSource | str], bool] = {}
    for variant in flag.variants:
        found |= {(variant.name, rule): variant.enabled for rule in variant.rules}
        if variant.rule is not None:
            found[variant.name, variant.rule] = variant.enabled
    return found


def _users(rule: RuleSource | str) -> str:
    return show_rule(rule) if isinstance(rule, str) else show_rules([rule])


def _order(flag: FlagSource, other: FlagSource) -> list[str]:
    """The variants that both have, in the order of the first one, if one of the flags has rules."""
    names = {variant.name for variant in other.variants}
    ruled = any(map(is_ruled, (*flag.variants, *other.variants)))
    return [variant.name for variant in flag.variants if variant.name in names] if ruled else []
