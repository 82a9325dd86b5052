"""Checks of preflight, doctor and verify as lines or JSON; it must not check anything."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from canary.cli.screens import write_json
from canary.runner import Check, Level

_SIGNS = {Level.OK: "ok  ", Level.WARNING: "warn", Level.FAILED: "FAIL"}


def show_checks(checks: Sequence[Check], *, as_json: bool, failed_code: int) -> int:
    """Shows every check; answers `failed_code` if one failed, otherwise 0. Since 0.1."""
    failed = sum(check.level is Level.FAILED for check in checks)
    for check in checks:
        if as_json:
            write_json(check)
            continue
        about = f" ({check.function})" if check.function else ""
        typer.echo(f"{_SIGNS[check.level]}  {check.name}{about}: {check.text}")
        if check.hint and check.level is not Level.OK:
            typer.echo(f"      {check.hint}")
    if not as_json:
        typer.echo(f"{len(checks)} checks, {failed} failed")
    return failed_code if failed else 0
