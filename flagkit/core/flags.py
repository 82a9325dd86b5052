"""One decoded flag to the function that answers for it. It must not read documents or know other flags.

What rules need is imported for the first flag that has rules: 9 ms of CPU that a cold start without them doesn't pay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from flagkit.core.definitions import FlagDefinition, VariantDefinition
from flagkit.core.evaluation import FlagFunction, Reason, answer, constant
from flagkit.errors import RuleError

if TYPE_CHECKING:
    from flagkit.core.rules.ast import Rule

MAX_READ_CHARS = 262_144
"""The longest rule that is read: room for 10,000 ids. AWS's limit of 16,384 holds only where AWS checks documents, and
is checked when one is written."""

_UNSEEN = "The flag has rules, but the source delivers only its default variant to this client."


def compile_flag(
    definition: FlagDefinition,
    *,
    version: str | None = None,
    user_key: str = "userId",
    now: Callable[[], datetime] | None = None,
) -> FlagFunction:
    """Return the function `(user_id, context) -> Evaluation` of one flag; it never raises.

    Raises:
        RuleError: a rule can't be read or compiled.
    """
    if not definition.variants:
        unseen = definition.unseen_variant
        reason = Reason.STATIC if definition.enabled else Reason.DISABLED
        return constant(
            answer(
                definition.key,
                enabled=definition.enabled,
                reason=reason if unseen is None else Reason.RULES_UNSEEN,
                variant=unseen,
                attributes=definition.attributes,
                version=version,
                message="" if unseen is None else _UNSEEN,
            )
        )
    return _with_variants(definition, version, user_key, now)


def _with_variants(
    definition: FlagDefinition, version: str | None, user_key: str, now: Callable[[], datetime] | None
) -> FlagFunction:
    from flagkit.core.rules.predicates import Scope
    from flagkit.core.selection import Candidate, in_variant, select

    *ruled, last = definition.variants
    candidates = []
    for variant in ruled:
        try:
            rule = read_rule(variant)
        except RuleError as error:
            raise in_variant(error, variant.name) from error
        matched, split = (
            answer(
                definition.key,
                enabled=variant.enabled,
                reason=reason,
                variant=variant.name,
                attributes=variant.attributes,
                version=version,
            )
            for reason in (Reason.TARGETING_MATCH, Reason.SPLIT)
        )
        candidates.append(Candidate(rule, matched, split))
    default = answer(
        definition.key,
        enabled=last.enabled,
        reason=Reason.DEFAULT if ruled else Reason.STATIC,
        variant=last.name,
        attributes=last.attributes,
        version=version,
    )
    return select(candidates, default, Scope(definition.key, user_key, now))


def read_rule(variant: VariantDefinition) -> Rule:
    """Parse the rule of a variant that has one.

    Raises:
        RuleError: it can't be read.
    """
    from flagkit.core.rules.parser import parse_rule

    return parse_rule(variant.rule or "", max_chars=MAX_READ_CHARS)
