"""A deployment as it goes on: a bar in place on a terminal, one plain line for each step elsewhere. It only shows."""

from __future__ import annotations

import os
from collections.abc import Iterable

from flagkit.admin.stores import Deployment
from flagkit.cli.screen import say


def watch(steps: Iterable[Deployment], started: Deployment, *, is_terminal: bool) -> Deployment:
    """Shows every step and returns the last one. Since 0.1."""
    return _bar(steps, started) if is_terminal else _lines(steps, started)


def line(deployment: Deployment) -> str:
    """One step in a line. Since 0.1."""
    return f"deployment {deployment.number}: {deployment.state.lower().replace('_', ' ')} {deployment.percent:.0f} %"


def _lines(steps: Iterable[Deployment], started: Deployment) -> Deployment:
    last = started
    shown = line(started)
    say(shown)
    for last in steps:
        if line(last) != shown:
            shown = line(last)
            say(shown)
    return last


def _bar(steps: Iterable[Deployment], started: Deployment) -> Deployment:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    columns = (TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.percentage:>3.0f} %"))
    last = started
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(line(started).rpartition(" ")[0].rpartition(" ")[0], total=100)
        for last in steps:
            state = last.state.lower().replace("_", " ")
            progress.update(task, completed=last.percent, description=f"deployment {last.number}: {state}")
    return last
