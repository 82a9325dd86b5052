"""Commands that only look: status, history, verify, doctor, plan. None of them changes anything."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from canary import runner
from canary.assembly import load_plan, open_journal
from canary.cli.checks import show_checks
from canary.cli.outcome import write_report
from canary.cli.screens import terminal, write_json
from canary.cli.session import Session, World, open_session, percentage
from canary.cli.watching import nobody, show_status, watch
from canary.cli.words import DEFAULT_PLAN, AsJson, NoColor, PlanPath, ReportPath, Stage
from canary.core.events import CanaryStarted, Event
from canary.core.plan import check_feasibility, parse_duration
from canary.errors import NotFoundError, PlanError, UsageError
from canary.view.build import story_of
from canary.view.page import canary_report, page
from canary.view.plain import note_line, status_lines
from canary.view.planned import picture, plan_lines


def status(
    context: typer.Context,
    stage: Stage,
    watching: Annotated[bool, typer.Option("--watch", "-w", help="Look again every tick, until it is over.")] = False,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Show where the canary stands: steps, both versions' shares with intervals, evidence, time to decision."""
    session = open_session(context.obj, plan, stage)
    if watching:
        return watch(session, as_json=as_json, no_color=no_color)
    story = show_status(session, as_json=as_json, no_color=no_color)
    if story is None:
        nobody(session, as_json=as_json)
    elif report is not None:
        write_report(report, page(canary_report(story.view())))
    return 0


def history(
    context: typer.Context,
    stage: Annotated[str | None, typer.Argument(metavar="STAGE", help="Only this stage.")] = None,
    canary_id: Annotated[
        str | None, typer.Option("--id", help="Everything about one canary.", metavar="CANARY")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """List past canaries from the journal, or tell one of them again."""
    world: World = context.obj
    whole = load_plan(world.base / plan)
    if stage is not None:
        whole.stage(stage)
    journal = open_journal(whole, base=world.base, stage=stage)
    if canary_id is not None:
        return _tell(list(journal.events(canary_id)), canary_id, as_json=as_json, report=report)
    rows = journal.canaries(stage)
    if as_json:
        for row in rows:
            write_json(dict(row))
        return 0
    for row in rows:
        when = row.get("started_at", "")[:16].replace("T", " ")
        typer.echo(
            f"{row.get('canary_id', ''):<12}{row.get('stage', ''):<14}{when:<18}"
            f"{row.get('outcome') or 'under way':<14}{row.get('why', '')}".rstrip()
        )
    if not rows:
        typer.echo("no canary is in the journal")
    return 0


def verify(
    context: typer.Context,
    stage: Stage,
    window: Annotated[str, typer.Option("--window", metavar="DURATION", help="How far to look back.")] = "15m",
    max_errors: Annotated[
        str, typer.Option("--max-errors", metavar="PERCENT", help="Share of requests that may fail.")
    ] = "1%",
    p99: Annotated[str, typer.Option("--p99", metavar="DURATION", help="Limit of the 99th percentile.")] = "1s",
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
) -> int:
    """Check what is live now: errors below 1 %, p99 below 1 s, queues empty, alarms OK. Exit code 1 if not."""
    session = open_session(context.obj, plan, stage)
    found = runner.verify(
        session.stage,
        session.ports(),
        window=_duration(window),
        max_errors_percent=percentage(max_errors),
        p99=_duration(p99),
    )
    return show_checks(found, as_json=as_json, failed_code=1)


def doctor(context: typer.Context, stage: Stage, plan: PlanPath = DEFAULT_PLAN, as_json: AsJson = False) -> int:
    """Check everything a release depends on, without releasing. Exit code 5 if a release would be refused."""
    session = open_session(context.obj, plan, stage)
    return show_checks(runner.preflight(session.stage, session.ports()), as_json=as_json, failed_code=5)


def plan(
    context: typer.Context,
    stage: Stage,
    plan_path: PlanPath = DEFAULT_PLAN,
    rps: Annotated[
        float | None,
        typer.Option("--rps", metavar="N", help="Expected requests a second: tells whether each step is long enough."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Print the plan of a stage with every default, in words and as a picture. Asks AWS nothing.

    With --rps: exit code 2 if a step can't be shown to be healthy in its time.
    """
    if rps is not None and not 0 < rps < math.inf:
        raise UsageError(f"{rps:g} requests a second are no traffic", hint="A number above 0, as in --rps 2.")
    session: Session = open_session(context.obj, plan_path, stage)
    found = () if rps is None else check_feasibility(session.stage, rps * 60)
    if as_json:
        write_json(session.stage.model_dump(mode="json"))
    else:
        for line in (*plan_lines(session.stage, rps), "", *picture(session.stage)):
            typer.echo(line)
        for finding in found:
            typer.echo(f"{finding.severity}: {finding.message}")
    return PlanError.exit_code if any(finding.severity == "refuse" for finding in found) else 0


def _tell(events: list[Event], canary_id: str, *, as_json: bool, report: Path | None) -> int:
    if not any(isinstance(event, CanaryStarted) for event in events) and not (as_json and events):
        raise NotFoundError(
            f"the journal knows no canary {canary_id}, or lost its beginning", hint="`canary history` lists them."
        )
    if as_json:
        for event in events:
            write_json(event)
        return 0
    view = story_of(events).view()
    for line in (*status_lines(view), "", *(note_line(note) for note in view.notes)):
        terminal().print(line, markup=False, soft_wrap=True)
    if report is not None:
        write_report(report, page(canary_report(view)))
        typer.echo(f"report: {report}")
    return 0


def _duration(word: str) -> timedelta:
    try:
        value = parse_duration(word)
    except ValueError as error:
        raise UsageError(str(error)) from None
    assert isinstance(value, timedelta)
    return value
