"""Commands about synthetic or recorded traffic: simulate, replay. Neither of them calls AWS."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

import errno
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import click

from canary.adapters.journals import read_events
from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, ReportPath, Stage
from canary.cli.output import write_report
from canary.cli.screens import write_json
from canary.cli.session import cli_context, open_session, percentage
from canary.core.events import Event
from canary.core.plan import ProbesGate, StagePlan, parse_duration
from canary.errors import UsageError
from canary.simulator import Burst, Comparison, Replayed, Scenario, compare, healthy_count
from canary.simulator import replay as judge_again
from canary.view.build import view_of_events
from canary.view.html import canary_report, page
from canary.view.plain import note_line
from canary.view.simulated import comparison_data, comparison_lines, comparison_report
from flagkit.cli.arguments import Argument, Context, Option

_JOURNAL_HINT = "Give the journal file of one canary, by default .canary/ID.jsonl. `canary history` lists all canaries."


def simulate(
    context: Context,
    stage: Stage,
    candidate_errors: Annotated[str, Option(metavar="PERCENT", help="Failed requests of the new version.")] = "8%",
    baseline_errors: Annotated[str, Option(metavar="PERCENT", help="Failed requests of the baseline.")] = "1%",
    rps: Annotated[float, Option("--rps", metavar="N", help="Requests per second to each function.")] = 2.0,
    onset: Annotated[str, Option(metavar="DURATION", help="Time after which the new version fails: 150m.")] = "0m",
    history_outage: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Outage two hours before the start: 5m@50%.")
    ] = None,
    shared_outage: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Outage of both versions during the canary: 2m@30%.")
    ] = None,
    cold_start: Annotated[
        str | None, Option(metavar="DURATION@PERCENT", help="Failures of the new version after each step: 2m@8%.")
    ] = None,
    candidate_slow: Annotated[
        str, Option(metavar="PERCENT", help="Requests of the new version over the latency limit.")
    ] = "0.1%",
    baseline_slow: Annotated[
        str, Option(metavar="PERCENT", help="Requests of the baseline over the latency limit.")
    ] = "0.1%",
    probes: Annotated[
        int | None,
        Option("--probes", metavar="N", min=1, max=600, help="Pairs of probes per minute, if the plan had them."),
    ] = None,
    runs: Annotated[int, Option(metavar="N", min=1, max=1_000_000, help="Number of simulated releases.")] = 1000,
    seed: Annotated[int, Option(metavar="N", help="Random seed; equal seeds give equal results.")] = 0,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """Simulate a release many times with synthetic traffic.

    Prints how often and when it is rolled back, and how many requests fail.
    """
    session = open_session(cli_context(context), plan, stage)
    scenario = Scenario(
        candidate_errors=_ratio(candidate_errors),
        baseline_errors=_ratio(baseline_errors),
        requests_per_s=rps,
        from_minute=_minutes(onset),
        candidate_slow=_ratio(candidate_slow),
        baseline_slow=_ratio(baseline_slow),
        history_outage=_burst(history_outage),
        shared_outage=_burst(shared_outage),
        cold_start=_burst(cold_start),
    )
    found = _compare(_with_probes(session.stage, probes), scenario, runs, seed)
    if as_json:
        write_json(comparison_data(found))
    else:
        for line in comparison_lines(found):
            click.echo(line)
    if report is not None:
        write_report(report, page(comparison_report(found)))
        click.echo(f"report: {report}", err=as_json)
    return 0


def replay(
    context: Context,
    journal: Annotated[Path, Argument(help="Journal file of one canary.", metavar="JOURNAL")],
    stage: Annotated[
        str | None, Option("--stage", metavar="STAGE", help="Stage to evaluate it as (default: its own).")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> int:
    """Evaluate a recorded canary again with the current plan."""
    cli = cli_context(context)
    events = _recorded(cli.base / journal)
    session = open_session(cli, plan, stage or events[0].stage)
    found = judge_again(events, session.stage)
    if as_json:
        for judgement in found.looks:
            write_json({"event": "judged", "judgement": judgement})
        write_json(
            {
                "event": "replayed",
                "unhealthy_at": found.unhealthy_at,
                "healthy_at": found.healthy_at,
                "recorded": found.recorded,
                "recorded_at": found.recorded_at,
            }
        )
    else:
        for line in _replay_lines(found):
            click.echo(line)
    if report is not None:
        write_report(report, page(canary_report(view_of_events(found.events, session.stage).view())))
        click.echo(f"report: {report}", err=as_json)
    return 0


def _recorded(path: Path) -> list[Event]:
    try:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        events = list(read_events(path))
    except OSError as error:
        raise UsageError(f"journal {path} can't be read: {error.strerror}", hint=_JOURNAL_HINT) from error
    if not events:
        raise UsageError(f"{path} has no events of a canary", hint=_JOURNAL_HINT)
    return events


def _with_probes(stage: StagePlan, per_minute: int | None) -> StagePlan:
    if per_minute is None:
        return stage
    others = {name: gate for name, gate in stage.gates.items() if not isinstance(gate, ProbesGate)}
    return stage.model_copy(update={"gates": {**others, "probes": ProbesGate(per_minute=per_minute, invoke={})}})


def _compare(stage: StagePlan, scenario: Scenario, runs: int, seed: int) -> Comparison:
    if not sys.stderr.isatty():
        total = runs + healthy_count(runs)
        steps = {round(total * tenth / 10) for tenth in range(1, 11)}

        def announce(done: int) -> None:
            if done in steps:
                click.echo(f"simulated {done} of {total} releases", err=True)

        return compare(stage, scenario, runs=runs, seed=seed, progress=announce)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("releases", total=runs + healthy_count(runs))
        return compare(
            stage, scenario, runs=runs, seed=seed, progress=lambda done: progress.update(task, completed=done)
        )


def _replay_lines(found: Replayed) -> list[str]:
    view = view_of_events(found.events).view()
    lines = [note_line(note) for note in view.notes]
    began = found.started.at
    lines.append("")
    if found.unhealthy_at is not None:
        lines.append(f"Under this plan: rolled back after {(found.unhealthy_at - began).total_seconds() / 60:.1f} min.")
    else:
        lines.append("Under this plan: not rolled back.")
    if found.healthy_at is not None:
        healthy = (found.healthy_at - began).total_seconds() / 60
        lines.append(f"First healthy after {healthy:.1f} min.")
    if found.recorded is not None and found.recorded_at is not None:
        minutes = (found.recorded_at - began).total_seconds() / 60
        lines.append(f"Recorded: {found.recorded.value.replace('_', ' ')} after {minutes:.1f} min.")
    lines.append(found.looks[-1].sentence)
    return lines


def _ratio(word: str) -> float:
    return float(percentage(word)) / 100


def _minutes(text: str) -> float:
    return _duration(text) / timedelta(minutes=1)


def _duration(text: str) -> timedelta:
    try:
        value = parse_duration(text)
    except ValueError:
        value = None
    if not isinstance(value, timedelta):
        raise UsageError(f"'{text}' is not a valid duration", hint="Give a number with a unit, such as 150m.")
    return value


def _burst(text: str | None) -> Burst | None:
    """`5m@50%`: for so long so many fail."""
    if text is None:
        return None
    duration, found, share = text.partition("@")
    if not found:
        raise UsageError(f"'{text}' is not a valid outage", hint="Give duration and share, such as 5m@50%.")
    return Burst(_minutes(duration), _ratio(share))
