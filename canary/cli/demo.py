"""`canary demo`: its options. `canary.demo` plays it, and demo_output.py shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from canary.cli.options import AsJson, NoColor
from canary.cli.session import percentage
from flagkit.cli.arguments import Option


def demo(
    error_rate: Annotated[str, Option(metavar="PERCENT", help="Failed requests of version 3.")] = "12%",
    seed: Annotated[int, Option(metavar="N", help="Random seed; equal seeds give equal results.")] = 5,
    as_json: AsJson = False,
    report: Annotated[Path, Option("--report", help="Write the HTML report to this file.", metavar="FILE")] = Path(
        "demo-report.html"
    ),
    no_color: NoColor = False,
) -> int:
    """Show a good, a bad and a slow release on a local stand-in."""
    from canary.cli.demo_output import finish_demo, output
    from canary.cli.screens import open_screen
    from canary.demo import Options, run_demo

    result = run_demo(
        Options(error_rate=float(percentage(error_rate)) / 100, seed=seed),
        output(
            lambda builder: open_screen(builder, as_json=as_json, no_color=no_color), as_json=as_json, no_color=no_color
        ),
    )
    return finish_demo(result, report, as_json=as_json)
