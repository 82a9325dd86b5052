"""Commands that shift traffic: deploy, promote, rollback, pause, resume, abort. The runner does the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import click

from canary import runner
from canary.cli.options import DEFAULT_PLAN, AsJson, Branch, NoColor, PlanPath, Profile, Region, ReportPath, Stage, Yes
from canary.cli.output import finish
from canary.cli.rules import check_rules
from canary.cli.screens import Screen, asking, open_screen, write_json
from canary.cli.session import Session, cli_context, open_session, weights
from canary.cli.signals import StoppableClock, StopRequest, interrupt_policy
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.errors import CanaryError, ConflictError, NoChangeError, UsageError
from canary.runner import Ports
from canary.runner.drive import Interrupted
from canary.view.build import ViewBuilder
from canary.view.labels import phase_name
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.shell import INTERRUPTED

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line


Percents = Annotated[
    list[str] | None,
    Argument(metavar="PERCENT", help="Weights in percent, ascending, instead of the plan's: 10, or 10 25 50."),
]
Versions = Annotated[
    list[str] | None,
    Option("--version", help="Version to release: N for every function, or FUNCTION:ALIAS=N.", metavar="N"),
]


def deploy(
    context: Context,
    stage: Stage,
    percents: Percents = None,
    version: Versions = None,
    publish: Annotated[bool, Option("--publish", help="Publish $LATEST first and release that version.")] = False,
    retry: Annotated[
        bool, Option("--retry", help="Release the versions of the last canary again, which was not promoted.")
    ] = False,
    create_alias: Annotated[
        bool, Option("--create-alias", help="First release: create aliases that don't exist, with all traffic.")
    ] = False,
    allow_no_change: Annotated[
        bool, Option("--allow-no-change", help="Exit with 0 if every alias serves its version already.")
    ] = False,
    hotfix: Annotated[bool, Option("--hotfix", help="Start although the baseline is unhealthy.")] = False,
    ignore_alarm: Annotated[
        list[str] | None, Option("--ignore-alarm", help="Alarm that may be in ALARM at the start.", metavar="NAME")
    ] = None,
    branch: Branch = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Release a version step by step and evaluate each step.

    Exit code 0 if promoted, 3 if rolled back, 4 if on hold.
    """
    if sum((publish, bool(version), retry)) > 1:
        raise UsageError("--publish, --version and --retry can't be combined", hint="Use one of them.")
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    planned = session.stage
    if percents:
        planned = planned.with_steps(weights(percents))
    if hotfix:
        planned = planned.model_copy(update={"hotfix": True})
    session = session.with_stage(planned)
    check_rules(session, assume_yes=yes, branch=branch)
    chosen = _versions(version or [])
    if retry:
        chosen = runner.versions_to_retry(session.stage, session.ports())
    created = (
        runner.create_missing(session.stage, session.ports(), versions=chosen, publish=publish) if create_alias else ()
    )

    def begin(stage_plan: StagePlan, ports: Ports) -> CanaryState:
        return runner.start(
            stage_plan, ports, versions=chosen, publish=publish, ignore_alarms=tuple(ignore_alarm or ())
        )

    try:
        return _drive(session, begin, as_json=as_json, no_color=no_color, report=report)
    except NoChangeError as error:
        if not (allow_no_change or created):
            raise
        first = ", ".join(f"{target.function} was created on version {target.candidate}" for target in created)
        why = f"{first}; it has all traffic, and there is no baseline to compare it with" if first else error.message
        if as_json:
            write_json({"stage": stage, "outcome": "created" if created else "no_change", "why": why})
        else:
            click.echo(f"{stage}: {why}")
        return 0


