"""Both of flagkit's evaluators behind one function, for tests that state what a rule means."""

from __future__ import annotations

from flagkit.core.evaluation import Reason, answer
from flagkit.core.rules.patterns import check_patterns
from flagkit.core.rules.values import Scope
from flagkit.core.variants import Candidate, WalkedFlag


def evaluators(rules, *, default_seed="flag", user_key="userId", now=None):
    """Return a flag with these rules (variants v0, v1, …; the last is the default) walked, and generated."""
    scope = Scope(default_seed, user_key, now)
    for rule in rules:
        check_patterns(rule, scope.patterns)

    def build(name):
        return lambda reason: answer("flag", enabled=True, reason=reason, variant=name)

    candidates = [Candidate(rule, build(f"v{index}")) for index, rule in enumerate(rules)]
    default = answer("flag", enabled=False, reason=Reason.DEFAULT, variant=f"v{len(rules)}")
    walked = WalkedFlag(candidates, default, scope)
    return walked, walked.generated().compile(walked)


def compile_rule(rule, **options):
    """Return the predicate `(user_id, context) -> bool` of a rule; it asserts that both evaluators agree."""
    walked, generated = evaluators([rule], **options)

    def test(user_id, context):
        found = walked(user_id, context)
        assert generated(user_id, context) == found
        assert found.error is None, found.message
        return found.enabled

    return test
