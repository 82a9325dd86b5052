"""The forms that the service derives from a document: what it stores, and what it delivers to a plain client.

Pure: the clock and the previously stored version are arguments. The in-process AppConfig stand-in calls exactly this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from flagkit.core.documents.models import DocumentShape, FlagDeclaration, FlagValue, Variant, aws_timestamp

Json = dict[str, JsonValue]

# Optional things the service leaves out of the stored form when they are empty (recorded for attributes, flags,
# values and _variants; inferred for the texts).
_EMPTY: tuple[JsonValue, ...] = (None, "", {}, [])


def plain(document: DocumentShape) -> Json:
    """Return the document as AWS stores it, but with only those timestamps it carries itself.

    Keys are sorted, unknown ones gone, `enabled` is a boolean, and empty optional parts are left out.
    """
    flags: Json = {key: _plain_definition(flag) for key, flag in sorted(document.flags.items())}
    values: Json = {key: _plain_value(value) for key, value in sorted(document.values.items())}
    return _tidy({"flags": flags, "values": values, "version": document.version})


def normalise(document: DocumentShape, *, previous: Mapping[str, JsonValue] | None, now: datetime) -> Json:
    """Return what CreateHostedConfigurationVersion stores for this document.

    Args:
        document: a valid document.
        previous: the stored form of the latest version, or None for the first one.
        now: the service's clock.

    Returns:
        The stored form. It equals `previous` when nothing changed: then the service creates no new version.
    """
    saved = plain(document)
    stamp = aws_timestamp(now)
    for side in ("flags", "values"):
        entries, old_entries = _object(saved.get(side)), _object((previous or {}).get(side))
        for key, entry in entries.items():
            _stamp(_object(entry), _object(old_entries.get(key)), stamp)
    return saved


def serialise(saved: Mapping[str, JsonValue]) -> bytes:
    r"""Print a stored form the way the service does: compact, with `<`, `>` and `&` as `\u003c`, … ."""
    text = json.dumps(_go_numbers(dict(saved)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def reduce(document: DocumentShape) -> Json:
    """Return the JSON that a plain client receives: default variants only, attributes only where enabled.

    A flag with variants is marked by `_variant`; its rules and other variants are not there (appconfig.md §3.1).
    """
    return {key: _reduced(value) for key, value in sorted(document.values.items())}


def _reduced(value: FlagValue) -> Json:
    default = value.default_variant
    if default is None:
        enabled, attributes, name = bool(value.enabled), value.attributes, None
    else:
        enabled, attributes, name = default.enabled, default.attribute_values, default.name
    answer: Json = {"enabled": enabled}
    if enabled:
        answer.update(attributes)
    if name is not None:
        answer["_variant"] = name
    return _sorted(answer)


def _plain_definition(flag: FlagDeclaration) -> JsonValue:
    attributes: Json = {}
    for key, attribute in flag.attributes.items():
        constraints = attribute.constraints
        dumped = None if constraints is None else constraints.model_dump(mode="json", exclude_none=True)
        if dumped is not None and constraints is not None:
            _drop_false_required(dumped)
        attributes[key] = _tidy({"constraints": dumped, "description": attribute.description})
    deprecation = None if flag.deprecation is None else flag.deprecation.model_dump(mode="json", exclude_none=True)
    return _tidy(
        {
            "_createdAt": flag.created_at,
            "_deprecation": deprecation,
            "_updatedAt": flag.updated_at,
            "attributes": attributes,
            "description": flag.description,
            "name": flag.name,
        }
    )


def _drop_false_required(constraints: Json) -> None:
    if not constraints:
        return
    if constraints.get("required") is False:
        del constraints["required"]
    _drop_false_required(_object(constraints.get("elements")))


def _plain_value(value: FlagValue) -> JsonValue:
    entry: Json = {"_createdAt": value.created_at, "_updatedAt": value.updated_at, "enabled": value.enabled}
    if value.variants:
        entry["_variants"] = [_plain_variant(variant) for variant in value.variants]
    elif value.enabled is None and "variants" not in value.model_fields_set:
        # A flag without `enabled` is stored as off; one with an empty `_variants` keeps neither (recorded).
        entry["enabled"] = False
    return _sorted(_tidy(entry) | value.attributes)


def _plain_variant(variant: Variant) -> JsonValue:
    optional = _tidy({"attributeValues": _sorted(variant.attribute_values), "rule": variant.rule})
    return _sorted({"enabled": variant.enabled, "name": variant.name, **optional})


def _stamp(entry: Json, before: Json, stamp: str) -> None:
    created = entry.pop("_createdAt", None) or before.get("_createdAt") or stamp
    entry.pop("_updatedAt", None)
    same = entry == {key: value for key, value in before.items() if key not in {"_createdAt", "_updatedAt"}}
    updated = (before.get("_updatedAt") if same else None) or stamp
    content = dict(entry)
    entry.clear()
    entry.update({"_createdAt": created, "_updatedAt": updated, **content})


def _object(value: JsonValue) -> Json:
    return value if isinstance(value, dict) else {}


def _tidy(entries: Json) -> Json:
    return {key: value for key, value in entries.items() if value not in _EMPTY}


def _sorted(entries: Json) -> Json:
    return dict(sorted(entries.items()))


def _go_numbers(value: JsonValue) -> JsonValue:
    # Go keeps every JSON number as a float64 and prints whole ones without a fraction.
    if isinstance(value, dict):
        return {key: _go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_go_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value
