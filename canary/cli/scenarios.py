"""What simulate and replay play and show: scenarios from arguments, recordings, progress and results."""

from __future__ import annotations

import errno
import os
import sys
from datetime import timedelta
from pathlib import Path

import click

from canary.adapters.journals import read_events
from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.session import percentage
from canary.core.events import Event
from canary.core.plan import ProbesGate, StagePlan, parse_duration
from canary.errors import UsageError
from canary.simulator import RUNS, Burst, Comparison, Replayed, Scenario, affordable_runs, compare, healthy_count
from canary.simulator import replay as judge_again
from canary.view.build import view_of_events
from canary.view.html import canary_report, page
from canary.view.plain import note_line
from canary.view.simulated import comparison_data, comparison_lines, comparison_report

_JOURNAL_HINT = "Give the journal file of one canary, by default .canary/ID.jsonl. `canary history` lists all canaries."


def show_comparison(found: Comparison, *, as_json: bool, report: Path | None, shortened: bool = False) -> None:
    """Shows what the plan does in a scenario.

    Args:
        found: the result.
        as_json: for programs.
        report: page to write.
        shortened: whether fewer releases were simulated than by default.
    """
    if as_json:
        write_json({**comparison_data(found), "is_shortened": shortened})
    else:
        for line in comparison_lines(found):
            click.echo(line)
        if shortened:
            click.echo(
                f"Only {found.summary.runs:,} releases, which take about half a minute; the intervals are as wide as "
                f"that makes them. `--runs {RUNS}` simulates {RUNS:,}."
            )
    if report is not None:
        write_report(report, page(comparison_report(found)))
        click.echo(f"report: {report}", err=as_json)


def show_again(events: list[Event], stage: StagePlan, *, as_json: bool, report: Path | None) -> None:
    """Evaluates a recorded canary again and shows how it would have ended."""
    found = judge_again(events, stage)
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
        write_report(report, page(canary_report(view_of_events(found.events, stage).view())))
        click.echo(f"report: {report}", err=as_json)


def recorded(path: Path) -> list[Event]:
    """The events of a journal file.

    Raises:
        UsageError: it can't be read, or has none.
    """
    try:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        events = list(read_events(path))
    except OSError as error:
        raise UsageError(f"journal {path} can't be read: {error.strerror}", hint=_JOURNAL_HINT) from error
    if not events:
        raise UsageError(f"{path} has no events of a canary", hint=_JOURNAL_HINT)
    return events


def with_probes(stage: StagePlan, per_minute: int | None) -> StagePlan:
    """The stage as it would be with so many pairs of probes."""
    if per_minute is None:
        return stage
    others = {name: gate for name, gate in stage.gates.items() if not isinstance(gate, ProbesGate)}
    return stage.model_copy(update={"gates": {**others, "probes": ProbesGate(per_minute=per_minute, invoke={})}})


def played(stage: StagePlan, scenario: Scenario, runs: int | None, seed: int) -> tuple[Comparison, bool]:
    """The simulated releases, with progress on stderr; and whether they are fewer than by default, to keep it short."""
    shortened = False
    if runs is None:
        runs = affordable_runs(stage, scenario, seed=seed)
        shortened = runs < RUNS
    return _compared(stage, scenario, runs, seed), shortened


def _compared(stage: StagePlan, scenario: Scenario, runs: int, seed: int) -> Comparison:
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
        after = (found.recorded_at - began).total_seconds() / 60
        lines.append(f"Recorded: {found.recorded.value.replace('_', ' ')} after {after:.1f} min.")
    lines.append(found.looks[-1].sentence)
    return lines


def ratio(word: str) -> float:
    """`8%` as 0.08."""
    return float(percentage(word)) / 100


def minutes(text: str) -> float:
    """`150m` as 150.0."""
    return _duration(text) / timedelta(minutes=1)


def _duration(text: str) -> timedelta:
    try:
        value = parse_duration(text)
    except ValueError:
        value = None
    if not isinstance(value, timedelta):
        raise UsageError(f"'{text}' is not a valid duration", hint="Give a number with a unit, such as 150m.")
    return value


def burst(text: str | None) -> Burst | None:
    """`5m@50%`: for so long so many fail."""
    if text is None:
        return None
    duration, found, share = text.partition("@")
    if not found:
        raise UsageError(f"'{text}' is not a valid outage", hint="Give duration and share, such as 5m@50%.")
    return Burst(minutes(duration), ratio(share))
