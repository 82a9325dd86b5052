"""What AWS lets a flag declare about its attributes, and the check of one value against it.

Only shapes and comparisons: which flag, variant or document a value belongs to is not known here.

The constraint names (`OneOf(blue, green)`, `FloatLTE(5)`, `ElementType(string)`, `Regexp(…)`, `AttributeType(number)`)
and their order are those of the real service (appconfig.md §1.1, recordings of 2026-09-28). The names for limits that
no recording shows (`MaxLength`, `MaxEntries`, `PatternXorEnum`) are ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainValidator, StrictStr
from pydantic_core import PydanticCustomError

from flagkit.core.rules.patterns import (
    MAX_DOCUMENT_PROGRAM,
    Compiled,
    PatternRefusedError,
    PatternsMissingError,
    Search,
    TextTooLongError,
    compile_pattern,
)
from flagkit.errors import Violation

MAX_TEXT_LENGTH = 1024
MAX_ENUM_ITEMS = 100
MAX_SHOWN_VALUE_LENGTH = 1024

# What Go's strconv.ParseBool takes; "1", "t" and "FALSE" were accepted natively, 1 and "invalid" refused.
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})


def read_toggle(value: object) -> object:
    """Read `enabled` as leniently as AWS does: booleans, Go's boolean texts, and null as false."""
    if isinstance(value, bool):
        return value
    if value is None or (isinstance(value, str) and value in _FALSE):
        return False
    if isinstance(value, str) and value in _TRUE:
        return True
    kind = "AttributeType(boolean)"
    raise PydanticCustomError(kind, "must be true or false")


def _read_number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = "AttributeType(number)"
        raise PydanticCustomError(kind, "must be a number")
    return value


Toggle = Annotated[bool, BeforeValidator(read_toggle)]
OptionalToggle = Annotated[bool | None, BeforeValidator(lambda value: None if value is None else read_toggle(value))]
Number = Annotated[int | float, PlainValidator(_read_number)]
Text = Annotated[StrictStr, Field(max_length=MAX_TEXT_LENGTH)]


class Model(BaseModel):
    """Base of all document models: immutable, unknown keys dropped as AWS drops them."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False)


class StringConstraints(Model):
    """Constraints of a text attribute; `pattern` (RE2, unanchored) and `enum` exclude each other."""

    type: Literal["string"] = "string"
    required: Toggle = False
    pattern: Text | None = None
    enum: Annotated[tuple[StrictStr, ...], Field(max_length=MAX_ENUM_ITEMS)] | None = None


class NumberConstraints(Model):
    """Constraints of a number attribute; both bounds are inclusive."""

    type: Literal["number"] = "number"
    required: Toggle = False
    minimum: Number | None = None
    maximum: Number | None = None


class BooleanConstraints(Model):
    """Constraints of a true/false attribute."""

    type: Literal["boolean"] = "boolean"
    required: Toggle = False


ElementConstraints = Annotated[StringConstraints | NumberConstraints, Field(discriminator="type")]


class ArrayConstraints(Model):
    """Constraints of a list attribute and of each of its elements."""

    type: Literal["array"] = "array"
    required: Toggle = False
    elements: ElementConstraints | None = None


Constraints = StringConstraints | NumberConstraints | BooleanConstraints | ArrayConstraints


def shown(value: JsonValue) -> str:
    """Print a refused value as AWS does: text bare, everything else as compact JSON, shortened to 1,024 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= MAX_SHOWN_VALUE_LENGTH else text[:MAX_SHOWN_VALUE_LENGTH] + "…"


def broken(constraint: str, location: str, value: JsonValue, message: str, reason: str = "") -> Violation:
    """Build a violation of AWS's usual type `NotSatisfied`."""
    return Violation(constraint, location, "NotSatisfied", shown(value), reason, f"{location or 'document'}: {message}")


