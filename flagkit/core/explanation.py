"""An explanation as data, as text for a terminal and as JSON. It must not evaluate; `explain` fills it in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from flagkit.core.bucketing import BUCKETS
from flagkit.core.evaluation import Attribute, Evaluation

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an operand was.

    Attributes:
        name: the context key, with its `$`.
        value: its value as text; None if it is missing or has no text.
        note: what keeps it from being compared, e.g. "is missing" or "is no number"; otherwise empty.

    Since 0.1.
    """

    name: str
    value: str | None
    note: str = ""

    def to_text(self) -> str:
        """Return the operand in words. Since 0.1."""
        value = "" if self.value is None else f" is {_shortened(json.dumps(self.value, ensure_ascii=False), 60)}"
        return f"{self.name}{value}{', which' if value and self.note else ''}{' ' if self.note else ''}{self.note}"


@dataclass(frozen=True, slots=True)
class Step:
    """One expression of a rule.

    Attributes:
        text: the expression.
        result: whether it is true.
        seen: the context values it looked at.
        bucket: for a `split`, the bucket of the value, 0 to 2**32 - 1; None if the value has none.
        threshold: for a `split`, the bucket from which it is false.
        percent: for a `split`, the percentage as the rule has it.
        steps: the expressions inside it.

    Since 0.1.
    """

    text: str
    result: bool
    seen: tuple[Seen, ...] = ()
    bucket: int | None = None
    threshold: int | None = None
    percent: float | None = None
    steps: tuple[Step, ...] = ()

    def to_text(self) -> str:
        """Return what the expression looked at, in words. Since 0.1."""
        words = [item.to_text() for item in self.seen]
        if self.bucket is not None and self.threshold is not None:
            sign = "<" if self.bucket < self.threshold else ">="
            words.append(f"bucket {_percent(self.bucket)} {sign} {self.percent:.12g} %")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One variant's rule.

    Attributes:
        variant: the variant's name.
        rule: the rule's text; empty for the default variant.
        outcome: "match", "no match", "default" or "not reached".
        step: how it was evaluated, if it was.

    Since 0.1.
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

    Since 0.1.
    """

    evaluation: Evaluation
    user_id: str | None
    rules: tuple[RuleExplanation, ...] = ()

    def to_text(self) -> str:
        """Return the explanation for a terminal, several lines. Since 0.1."""
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, Json]:
        """Return the explanation as JSON data. Since 0.1."""
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
            state = f"no answer: {answer.error.value}"
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
    words = step.to_text()
    yield f"{indent}{'+' if step.result else '-'} {_shortened(step.text, 100)}{'   ' if words else ''}{words}"
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
