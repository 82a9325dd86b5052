"""Commands that only read: status, history, verify, doctor, plan. None of them changes anything."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is an option of the command line

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from canary import runner
from canary.adapters import aws
from canary.assembly import load_plan, open_journal
from canary.cli.options import DEFAULT_PLAN, AsJson, Branch, NoColor, PlanPath, Profile, Region, ReportPath, Stage
from canary.cli.output import show_checks, write_report
from canary.cli.rules import rule_checks
from canary.cli.screens import terminal, write_json
from canary.cli.session import Session, cli_context, open_session, percentage, plan_file
from canary.cli.signals import StoppableClock, StopRequest
from canary.core.events import CanaryStarted, Event, Judged, Measured
from canary.core.phases import Phase
from canary.core.plan import HealthGate, StagePlan, check_feasibility, format_duration, parse_duration
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import judge
from canary.errors import ConflictError, NotFoundError, PlanError, RecordError, UnavailableError, UsageError
from canary.ports import Target
from canary.runner import Ports
from canary.runner import session as runner_session
from canary.runner.observe import observe, watch_of
from canary.runner.pairing import recorded
from canary.runner.session import NoPairs
from canary.view.build import ViewBuilder, view_of_events
from canary.view.html import canary_report, page
from canary.view.model import CanaryView, FunctionView, Tone, data
from canary.view.plain import note_line, status_lines
from canary.view.planned import picture, plan_lines
from canary.view.terminal import live
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.shell import INTERRUPTED

if TYPE_CHECKING:
    from canary.simulator import Power


def show_status(session: Session, ports: Ports, draw: Callable[[CanaryView], None]) -> CanaryView | None:
    """Shows the canary of the stage; None when there is none."""
    state = runner.current(session.stage, ports)
    if state is None:
        return None
    view = _as_it_is(current_view(state, ports).view(), state, ports)
    draw(view)
    return view


def _as_it_is(view: CanaryView, state: CanaryState, ports: Ports) -> CanaryView:
    """The view with what the aliases serve, and without calling a canary watched that no driver evaluates."""
    found, name = watch_of(state, ports), state.stage.name
    view = replace(
        view,
        functions=tuple(
            _with_routes(shown, function, state, ports)
            for shown, function in zip(view.functions, state.functions, strict=True)
        ),
        last_look_at=found.last_look_at,
        last_look_by=found.last_look_by,
        is_driven=found.is_driven or state.phase is Phase.STARTING,
    )
    if state.foreign:
        return replace(
            view,
            tone=Tone.WARN,
            headline=f"{'; '.join(change.text for change in state.foreign)}.",
            next_action=f"`canary rollback {name}` rolls back the aliases that are unchanged",
        )
    if view.is_driven:
        return view
    if found.last_look_at is None:
        since = "the journal has no evaluation of it"
    else:
        since = f"the last evaluation was {format_duration(_whole_seconds(ports.clock.now() - found.last_look_at))} ago"
    return replace(
        view,
        tone=Tone.WARN,
        headline=f"Not watched: {since}, and no driver is running.",
        next_action=f"`canary resume {name}` to continue, or `canary rollback {name}`",
    )


def _with_routes(view: FunctionView, function: FunctionState, state: CanaryState, ports: Ports) -> FunctionView:
    """The function with what its alias serves, and since when as far as the record knows it."""
    shifts, key = state.shifts_of(function), function.function.key
    known = shifts and key not in {*state.behind, *(change.function for change in state.foreign)}
    since = shifts[-1].at if known else None
    return replace(view, serves=ports.aliases.read(function.function).routes_text, serves_since=since)


def _whole_seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))


def current_view(state: CanaryState, ports: Ports) -> ViewBuilder:
    """What the aliases, the metrics and the evidence say now; health checks are left to the driver."""
    builder = ViewBuilder(state.stage).begin(state)
    reading = replace(ports, observers=(), pairs=NoPairs(), memory=replace(ports.memory, pairs={}))
    looking = runner_session.Session(state.stage, reading, state.canary_id)
    stage = recorded(state, looking)
    gates = {name: gate for name, gate in stage.gates.items() if not isinstance(gate, HealthGate)}
    observations = observe(replace(state, stage=stage.model_copy(update={"gates": gates})), looking)
    now = ports.clock.now()
    judgement = judge(stage, observations, state.weight_changes, now)
    builder.notify(Measured(state.canary_id, state.stage.name, now, observations))
    builder.notify(Judged(state.canary_id, state.stage.name, now, state.phase, state.weight_bp, judgement))
    return builder


def watch(session: Session, draw: Callable[[CanaryView], None]) -> int:
    """Shows the canary every tick until it is over or the person has seen enough; an AWS that is away is waited for."""
    with StopRequest() as stop:
        ports = session.ports(clock=StoppableClock(stop.event))
        while not stop.is_set():
            try:
                if show_status(session, ports, draw) is None:
                    return 0
            except UnavailableError as error:
                click.echo(f"warning: {error.message}", err=True)
            ports.clock.sleep(session.stage.tick.total_seconds())
    return INTERRUPTED


def show_no_canary(session: Session, *, as_json: bool) -> None:
    """Shows what is live when no canary is in progress."""
    ports = session.ports()
    aliases = [ports.aliases.read(function) for function in session.stage.functions]
    if as_json:
        functions = [{"function": alias.function.key, "version": alias.version} for alias in aliases]
        write_json({"stage": session.stage.name, "canary": None, "functions": functions})
        return
    live_now = ", ".join(f"{alias.function} serves version {alias.version}" for alias in aliases)
    click.echo(f"no canary in progress on {session.stage.name}; {live_now}")


@contextmanager
def _canvas(*, as_json: bool, no_color: bool) -> Iterator[Callable[[CanaryView], None]]:
    """Where views are drawn: one line of JSON each, in place on a terminal, or one block of lines each."""
    if as_json:
        yield lambda view: write_json(data(view))
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(console=terminal(no_color=no_color), auto_refresh=False) as canvas:
            yield lambda view: canvas.update(live(view), refresh=True)
    else:
        yield lambda view: click.echo("\n".join(status_lines(view)))


def status(
    context: Context,
    stage: Stage,
    watching: Annotated[bool, Option("--watch", "-w", help="Refresh every tick until the canary ends.")] = False,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    no_color: NoColor = False,
    report: ReportPath = None,
) -> int:
    """Show the canary in progress and its evidence.

    Steps, error shares of both versions with intervals, odds, and the time to a decision.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    if watching:
        with _canvas(as_json=as_json, no_color=no_color) as draw:
            code = watch(session, draw)
        if not code:
            show_no_canary(session, as_json=as_json)
        return code
    ports = session.ports()
    try:
        with _canvas(as_json=as_json, no_color=no_color) as draw:
            view = show_status(session, ports, draw)
    except (ConflictError, RecordError):
        if not as_json:  # whatever the records say, what the aliases serve is known
            for function in session.stage.functions:
                click.echo(f"{function} {ports.aliases.read(function).routes_text}")
        raise
    if view is None:
        show_no_canary(session, as_json=as_json)
    elif report is not None:
        write_report(report, page(canary_report(view)))
    return 0


