"""What commands write: checks, reports, GitHub annotations, exit codes; it must not judge."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import click

from canary.cli.json_lines import write_json
from canary.cli.screens import Screen
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.core.words import shown
from canary.errors import UsageError
from canary.runner import Check, Level
from canary.view.html import canary_report, page
from canary.view.plain import markdown
from flagkit.channels.text import printable


def in_actions() -> bool:
    """True inside a GitHub Actions job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(level: Literal["error", "warning", "notice"], title: str, message: str) -> None:
    """Writes a workflow command to stderr: GitHub reads it there too, and stdout is for `--json`."""
    if not in_actions():
        return
    sys.stderr.write(f"::{level} title={_property(title)}::{_data(message)}\n")


def summarise(markdown: str) -> None:
    """Appends to the job's step summary; a summary that can't be written never fails a canary."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not in_actions() or not target:
        return
    try:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(markdown + "\n")
    except OSError as error:
        sys.stderr.write(f"warning: the step summary was not written: {error}\n")


def _data(text: str) -> str:
    # Escapes of GitHub's toolkit (actions/toolkit, packages/core/src/command.ts).
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


NO_DATA: Final = 7
"""Exit code of `verify` and `doctor` when nothing failed, but something had no data."""

_SIGNS = {Level.OK: "ok     ", Level.WARNING: "warning", Level.NO_DATA: "no data", Level.FAILED: "FAILED "}


def show_checks(checks: Sequence[Check], *, as_json: bool, failed_code: int) -> int:
    """Shows every check; answers `failed_code` if one failed, 7 if one had no data, otherwise 0."""
    failed = sum(check.level is Level.FAILED for check in checks)
    empty = sum(check.level is Level.NO_DATA for check in checks)
    for check in checks:
        if as_json:
            write_json(check)
            continue
        about = f" ({shown(check.function)})" if check.function else ""
        click.echo(f"{_SIGNS[check.level]}  {label_of(check.name)}{about}: {printable(check.text, 2_000)}")
        if check.hint and check.level is not Level.OK:
            click.echo(f"         {check.hint}")
    if not as_json:
        warnings = sum(check.level is Level.WARNING for check in checks)
        more = f", {empty} without data" if empty else ""
        noun = "warning" if warnings == 1 else "warnings"
        click.echo(f"{len(checks)} checks: {failed} failed{more}, {warnings} {noun}")
    return failed_code if failed else NO_DATA if empty else 0


_LABELS: Final = {
    "may_look": "read permissions",
    "credentials_last": "credentials",
    "alias_free": "no other canary",
    "weights_whole": "weights",
    "enough_traffic": "traffic",
    "alarm_green": "alarm state",
    "alarm_exists": "alarm",
    "dead_man": "dead-man switch",
    "flag_readable": "flag",
    "flag_archived": "archive",
    "flag_approvals": "approvals",
    "flag_schedule": "schedule",
    "flag_deployed": "saved and deployed",
    "flag_deployment": "deployment",
    "flag_strategy": "strategy",
    "enough_users": "users",
    "users_healthy": "users without it",
}


def label_of(name: str) -> str:
    """What people read for a check's stable name: `baseline_healthy` is "baseline healthy"."""
    return _LABELS.get(name, name.replace("_", " "))


EXIT_CODES: Final = {
    Phase.PROMOTED: 0,
    Phase.POST_BAKE: 0,
    Phase.ROLLED_BACK: 3,
    Phase.ABORTED: 3,
    Phase.INCONCLUSIVE: 4,
    Phase.CONFLICT: 6,
}
"""Exit code of a driven canary by its last phase; a phase that is no end is 4, on hold (canary-commands.md)."""


def exit_code(state: CanaryState) -> int:
    """The exit code for the state in which a canary ended; a promotion that could not be watched is "no data"."""
    return EXIT_CODES.get(state.phase, 4) if state.is_watched else NO_DATA


def finish(screen: Screen, state: CanaryState, report: Path | None) -> int:
    """Writes report, summary and annotation, and answers the exit code."""
    code = exit_code(state)
    builder = screen.builder
    if not builder.begun:
        return code
    screen.finish()
    view = builder.view()
    summarise(markdown(view))
    title = f"canary on {view.stage}: {view.phase}"
    annotate({0: "notice", 4: "warning"}.get(code, "error"), title, view.evidence or view.headline)  # type: ignore[arg-type] # literals
    if report is not None:
        write_report(report, page(canary_report(view)))
        screen.write_line(f"report: {report}")
    return code


def write_report(path: Path, text: str) -> None:
    """Writes a page.

    Raises:
        UsageError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"report {path} can't be written: {error.strerror}", hint="Give another file: --report FILE."
        ) from error
