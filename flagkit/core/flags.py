"""One decoded flag to the function that answers for it. It must not read documents or know other flags.

What rules need is imported for the first flag that has rules: 9 ms of CPU that a cold start without them doesn't pay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from flagkit.core.definitions import FlagDefinition
from flagkit.core.evaluation import Attribute, Evaluation, FlagFunction, Reason, answer, constant

if TYPE_CHECKING:
    from flagkit.core.rules.values import Scope

_UNSEEN = "The flag has rules, but the source delivers only its default variant to this client."


def read_flag_function(
    definition: FlagDefinition,
    scope: Callable[[], Scope],
    *,
    version: str | None = None,
    in_use: Callable[[], object] | None = None,
) -> FlagFunction:
    """Return the function `(user_id, context) -> Evaluation` of one flag; it never raises.

    Args:
        definition: the flag.
        scope: creates what its rules are evaluated with; not called for a flag without rules.
        version: the version of the document.
        in_use: see `WalkedFlag`.

    Raises:
        RuleError: a rule is not valid.
    """
    if not definition.variants:
        return constant(_basic(definition, version))
    *ruled, last = definition.variants
    build = partial(_of_variant, definition.key, version)
    default = build(last.name, last.enabled, last.attributes, Reason.DEFAULT if ruled else Reason.STATIC)
    if not ruled:
        return constant(default)
    from flagkit.core.variants import Candidate, WalkedFlag, read_rule

    rules_scope = scope()
    candidates = [
        # What it needs and not the definition, which has the text of the rule.
        Candidate(read_rule(it, rules_scope.patterns), partial(build, it.name, it.enabled, it.attributes))
        for it in ruled
    ]
    return WalkedFlag(candidates, default, rules_scope, in_use)


def _basic(definition: FlagDefinition, version: str | None) -> Evaluation:
    unseen = definition.unseen_variant
    reason = Reason.STATIC if definition.enabled else Reason.DISABLED
    return answer(
        definition.key,
        enabled=definition.enabled,
        reason=reason if unseen is None else Reason.RULES_UNSEEN,
        variant=unseen,
        attributes=definition.attributes,
        version=version,
        message="" if unseen is None else _UNSEEN,
    )


def _of_variant(
    key: str, version: str | None, name: str, enabled: bool, attributes: Mapping[str, Attribute], reason: Reason
) -> Evaluation:
    return answer(key, enabled=enabled, reason=reason, variant=name, attributes=attributes, version=version)