def history(
    context: Context,
    stage: Annotated[str | None, Argument(metavar="STAGE", help="Stage to list.")] = None,
    canary_id: Annotated[str | None, Option("--id", help="Show one canary in full.", metavar="CANARY")] = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """List past canaries, or show one in full."""
    cli = cli_context(context)
    whole = load_plan(plan_file(cli, plan))
    if stage is not None:
        whole.stage(stage)
    dynamo = whole.journal.startswith("dynamodb:")
    asked = region or (whole.stage(stage).region if stage else None)
    session = aws.open_session(asked, profile) if dynamo else None
    journal = open_journal(whole, base=cli.base, session=session, stage=stage)
    if canary_id is not None:
        return _show_one(list(journal.events(canary_id)), canary_id, as_json=as_json, report=report)
    rows = journal.canaries(stage)
    if as_json:
        for row in rows:
            write_json(dict(row))
        return 0
    for row in rows:
        when = row.get("started_at", "")[:16].replace("T", " ")
        click.echo(
            f"{row.get('canary_id', ''):<12}{row.get('stage', ''):<14}{when:<18}"
            f"{row.get('outcome') or 'in progress':<14}{row.get('why', '')}".rstrip()
        )
    if not rows:
        click.echo("no canary in the journal")
    return 0


def verify(
    context: Context,
    stage: Stage,
    window: Annotated[str, Option("--window", metavar="DURATION", help="Time window to check.")] = "15m",
    max_errors: Annotated[
        str, Option("--max-errors", metavar="PERCENT", help="Highest share of failed requests.")
    ] = "1%",
    p99: Annotated[str, Option("--p99", metavar="DURATION", help="Highest 99th percentile of the duration.")] = "1s",
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Check the health of the live versions.

    Error rate, p99, queues and alarms. Exit code 1 if a check fails, 7 if there is no traffic to check.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    found = runner.verify(
        session.stage,
        session.ports(),
        window=_duration(window),
        max_errors_percent=percentage(max_errors),
        p99=_duration(p99),
    )
    return show_checks(found, as_json=as_json, failed_code=1)


def doctor(
    context: Context,
    stage: Stage,
    branch: Branch = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Check everything a release depends on, without releasing.

    Exit code 5 if a release would be refused, 7 if a gate has no data.
    """
    session = open_session(cli_context(context), plan, stage, region=region, profile=profile)
    checks = (*rule_checks(session, branch=branch), *runner.preflight(session.stage, session.ports()))
    return show_checks(checks, as_json=as_json, failed_code=5)


def plan(
    context: Context,
    stage: Stage,
    plan_path: PlanPath = DEFAULT_PLAN,
    rps: Annotated[
        float | None,
        Option("--rps", metavar="N", help="Expected requests per second to each function; says what the plan can do."),
    ] = None,
    yesterday: Annotated[
        bool,
        Option("--yesterday", help="Instead of --rps: the traffic of the last day, of the function with the least."),
    ] = False,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Print the plan of a stage with every default.

    Makes no AWS call but with --yesterday. With a traffic releases are simulated: how often the plan promotes in time,
    and what it finds; exit code 2 if a step has too few requests to be shown healthy.
    """
    if rps is not None and yesterday:
        raise UsageError("--rps and --yesterday exclude each other", hint="Give one of them.")
    if rps is not None and not 0 < rps < math.inf:
        raise UsageError(f"--rps {rps:g} is not a request rate", hint="Give a number above 0, for example --rps 2.")
    session: Session = open_session(cli_context(context), plan_path, stage, region=region, profile=profile)
    if yesterday:
        rps = _traffic_of_yesterday(session)
        if not as_json:
            click.echo(f"Traffic of the last day: {rps:.3g} requests per second.")
    found = () if rps is None else check_feasibility(session.stage, rps * 60)
    found_by = None if rps is None else _simulated(session.stage, rps)
    if as_json:
        write_json(session.stage.model_dump(mode="json") | ({} if found_by is None else {"simulated": found_by}))
    else:
        for line in (*plan_lines(session.stage, rps, found_by), "", *picture(session.stage)):
            click.echo(line)
        for finding in found:
            click.echo(f"{finding.severity}: {finding.message}")
    return PlanError.exit_code if any(finding.severity == "refuse" for finding in found) else 0


def _traffic_of_yesterday(session: Session) -> float:
    """Requests per second of the function with the least."""
    ports = session.ports()
    aliases = [(function, ports.aliases.read(function).version) for function in session.stage.functions]
    targets = [Target(function, version, version) for function, version in aliases]
    per_minute = ports.metrics.requests_per_minute(targets, ports.clock.now())
    known = [rate for rate in per_minute.values() if rate > 0.0]
    if not known:
        raise UsageError("no traffic is known of the last day", hint="Give the expected traffic, for example --rps 2.")
    return min(known) / 60


def _simulated(stage: StagePlan, rps: float) -> Power:
    """What the plan can do; takes some seconds, so it says on stderr what it is doing."""
    from canary.simulator import power_of

    return power_of(stage, rps, progress=lambda what: click.echo(f"simulating {what} ...", err=True))


def _show_one(events: list[Event], canary_id: str, *, as_json: bool, report: Path | None) -> int:
    if not any(isinstance(event, CanaryStarted) for event in events) and not (as_json and events):
        raise NotFoundError(
            f"the journal has no start of a canary {canary_id}", hint="`canary history` lists all canaries."
        )
    if as_json:
        for event in events:
            write_json(event)
        return 0
    view = view_of_events(events).view()
    for line in (*status_lines(view), "", *(note_line(note) for note in view.notes)):
        terminal().print(line, markup=False, soft_wrap=True)
    if report is not None:
        write_report(report, page(canary_report(view)))
        click.echo(f"report: {report}")
    return 0


def _duration(word: str) -> timedelta:
    try:
        value = parse_duration(word)
    except ValueError as error:
        raise UsageError(str(error)) from None
    assert isinstance(value, timedelta)
    return value
