"""What an evaluation answers: the values that come back, and why. It must not read documents, evaluate or keep state.

A compiled flag is a function `(user_id, context) -> Evaluation`. Each possible answer of a flag is built once, when the
flag is compiled; a read only picks one of them, so it allocates nothing (decisions 0005, 0021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

Attribute: TypeAlias = "str | int | float | bool | tuple[Attribute, ...] | Mapping[str, Attribute] | None"
"""A value of an attribute: as in JSON, but lists are tuples and objects can't be changed."""

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


class Reason(StrEnum):
    """Why an evaluation answers what it does (OpenFeature's words where they exist). Since 0.1."""

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
    """The document couldn't be refreshed for too long; the answer is from the last good one."""
    CACHED = "CACHED"
    """AWS's Agent evaluated the rules, and its answer for this user is still kept."""
    RULES_UNSEEN = "RULES_UNSEEN"
    """Rules exist, but the source delivered only the default variant (appconfig.md §3.1)."""
    ERROR = "ERROR"
    """There is no answer; see `error` and `message`."""


class ErrorCode(StrEnum):
    """What went wrong, in OpenFeature's words. Since 0.1."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    PROVIDER_NOT_READY = "PROVIDER_NOT_READY"
    GENERAL = "GENERAL"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer to one question about one flag.

    Attributes:
        key: the flag's key.
        enabled: whether the flag, or the variant that was chosen, is on.
        variant: the chosen variant's name; None for a flag without variants.
        value: the attribute `value` if the flag is on and has one, otherwise `enabled`; None on an error.
        attributes: the attributes of the flag or variant; empty unless it is on.
        reason: why.
        version: the version of the document that answered.
        error: set if and only if `reason` is ERROR.
        message: one sentence about an error or about rules that weren't delivered; otherwise empty.
        is_on: the boolean answer: `value` if it is a boolean, otherwise `enabled`; None on an error, where the
            caller's default holds.

    Since 0.1.
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

    # For copy and pickle, which know nothing of read-only views.
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
    """Return the Evaluation of a flag or variant that was chosen for `reason`; off, it has no attributes. Since 0.1."""
    served = attributes if enabled else NO_ATTRIBUTES
    value = served.get("value", enabled)
    is_on = value if isinstance(value, bool) else enabled
    return Evaluation(key, enabled, variant, value, served, reason, version, None, message, is_on)


def failure(key: str, error: ErrorCode, message: str, *, version: str | None = None) -> Evaluation:
    """Return the Evaluation that says there is no answer, and why. Since 0.1."""
    return Evaluation(key, False, None, None, NO_ATTRIBUTES, Reason.ERROR, version, error, message, None)


def constant(evaluation: Evaluation) -> FlagFunction:
    """Return a flag that always gives the same answer. Since 0.1."""
    return lambda _user_id, _context: evaluation


def _plain(value: Attribute) -> Attribute:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return tuple(_plain(item) for item in value) if isinstance(value, tuple) else value


def _frozen(value: Attribute) -> Attribute:
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, tuple) else value
