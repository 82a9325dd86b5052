"""One flag as the read path sees it: decoded leniently, as the real service does. It must not parse rules or evaluate.

The strict reader with AWS's constraint names is `flagkit.core.documents` (pydantic, for people who write). This one
serves: it reads one flag's entry of `values`, drops what it doesn't know and refuses only what can't be evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from flagkit.core.context import boolean_of
from flagkit.core.evaluation import NO_ATTRIBUTES, Attribute
from flagkit.errors import DocumentError, Violation

SEGMENTS_FLAG = "flagkit-segments"
"""Holds the segments that no flag names; `authoring` writes it."""

ROLLOUTS_FLAG = "flagkit-rollouts"
"""Holds the records of guarded rollouts; `admin` writes it."""

INTERNAL_FLAGS = frozenset({SEGMENTS_FLAG, ROLLOUTS_FLAG})
"""Keys of flags that flagkit keeps for itself: never evaluated, listed or generated."""

SWITCHED_OFF = "switched off"
"""The name of the variant that `authoring` puts in front of the others to switch a flag with variants off."""

_MAX_DEPTH = 64
"""How deep an attribute can nest. AppConfig itself has only flat lists."""

_METADATA = frozenset({"_createdAt", "_updatedAt", "_variants", "_variant"})


@dataclass(frozen=True, slots=True)
class VariantDefinition:
    """One variant; the default variant has no rule."""

    name: str
    enabled: bool
    rule: str | None
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class FlagDefinition:
    """One flag.

    Attributes:
        key: the flag's key.
        enabled: whether it is on; without meaning if there are variants.
        attributes: its attributes; none if there are variants.
        variants: its variants, the last one the default; empty for a flag without rules.
        unseen_variant: the name of the default variant, if the flag has rules that were not delivered
            (appconfig.md §3.1).
    """

    key: str
    enabled: bool
    attributes: Mapping[str, Attribute]
    variants: tuple[VariantDefinition, ...] = ()
    unseen_variant: str | None = None


def read_flag(key: str, entry: object) -> FlagDefinition:
    """Decode `values.<key>` of a deployment-time document.

    Raises:
        DocumentError: the entry can't be evaluated; the violation names the location as AWS does.
    """
    location = f"values.{key}"
    flag = _mapping(entry, location)
    return FlagDefinition(
        key,
        _read_enabled(flag.get("enabled"), f"{location}.enabled"),
        _read_attributes(flag, location),
        _read_variants(flag.get("_variants"), f"{location}._variants"),
    )


def read_retrieved(key: str, entry: object) -> FlagDefinition:
    """Decode one flag of what a plain client gets of a FeatureFlags profile: `{"enabled": …, attributes…}`.

    Raises:
        DocumentError: the entry can't be evaluated.
    """
    flag = _mapping(entry, key)
    return FlagDefinition(
        key,
        _read_enabled(flag.get("enabled"), f"{key}.enabled"),
        _read_attributes(flag, key),
        unseen_variant=str(flag["_variant"]) if "_variant" in flag else None,
    )


def _read_enabled(value: object, location: str) -> bool:
    """`enabled` as the service takes it: text in one of Go's spellings, null is false, a number is neither.

    Source: appconfig.md §1.1 and the recording of 2026-09-28, "enabled-coercion".
    """
    if value is None:
        return False
    enabled = boolean_of(value) if isinstance(value, bool | str) else None
    if enabled is None:
        raise _broken(location, "AttributeType(boolean)", value, "must be true or false")
    return enabled


def _read_attributes(flag: Mapping[str, object], location: str) -> Mapping[str, Attribute]:
    """The attributes among an entry's members, unchangeable; without `enabled` and AWS's own underscore keys."""
    attributes = {
        name: _freeze(value, f"{location}.{name}")
        for name, value in flag.items()
        if name != "enabled" and name not in _METADATA
    }
    return MappingProxyType(attributes) if attributes else NO_ATTRIBUTES


def _read_variants(value: object, location: str) -> tuple[VariantDefinition, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _broken(location, "AttributeType(array)", value, "must be a list")
    variants = tuple(_read_variant(entry, f"{location}.{index}") for index, entry in enumerate(value))
    last = len(variants) - 1
    for index, variant in enumerate(variants):
        if index == last and variant.rule is not None:
            raise _broken(f"{location}.{index}.rule", "Empty", "", "must be empty: the last variant is the default")
        if index != last and variant.rule is None:
            raise _broken(
                f"{location}.{index}.rule", "Required", None, "is missing: only the last variant can be without a rule"
            )
    if len({variant.name for variant in variants}) != len(variants):
        raise _broken(location, "UniqueVariantNames", None, "has two variants with the same name")
    return variants


def _read_variant(entry: object, location: str) -> VariantDefinition:
    variant = _mapping(entry, location)
    name = variant.get("name")
    if not (isinstance(name, str) and name):
        raise _broken(f"{location}.name", "Required", name, "must be a non-empty string")
    rule = variant.get("rule")
    if not (rule is None or isinstance(rule, str)):
        raise _broken(f"{location}.rule", "AttributeType(string)", rule, "must be a string")
    path = f"{location}.attributeValues"
    values = variant.get("attributeValues")
    attributes = NO_ATTRIBUTES if values is None else _read_attributes(_mapping(values, path), path)
    return VariantDefinition(
        name, _read_enabled(variant.get("enabled"), f"{location}.enabled"), rule or None, attributes
    )


def _mapping(value: object, location: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _broken(location, "AttributeType(object)", value, "must be an object")
    return value


def _freeze(value: object, location: str, depth: int = 1) -> Attribute:
    if depth > _MAX_DEPTH:
        raise _broken(location, "AttributeType", value, f"is nested deeper than {_MAX_DEPTH}")
    if isinstance(value, list | tuple):
        return tuple(_freeze(item, location, depth + 1) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType({str(name): _freeze(item, location, depth + 1) for name, item in value.items()})
    if isinstance(value, float) and not isfinite(value):  # 1e400; AWS refuses it, and JSON can't express it
        raise _broken(location, "AttributeType(number)", value, "is a number outside the range of a double")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise _broken(location, "AttributeType", value, "is not a JSON value")


def _broken(location: str, constraint: str, value: object, what: str) -> DocumentError:
    message = f"{location} {what}"
    shown = type(value).__name__
    if isinstance(value, str):
        shown = repr(value[:80])
    elif isinstance(value, bool | int | float):
        shown = repr(value)[:80]
    violation = Violation(constraint, location, value=shown, message=message)
    return DocumentError(message, violations=(violation,))
