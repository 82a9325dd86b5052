"""What a command works with: the plan, one stage, its ports and its screen; it builds them and decides nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from canary.cli.options import DEFAULT_PLAN
from canary.errors import RefusedError, UsageError
from flagkit.channels.text import printable
from flagkit.cli.arguments import Context, read_number

if TYPE_CHECKING:
    from canary.core.events import Origin
    from canary.core.plan import Plan, StagePlan
    from canary.ports import Clock, CodeRevision, Observer
    from canary.runner import Ports


@dataclass(frozen=True, slots=True)
class CliContext:
    """The environment of a command; tests and demos pass their own.

    Attributes:
        clock: the machine's clock where None.
        revision: the code revision that is released; git's where None.
        base: directory that relative paths start from.
        ask: prompts a person; None where there is no terminal.
    """

    clock: Clock | None = None
    revision: CodeRevision | None = None
    base: Path = field(default_factory=Path)
    ask: Callable[[str], str] | None = None


def default_context() -> CliContext:
    """The system clock, credentials, directory and, if there is one, terminal."""
    return CliContext(ask=_ask if sys.stdin.isatty() and sys.stderr.isatty() else None)


def cli_context(context: Context) -> CliContext:
    """The context that a command was called in."""
    return context.obj if isinstance(context.obj, CliContext) else default_context()


def _ask(question: str) -> str:
    sys.stderr.write(question)  # stdout may be JSON
    sys.stderr.flush()
    return input()


@dataclass(frozen=True, slots=True)
class Session:
    """One command on one stage."""

    context: CliContext
    plan: Plan
    stage: StagePlan
    region: str | None = None
    profile: str | None = None

    @property
    def revision(self) -> CodeRevision:
        """The code revision that is released."""
        from canary.adapters.git import GitRevision

        return self.context.revision or GitRevision(self.context.base)

    def ports(self, observers: Sequence[Observer] = (), clock: Clock | None = None) -> Ports:
        """The stage's ports, with these observers and, where the context has none, this clock."""
        from canary.adapters import aws
        from canary.assembly import assemble

        return assemble(
            self.plan,
            self.stage.name,
            base=self.context.base,
            session=aws.open_session(self.region or self.stage.region, self.profile),
            clock=self.context.clock or clock,
            observers=observers,
            origin=self.origin(),
            engine=self.stage.engine,
        )

    def origin(self) -> Origin:
        """Where the code comes from, for history and reports."""
        from canary.core.events import Origin

        revision = self.revision
        return Origin(
            commit=printable(revision.commit() or ""),
            branch=printable(revision.branch() or ""),
            author=printable(revision.author() or ""),
            started_by=printable(revision.person()),
        )

    def with_stage(self, stage: StagePlan) -> Session:
        """The same session under a changed stage (other steps, hotfix)."""
        return replace(self, stage=stage)

    def confirm(self, question: str, *, assume_yes: bool) -> None:
        """Asks before something that the stage's rules want confirmed.

        Raises:
            RefusedError: the answer is no, or nobody is there to ask.
        """
        if assume_yes:
            return
        if self.context.ask is None:
            raise RefusedError(
                f"stage {self.stage.name} requires a confirmation, but there is no terminal to prompt on",
                hint="Pass --yes.",
            )
        if not self.context.ask(f"{question} [y/N] ").strip().lower().startswith("y"):
            raise RefusedError("not confirmed; nothing was changed", hint="Answer y, or pass --yes.")


def open_session(
    context: CliContext, plan_path: Path, stage: str, *, region: str | None = None, profile: str | None = None
) -> Session:
    """Reads the plan and picks the stage.

    Raises:
        PlanError: no such file, no such stage, or a faulty plan.
    """
    plan = read_plan(context, plan_path)
    return Session(context, plan, plan.stage(stage), region, profile)


def read_plan(context: CliContext, path: Path) -> Plan:
    """Reads `--plan`, or `$CANARY_PLAN` where none is given, or `canary.toml` in the current directory.

    Raises:
        PlanError: no such file, or a faulty plan.
    """
    from canary.assembly import load_plan

    if path == DEFAULT_PLAN:
        path = Path(os.environ.get("CANARY_PLAN") or path)
    return load_plan(context.base / path)


def weights(words: Iterable[str]) -> list[Decimal]:
    """Weights as given on the command line: `10`, `10%`, `2.5`.

    Raises:
        UsageError: not a number above 0 and below 100, or not rising.
    """
    found: list[Decimal] = []
    for word in words:
        weight = percentage(word)
        if not 0 < weight < 100:
            raise UsageError(
                f"weight {word} is out of range", hint="Give percent above 0 and below 100: canary deploy staging 10"
            )
        if found and weight <= found[-1]:
            raise UsageError(f"weights must ascend, but {word} follows {found[-1]}", hint="Example: 10 25 50")
        found.append(weight)
    return found


def percentage(word: str) -> Decimal:
    """`8`, `8%` or `0.5 %` as percent.

    Raises:
        UsageError: not a number.
    """
    try:
        value = read_number(word.strip().removesuffix("%").strip())
    except ValueError:
        raise UsageError(f"{word!r} is not a valid percentage", hint="Write it as 8, 8% or 0.5%.") from None
    if not 0 <= value <= 100:
        raise UsageError(f"{word!r} is not a valid percentage", hint="Give a number from 0 to 100.")
    return value
