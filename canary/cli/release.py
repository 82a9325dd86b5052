"""Commands that shift traffic: deploy, promote, rollback, pause, resume, abort. The runner does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import click

from canary.cli.options import (
    DEFAULT_PLAN,
    AsJson,
    Branch,
    Engine,
    NoColor,
    PlanPath,
    Profile,
    Region,
    ReportPath,
    Stage,
    Yes,
)
from canary.cli.session import Session, cli_context, open_session, weights
from canary.errors import CanaryError, NoChangeError, UsageError
from flagkit.cli.arguments import Argument, Context, Option

if TYPE_CHECKING:
    from canary.core.plan import StagePlan
    from canary.core.state import CanaryState
    from canary.runner import Ports

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
    engine: Engine = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Release a version step by step and evaluate each step.

    A stage with a flag gives it to more and more users. Exit code 0 if promoted, 3 if rolled back, 4 if on hold.
    """
    from canary import runner
    from canary.cli.drive import drive
    from canary.cli.json_lines import write_json
    from canary.cli.rules import check_rules

    if sum((publish, bool(version), retry)) > 1:
        raise UsageError("--publish, --version and --retry can't be combined", hint="Use one of them.")
    session = _session(context, plan, stage, region, profile, engine)
    planned = session.stage
    _refuse_for_flag(
        planned if publish or version or create_alias else None,
        "--version, --publish and --create-alias",
        f"Leave them out: `canary deploy {stage}`.",
    )
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

    first = ", ".join(f"{target.function} was created on version {target.candidate}" for target in created)
    try:
        return drive(session, begin, as_json=as_json, no_color=no_color, report=report)
    except CanaryError as error:
        if created and not isinstance(error, NoChangeError):
            error.message = f"{first}; {error.message.replace('nothing was changed', 'nothing else was changed')}"
        if not isinstance(error, NoChangeError) or not (allow_no_change or created):
            raise
        why = f"{first}; it has all traffic, and there is no baseline to compare it with" if first else error.message
        if as_json:
            write_json({"stage": stage, "outcome": "created" if created else "no_change", "why": why})
        else:
            click.echo(f"{stage}: {why}")
        return 0


def _refuse_for_flag(stage: StagePlan | None, options: str, hint: str) -> None:
    if stage is not None and stage.flag:
        raise UsageError(f"{options} {'is' if ' ' not in options else 'are'} for functions, not for a flag", hint=hint)


def promote(
    context: Context,
    stage: Stage,
    branch: Branch = None,
    engine: Engine = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Send all traffic to the new version now.

    A flag is given to all users. Post-promotion watch follows.
    """
    from canary import runner
    from canary.cli.drive import drive
    from canary.cli.rules import check_rules

    session = _session(context, plan, stage, region, profile, engine)
    check_rules(
        session,
        assume_yes=yes,
        branch=branch,
        needs_clean_tree=False,
        question=session.stage.words.all_to_candidate.format(stage=stage),
    )
    return drive(session, runner.promote, as_json=as_json, no_color=no_color, report=report)


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

    A flag is lowered. A canary in progress is rolled back without a prompt. When none is in progress, the last one is
    reverted after a confirmation.
    """
    from canary import runner
    from canary.cli.drive import request

    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    targets = _versions(to or [])
    _refuse_for_flag(session.stage if targets else None, "--to", session.stage.words.by_hand(stage))

    def confirm(question: str) -> None:
        session.confirm(question, assume_yes=yes)

    return request(
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
    from canary import runner
    from canary.cli.drive import request

    return request(
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
    engine: Engine = None,
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
    from canary import runner
    from canary.cli.drive import drive

    session = _session(context, plan, stage, region, profile, engine)

    def begin(stage_plan: StagePlan, ports: Ports) -> CanaryState:
        return runner.resume(stage_plan, ports, accept_plan=accept_plan)

    return drive(session, begin, as_json=as_json, no_color=no_color, report=report)


def abort(
    context: Context,
    stage: Stage,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
    as_json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Roll back and end the canary as aborted.

    Never prompts: --yes is accepted, as by rollback and promote, and changes nothing.
    """
    from canary import runner
    from canary.cli.drive import request

    del yes
    return request(
        open_session(cli_context(context), plan, stage, region=region, profile=profile),
        runner.abort,
        as_json=as_json,
        no_color=no_color,
    )


def _session(
    context: Context, plan: Path, stage: str, region: str | None, profile: str | None, engine: str | None
) -> Session:
    """The stage, with the engine that the command names.

    Raises:
        UsageError: there is no such engine.
        PlanError: it can't drive this stage.
    """
    from canary.core.plan import EngineName

    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    if engine is None:
        return session
    names: tuple[EngineName, ...] = get_args(EngineName)
    if (chosen := next((name for name in names if name == engine), None)) is None:
        raise UsageError(f"{engine!r} is not an engine", hint=f"Use one of {', '.join(names)}.")
    return session.with_stage(session.stage.with_engine(chosen))


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
