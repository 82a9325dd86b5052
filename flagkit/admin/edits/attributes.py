"""The attribute values of a flag or of one of its variants; what isn't declared yet is declared."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping

from pydantic import JsonValue

from flagkit.admin.edits.workbench import Words, change_flag, words_of
from flagkit.admin.entries import require
from flagkit.authoring import FlagSource
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def set_attributes(
    document: FlagDocument, key: str, values: Mapping[str, JsonValue], *, variant: str | None = None
) -> FlagDocument:
    """Give attributes a value, or take it away.

    Args:
        document: the native document.
        key: the flag.
        values: by attribute; None takes the value away.
        variant: which variant; needed for flags with several.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: no such variant, or no value to take away.
        DocumentError: a value breaks the attribute's constraints; the document is unchanged.

    Since 0.1.
    """

    def change(flag: FlagSource) -> Words:
        words = words_of(flag)
        for name, value in values.items():
            if name not in flag.attributes and value is not None:
                words.setdefault("attributes", {})
                attributes = words["attributes"]
                assert isinstance(attributes, dict)
                attributes[name] = {"type": _type_of(value)}
        place = _place(words, flag, key, variant)
        place["values"] = _changed(place.get("values", {}), values, key)
        return words

    return change_flag(document, key, change)


def read_value(document: FlagDocument, key: str, name: str, text: str) -> JsonValue:
    """Read an attribute's value from text: as its declared type, otherwise as JSON, otherwise as text.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the text isn't of the declared type.

    Since 0.1.
    """
    require(document, key)
    definition = document.flags.get(key)
    attribute = None if definition is None else definition.attributes.get(name)
    constraints = None if attribute is None else attribute.constraints
    decoded: JsonValue = text
    try:
        decoded = json.loads(text)
    except ValueError:
        decoded = text
    if constraints is None:
        return text if decoded is None or isinstance(decoded, dict) else decoded
    if constraints.type == "array" and not isinstance(decoded, list):
        decoded = [_number(part) if _numbers(constraints) else part for part in text.split(",")]
    if constraints.type == "string":
        return text
    if _type_of(decoded) != constraints.type:
        message = f"{key}.{name} is a {constraints.type}; {text!r} isn't one"
        raise EditError(message)
    return decoded


def _numbers(constraints: object) -> bool:
    return getattr(getattr(constraints, "elements", None), "type", "string") == "number"


def _number(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _place(words: Words, flag: FlagSource, key: str, variant: str | None) -> dict[str, JsonValue]:
    if not flag.variants:
        if variant not in {None, "on"}:
            message = f"{key} has no variant {variant}"
            raise EditError(message)
        return words  # type: ignore[return-value]  # the words of a flag are JSON here
    names = [item.name for item in flag.variants]
    if variant is None:
        message = f"{key} has the variants {', '.join(names)}: whose attributes are meant?"
        raise EditError(message, hint=f"Say which, e.g. --variant {names[0]}.")
    if variant not in names:
        close = difflib.get_close_matches(variant, names, 1)
        message = f"{key} has no variant {variant}, only {', '.join(names)}"
        raise EditError(message, hint=f"Did you mean {close[0]}?" if close else None)
    variants = words["variants"]
    assert isinstance(variants, list | tuple)
    place: dict[str, JsonValue] = variants[names.index(variant)]
    return place


def _changed(present: JsonValue, values: Mapping[str, JsonValue], key: str) -> dict[str, JsonValue]:
    assert isinstance(present, dict)
    result = dict(present)
    for name, value in values.items():
        if value is not None:
            result[name] = value
        elif name in result:
            del result[name]
        else:
            message = f"{key} has no value for {name} that could be taken away"
            raise EditError(message)
    return result


def _type_of(value: JsonValue) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "string"
