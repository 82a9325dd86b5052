"""The answer to a question about a flag: value, variant, reason, and its form for a typed question. Pure values.

A compiled flag is a function `(user_id, context) -> Evaluation`. Each possible answer of a flag is built once, when the
flag is compiled; a read only selects one of them, so it allocates nothing (decisions 0005, 0021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

Attribute: TypeAlias = "str | int | float | bool | tuple[Attribute, ...] | Mapping[str, Attribute] | None"
"""A value of an attribute: as in JSON, but lists are tuples and objects can't be changed."""

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


class Reason(StrEnum):
    """The reason of an answer (OpenFeature's names where they exist)."""

    STATIC = "STATIC"
    """The flag has no rules."""
    TARGETING_MATCH = "TARGETING_MATCH"
    """A rule was true."""
    SPLIT = "SPLIT"
    """A rule was true, and a percentage in it decided."""
    DEFAULT = "DEFAULT"
    """No rule was true: the default variant."""
    DISABLED = "DISABLED"
    """The flag has no rules and is off."""
    STALE = "STALE"
    """The document could not be refreshed for too long; the answer is from the last good one."""
    CACHED = "CACHED"
    """AWS's Agent evaluated the rules, and its answer for this user came from the cache."""
    RULES_UNSEEN = "RULES_UNSEEN"
    """Rules exist, but the source delivered only the default variant (appconfig.md §3.1)."""
    ERROR = "ERROR"
    """There is no answer; see `error` and `message`."""


class ErrorCode(StrEnum):
    """What went wrong, in OpenFeature's names."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    PROVIDER_NOT_READY = "PROVIDER_NOT_READY"
    GENERAL = "GENERAL"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer of one flag to one read.

    Attributes:
        key: the flag's key.
        enabled: whether the flag, or the variant that was chosen, is on.
        variant: the chosen variant's name; None for a flag without variants.
        value: the attribute `value` if the flag is on and has one, otherwise `enabled`; None on an error.
        attributes: the attributes of the flag or variant; empty unless it is on.
        reason: why this is the answer.
        version: the version of the document that answered.
        error: set if and only if `reason` is ERROR.
        message: one sentence about an error or about rules that were not delivered; otherwise empty.
        is_on: the boolean answer: `value` if it is a boolean, otherwise `enabled`; None on an error, where the
            caller's default is returned.
    """

    key: str
    enabled: bool
    variant: str | None
    value: Attribute
    attributes: Mapping[str, Attribute]
    reason: Reason
    version: str | None = None
    error: ErrorCode | None = None
    message: str = ""
    is_on: bool | None = None

    # For copy and pickle, which can't handle read-only views.
    def __getstate__(self) -> list[Attribute]:
        return [_plain(getattr(self, item.name)) for item in fields(self)]

    def __setstate__(self, state: list[Attribute]) -> None:
        for item, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, item.name, _frozen(value))


FlagFunction: TypeAlias = Callable[[object, Mapping[str, object] | None], Evaluation]
"""A compiled flag: `(user_id, context) -> Evaluation`. It never raises."""


def answer(
    key: str,
    *,
    enabled: bool,
    reason: Reason,
    variant: str | None = None,
    attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
    version: str | None = None,
    message: str = "",
) -> Evaluation:
    """Return the Evaluation of a flag or variant that was chosen for `reason`; off, it has no attributes."""
    served = attributes if enabled else NO_ATTRIBUTES
    value = served.get("value", enabled)
    is_on = value if isinstance(value, bool) else enabled
    return Evaluation(key, enabled, variant, value, served, reason, version, None, message, is_on)


def failure(key: str, error: ErrorCode, message: str, *, version: str | None = None) -> Evaluation:
    """Return the Evaluation that says there is no answer, and why."""
    return Evaluation(key, False, None, None, NO_ATTRIBUTES, Reason.ERROR, version, error, message, None)


def constant(evaluation: Evaluation) -> FlagFunction:
    """Return a flag that always has the same answer."""
    return lambda _user_id, _context: evaluation


def _plain(value: Attribute) -> Attribute:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return tuple(_plain(item) for item in value) if isinstance(value, tuple) else value


def _frozen(value: Attribute) -> Attribute:
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, tuple) else value


class ValueType(StrEnum):
    """The type that a read asks for."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"


def resolve(evaluation: Evaluation, wanted: ValueType, default: Any) -> Evaluation:
    """Return the evaluation with `value` of the wanted type: the flag's, or the default if it has none.

    The attribute `value` answers if it has the type; a boolean question is otherwise answered by
    `enabled`, a string question by the name of a variant that has no attributes. A flag that is off answers other
    questions with the code's default and keeps the reason DISABLED.
    """
    if evaluation.error is not None:
        return replace(evaluation, value=default)
    if wanted is ValueType.BOOLEAN:
        return replace(evaluation, value=evaluation.is_on)
    if not evaluation.enabled:
        return replace(evaluation, value=default)
    value = _typed(evaluation, wanted)
    if value is None:
        return mismatch(evaluation, f"{_with_article(wanted)} was requested", default)
    return replace(evaluation, value=value)


def mismatch(evaluation: Evaluation, expected: str, default: Any) -> Evaluation:
    """Return the evaluation that says the flag's value has another type than expected; `value` is the default."""
    found = "no attribute `value`"
    if "value" in evaluation.attributes:
        name = _TYPE_NAMES.get(type(evaluation.attributes["value"]), "object")
        found = f"{_with_article(name)} value"
    message = f"flag {evaluation.key!r} has {found}, but {expected}"
    return replace(evaluation, value=default, reason=Reason.ERROR, error=ErrorCode.TYPE_MISMATCH, message=message)


_SWITCH = frozenset({"on", "off"})
"""Variants of a flag that is only on or off: their names are no answer to a string question."""

_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    tuple: "list",
    type(None): "null",
}


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _typed(evaluation: Evaluation, wanted: ValueType) -> Any:
    value = evaluation.attributes.get("value")
    if wanted is ValueType.OBJECT:
        return _object(evaluation, value)
    if wanted is ValueType.STRING:
        named = not evaluation.attributes and evaluation.variant not in _SWITCH
        return value if isinstance(value, str) else evaluation.variant if named else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if wanted is ValueType.NUMBER:
        return value
    return int(value) if isinstance(value, int) or value.is_integer() else None  # 2.0 is how some tools write 2


def _object(evaluation: Evaluation, value: object) -> Any:
    """Lists and objects as they are; a flag without `value` answers with all its attributes, even if it has none."""
    if isinstance(value, Mapping | tuple):
        return _mutable(value)
    return None if "value" in evaluation.attributes else _mutable(evaluation.attributes)


def _mutable(value: Any) -> Any:
    """A copy that the caller can change and print as JSON."""
    if isinstance(value, Mapping):
        return {key: _mutable(item) for key, item in value.items()}
    return [_mutable(item) for item in value] if isinstance(value, tuple) else value
