"""Why a flag answers what it does: rule by rule, operand by operand; as data, as text for a terminal and as JSON.

Every result shown is that of the evaluator that serves, for the rule and for each part of it, so an explanation can't
disagree with the answer. It shows context values by design; no other part prints them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never

from flagkit.core.bucketing import BUCKETS
from flagkit.core.context import text_of
from flagkit.core.definitions import VariantDefinition
from flagkit.core.evaluation import Attribute, Evaluation
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    Condition,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Operand,
    Or,
    Split,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.keys import Context
from flagkit.core.rules.printer import print_operand, print_rule
from flagkit.core.rules.values import NO_BUCKET, Scope, reader
from flagkit.core.rules.walker import UNKNOWN, Walker, is_true
from flagkit.core.snapshot import Snapshot
from flagkit.core.variants import read_rule
from flagkit.errors import DocumentError, RuleError

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Seen:
    """The value of an operand.

    Attributes:
        name: the context key, with its `$`.
        value: its value as text; None if it is missing or has no text.
        note: what keeps it from being compared, e.g. "is missing" or "is not a number"; otherwise empty.
    """

    name: str
    value: str | None
    note: str = ""

    def to_text(self) -> str:
        """Return the operand as text."""
        value = "" if self.value is None else f" is {_shortened(json.dumps(self.value, ensure_ascii=False), 60)}"
        return f"{self.name}{value}{', which' if value and self.note else ''}{' ' if self.note else ''}{self.note}"


@dataclass(frozen=True, slots=True)
class Step:
    """One expression of a rule.

    Attributes:
        text: the expression.
        result: whether it is true.
        seen: the context values it used.
        bucket: for a `split`, the bucket of the value, 0 to 2**32 - 1; None if the value has none.
        threshold: for a `split`, the bucket from which it is false.
        percent: for a `split`, the percentage as the rule has it.
        steps: the expressions inside it.
    """

    text: str
    result: bool
    seen: tuple[Seen, ...] = ()
    bucket: int | None = None
    threshold: int | None = None
    percent: float | None = None
    steps: tuple[Step, ...] = ()

    def to_text(self) -> str:
        """Return what the expression used, as text."""
        parts = [item.to_text() for item in self.seen]
        if self.bucket is not None and self.threshold is not None:
            sign = "<" if self.bucket < self.threshold else ">="
            parts.append(f"bucket {_percent(self.bucket)} {sign} {self.percent:.12g} %")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One variant's rule.

    Attributes:
        variant: the variant's name.
        rule: the rule's text; empty for the default variant.
        outcome: "match", "no match", "default" or "not reached".
        step: how it was evaluated, if it was.
    """

    variant: str
    rule: str
    outcome: str
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a flag answers what it does.

    Attributes:
        evaluation: the answer.
        user_id: the user id as text; None if there is none.
        rules: the flag's variants in order, the default last; empty for a flag without rules.
    """

    evaluation: Evaluation
    user_id: str | None
    rules: tuple[RuleExplanation, ...] = ()

    def to_text(self) -> str:
        """Return the explanation for a terminal, several lines."""
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, Json]:
        """Return the explanation as JSON data."""
        answer = self.evaluation
        return {
            "key": answer.key,
            "user_id": self.user_id,
            "enabled": answer.enabled,
            "variant": answer.variant,
            "value": _json(answer.value),
            "attributes": {name: _json(value) for name, value in answer.attributes.items()},
            "reason": answer.reason.value,
            "version": answer.version,
            "error": None if answer.error is None else answer.error.value,
            "message": answer.message,
            "rules": [
                {
                    "variant": rule.variant,
                    "rule": rule.rule,
                    "outcome": rule.outcome,
                    "step": None if rule.step is None else _step_json(rule.step),
                }
                for rule in self.rules
            ],
        }

    def _lines(self) -> Iterator[str]:
        answer = self.evaluation
        state = "on" if answer.enabled else "off"
        if answer.error is not None:
            state = f"error: {answer.error.value}"
        user = "" if self.user_id is None else f" for {_shortened(json.dumps(self.user_id, ensure_ascii=False), 60)}"
        variant = "" if answer.variant is None else f", variant {answer.variant}"
        yield f"{answer.key}{user}: {state}{variant} ({answer.reason.value})"
        if answer.message:
            yield f"  {answer.message}"
        for rule in self.rules:
            yield f"  {rule.variant}: {rule.outcome}"
            if rule.step is not None:
                yield from _step_lines(rule.step, "    ")


def _step_lines(step: Step, indent: str) -> Iterator[str]:
    used = step.to_text()
    yield f"{indent}{'+' if step.result else '-'} {_shortened(step.text, 100)}{'   ' if used else ''}{used}"
    for inner in step.steps:
        yield from _step_lines(inner, f"{indent}  ")


def _step_json(step: Step) -> dict[str, Json]:
    data: dict[str, Json] = {"text": step.text, "result": step.result}
    if step.seen:
        data["seen"] = [{"name": item.name, "value": item.value, "note": item.note} for item in step.seen]
    if step.threshold is not None:
        data["bucket"] = step.bucket
        data["bucket_percent"] = None if step.bucket is None else step.bucket / BUCKETS * 100
        data["threshold"] = step.threshold
        data["threshold_percent"] = step.percent
    if step.steps:
        data["steps"] = [_step_json(inner) for inner in step.steps]
    return data


def _json(value: Attribute) -> Json:
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    return value


def _percent(bucket: int) -> str:
    # Cut off, not rounded: a bucket just below 25 % must not be shown as 25 %.
    return f"{bucket * 10**8 // BUCKETS / 10**6:.6f} %"


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def explain(
    snapshot: Snapshot, key: str, user_id: object = None, context: Mapping[str, object] | None = None
) -> Explanation:
    """Return why `snapshot` answers what it does for one flag, user and context. Never raises for data."""
    user = text_of(user_id)
    now = None if snapshot.now is None else _stopped(snapshot.now())
    try:
        definition = snapshot.definition(key)
        # With the clock stopped, so that answer and explanation see the same time.
        flag = snapshot.walked(key, now=now)
    except (KeyError, DocumentError, RuleError):
        return Explanation(snapshot.evaluate(key, user_id, context), user)
    evaluation = flag(user_id, context)
    if evaluation.error is not None:
        return Explanation(evaluation, user)
    try:
        tracer = _Tracer(snapshot.scope(key, now=now), user_id, {} if context is None else context)
        return Explanation(evaluation, user, tuple(tracer.variants(definition.variants)))
    except Exception:  # noqa: BLE001 - a context can fail for keys that the answer did not need
        return Explanation(evaluation, user)


class _Tracer:
    """Records how the walker evaluates the rules of one flag."""

    def __init__(self, scope: Scope, user_id: object, context: Context) -> None:
        self.scope = scope
        self.walker = Walker(scope, user_id, context)

    def variants(self, variants: Iterable[VariantDefinition]) -> Iterator[RuleExplanation]:
        decided = False
        for variant in variants:
            if decided:
                yield RuleExplanation(variant.name, variant.rule or "", "not reached")
            elif variant.rule is None:
                yield RuleExplanation(variant.name, "", "default")
            else:
                step = self.step(read_rule(variant, self.scope.patterns))
                decided = step.result
                yield RuleExplanation(variant.name, variant.rule, "match" if decided else "no match", step)

    def step(self, node: Condition) -> Step:
        truth = self.walker.evaluate(node)
        text, result = print_rule(node), is_true(truth)
        match node:
            case Not(operand):
                return Step(text, result, steps=(self.step(operand),))
            case And(operands) | Or(operands):
                return Step(text, result, steps=tuple(self.step(operand) for operand in operands))
            case Split(percent, by):
                bucket = self.walker.bucket(node)
                found = None if bucket == NO_BUCKET else bucket
                return Step(text, result, self.seen(by), found, node.limit, float(percent.value))
            case Compare(_, left, right):
                return Step(text, result, self.seen(left, right) + self.seen(right, left))
            case TextTest(_, left, right):
                return Step(text, result, self.seen(left) + self.seen(right))
            case Membership(value) | Matches(value):
                note = "is too long for the pattern" if truth == UNKNOWN else ""
                return Step(text, result, self.seen(value, note=note))
            case Exists(key):
                return Step(text, result, self.seen(key))
            case Boolean():
                return Step(text, result)
            case _:
                assert_never(node)

    def seen(self, operand: Operand, against: Operand | None = None, note: str = "") -> tuple[Seen, ...]:
        """Describe an operand if it is a context key; `against` is the constant it is compared with."""
        if not isinstance(operand, Key):
            return ()
        value = self.walker.value(operand)
        text = text_of(value)
        if text is None:
            note = "is missing" if value is None else f"has no text: {type(value).__name__}"
        elif isinstance(against, Number | Timestamp | Boolean) and reader(against)(value) is None:
            note = {Number: "is not a number", Timestamp: "is not a time", Boolean: "is not true or false"}[
                type(against)
            ]
        return (Seen(print_operand(operand), text, note),)


def _stopped(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment
