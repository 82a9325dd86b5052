"""Flags in lines for people and as data for programs; it must not read or evaluate them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from flagkit.core.definitions import FlagDefinition, VariantDefinition
from flagkit.errors import Violation


def flag_summary(definition: FlagDefinition) -> str:
    """`on`, `off`, or the variants in a few words. Since 0.1."""
    if not definition.variants:
        words = "on" if definition.enabled else "off"
        return f"{words} {_attributes(definition.attributes)}".rstrip()
    named = ", ".join(f"{variant.name}{'' if variant.enabled else ' (off)'}" for variant in definition.variants)
    return f"variants {named}"


def flag_lines(definition: FlagDefinition) -> Iterator[str]:
    """The whole flag: each variant with its rule. Since 0.1."""
    yield definition.key
    if not definition.variants:
        yield f"  {flag_summary(definition)}"
    for variant in definition.variants:
        yield f"  {variant.name}: {'on' if variant.enabled else 'off'} {_attributes(variant.attributes)}".rstrip()
        yield f"    {variant.rule or 'for everybody else'}"
    if definition.unseen_variant is not None:
        yield f"  rules exist, but AWS delivers only the default variant, {definition.unseen_variant}"


def flag_data(definition: FlagDefinition) -> dict[str, object]:
    """The whole flag as JSON-ready data. Since 0.1."""
    return {
        "key": definition.key,
        "enabled": definition.enabled,
        "attributes": _plain(definition.attributes),
        "variants": [_variant_data(variant) for variant in definition.variants],
    }


def violation_line(violation: Violation) -> str:
    """One break of AWS's format in one line. Since 0.1."""
    said = violation.message or violation.reason
    value = f" ({violation.value})" if violation.value else ""
    return f"{violation.location or 'document'}: {violation.constraint}{f': {said}' if said else ''}{value}"


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
