"""Commands that shift traffic: deploy, promote, rollback, pause, resume, abort. The runner does the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from canary import runner
from canary.adapters.clock import SystemClock
from canary.cli.options import DEFAULT_PLAN, AsJson, NoColor, PlanPath, ReportPath, Stage, Yes
from canary.cli.output import finish
from canary.cli.screens import Screen, asking, open_screen
from canary.cli.session import Session, cli_context, open_session, weights
from canary.cli.signals import StoppableClock, StopRequest, interrupt_policy
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.errors import ConflictError, RefusedError, UsageError
from canary.runner import Ports
from canary.view.build import ViewBuilder
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.shell import INTERRUPTED


def check_rules(session: Session, *, assume_yes: bool, question: str = "") -> None:
    """Refuses unless the stage's rules are met.

    Raises:
        RefusedError: a rule says no; nothing was changed.
    """
    rules = session.stage.rules
    name = session.stage.name
    revision = session.revision
    if rules.branch is not None and (branch := revision.branch()) != rules.branch:
        where = f"on branch {branch}" if branch else "on no branch"
        raise RefusedError(
            f"stage {name} is released from branch {rules.branch} only, and this is {where}",
            hint=f"Check out {rules.branch}, or change [stages.{name}.rules] in the plan.",
        )
    if rules.clean_tree and not revision.is_clean():
        raise RefusedError(
            f"stage {name} is released from a clean tree only, and something is uncommitted (or this is no repository)",
            hint=f"Commit first, or set clean_tree = false in [stages.{name}.rules].",
        )
    if rules.confirm:
        names = ", ".join(function.key for function in session.stage.functions)
        session.confirm(question or f"Release to {name} ({names})?", assume_yes=assume_yes)


# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line


Percents = Annotated[
    list[str] | None,
    Argument(metavar="PERCENT", help="Weights in percent instead of the plan's, rising: 10, or 10 25 50."),
]
Versions = Annotated[
    list[str] | None,
    Option("--version", help="Version to release, N for every function or FUNCTION:ALIAS=N.", metavar="N"),
]


def deploy(
    context: Context,
    stage: Stage,
    percents: Percents = None,
    version: Versions = None,
    publish: Annotated[bool, Option("--publish", help="Publish $LATEST first and release that.")] = False,
    hotfix: Annotated[bool, Option("--hotfix", help="Start although the old version is already sick.")] = False,
    ignore_alarm: Annotated[
        list[str] | None, Option("--ignore-alarm", help="An alarm that may be red already.", metavar="NAME")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Release a version step by step and evaluate each step.

    Exit code 0 if promoted, 3 if rolled back, 4 if on hold.
    """
    if publish and version:
        raise UsageError("--publish and --version exclude each other", hint="Publish a version, or name one.")
    session = open_session(cli_context(context), plan, stage)
    planned = session.stage
    if percents:
        planned = planned.with_steps(weights(percents))
    if hotfix:
        planned = planned.model_copy(update={"hotfix": True})
    session = session.with_stage(planned)
    check_rules(session, assume_yes=yes)
    chosen = _versions(version or [])

    def begin(stage_plan: StagePlan, ports: Ports) -> CanaryState:
        return runner.start(
            stage_plan, ports, versions=chosen, publish=publish, ignore_alarms=tuple(ignore_alarm or ())
        )

    return _drive(session, begin, as_json=as_json, no_color=no_color, report=report)


def promote(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Send all traffic to the new version now.

    Post-promotion watch follows.
    """
    session = open_session(cli_context(context), plan, stage)
    check_rules(session, assume_yes=yes, question=f"Give the new version of {stage} all traffic?")
    return _drive(session, runner.promote, as_json=as_json, no_color=no_color, report=report)


def rollback(
    context: Context,
    stage: Stage,
    to: Annotated[
        list[str] | None,
        Option("--to", help="Version to go to when no canary is under way: N, or FUNCTION:ALIAS=N.", metavar="N"),
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Send all traffic to the baseline version now.

    There is no prompt.
    """
    session = open_session(cli_context(context), plan, stage)
    targets = _versions(to or [])
    return _command(
        session,
        lambda stage_plan, ports: runner.rollback(stage_plan, ports, to=targets or None),
        as_json=as_json,
        no_color=no_color,
    )


def pause(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Hold the weight; evaluation and rollback continue."""
    return _command(open_session(cli_context(context), plan, stage), runner.pause, as_json=as_json, no_color=no_color)


def resume(
    context: Context,
    stage: Stage,
    accept_plan: Annotated[
        bool, Option("--accept-plan", help="Go on under the plan as it is now, though it began under another.")
    ] = False,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Continue after a pause or an inconclusive end.

    Also takes over a canary whose driver ended.
    """
    session = open_session(cli_context(context), plan, stage)

    def begin(stage_plan: StagePlan, ports: Ports) -> CanaryState:
        return runner.resume(stage_plan, ports, accept_plan=accept_plan)

    return _drive(session, begin, as_json=as_json, no_color=no_color, report=report)


def abort(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Roll back and end the canary as aborted."""
    return _command(open_session(cli_context(context), plan, stage), runner.abort, as_json=as_json, no_color=no_color)


def _drive(
    session: Session,
    begin: Callable[[StagePlan, Ports], CanaryState],
    *,
    as_json: bool,
    no_color: bool,
    report: Path | None,
) -> int:
    """Begins or takes over a canary and drives it until it rests."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    with StopRequest() as stop:
        ports = session.ports((screen,), StoppableClock(SystemClock(), stop.event))
        ask = None if session.context.ask is None else asking(screen, stop.interruptible(session.context.ask))
        with screen:
            state = begin(session.stage, ports)
            _catch_up(screen, state)
            state = runner.run(
                session.stage,
                ports,
                state,
                stop_requested=stop.is_set,
                on_interrupt=interrupt_policy(session.stage, ask),
            )
    code = finish(screen, state, report)
    return INTERRUPTED if stop.is_set() else code


def _command(
    session: Session,
    command: Callable[[StagePlan, Ports], CanaryState | None],
    *,
    as_json: bool,
    no_color: bool,
) -> int:
    """Carries out what a person asked for: exit code 0 whatever the canary's phase, 6 when somebody else was there."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    ports = session.ports((screen,))
    with screen:
        state = command(session.stage, ports)
    if not as_json:
        words = _moved(session.stage, ports) if state is None else f"{state.phase.value.replace('_', ' ')}: {state.why}"
        screen.say(f"{session.stage.name}: {words}")
    return ConflictError.exit_code if state is not None and state.phase is Phase.CONFLICT else 0


def _moved(stage: StagePlan, ports: Ports) -> str:
    live = (f"{function} is on version {ports.aliases.read(function).version}" for function in stage.functions)
    return f"no canary was under way; {', '.join(live)}"


def _catch_up(screen: Screen, state: CanaryState) -> None:
    """A driver that takes a canary over never heard how it began."""
    if not screen.builder.begun:
        screen.builder.begin(state)


def _versions(words: list[str]) -> dict[str, str]:
    """`7` for every function, `api:live=7` for one.

    Raises:
        UsageError: not a version number.
    """
    found: dict[str, str] = {}
    for word in words:
        key, separator, version = word.rpartition("=")
        if separator and not key:
            raise UsageError(f"{word!r} names no function", hint="As in --version api:live=7")
        if not version.isdigit():
            raise UsageError(f"{version!r} is no version number", hint="Published versions are 1, 2, 3, …")
        found[key] = version
    return found
