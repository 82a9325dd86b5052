"""What a whole document must satisfy beyond its shape: variants, rules, declared and required attributes.

Yields violations with AWS's names and locations (appconfig.md §1.1 and the recordings of 2026-09-28 behind it).
Decides nothing about storing or serving. Locations of attribute values inside variants are inferred: no recording
shows one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from pydantic import JsonValue

from flagkit.core.documents.constraints import (
    ArrayConstraints,
    Constraints,
    NumberConstraints,
    StringConstraints,
    broken,
    check_definition,
    check_value,
)
from flagkit.core.documents.models import (
    MAX_ATTRIBUTES,
    MAX_VARIANTS,
    AttributeDefinition,
    DocumentShape,
    FlagDeclaration,
    FlagValue,
    Variant,
)
from flagkit.core.rules.ast import Rule
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.patterns import MISSING, Patterns, check_patterns
from flagkit.errors import RuleError, Violation

Attributes = Mapping[str, AttributeDefinition]


def violations(document: DocumentShape) -> Iterator[Violation]:
    """Yield every violation that AWS would report, in document order."""
    for key, definition in document.flags.items():
        yield from _check_definition(definition, f"flags.{key}")
    patterns = Patterns()
    for key, value in document.values.items():
        definition = document.flags.get(key, FlagDeclaration())
        yield from _check_flag(value, definition.attributes, f"values.{key}", patterns)


def warnings(document: DocumentShape) -> Iterator[Violation]:
    """Yield what AWS accepts although its published schema forbids it."""
    for key, value in document.values.items():
        if len(value.variants) > MAX_VARIANTS:
            # 33 entries were accepted natively, one more than the published schema allows (appconfig.md §1.1).
            count = len(value.variants)
            text = f"{count} variants; AWS documents at most {MAX_VARIANTS} with the default"
            yield broken(f"MaxEntries({MAX_VARIANTS})", f"values.{key}._variants", count, text)


def _check_definition(definition: FlagDeclaration, location: str) -> Iterator[Violation]:
    for key, attribute in definition.attributes.items():
        if attribute.constraints is not None:
            yield from check_definition(attribute.constraints, f"{location}.attributes.{key}.constraints")


def _check_flag(value: FlagValue, attributes: Attributes, location: str, patterns: Patterns) -> Iterator[Violation]:
    if not value.variants:
        yield from _check_attributes(value.attributes, attributes, location, location)
        return
    if value.enabled is not None or value.attributes:
        refused = {"enabled": value.enabled, **value.attributes}
        text = "a flag with variants must have enabled and attributes in its variants only"
        yield broken("StrictVariants", location, refused, text)
    yield from _check_order(value.variants, f"{location}._variants")
    for index, variant in enumerate(value.variants):
        place = f"{location}._variants.{index}"
        if variant.rule:
            yield from _check_rule(variant.rule, f"{place}.rule", patterns)
        yield from _check_attributes(variant.attribute_values, attributes, f"{place}.attributeValues", place)


def _check_order(variants: tuple[Variant, ...], location: str) -> Iterator[Violation]:
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        yield broken("UniqueVariantNames", f"{location}.variants.variants", list(names), "variant names must differ")
    *ruled, default = variants
    for variant in ruled:
        if not variant.rule:
            place = f"{location}.variants.{variant.name}.rule"
            yield broken("NonEmpty", place, "", "every variant except the last, the default, needs a rule")
    if default.rule:
        place = f"{location}.variants.{default.name}.rule"
        yield broken("Empty", place, default.rule, "the last variant is the default and must not have a rule")


def _check_rule(rule: str, location: str, patterns: Patterns) -> Iterator[Violation]:
    found = _parsed(rule)
    try:
        if isinstance(found, RuleError):
            raise found
        check_patterns(found, patterns)
    except RuleError as error:
        if error.reason == MISSING:  # valid as far as this machine can tell; lint says that it isn't checked
            return
        # The service names both: the rule isn't empty, and it isn't valid.
        yield broken("Empty", location, rule, "must be empty or a valid rule")
        yield broken(
            "RuleIsValid", f"{location}.{error.path}" if error.path else location, rule, error.message, error.reason
        )


@lru_cache(maxsize=4096)
def _parsed(rule: str) -> Rule | RuleError:
    """Return the tree of a rule, or what is wrong with it; documents of one edit share most rules."""
    try:
        return parse_rule(rule)
    except RuleError as error:
        return error


def _check_attributes(
    values: Mapping[str, JsonValue], attributes: Attributes, values_at: str, attributes_at: str
) -> Iterator[Violation]:
    for key, value in values.items():
        if key in attributes:
            yield from check_value(attributes[key].constraints, value, f"{values_at}.{key}")
        else:
            known = " ".join(f"{name}:{_go_text(item)}" for name, item in sorted(attributes.items()))
            entry: JsonValue = {"Key": key, "Value": value}
            yield broken(f"Satisfies(map[{known}])", f"{values_at}.{key}", entry, "is not a declared attribute")
    if len(values) > MAX_ATTRIBUTES:
        yield broken(
            f"MaxEntries({MAX_ATTRIBUTES})",
            values_at,
            len(values),
            f"must not have more than {MAX_ATTRIBUTES} attributes",
        )
    missing = [key for key in sorted(attributes) if key not in values and _is_required(attributes[key])]
    if missing:
        declared: JsonValue = {name: _go_json(item) for name, item in sorted(attributes.items())}
        yield broken("Not(IsZero([]))", f"{attributes_at}.attributes", declared, f"required: {', '.join(missing)}")
    for key in missing:
        entry = {"Key": key, "Value": _go_json(attributes[key])}
        yield broken("Entries", f"{attributes_at}.attributes.{key}", entry, "is required and has no value")


def _is_required(attribute: AttributeDefinition) -> bool:
    return attribute.constraints is not None and attribute.constraints.required


# The refused value of some violations is AWS's own struct. Reproduced because tools can depend on it.
def _go_json(attribute: AttributeDefinition) -> dict[str, JsonValue]:
    return {"Constraints": _go_constraints(attribute.constraints), "Description": attribute.description or ""}


def _go_constraints(constraints: Constraints | None) -> JsonValue:
    if constraints is None:
        return {"Type": "", "Maximum": None}
    fields: dict[str, JsonValue] = {"Type": constraints.type}
    if constraints.required:
        fields["Required"] = True
    if isinstance(constraints, NumberConstraints) and constraints.minimum is not None:
        fields["Minimum"] = constraints.minimum
    fields["Maximum"] = constraints.maximum if isinstance(constraints, NumberConstraints) else None
    if isinstance(constraints, StringConstraints):
        if constraints.enum is not None:
            fields["Enum"] = list(constraints.enum)
        if constraints.pattern is not None:
            fields["Pattern"] = constraints.pattern
    if isinstance(constraints, ArrayConstraints) and constraints.elements is not None:
        fields["Elements"] = _go_constraints(constraints.elements)
    return fields


def _go_text(attribute: AttributeDefinition) -> str:
    kind = "" if attribute.constraints is None else attribute.constraints.type
    return f"{{{{{kind} <nil> {{<nil> <nil>}} {{<nil> <nil>}} {{<nil>}}}} {attribute.description or ''}}}"
