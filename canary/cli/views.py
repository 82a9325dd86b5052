"""What status, history and plan show. It changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canary import runner
from canary.adapters.cloudwatch import metrics_per_look
from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.screens import terminal
from canary.cli.session import Session
from canary.cli.signals import StoppableClock, StopRequest
from canary.core.events import CanaryStarted, Event, Judged, Measured
from canary.core.phases import Phase
from canary.core.plan import HealthGate, StagePlan, check_feasibility, format_duration
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
from canary.view.planned import cost_line, cost_of_looks, picture, plan_lines
from canary.view.terminal import live
from flagkit.cli.shell import INTERRUPTED

if TYPE_CHECKING:
    from canary.simulator import Power


def show_status(session: Session, *, as_json: bool, no_color: bool, report: Path | None) -> int:
    """Shows the canary of the stage, or what its aliases serve; returns the exit code."""
    ports = session.ports()
    try:
        with _canvas(as_json=as_json, no_color=no_color) as draw:
            view = _draw_status(session, ports, draw)
    except (ConflictError, RecordError):
        if not as_json:  # whatever the records say, what the aliases serve is known
            for function in session.stage.functions:
                click.echo(f"{function} {ports.aliases.read(function).routes_text}")
        raise
    if view is None:
        _show_no_canary(session, as_json=as_json)
    elif report is not None:
        write_report(report, page(canary_report(view)))
    return 0


def watch_status(session: Session, *, as_json: bool, no_color: bool) -> int:
    """Shows the canary every tick until it ends; returns the exit code."""
    with _canvas(as_json=as_json, no_color=no_color) as draw:
        code = _watch(session, draw)
    if not code:
        _show_no_canary(session, as_json=as_json)
    return code


def _draw_status(session: Session, ports: Ports, draw: Callable[[CanaryView], None]) -> CanaryView | None:
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


def _watch(session: Session, draw: Callable[[CanaryView], None]) -> int:
    """Shows the canary every tick until it is over or the person has seen enough; an AWS that is away is waited for."""
    with StopRequest() as stop:
        ports = session.ports(clock=StoppableClock(stop.event))
        while not stop.is_set():
            try:
                if _draw_status(session, ports, draw) is None:
                    return 0
            except UnavailableError as error:
                click.echo(f"warning: {error.message}", err=True)
            ports.clock.sleep(session.stage.tick.total_seconds())
    return INTERRUPTED


def _show_no_canary(session: Session, *, as_json: bool) -> None:
    """Shows what is live when no canary is in progress."""
    ports = session.ports()
    aliases = [ports.aliases.read(function) for function in session.stage.functions]
    if as_json:
        functions = [
            {"function": alias.function.key, "version": alias.version, "serves": alias.routes_text} for alias in aliases
        ]
        write_json({"stage": session.stage.name, "canary": None, "functions": functions})
        return
    name, live_now = session.stage.name, ", ".join(f"{alias.function} {alias.routes_text}" for alias in aliases)
    if not any(alias.extra_version for alias in aliases):
        click.echo(f"no canary in progress on {name}; {live_now}")
        return
    click.echo(f"{live_now}\nNot watched: stage {name} has no record of a canary that set these weights.")
    click.echo(f"  next: `canary rollback {name}` to clear the weights")


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


def traffic_of_yesterday(session: Session) -> float:
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


def show_plan(stage: StagePlan, rps: float | None, *, as_json: bool) -> int:
    """Shows a stage with every default and, with a traffic, what the plan can do; returns the exit code."""
    found = () if rps is None else check_feasibility(stage, rps * 60)
    found_by = None if rps is None else _simulated(stage, rps)
    metrics = metrics_per_look(stage)
    if as_json:
        looks = {"metrics": metrics, "dollars": round(cost_of_looks(stage, metrics), 6)}
        simulated = {} if found_by is None else {"simulated": found_by}
        findings = {"findings": found} if rps is not None else {}
        write_json(stage.model_dump(mode="json") | {"looks": looks} | findings | simulated)
    else:
        cost = cost_line(stage, metrics)
        for line in (*plan_lines(stage, rps, found_by), cost, "", *picture(stage)):
            click.echo(line)
        for finding in found:
            click.echo(f"{finding.severity}: {finding.message}")
    return PlanError.exit_code if any(finding.severity == "refuse" for finding in found) else 0


def show_list(rows: Sequence[Mapping[str, str]], *, as_json: bool) -> int:
    """Shows one line for each canary of the journal."""
    if as_json:
        for row in rows:
            write_json(dict(row))
        return 0
    for row in rows:
        when = row.get("started_at", "")[:16].replace("T", " ")
        click.echo(
            f"{row.get('canary_id', ''):<12}{row.get('stage', ''):<14}{when:<18}{row.get('started_by', ''):<14} "
            f"{row.get('outcome') or 'in progress':<14}{row.get('why', '')}".rstrip()
        )
    if not rows:
        click.echo("no canary in the journal")
    return 0


def show_one(events: list[Event], canary_id: str, *, as_json: bool, report: Path | None) -> int:
    """Shows one canary of the journal in full.

    Raises:
        NotFoundError: the journal has no such canary.
    """
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
