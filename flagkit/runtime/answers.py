"""From an evaluation to an answer of the asked type, or to the caller's default with a reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from flagkit.core.evaluation import ErrorCode, Evaluation, Reason


class Kind(StrEnum):
    """The type a question asks for. Since 0.1."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    OBJECT = "object"


def resolve(evaluation: Evaluation, kind: Kind, default: Any) -> Evaluation:
    """The evaluation with `value` of the asked type: the flag's, or the default where there is none.

    decision 0021: the attribute `value` answers if it has the type; a boolean question is otherwise answered by
    `enabled`; a flag that is off answers other questions with the code's default and keeps the reason DISABLED.
    """
    if evaluation.error is not None:
        return replace(evaluation, value=default)
    if kind is Kind.BOOLEAN:
        return replace(evaluation, value=evaluation.is_on)
    if not evaluation.enabled:
        return replace(evaluation, value=default)
    value = _typed(evaluation, kind)
    if value is None:
        found = "no attribute `value`" if "value" not in evaluation.attributes else type(evaluation.value).__name__
        message = f"flag {evaluation.key!r} has {found}, asked was {kind}"
        return replace(evaluation, value=default, reason=Reason.ERROR, error=ErrorCode.TYPE_MISMATCH, message=message)
    return replace(evaluation, value=value)


def _typed(evaluation: Evaluation, kind: Kind) -> Any:
    value = evaluation.attributes.get("value")
    if kind is Kind.OBJECT:
        return _object(evaluation, value)
    if kind is Kind.STRING:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind is Kind.NUMBER:
        return value
    return int(value) if isinstance(value, int) or value.is_integer() else None  # 2.0 is how some tools write 2


def _object(evaluation: Evaluation, value: object) -> Any:
    """Lists and objects as they are; a flag without `value` answers with all its attributes, be they none."""
    if isinstance(value, Mapping | tuple):
        return _thawed(value)
    return None if "value" in evaluation.attributes else _thawed(evaluation.attributes)


def _thawed(value: Any) -> Any:
    """A copy that the caller may change and print as JSON."""
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
