"""A JSON Schema of the flag document, for use as an AppConfig validator of a freeform profile.

Written by hand, because AppConfig accepts the name draft-07 but runs draft-04: `const` is ignored, a numeric
`exclusiveMinimum` and boolean schemas are errors, external `$ref` is refused (recordings of 2026-09-28). Only keywords
that mean the same in both are used. It accepts everything `FlagDocument.parse` accepts; it does not check rules, or how
parts relate to each other.
"""

from __future__ import annotations

from pydantic import JsonValue

from flagkit.core.documents.constraints import MAX_ENUM_ITEMS, MAX_TEXT_LENGTH
from flagkit.core.documents.models import KEY_PATTERN, MAX_ATTRIBUTES, MAX_RULE_LENGTH, NAME_PATTERN

Json = dict[str, JsonValue]

_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$"


def json_schema() -> Json:
    """Return the schema."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "AWS.AppConfig.FeatureFlags version 1",
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"type": "string", "enum": ["1"]},
            "flags": _map_of("flag", optional=True),
            "values": _map_of("value", optional=True),
        },
        "definitions": {
            "text": {"type": ["string", "null"], "maxLength": MAX_TEXT_LENGTH},
            "timestamp": {"type": ["string", "null"], "pattern": _TIMESTAMP},
            "toggle": {"enum": [True, False, None, *_words("true"), *_words("false"), "t", "T", "1", "f", "F", "0"]},
            "flag": _flag(),
            "attribute": {
                "type": "object",
                "properties": {
                    "description": _ref("text"),
                    "constraints": {"anyOf": [{"type": "null"}, *map(_ref, ("string", "number", "boolean", "array"))]},
                },
            },
            "string": _constraints(
                "string",
                pattern=_ref("text"),
                enum={"type": ["array", "null"], "maxItems": MAX_ENUM_ITEMS, "items": {"type": "string"}},
            ),
            "number": _constraints(
                "number", minimum={"type": ["number", "null"]}, maximum={"type": ["number", "null"]}
            ),
            "boolean": _constraints("boolean"),
            "array": _constraints("array", elements={"anyOf": [{"type": "null"}, *map(_ref, ("string", "number"))]}),
            "value": _value(),
            "variant": _variant(),
            "attributeValue": {
                "anyOf": [
                    {"type": ["number", "boolean"]},
                    {"type": "string", "maxLength": MAX_TEXT_LENGTH},
                    {"type": "array", "items": {"type": "string", "maxLength": MAX_TEXT_LENGTH}},
                    {"type": "array", "items": {"type": "number"}},
                ]
            },
        },
    }


def _flag() -> Json:
    return {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "pattern": NAME_PATTERN.replace("{1,", "{0,")},
            "description": _ref("text"),
            "attributes": _map_of("attribute", optional=True) | {"maxProperties": MAX_ATTRIBUTES},
            "_deprecation": {
                "type": ["object", "null"],
                "properties": {
                    "status": {"type": "string", "enum": ["planned"]},
                    "date": {"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}$"},
                },
            },
            "_createdAt": _ref("timestamp"),
            "_updatedAt": _ref("timestamp"),
        },
    }


def _value() -> Json:
    return {
        "type": "object",
        "properties": {
            "enabled": _ref("toggle"),
            "_variants": {"type": ["array", "null"], "items": _ref("variant")},
            "_createdAt": _ref("timestamp"),
            "_updatedAt": _ref("timestamp"),
        },
        "patternProperties": {r"^(?!enabled$)[a-z][a-zA-Z0-9_-]{0,63}$": _ref("attributeValue")},
    }


def _variant() -> Json:
    return {
        "type": "object",
        "required": ["name", "enabled"],
        "properties": {
            "name": {"type": "string", "pattern": NAME_PATTERN},
            "enabled": _ref("toggle"),
            "rule": {"type": ["string", "null"], "maxLength": MAX_RULE_LENGTH},
            "attributeValues": _map_of("attributeValue", optional=True) | {"maxProperties": MAX_ATTRIBUTES},
        },
    }


def _constraints(kind: str, **properties: JsonValue) -> Json:
    shape: Json = {"type": {"type": "string", "enum": [kind]}, "required": _ref("toggle"), **properties}
    return {"type": "object", "required": ["type"], "properties": shape}


def _map_of(name: str, *, optional: bool = False) -> Json:
    return {
        "type": ["object", "null"] if optional else "object",
        "patternProperties": {KEY_PATTERN: _ref(name)},
        "additionalProperties": False,
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


def _words(word: str) -> list[JsonValue]:
    return [word, word.title(), word.upper()]
