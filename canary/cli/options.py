"""Options that several commands share, as annotations; nothing here does anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from flagkit.cli.arguments import Argument, Option

Stage = Annotated[str, Argument(help="Stage of the plan.", metavar="STAGE")]
PlanPath = Annotated[Path, Option("--plan", help="Plan file, instead of $CANARY_PLAN.", metavar="FILE")]
AsJson = Annotated[bool, Option("--json", help="Output JSON lines.")]
Region = Annotated[str | None, Option("--region", help="AWS region, instead of the plan's.", metavar="REGION")]
Profile = Annotated[str | None, Option("--profile", help="Profile of the AWS configuration.", metavar="NAME")]
Branch = Annotated[
    str | None, Option("--branch", help="Branch that the code comes from, where HEAD is detached.", metavar="NAME")
]
NoColor = Annotated[bool, Option("--no-color", help="Disable colors (or set NO_COLOR).")]
Yes = Annotated[bool, Option("--yes", "-y", help="Skip confirmation prompts.")]
Engine = Annotated[
    str | None,
    Option("--engine", help="What drives the canary: local, stepfunctions or lambda; the plan's by default."),
]
ReportPath = Annotated[Path | None, Option("--report", help="Write an HTML report to this file.", metavar="FILE")]

DEFAULT_PLAN = Path("canary.toml")
