"""The parts of a flag that carry no rules, between the readable and the native form, in both directions."""

from __future__ import annotations

from pydantic import JsonValue

from flagkit.authoring.source import AttributeSource, FlagSource, VariantSource
from flagkit.core.documents import AttributeDefinition, FlagDeclaration
from flagkit.core.rules.ast import Rule
from flagkit.core.rules.printer import print_rule


def native_variant(variant: VariantSource, rule: Rule | str | None) -> JsonValue:
    """Return a native variant; rule text is kept as it is."""
    native: dict[str, JsonValue] = {"name": variant.name, "enabled": variant.enabled}
    if rule is not None:
        native["rule"] = rule if isinstance(rule, str) else print_rule(rule)
    if variant.values:
        native["attributeValues"] = dict(variant.values)
    return native


def native_definition(flag: FlagSource) -> JsonValue:
    """Return the native `flags.<key>`."""
    native: dict[str, JsonValue] = {}
    if flag.name is not None:
        native["name"] = flag.name
    if flag.description is not None:
        native["description"] = flag.description
    if flag.deprecated is not None:
        date = {} if flag.deprecated is True else {"date": str(flag.deprecated)}
        native["_deprecation"] = {"status": "planned", **date}
    if flag.attributes:
        native["attributes"] = {
            name: _attribute(attribute.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
            for name, attribute in flag.attributes.items()
        }
    return native


def _attribute(fields: dict[str, JsonValue]) -> JsonValue:
    native: dict[str, JsonValue] = {}
    if "description" in fields:
        native["description"] = fields.pop("description")
    if fields:
        native["constraints"] = fields
    return native


def read_definition(definition: FlagDeclaration) -> dict[str, object]:
    """Return the words of the readable form for `flags.<key>`."""
    words: dict[str, object] = {"name": definition.name, "description": definition.description}
    if definition.deprecation is not None:
        date = definition.deprecation.date
        words["deprecated"] = True if date is None else date
    words["attributes"] = {key: _read_attribute(attribute) for key, attribute in definition.attributes.items()}
    return {word: value for word, value in words.items() if value is not None}


def _read_attribute(attribute: AttributeDefinition) -> AttributeSource:
    words: dict[str, object] = {"description": attribute.description}
    if attribute.constraints is not None:
        constraints = attribute.constraints.model_dump(exclude_none=True)
        constraints.get("elements", {}).pop("required", None)  # means nothing in there
        words |= constraints
    return AttributeSource.model_validate(words)
