"""What status, history and plan show. It changes nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canary.adapters.cloudwatch import metrics_per_look
from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.screens import terminal
from canary.cli.session import Session
from canary.cli.signals import StoppableClock, StopRequest
from canary.core.events import CanaryStarted, Event
from canary.core.others import apart, shared_users
from canary.core.plan import Plan, StagePlan, StepProblem, check_feasibility, check_users, new_users_needed
from canary.errors import NotFoundError, PlanError, UnavailableError, UsageError
from canary.ports import Target
from canary.view.current import StageNow, past_view, stage_now
from canary.view.html import canary_report, page
from canary.view.model import CanaryView, JsonValue, data
from canary.view.plain import note_line, status_lines
from canary.view.planned import cost_line, cost_of_looks, picture, plan_lines
from canary.view.terminal import live
from flagkit.cli.shell import INTERRUPTED

if TYPE_CHECKING:
    from canary.simulator import Power


def show_status(session: Session, *, as_json: bool, no_color: bool, report: Path | None) -> int:
    """Shows the canary of the stage, or what its aliases serve; returns the exit code."""
    now = stage_now(session.stage, session.ports())
    if now.problem is not None:
        if not as_json:  # whatever the records say, what the aliases serve is known
            for alias in now.aliases:
                click.echo(f"{alias.name} {alias.text}")
        raise now.problem
    if now.canary is None:
        _show_no_canary(now, as_json=as_json)
        return 0
    with _canvas(as_json=as_json, no_color=no_color) as draw:
        draw(now.canary)
    if report is not None:
        write_report(report, page(canary_report(now.canary)))
    return 0


def watch_status(session: Session, *, as_json: bool, no_color: bool) -> int:
    """Shows the canary every tick until it ends; returns the exit code."""
    with _canvas(as_json=as_json, no_color=no_color) as draw:
        last = _watch(session, draw)
    if last is None:
        return INTERRUPTED
    _show_no_canary(last, as_json=as_json)
    return 0


def _watch(session: Session, draw: Callable[[CanaryView], None]) -> StageNow | None:
    """Shows the canary every tick until it is over; an AWS that is away is waited for. None after a signal."""
    with StopRequest() as stop:
        ports = session.ports(clock=StoppableClock(stop.event))
        while not stop.is_set():
            try:
                now = stage_now(session.stage, ports)
                if now.problem is not None:
                    raise now.problem
                if now.canary is None:
                    return now
                draw(now.canary)
            except UnavailableError as error:
                click.echo(f"warning: {error.message}", err=True)
            ports.clock.sleep(session.stage.tick.total_seconds())
    return None


def _show_no_canary(now: StageNow, *, as_json: bool) -> None:
    """Shows what is live when no canary is in progress."""
    name = now.stage.name
    if as_json:
        write_json({"stage": name, "canary": None, **_live_now(now)})
        return
    live_now = ", ".join(f"{alias.name} {alias.text}" for alias in now.aliases)
    if not now.is_unwatched:
        click.echo(f"no canary in progress on {name}; {live_now}")
        return
    words = now.stage.words
    click.echo(f"{live_now}\nNot watched: stage {name} has no record of a canary that set {words.these_weights}.")
    click.echo(f"  next: {words.clear(name)}")


def view_data(view: CanaryView) -> JsonValue:
    """A view for programs: of a flag its percentage of users takes the place of functions with versions."""
    found = data(view)
    if not view.flag or not isinstance(found, dict):
        return found
    function = view.functions[0]
    flag: JsonValue = {"key": view.flag, "variant": function.alias, "percent": function.weight_percent}
    return {key: value for key, value in found.items() if key != "functions"} | {"flag": flag}


def _live_now(now: StageNow) -> dict[str, object]:
    """What is live, for programs."""
    if now.stage.flag is not None:
        percent = now.aliases[0].percent
        return {"flag": {"key": now.stage.flag.key, "variant": now.stage.variant, "percent": percent}}
    return {
        "functions": [
            {"function": alias.key, "version": alias.routes[0].version, "serves": alias.text} for alias in now.aliases
        ]
    }


@contextmanager
def _canvas(*, as_json: bool, no_color: bool) -> Iterator[Callable[[CanaryView], None]]:
    """Where views are drawn: one line of JSON each, in place on a terminal, or one block of lines each."""
    if as_json:
        yield lambda view: write_json(view_data(view))
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


def _simulated(stage: StagePlan, rps: float, users: int | None) -> Power:
    """What the plan can do; takes some seconds, so it says on stderr what it is doing."""
    from canary.simulator import Users, power_of

    return power_of(
        stage,
        rps,
        users=None if users is None else Users(users),
        progress=lambda what: click.echo(f"simulating {what} ...", err=True),
    )


_MOST_WORK = 40_000.0


def _is_too_large(stage: StagePlan, rps: float, users: int | None) -> bool:
    """Whether hundreds of rollouts with so many users would take more than a minute or two; says so on stderr."""
    if stage.outcomes is None or rps * 30 * (stage.total_bake / timedelta(minutes=1)) + (users or 0) <= _MOST_WORK:
        return False
    hint = f"`canary simulate {stage.name} --runs 20` does it"
    click.echo(f"not simulated: so many requests and users take minutes; {hint}", err=True)
    return True


def _problems(stage: StagePlan, rps: float | None, users: int | None) -> tuple[StepProblem, ...]:
    if stage.outcomes is None:
        return () if rps is None else check_feasibility(stage, rps * 60)
    return check_users(stage, math.inf if rps is None else rps * 60, users)


def show_plan(
    stage: StagePlan,
    rps: float | None,
    stages: Mapping[str, StagePlan],
    *,
    users: int | None = None,
    as_json: bool,
) -> int:
    """Shows a stage with every default and, with a traffic, what the plan can do; returns the exit code."""
    found = _problems(stage, rps, users)
    found_by = None if rps is None or _is_too_large(stage, rps, users) else _simulated(stage, rps, users)
    metrics = metrics_per_look(stage)
    if as_json:
        looks = {"metrics": metrics, "dollars": round(cost_of_looks(stage, metrics), 6)}
        simulated = {} if found_by is None else {"simulated": found_by}
        findings: dict[str, object] = {"findings": found} if rps is not None or users is not None else {}
        if coming := new_users_needed(stage):
            findings |= {"new_users_needed": coming}
        warnings = {"warnings": shared_users(stage, stages.values())} if stage.flag else {}
        write_json(stage.model_dump(mode="json") | {"looks": looks} | findings | simulated | warnings)
    else:
        cost = (cost_line(stage, metrics),) if metrics else ()
        for line in (*plan_lines(stage, rps, found_by), *cost, "", *picture(stage)):
            click.echo(line)
        for finding in found:
            advice = "" if finding.hint in finding.message else f". {finding.hint}"
            click.echo(f"{finding.severity}: {finding.message}{advice}")
        if stage.flag is not None and (shared := shared_users(stage, stages.values())):
            click.echo(
                "\n".join([*(f"warning: {sentence}" for sentence in shared), f"hint: {apart(stage.flag.source)}"])
            )
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


def show_one(events: list[Event], canary_id: str, plan: Plan, *, as_json: bool, report: Path | None) -> int:
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
    view = past_view(events, plan)
    for line in (*status_lines(view), "", *(note_line(note) for note in view.notes)):
        terminal().print(line, markup=False, soft_wrap=True)
    if report is not None:
        write_report(report, page(canary_report(view)))
        click.echo(f"report: {report}")
    return 0
