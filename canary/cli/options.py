"""Options that several commands share, as typer annotations; nothing here does anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Stage = Annotated[str, typer.Argument(help="A stage of the plan.", metavar="STAGE", show_default=False)]
PlanPath = Annotated[Path, typer.Option("--plan", help="The plan.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for programs.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (also: the environment variable NO_COLOR).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for the confirmation that the stage wants.")]
ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Write a self-contained HTML report here.", metavar="FILE")
]

DEFAULT_PLAN = Path("canary.toml")
