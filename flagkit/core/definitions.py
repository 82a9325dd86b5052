"""One flag as the read path sees it: decoded leniently, as the real service does. It must not parse rules or evaluate.

The strict reader with AWS's constraint names is `flagkit.core.documents` (pydantic, for people who write). This one
serves: it reads one flag's entry of `values`, drops what it doesn't know and refuses only what can't be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flagkit.core.evaluator import NO_ATTRIBUTES, Attribute
from flagkit.errors import DocumentError, Violation

_METADATA = frozenset({"_createdAt", "_updatedAt", "_variants", "_variant"})


@dataclass(frozen=True, slots=True)
class VariantDefinition:
    """One variant; the default variant has no rule. Since 0.1."""

    name: str
    enabled: bool
    rule: str | None
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class FlagDefinition:
    """One flag. With variants, the last one is the default and the flag's own `enabled` says nothing. Since 0.1."""

    key: str
    enabled: bool
    attributes: Mapping[str, Attribute]
    variants: tuple[VariantDefinition, ...]


def read_flag(key: str, entry: object) -> FlagDefinition:
    """Decode `values.<key>` of a deployment-time document.

    Raises:
        DocumentError: the entry can't be evaluated; the violation names the location as AWS does.

    Since 0.1.
    """
    location = f"values.{key}"
    flag = _mapping(entry, location)
    return FlagDefinition(
        key,
        read_enabled(flag.get("enabled"), f"{location}.enabled"),
        read_attributes(flag.items()),
        _read_variants(flag.get("_variants"), f"{location}._variants"),
    )


def read_enabled(value: object, location: str) -> bool:
    """Decode `enabled` as the service does: "true" and "FALSE" are booleans, null is false (appconfig.md §1.1)."""
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str) and (word := value.lower()) in {"true", "false"}:
        return word == "true"
    raise _broken(location, "AttributeType(boolean)", value, "is neither true nor false")


def read_attributes(items: Iterable[tuple[str, object]]) -> Mapping[str, Attribute]:
    """Return the attributes among `items`, unchangeable; without `enabled` and AWS's own underscore keys."""
    attributes = {name: _freeze(value) for name, value in items if name != "enabled" and name not in _METADATA}
    return MappingProxyType(attributes) if attributes else NO_ATTRIBUTES


def _read_variants(value: object, location: str) -> tuple[VariantDefinition, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _broken(location, "AttributeType(array)", value, "is not a list")
    variants = tuple(_read_variant(entry, f"{location}.{index}") for index, entry in enumerate(value))
    last = len(variants) - 1
    for index, variant in enumerate(variants):
        if index == last and variant.rule is not None:
            raise _broken(
                f"{location}.{index}.rule", "Empty", variant.rule, "must be empty: the last variant is the default"
            )
        if index != last and variant.rule is None:
            raise _broken(
                f"{location}.{index}.rule", "Required", None, "is missing: only the last variant is the default"
            )
    if len({variant.name for variant in variants}) != len(variants):
        raise _broken(location, "UniqueVariantNames", None, "has two variants of one name")
    return variants


def _read_variant(entry: object, location: str) -> VariantDefinition:
    variant = _mapping(entry, location)
    name = variant.get("name")
    if not (isinstance(name, str) and name):
        raise _broken(f"{location}.name", "Required", name, "is not a name")
    rule = variant.get("rule")
    if not (rule is None or isinstance(rule, str)):
        raise _broken(f"{location}.rule", "AttributeType(string)", rule, "is not text")
    values = variant.get("attributeValues")
    attributes = {} if values is None else _mapping(values, f"{location}.attributeValues")
    enabled = read_enabled(variant.get("enabled"), f"{location}.enabled")
    return VariantDefinition(name, enabled, rule or None, read_attributes(attributes.items()))


def _mapping(value: object, location: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _broken(location, "AttributeType(object)", value, "is not an object")
    return value


def _freeze(value: object) -> Attribute:
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType({str(name): _freeze(item) for name, item in value.items()})
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise _broken("", "AttributeType", value, "is no JSON value")


def _broken(location: str, constraint: str, value: object, what: str) -> DocumentError:
    message = f"{location} {what}"
    violation = Violation(constraint, location, value=repr(value)[:80], message=message)
    return DocumentError(message, violations=(violation,))
