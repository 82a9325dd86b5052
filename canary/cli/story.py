"""How the demo speaks: headings and lines for people, or JSON lines; the demo itself is `canary.demo`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from canary.cli.outcome import write_report
from canary.cli.screens import Screen, terminal, write_json
from canary.demo import Audience, Told
from canary.demo.chapters import release_words
from canary.demo.flags_story import FlagStep
from canary.demo.releases import Released
from canary.view.build import Story
from canary.view.page import page
from canary.view.svg import percent

if TYPE_CHECKING:
    from rich.console import Console

_BAR_CELLS = 30


def audience(screen: Callable[[Story], Screen], *, as_json: bool, no_color: bool) -> Audience:
    """Who listens to the demo: a person or a program. Since 0.1."""
    if as_json:
        return Audience(
            heading=lambda text: None,  # noqa: ARG005
            say=lambda text: None,  # noqa: ARG005
            step=lambda step: write_json({"event": "flag_step", "step": step}),
            screen=screen,
            released=lambda released: write_json({"event": "released", "released": _released_data(released)}),
        )
    console = terminal(no_color=no_color)
    return Audience(
        heading=lambda text: _heading(console, text),
        say=lambda text: _line(console, text),
        step=lambda step: _line(console, step_words(step)),
        screen=screen,
        released=lambda released: _ended(console, released),
    )


def finish_demo(told: Told, report: Path, *, as_json: bool) -> int:
    """Writes the report and says where it is. Since 0.1."""
    write_report(report, page(told.report))
    where = report.resolve()
    if as_json:
        write_json({"event": "demo_finished", "report": str(where), "facts": dict(told.report.facts)})
        return 0
    facts = ", ".join(f"{label.lower()}: {value}" for label, value in told.report.facts)
    sys.stdout.write(f"\n{facts}\nreport: {where}\n")
    return 0


def step_words(step: FlagStep) -> str:
    """One state of the flag: a bar, the count and the share. Since 0.1."""
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
        "way_back_s": released.way_back_s,
        "alias": released.alias,
        "sentence": released.view.evidence,
    }


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold", markup=False)


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _ended(console: Console, released: Released) -> None:
    for line in release_words(released):
        _line(console, f"  {line}")
