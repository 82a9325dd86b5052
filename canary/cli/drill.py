"""`canary drill`: releases a known-bad version on the stand-in and shows how long each rollback takes."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import click

from canary.cli.options import AsJson
from canary.cli.session import percentage
from canary.errors import UsageError
from flagkit.cli.arguments import Argument, Option


def drill(
    names: Annotated[
        list[str] | None, Argument(metavar="DRILL", help="command, engine, broken, alarm or lost; all if left out.")
    ] = None,
    flag: Annotated[bool, Option("--flag", help="Roll out a flag that breaks some of its users.")] = False,
    errors: Annotated[
        str, Option("--errors", metavar="PERCENT", help="Requests of the bad version, or users of the flag, that fail.")
    ] = "30%",
    seed: Annotated[int, Option("--seed", metavar="N", help="Random seed; equal seeds give equal results.")] = 1,
    as_json: AsJson = False,
) -> int:
    """Release a known-bad version on a local stand-in and measure the rollback.

    Each drill loses more: nothing, the command, the code of the tick function, every driver. Exits with 1 if an alias
    isn't on its baseline, or the flag isn't lowered, after an hour.
    """
    from canary.cli.json_lines import write_json

    try:
        from canary.infra.drill import DRILLS, run
    except ModuleNotFoundError as error:
        hint = "Install it: pip install 'flagkit-canary[sandbox]'"
        raise UsageError(f"the stand-in needs {error.name}", hint=hint) from error

    if unknown := [name for name in names or () if name not in DRILLS]:
        raise UsageError(f"{unknown[0]!r} is not a drill", hint=f"Use some of: {', '.join(DRILLS)}.")
    failing = float(percentage(errors))
    results = []
    for name in names or DRILLS:
        with tempfile.TemporaryDirectory() as folder:
            done = run(name, Path(folder), failing_percent=failing, seed=seed, flag=flag)
        results.append(done)
        if as_json:
            write_json(asdict(done))
            continue
        took = "not within an hour" if done.rollback_s is None else f"{done.rollback_s:.0f} s"
        what = "users with a failed request: lowered by" if flag else "failed requests: rolled back by"
        click.echo(f"{name:8} {took:>8}, {done.failed_requests} {what} {done.rolled_back_by}")
    return 1 if any(done.rollback_s is None for done in results) else 0
