"""The rules of a stage: the branch and the working tree that a release comes from; it asks git and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from canary.cli.session import Session
from canary.errors import RefusedError
from canary.runner import Check, Level


def rule_checks(session: Session, *, branch: str | None = None, needs_clean_tree: bool = True) -> Iterator[Check]:
    """What `doctor` shows of the rules, and what `deploy` and `promote` refuse by.

    Args:
        session: the stage and what git says.
        branch: the branch, where somebody names it.
        needs_clean_tree: False where no code is released.
    """
    rules = session.stage.rules
    if rules.branch is not None:
        yield _on_branch(session, rules.branch, branch)
    if rules.clean_tree and needs_clean_tree:
        yield _clean_tree(session)


def check_rules(
    session: Session,
    *,
    assume_yes: bool,
    question: str = "",
    branch: str | None = None,
    needs_clean_tree: bool = True,
) -> None:
    """Checks the stage's rules: branch, clean working tree, confirmation.

    Raises:
        RefusedError: a rule is not met; nothing was changed.
    """
    for check in rule_checks(session, branch=branch, needs_clean_tree=needs_clean_tree):
        if check.level is Level.FAILED:
            raise RefusedError(check.text, hint=check.hint)
    name = session.stage.name
    if session.stage.rules.confirm:
        names = ", ".join(function.key for function in session.stage.functions)
        session.confirm(question or f"Release to {name} ({names})?", assume_yes=assume_yes)


def _on_branch(session: Session, wanted: str, named: str | None) -> Check:
    name, revision = session.stage.name, session.revision
    if named == wanted if named else revision.is_on(wanted):
        return Check("branch", Level.OK, f"this is branch {wanted}, or a commit of it")
    found = named or revision.branch()
    where = f"this is branch {found}" if found else "HEAD is detached and not part of it"
    return Check(
        "branch",
        Level.FAILED,
        f"stage {name} is released from branch {wanted} only; {where}",
        hint=f"Check out {wanted}, pass --branch, or change [stages.{name}.rules] in the plan.",
    )


def _clean_tree(session: Session) -> Check:
    name, files = session.stage.name, session.revision.uncommitted()
    rule = f"stage {name} is released from a clean working tree only"
    setting = f"set clean_tree = false in [stages.{name}.rules]"
    if files is None:
        folder = session.context.base.resolve()
        trust = f"If it is one, git may not trust it: `git config --global --add safe.directory {folder}`."
        text = f"{rule}; git can't read {folder} as a repository"
        return Check("clean_tree", Level.FAILED, text, hint=f"{trust} Otherwise {setting}.")
    if files:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        text = f"{rule}; uncommitted: {', '.join(files[:3])}{more}"
        return Check("clean_tree", Level.FAILED, text, hint=f"Commit or ignore them, or {setting}.")
    return Check("clean_tree", Level.OK, "nothing is uncommitted")