def check_definition(constraints: Constraints, location: str) -> Iterator[Violation]:
    """Yield the violations of declared constraints themselves, whatever the values are."""
    if isinstance(constraints, ArrayConstraints) and constraints.elements is not None:
        yield from check_definition(constraints.elements, f"{location}.elements")
    if not isinstance(constraints, StringConstraints) or constraints.pattern is None:
        return
    if constraints.enum is not None:
        yield broken("PatternXorEnum", location, constraints.pattern, "declare a pattern or an enum, not both")
    try:
        _compile(constraints.pattern)
    except PatternsMissingError:
        return
    except PatternRefusedError as error:
        yield broken("Regexp", f"{location}.pattern", constraints.pattern, f"is not a valid RE2 pattern: {error}")


def check_value(constraints: Constraints | None, value: JsonValue, location: str) -> Iterator[Violation]:
    """Yield the violations of one attribute value; without constraints only the format's limits count."""
    match constraints:
        case StringConstraints():
            yield from _check_string(constraints, value, location)
        case NumberConstraints():
            yield from _check_number(constraints, value, location)
        case BooleanConstraints():
            if not isinstance(value, bool):
                yield broken("AttributeType(boolean)", location, value, "must be true or false")
        case ArrayConstraints():
            if isinstance(value, list):
                yield from _check_elements(constraints.elements, value, location)
            else:
                yield broken("AttributeType(array)", location, value, "must be a list")
        case _:
            yield from _check_free(value, location)


def _check_string(
    constraints: StringConstraints, value: JsonValue, location: str, kind: str = "AttributeType"
) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield broken(f"{kind}(string)", location, value, "must be a string")
        return
    if len(value) > MAX_TEXT_LENGTH:
        yield broken(
            f"MaxLength({MAX_TEXT_LENGTH})", location, value, f"must not have more than {MAX_TEXT_LENGTH} characters"
        )
    if constraints.enum is not None and value not in constraints.enum:
        names = ", ".join(constraints.enum)
        yield broken(f"OneOf({names})", location, value, f"must be one of {names}")
    if constraints.pattern is not None:
        search = _search(constraints.pattern)
        if search is not None and not _found(search, value):
            yield broken(f"Regexp({constraints.pattern})", location, value, f"must match {constraints.pattern}")


def _check_number(
    constraints: NumberConstraints, value: JsonValue, location: str, kind: str = "AttributeType"
) -> Iterator[Violation]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield broken(f"{kind}(number)", location, value, "must be a number")
        return
    if constraints.minimum is not None and value < constraints.minimum:
        yield broken(f"FloatGTE({constraints.minimum})", location, value, f"must be at least {constraints.minimum}")
    if constraints.maximum is not None and value > constraints.maximum:
        yield broken(f"FloatLTE({constraints.maximum})", location, value, f"must be at most {constraints.maximum}")


def _check_elements(
    elements: StringConstraints | NumberConstraints | None, values: list[JsonValue], location: str
) -> Iterator[Violation]:
    if elements is None:
        # Undeclared elements may be all texts or all numbers, but not mixed: the first one tells which.
        elements = StringConstraints() if values and isinstance(values[0], str) else NumberConstraints()
    for index, value in enumerate(values):
        if isinstance(elements, StringConstraints):
            yield from _check_string(elements, value, f"{location}.{index}", "ElementType")
        else:
            yield from _check_number(elements, value, f"{location}.{index}", "ElementType")


def _check_free(value: JsonValue, location: str) -> Iterator[Violation]:
    if isinstance(value, list):
        yield from _check_elements(None, value, location)
    elif isinstance(value, str):
        yield from _check_string(StringConstraints(), value, location)
    elif value is None or isinstance(value, dict):
        yield broken("AttributeType(string)", location, value, "must be text, a number, true, false or a list")


def _search(pattern: str) -> Search | None:
    """Return the search of a pattern; None if it is not valid, which `check_definition` says, or RE2 is missing."""
    try:
        return _compile(pattern).search
    except PatternRefusedError:
        return None


def _found(search: Search, value: str) -> bool:
    try:
        return search(value) is not None
    except TextTooLongError:  # unknown is no match
        return False


def _compile(pattern: str) -> Compiled:
    """Compile with RE2, the engine behind AWS's helper and the Agent."""
    return compile_pattern(pattern, max_program=MAX_DOCUMENT_PROGRAM)
