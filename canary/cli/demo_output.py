"""What `canary demo` shows: headings and lines for people, or JSON lines, and the report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.screens import Screen, terminal
from canary.demo import DemoOutput, DemoResult
from canary.demo.report import release_text, rollout_text
from canary.demo.rollout import FEATURE, RolledOut
from canary.demo.scenario import FlagStep, Released
from canary.view.build import ViewBuilder
from canary.view.html import page
from canary.view.labels import percent

if TYPE_CHECKING:
    from rich.console import Console

_BAR_CELLS = 30


def output(screen: Callable[[ViewBuilder], Screen], *, as_json: bool, no_color: bool) -> DemoOutput:
    """Where the demo is shown: lines for people, or JSON lines."""
    if as_json:
        return DemoOutput(
            heading=lambda text: None,  # noqa: ARG005
            line=lambda text: None,  # noqa: ARG005
            step=lambda step: write_json({"event": "flag_step", "step": step}),
            screen=screen,
            released=lambda released: write_json({"event": "released", "released": _released_data(released)}),
            rolled_out=lambda rollout: write_json({"event": "rolled_out", "rollout": _rollout_data(rollout)}),
        )
    console = terminal(no_color=no_color)
    return DemoOutput(
        heading=lambda text: _heading(console, text),
        line=lambda text: _line(console, text),
        step=lambda step: _line(console, step_text(step)),
        screen=screen,
        released=lambda released: _ended(console, release_text(released)),
        rolled_out=lambda rollout: _ended(console, rollout_text(rollout)),
    )


def finish_demo(result: DemoResult, report: Path, *, as_json: bool) -> int:
    """Writes the report and its path."""
    write_report(report, page(result.report))
    where = report.resolve()
    if as_json:
        write_json({"event": "demo_finished", "report": str(where), "facts": dict(result.report.facts)})
        return 0
    facts = ", ".join(f"{label.lower()}: {value}" for label, value in result.report.facts)
    sys.stdout.write(f"\n{facts}\nreport: {where}\n")
    return 0


def step_text(step: FlagStep) -> str:
    """One state of the flag: a bar, the count and the share."""
    share = step.seen / step.asked
    bar = "█" * round(_BAR_CELLS * share)
    return f"  {step.label:<15} {bar:<{_BAR_CELLS}} {step.seen:>5,} of {step.asked:,} users see it ({percent(share)})"


def _released_data(released: Released) -> dict[str, object]:
    return {
        "version": released.release.number,
        "outcome": released.phase,
        "served": released.served,
        "failed": released.failed,
        "seen_min": released.seen_min,
        "rollback_s": released.rollback_s,
        "alias": released.alias,
        "sentence": released.view.evidence,
    }


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold", markup=False)


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _ended(console: Console, lines: list[str]) -> None:
    for line in lines:
        _line(console, f"  {line}")


def _rollout_data(rollout: RolledOut) -> dict[str, object]:
    return {
        "flag": FEATURE,
        "outcome": rollout.phase,
        "exposed": rollout.exposed,
        "failed": rollout.failed,
        "minutes": rollout.minutes,
        "percent": rollout.percent,
        "sentence": rollout.view.evidence,
    }
