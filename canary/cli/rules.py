"""The stage's rules about what may be released, and by whom: branch, clean tree, confirmation. Checked first."""

from __future__ import annotations

from canary.cli.session import Session
from canary.errors import RefusedError


def check_rules(session: Session, *, assume_yes: bool, question: str = "") -> None:
    """Refuses unless the stage's rules are met.

    Raises:
        RefusedError: a rule says no; nothing was changed.

    Since 0.1.
    """
    rules = session.stage.rules
    name = session.stage.name
    source = session.source
    if rules.branch is not None and (branch := source.branch()) != rules.branch:
        where = f"on branch {branch}" if branch else "on no branch"
        raise RefusedError(
            f"stage {name} is released from branch {rules.branch} only, and this is {where}",
            hint=f"Check out {rules.branch}, or change [stages.{name}.rules] in the plan.",
        )
    if rules.clean_tree and not source.is_clean():
        raise RefusedError(
            f"stage {name} is released from a clean tree only, and something is uncommitted (or this is no repository)",
            hint=f"Commit first, or set clean_tree = false in [stages.{name}.rules].",
        )
    if rules.confirm:
        names = ", ".join(function.key for function in session.stage.functions)
        session.confirm(question or f"Release to {name} ({names})?", assume_yes=assume_yes)
