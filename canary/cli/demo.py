"""`canary demo`: shows what `canary.demo` does, as headings and lines for people or as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from canary.cli.options import AsJson, NoColor
from canary.cli.output import write_report
from canary.cli.screens import Screen, open_screen, terminal, write_json
from canary.cli.session import percentage
from canary.demo import DemoOutput, DemoResult
from canary.demo.report import release_text
from canary.demo.scenario import FlagStep, Released
from canary.view.build import ViewBuilder
from canary.view.html import page
from canary.view.labels import percent
from flagkit.cli.arguments import Option

if TYPE_CHECKING:
    from rich.console import Console

_BAR_CELLS = 30


def demo(
    error_rate: Annotated[
        str, Option(metavar="PERCENT", help="Share of version 3's requests that fail: 12%, or 0.12.")
    ] = "12%",
    seed: Annotated[int, Option(metavar="N", help="Another seed, another random world.")] = 1,
    as_json: AsJson = False,
    report: Annotated[Path, Option("--report", help="Where the HTML report goes.", metavar="FILE")] = Path(
        "demo-report.html"
    ),
    no_color: NoColor = False,
) -> int:
    """Show a good, a bad and a slow release on a local stand-in."""
    from canary.demo import Options, run_demo

    told = run_demo(
        Options(error_rate=_demo_ratio(error_rate), seed=seed),
        audience(
            lambda builder: open_screen(builder, as_json=as_json, no_color=no_color), as_json=as_json, no_color=no_color
        ),
    )
    return finish_demo(told, report, as_json=as_json)


def audience(screen: Callable[[ViewBuilder], Screen], *, as_json: bool, no_color: bool) -> DemoOutput:
    """Who listens to the demo: a person or a program."""
    if as_json:
        return DemoOutput(
            heading=lambda text: None,  # noqa: ARG005
            say=lambda text: None,  # noqa: ARG005
            step=lambda step: write_json({"event": "flag_step", "step": step}),
            screen=screen,
            released=lambda released: write_json({"event": "released", "released": _released_data(released)}),
        )
    console = terminal(no_color=no_color)
    return DemoOutput(
        heading=lambda text: _heading(console, text),
        say=lambda text: _line(console, text),
        step=lambda step: _line(console, step_text(step)),
        screen=screen,
        released=lambda released: _ended(console, released),
    )


def finish_demo(told: DemoResult, report: Path, *, as_json: bool) -> int:
    """Writes the report and says where it is."""
    write_report(report, page(told.report))
    where = report.resolve()
    if as_json:
        write_json({"event": "demo_finished", "report": str(where), "facts": dict(told.report.facts)})
        return 0
    facts = ", ".join(f"{label.lower()}: {value}" for label, value in told.report.facts)
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


def _ended(console: Console, released: Released) -> None:
    for line in release_text(released):
        _line(console, f"  {line}")


def _demo_ratio(word: str) -> float:
    """`12%`, `12`; a bare number below 1 such as 0.12 is a ratio: both ways of writing are common."""
    value = percentage(word)
    is_ratio = "%" not in word and 0 < value < 1
    return float(value) if is_ratio else float(value) / 100
