"""Options that several commands share, as annotations; nothing here does anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from flagkit.cli.arguments import Argument, Option

Stage = Annotated[str, Argument(help="A stage of the plan.", metavar="STAGE")]
PlanPath = Annotated[Path, Option("--plan", help="The plan.", metavar="FILE")]
AsJson = Annotated[bool, Option("--json", help="JSON lines on stdout, for programs.")]
NoColor = Annotated[bool, Option("--no-color", help="No colours (also: the environment variable NO_COLOR).")]
Yes = Annotated[bool, Option("--yes", "-y", help="Don't ask for the confirmation that the stage wants.")]
ReportPath = Annotated[Path | None, Option("--report", help="Write a self-contained HTML report here.", metavar="FILE")]

DEFAULT_PLAN = Path("canary.toml")
