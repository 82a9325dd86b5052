"""Why a flag answers what it does: rule by rule, operand by operand. It must not decide anything itself.

Every result shown is that of a predicate made by the compiler that serves, for the rule and for each part of it, so an
explanation can't disagree with the answer (a test holds merged predicates and their parts together). It shows the
values it is asked about, by design; nobody else prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import assert_never

from flagkit.core.context import text_of
from flagkit.core.definitions import VariantDefinition
from flagkit.core.explanation import Explanation, RuleExplanation, Seen, Step
from flagkit.core.flags import compile_flag, read_rule
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
    Rule,
    Split,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.buckets import split_threshold
from flagkit.core.rules.compiler import RuleCompiler, bucket_of_value
from flagkit.core.rules.predicates import Context, Scope, getter, reader
from flagkit.core.rules.printer import print_operand, print_rule
from flagkit.core.selection import NO_CONTEXT
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, RuleError

__all__ = ["Explanation", "RuleExplanation", "Seen", "Step", "explain"]


def explain(
    snapshot: Snapshot, key: str, user_id: object = None, context: Mapping[str, object] | None = None
) -> Explanation:
    """Return why `snapshot` answers what it does for one flag, user and context. Never raises for data. Since 0.1."""
    user = text_of(user_id)
    now = None if snapshot.now is None else _stopped(snapshot.now())
    try:
        definition = snapshot.definition(key)
        # Compiled anew with the clock stopped, so that answer and explanation see the same time.
        flag = compile_flag(definition, version=snapshot.version, user_key=snapshot.user_key, now=now)
    except (KeyError, DocumentError, RuleError):
        return Explanation(snapshot.evaluate(key, user_id, context), user)
    evaluation = flag(user_id, context)
    if evaluation.error is not None:
        return Explanation(evaluation, user)
    tracer = _Tracer(Scope(key, snapshot.user_key, now), user_id, NO_CONTEXT if context is None else context)
    try:
        return Explanation(evaluation, user, tuple(tracer.variants(definition.variants)))
    except Exception:  # noqa: BLE001 - a context may refuse the keys that the answer could do without
        return Explanation(evaluation, user)


class _Tracer:
    """Walks the rules of one flag for one question."""

    def __init__(self, scope: Scope, user_id: object, context: Context) -> None:
        self.scope = scope
        self.compiler = RuleCompiler(scope)
        self.user_id = user_id
        self.context = context
        self.trees: list[Rule] = []  # kept, because the compiler remembers by identity

    def variants(self, variants: Iterable[VariantDefinition]) -> Iterator[RuleExplanation]:
        decided = False
        for variant in variants:
            if decided:
                yield RuleExplanation(variant.name, variant.rule or "", "not reached")
            elif variant.rule is None:
                yield RuleExplanation(variant.name, "", "default")
            else:
                self.trees.append(read_rule(variant))
                step = self.step(self.trees[-1])
                decided = step.result
                yield RuleExplanation(variant.name, variant.rule, "match" if decided else "no match", step)

    def step(self, node: Condition) -> Step:
        text, result = print_rule(node), self.compiler.predicate(node)(self.user_id, self.context)
        match node:
            case Not(operand):
                return Step(text, result, steps=(self.step(operand),))
            case And(operands) | Or(operands):
                return Step(text, result, steps=tuple(self.step(operand) for operand in operands))
            case Split(percent, by, seed):
                prefix = f"{self.scope.default_seed if seed is None else seed.value}:"
                bucket = bucket_of_value(prefix, self.value(by))
                found = None if bucket < 0 else bucket
                return Step(text, result, self.seen(by), found, split_threshold(percent), float(percent.value))
            case Compare(_, left, right):
                return Step(text, result, self.seen(left, right) + self.seen(right, left))
            case TextTest(_, left, right):
                return Step(text, result, self.seen(left) + self.seen(right))
            case Membership(value) | Matches(value):
                return Step(text, result, self.seen(value))
            case Exists(key):
                return Step(text, result, self.seen(key))
            case Boolean():
                return Step(text, result)
            case _:
                assert_never(node)

    def seen(self, operand: Operand, against: Operand | None = None) -> tuple[Seen, ...]:
        """Describe an operand if it is a context key; `against` is the constant it is compared with."""
        if not isinstance(operand, Key):
            return ()
        value = self.value(operand)
        text = text_of(value)
        note = ""
        if text is None:
            note = "is missing" if value is None else f"has no text: {type(value).__name__}"
        elif isinstance(against, Number | Timestamp | Boolean) and reader(against)(value) is None:
            note = {Number: "is no number", Timestamp: "is no time", Boolean: "is neither true nor false"}[
                type(against)
            ]
        return (Seen(print_operand(operand), text, note),)

    def value(self, key: Key) -> object:
        return getter(key, self.scope)(self.user_id, self.context)


def _stopped(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment
