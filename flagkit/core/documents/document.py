"""The whole flag document: parsing, checks, schema and its JSON. The parts are in the other files of this package."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Self

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from flagkit.core.documents import checks, saved, schema
from flagkit.core.documents.constraints import broken, shown
from flagkit.core.documents.models import IN_WORDS, DocumentShape
from flagkit.errors import DocumentError, Violation

# 2,097,153 bytes were answered with 413 and "Limit: 2048.0 KILOBYTES" (appconfig.md §1.1).
MAX_BYTES = 2_097_152

_DOUBLE = "Delete one of the two; readers differ in which one they use."
_TOO_LARGE = "Delete unused flags (`flagkit list --stale` lists some), or use a second profile."
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TAGGED = frozenset({"constraints", "elements"})
_TAGS = frozenset({"string", "number", "boolean", "array"})
_SHOWN_IN_MESSAGE = 3
_JSON_TOKEN = re.compile(r'[{}\[\]]|(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)?')


class FlagDocument(DocumentShape):
    """A valid AWS.AppConfig.FeatureFlags document, version "1".

    Build one with `parse`; the constructor checks shapes only.
    """

    @classmethod
    def parse(cls, content: bytes | str | Mapping[str, JsonValue]) -> Self:
        """Read and check a document.

        Args:
            content: JSON as bytes or text, or the decoded object.

        Returns:
            The document, with AWS's leniencies applied.

        Raises:
            DocumentError: with one `Violation` for each constraint that AWS would report.
        """
        decoded = decode_json(content)
        try:
            document = cls.model_validate(decoded)
        except ValidationError as error:
            wrong = error.errors(include_url=False)
            found = tuple(_from_pydantic(details) for details in wrong)
            raise _error(found + tuple(_other_faults(decoded, wrong))) from None
        found = tuple(checks.violations(document))
        if found:
            raise _error(found)
        return document

    @staticmethod
    def json_schema() -> dict[str, JsonValue]:
        """Return a JSON Schema for the document, usable as an AppConfig validator (≤ 32,768 characters)."""
        return schema.json_schema()

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """What AWS accepts although its published schema forbids it."""
        return tuple(checks.warnings(self))

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the document as decoded JSON: sorted, without unknown keys, without added timestamps."""
        return saved.plain(self)

    def to_json(self) -> bytes:
        """Return the document as readable JSON, indented by two spaces, with a final newline."""
        return (json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n").encode()


def decode_json(content: bytes | str | Mapping[str, JsonValue]) -> object:
    """Return decoded JSON, as AWS takes it: not too large, real numbers only, no key twice.

    Raises:
        DocumentError: it isn't that.
    """
    try:
        data = _bytes(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise _error((broken("ValidJson", "", "", f"is not valid JSON: {error}"),)) from None
    if len(data) > MAX_BYTES:
        message = f"{len(data):,} bytes, the limit is {MAX_BYTES:,}"
        raise _error((broken("PayloadTooLarge", "", len(data), message),), _TOO_LARGE)
    try:
        # "utf-8-sig": editors put a byte order mark in front; it isn't part of the document.
        text = data.decode("utf-8-sig")
        try:
            value = _loads(text, object_pairs_hook=_without_duplicates)
        except _DuplicateKeyError:
            _loads(text)  # what follows the second key may be no JSON at all
            raise _error(tuple(_duplicates(text)), _DOUBLE) from None
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        found = broken("ValidJson", "", data.decode(errors="replace"), f"is not valid JSON: {error}")
        raise _error((found,)) from None
    return value


class _DuplicateKeyError(Exception):
    """An object has a key twice; readers keep the last one, and which was meant isn't known."""


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _duplicates(text: str) -> Iterator[Violation]:
    """Yield every key that an object has twice, with both lines."""
    opened: list[tuple[str, dict[str, int]]] = []  # the key that leads to each open object or list, and its keys
    key = ""
    for match in _JSON_TOKEN.finditer(text):
        if match[0] in {"{", "["}:
            opened.append((key, {}))
            key = ""
        elif match[0] in {"}", "]"}:
            opened.pop()
        elif match["colon"] is not None:
            key, seen = json.loads(match["text"]), opened[-1][1]
            line = text.count("\n", 0, match.start()) + 1
            if key in seen:
                place = ".".join([name for name, _ in opened if name] + [key])
                yield broken("UniqueKeys", place, key, f"is in the document twice, in lines {seen[key]} and {line}")
            seen.setdefault(key, line)


def _bytes(content: bytes | str | Mapping[str, JsonValue]) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    return json.dumps(dict(content), ensure_ascii=False, separators=(",", ":")).encode()  # as it would be stored


def _other_faults(decoded: object, wrong: list[ErrorDetails]) -> Iterator[Violation]:
    """Check the flags with a valid shape, so that one error names every violation."""
    keys = {details["loc"][1] for details in wrong if len(details["loc"]) > 1}
    if not isinstance(decoded, dict) or any(len(details["loc"]) < 2 for details in wrong):
        return
    rest = dict(decoded)
    for part in ("flags", "values"):
        rest[part] = {key: entry for key, entry in (rest.get(part) or {}).items() if key not in keys}
    yield from checks.violations(DocumentShape.model_validate(rest))


def _loads(text: str, object_pairs_hook: Callable[[list[tuple[str, object]]], object] | None = None) -> JsonValue:
    value: JsonValue = json.loads(
        text, parse_constant=_refuse_constant, parse_float=_read_float, object_pairs_hook=object_pairs_hook
    )
    return value


def _refuse_constant(name: str) -> float:
    message = f"{name} is not a JSON number"
    raise ValueError(message)


def _read_float(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _refuse_constant(text)  # 1e400


def _error(found: tuple[Violation, ...], hint: str | None = None) -> DocumentError:
    sentences = [violation.message for violation in found[:_SHOWN_IN_MESSAGE]]
    rest = len(found) - len(sentences)
    if rest:
        sentences.append(f"and {rest} more")
    return DocumentError("the flag document is invalid: " + "; ".join(sentences), violations=found, hint=hint)


def _from_pydantic(details: ErrorDetails) -> Violation:
    location = ".".join(_location(details["loc"]))
    kind, context = details["type"], details.get("ctx", {})
    value: JsonValue = details["input"]
    invalid = "NotSatisfied"
    match kind:
        case "missing":
            constraint, value, message = "Required", "", "is missing"
        case "union_tag_not_found":
            constraint, value, message, location = "Required", "", "is missing", f"{location}.type"
        case "literal_error":
            names = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            constraint, message = f"OneOf({names})", f"must be {names}"
        case "union_tag_invalid":
            names = str(context["expected_tags"]).replace("'", "")
            constraint, message, location = f"OneOf({names})", f"must be one of {names}", f"{location}.type"
            value = context["tag"]
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            constraint, message = f"Regexp({pattern})", IN_WORDS.get(pattern, f"must match {pattern}")
        case "string_too_long":
            limit = context["max_length"]
            constraint, message = f"MaxLength({limit})", f"must not have more than {limit:,} characters"
        case "too_long":
            limit = context["max_length"]
            constraint, message, value = f"MaxEntries({limit})", f"must not have more than {limit} entries", ""
        case _:
            invalid = "Invalid"
            constraint, message = _TYPES.get(kind, kind), details["msg"]
    return Violation(constraint, location, invalid, shown(value), "", f"{location or 'document'}: {message}")


_TYPES = {
    "string_type": "AttributeType(string)",
    "dict_type": "AttributeType(object)",
    "model_type": "AttributeType(object)",
    "model_attributes_type": "AttributeType(object)",
    "tuple_type": "AttributeType(array)",
}


def _location(parts: tuple[int | str, ...]) -> Iterator[str]:
    before: int | str = ""
    for part in parts:
        # pydantic adds the branch of a union and a marker for keys; AWS's locations have neither.
        if part != "[key]" and not (before in _TAGGED and part in _TAGS):
            yield str(part)
        before = part
