"""The attribute values of a flag or of one of its variants; what isn't declared yet is declared."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Literal

from pydantic import JsonValue

from flagkit.admin.entries import require
from flagkit.authoring import AttributeSource, FlagSource, edit_flag
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def set_attributes(
    document: FlagDocument, key: str, values: Mapping[str, JsonValue], *, variant: str | None = None
) -> FlagDocument:
    """Set attribute values, or remove them.

    Args:
        document: the native document.
        key: the flag.
        values: by attribute; None removes the value.
        variant: which variant; needed for flags with several.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no such variant, or no value to remove.
        DocumentError: a value breaks the attribute's constraints; the document is unchanged.
    """

    def change(flag: FlagSource) -> FlagSource:
        undeclared = {
            name: AttributeSource(type=_type_of(value))
            for name, value in values.items()
            if name not in flag.attributes and value is not None
        }
        declared = {**flag.attributes, **undeclared}
        if not flag.variants:
            if variant not in {None, "on"}:
                message = f"{key} has no variant {variant}"
                raise EditError(message)
            return flag.replaced(attributes=declared, values=_changed(flag.values, values, key))
        index = _index(flag, key, variant)
        variants = list(flag.variants)
        changed = _changed(variants[index].values, values, key)
        variants[index] = variants[index].model_copy(update={"values": changed})
        return flag.replaced(attributes=declared, variants=tuple(variants))

    return edit_flag(document, key, change)


def read_value(document: FlagDocument, key: str, name: str, text: str) -> JsonValue:
    """Read an attribute's value from text: as its declared type, otherwise as JSON, otherwise as text.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the text isn't of the declared type.
    """
    require(document, key)
    definition = document.flags.get(key)
    attribute = None if definition is None else definition.attributes.get(name)
    constraints = None if attribute is None else attribute.constraints
    decoded = _decoded(text)
    if constraints is None:
        return text if decoded is None or isinstance(decoded, dict) else decoded
    if constraints.type == "array" and not isinstance(decoded, list):
        decoded = [_decoded(part) if _numbers(constraints) else part for part in text.split(",")]
    if constraints.type == "string":
        return text
    if _type_of(decoded) != constraints.type:
        message = f"{text!r} is not a valid value for {key}.{name}, which is a {constraints.type}"
        raise EditError(message)
    return decoded


def _numbers(constraints: object) -> bool:
    return getattr(getattr(constraints, "elements", None), "type", "string") == "number"


def _decoded(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) and not isfinite(value) else value  # JSON has no NaN


def _index(flag: FlagSource, key: str, variant: str | None) -> int:
    names = [item.name for item in flag.variants]
    if variant is None:
        message = f"{key} has several variants: {', '.join(names)}"
        raise EditError(message, hint=f"Name one, e.g. --variant {names[0]}.")
    if variant not in names:
        close = difflib.get_close_matches(variant, names, 1)
        message = f"{key} has no variant {variant}, only {', '.join(names)}"
        raise EditError(message, hint=f"Did you mean {close[0]}?" if close else None)
    return names.index(variant)


def _changed(present: Mapping[str, JsonValue], values: Mapping[str, JsonValue], key: str) -> dict[str, JsonValue]:
    result = dict(present)
    for name, value in values.items():
        if value is not None:
            result[name] = value
        elif name in result:
            del result[name]
        else:
            message = f"{key} has no value for the attribute {name}"
            raise EditError(message)
    return result


def _type_of(value: JsonValue) -> Literal["string", "number", "boolean", "array"]:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "string"
