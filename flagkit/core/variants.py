"""A flag with variants: its rules and answers, evaluated by walking the rules until it has a function of its own.

It must not read documents or know other flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from flagkit.core.definitions import VariantDefinition
from flagkit.core.evaluation import ErrorCode, Evaluation, Reason, failure
from flagkit.core.rules.ast import Rule
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.patterns import Patterns, check_patterns
from flagkit.core.rules.values import Scope
from flagkit.core.rules.walker import SPLIT, Walker, is_true
from flagkit.errors import RuleError

if TYPE_CHECKING:
    from flagkit.core.rules.shapes import Generated

MAX_READ_CHARS = 262_144
"""The longest rule that is read: room for 10,000 ids. AWS's limit of 16,384 holds only where AWS checks documents, and
is checked when one is written."""

READS_BEFORE_COMPILING = 30
"""After how many reads a flag is in use, and worth a function of its own (docs/compilation.md has the measurement)."""

_NO_CONTEXT: Mapping[str, object] = {}


class Candidate:
    """A variant with a rule, and its answers, each built when it is first given.

    Args:
        rule: the tree of its rule.
        build: builds its answer for a reason.
    """

    __slots__ = ("_answers", "_build", "rule")

    def __init__(self, rule: Rule, build: Callable[[Reason], Evaluation]) -> None:
        self.rule = rule
        self._build = build
        self._answers: dict[Reason, Evaluation] = {}

    def answer(self, reason: Reason) -> Evaluation:
        """Return the answer if the rule is true; `reason` is SPLIT if a percentage decided, else TARGETING_MATCH."""
        return self._answers.get(reason) or self._answers.setdefault(reason, self._build(reason))


class WalkedFlag:
    """A flag that walks the trees of its rules at each read.

    Args:
        candidates: the variants that have a rule, in order.
        default: the answer if no rule is true.
        scope: what the rules are evaluated with.
        in_use: called once, when the flag has been read often enough to be worth compiling.
    """

    __slots__ = ("_candidates", "_default", "_in_use", "_reads", "_scope")

    def __init__(
        self,
        candidates: Sequence[Candidate],
        default: Evaluation,
        scope: Scope,
        in_use: Callable[[], object] | None = None,
    ) -> None:
        self._candidates = candidates
        self._default = default
        self._scope = scope
        self._in_use = in_use
        self._reads = 0

    def __call__(self, user_id: object, context: Mapping[str, object] | None) -> Evaluation:
        """Return the answer; never raises."""
        self._reads += 1
        if self._reads >= READS_BEFORE_COMPILING and (in_use := self._in_use) is not None:
            self._in_use = None
            in_use()
        try:
            walker = Walker(self._scope, user_id, _NO_CONTEXT if context is None else context)
            for candidate in self._candidates:
                if is_true(found := walker.evaluate(candidate.rule)):
                    return candidate.answer(Reason.SPLIT if found == SPLIT else Reason.TARGETING_MATCH)
        except Exception:  # noqa: BLE001 - reads never raise (decision 0006)
            message = "The context can't be read: it must be a mapping of names to values."
            default = self._default
            return failure(default.key, ErrorCode.INVALID_CONTEXT, message, version=default.version)
        return self._default

    def generated(self) -> Generated:
        """Write the flag as one Python function.

        Raises:
            TooLargeError: there are too many tests for one function.
        """
        from flagkit.core.rules.generator import generate  # needed only for flags in use

        return generate(self._candidates, self._default, self._scope)


def read_rule(variant: VariantDefinition, patterns: Patterns) -> Rule:
    """Parse the rule of a variant that has one, and compile its patterns.

    Raises:
        RuleError: it is not valid; the message names the variant.
    """
    text = variant.rule or ""
    try:
        rule = parse_rule(text, max_chars=MAX_READ_CHARS)
        if "matches" in text or "\\" in text:  # an operator can be written with escapes
            check_patterns(rule, patterns)
    except RuleError as error:
        message = f"variant {variant.name}: {error.message} (character {error.position + 1})"
        raise RuleError(
            message, reason=error.reason, position=error.position, rule=error.rule, path=error.path, hint=error.hint
        ) from error
    return rule
