"""Whether a flag's own percentage decides about a user: whose answer isn't settled by lists, conditions or groups.

Only these users can be compared: somebody who is targeted by name, held out, outside the flag's range of a layer, or
whom its condition excludes, gets the same answer at any percentage. It must not count anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from flagkit.core.definitions import SWITCHED_OFF

if TYPE_CHECKING:
    from flagkit.core.definitions import FlagDefinition
    from flagkit.core.rules.ast import Rule
    from flagkit.core.rules.values import Scope

SEGMENT, REQUIRES, LAYER, HOLDOUT, RULE, EXPOSURE = "segment:", "requires:", "layer:", "holdout:", "rule:", ":exposure"
"""Begin, the last one end, the seeds that authoring gives to what limits a flag's percentage."""

Decides = Callable[[object, Mapping[str, object] | None], bool]
"""Whether the percentage decides about `(user_id, context)`. It can raise for a context that isn't one."""


def percentage_decides(definition: FlagDefinition, scope: Scope) -> Decides | None:
    """Return what tells about whom the flag's percentage, or its weights, decide; None if about everybody.

    Raises:
        RuleError: a rule of the flag is not valid.
    """
    from flagkit.core.rules.ast import Split, walk
    from flagkit.core.rules.walker import seed_of
    from flagkit.core.variants import read_rule

    rules = [read_rule(variant, scope.patterns) for variant in definition.variants[:-1]]
    by_user = [
        node
        for rule in rules
        for node in walk(rule)
        if isinstance(node, Split) and node.by.name == scope.user_key and not _limits(seed_of(node, scope))
    ]
    keyed = [split for split in by_user if seed_of(split, scope) == scope.default_seed]
    own = keyed or by_user
    answers = [variant.name if variant.enabled else None for variant in definition.variants]
    if not own or (len(rules) == 1 and rules[0] is own[0] and answers[0] != answers[1]):
        return None
    seeds, limits = frozenset(seed_of(split, scope) for split in own), {split.limit for split in own}
    return _decides(rules, answers, seeds, limits, scope)


def _limits(seed: str) -> bool:
    return seed.startswith((SEGMENT, REQUIRES, LAYER, HOLDOUT, RULE)) or seed.endswith(EXPOSURE) or seed == SWITCHED_OFF


def _decides(
    rules: Sequence[Rule], answers: Sequence[str | None], own: frozenset[str], limits: set[int], scope: Scope
) -> Decides:
    from flagkit.core.rules.ast import Split
    from flagkit.core.rules.values import NO_BUCKET
    from flagkit.core.rules.walker import Walker, is_true, seed_of

    class Placed(Walker):
        """Puts the user into a bucket of the flag's own percentage."""

        __slots__ = ("at",)
        at: int

        def bucket(self, rule: Split) -> int:
            is_own = rule.by.name == scope.user_key and seed_of(rule, scope) in own
            return self.at if is_own else super().bucket(rule)

    # One bucket of each stretch in which the answer is the same, and one each below and above all of them.
    places = sorted({-1, NO_BUCKET, *limits})

    def decides(user_id: object, context: Mapping[str, object] | None) -> bool:
        walker = Placed(scope, user_id, {} if context is None else context)
        found = set()
        for walker.at in places:
            found.add(
                next((answers[at] for at, rule in enumerate(rules) if is_true(walker.evaluate(rule))), answers[-1])
            )
            if len(found) > 1:
                return True
        return False

    return decides