def promote(
    context: Context,
    stage: Stage,
    branch: Branch = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Send all traffic to the new version now.

    Post-promotion watch follows.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    check_rules(
        session,
        assume_yes=yes,
        branch=branch,
        needs_clean_tree=False,
        question=f"Shift all traffic of {stage} to the new version?",
    )
    return _drive(session, runner.promote, as_json=as_json, no_color=no_color, report=report)


def rollback(
    context: Context,
    stage: Stage,
    to: Annotated[
        list[str] | None,
        Option(
            "--to", help="Version to roll back to when no canary is in progress: N, or FUNCTION:ALIAS=N.", metavar="N"
        ),
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Send all traffic to the baseline version now.

    A canary in progress is rolled back without a prompt. When none is in progress, the last one is reverted after a
    confirmation.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    targets = _versions(to or [])

    def confirm(question: str) -> None:
        session.confirm(question, assume_yes=yes)

    return _command(
        session,
        lambda stage_plan, ports: runner.rollback(stage_plan, ports, to=targets or None, confirm=confirm),
        as_json=as_json,
        no_color=no_color,
    )


def pause(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Hold the weight; evaluation and rollback continue."""
    return _command(
        open_session(cli_context(context), plan, stage, region=region, profile=profile),
        runner.pause,
        as_json=as_json,
        no_color=no_color,
    )


def resume(
    context: Context,
    stage: Stage,
    accept_plan: Annotated[
        bool, Option("--accept-plan", help="Continue under the current plan although the canary started under another.")
    ] = False,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Continue after a pause or an inconclusive end.

    Also takes over a canary whose driver ended.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)

    def begin(stage_plan: StagePlan, ports: Ports) -> CanaryState:
        return runner.resume(stage_plan, ports, accept_plan=accept_plan)

    return _drive(session, begin, as_json=as_json, no_color=no_color, report=report)


def abort(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Roll back and end the canary as aborted."""
    return _command(
        open_session(cli_context(context), plan, stage, region=region, profile=profile),
        runner.abort,
        as_json=as_json,
        no_color=no_color,
    )


def _drive(
    session: Session,
    begin: Callable[[StagePlan, Ports], CanaryState],
    *,
    as_json: bool,
    no_color: bool,
    report: Path | None,
) -> int:
    """Starts or takes over a canary and drives it until it ends or holds."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    was_stopped = False
    with StopRequest() as stop:
        ports = session.ports((screen,), StoppableClock(stop.event))
        ask = None if session.context.ask is None else asking(screen, stop.interruptible(session.context.ask))
        policy = interrupt_policy(session.stage, ask)

        def on_interrupt() -> Interrupted:
            nonlocal was_stopped
            was_stopped = True
            return policy()

        with screen:
            state = begin(session.stage, ports)
            _catch_up(screen, state)
            state = runner.run(session.stage, ports, state, stop_requested=stop.is_set, on_interrupt=on_interrupt)
        # A signal that comes after the end changes neither what is shown nor the exit code.
        _rebuild(screen, ports, state)
        code = finish(screen, state, report)
    return INTERRUPTED if was_stopped else code


def _rebuild(screen: Screen, ports: Ports, state: CanaryState) -> None:
    """The whole canary from the journal, whoever drove it; what this driver saw where the journal has less."""
    try:
        whole = ViewBuilder(state.stage).notify_all(ports.journal.events(state.canary_id))
    except (CanaryError, OSError):
        return
    if whole.begun and whole.phase is state.phase:
        screen.builder = whole


def _command(
    session: Session,
    command: Callable[[StagePlan, Ports], CanaryState | None],
    *,
    as_json: bool,
    no_color: bool,
) -> int:
    """Carries out one request: exit code 0 whatever the canary's phase, 6 after a conflict."""
    screen = open_screen(ViewBuilder(session.stage), as_json=as_json, no_color=no_color)
    ports = session.ports((screen,))
    with screen:
        state = command(session.stage, ports)
    if not as_json:
        text = _moved(session.stage, ports) if state is None else f"{phase_name(state.phase)}: {state.why}"
        screen.write_line(f"{session.stage.name}: {text}")
    return ConflictError.exit_code if state is not None and state.phase is Phase.CONFLICT else 0


def _moved(stage: StagePlan, ports: Ports) -> str:
    live = (f"{function} serves version {ports.aliases.read(function).version}" for function in stage.functions)
    return f"no canary in progress; {', '.join(live)}"


def _catch_up(screen: Screen, state: CanaryState) -> None:
    """A driver that takes over a canary has not seen its first events."""
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
            raise UsageError(f"{word!r} has no function before the =", hint="Example: --version api:live=7")
        if not (version.isascii() and version.isdigit()):
            raise UsageError(f"{version!r} is not a version number", hint="Give a published version: 1, 2, 3, …")
        found[key] = version
    return found
