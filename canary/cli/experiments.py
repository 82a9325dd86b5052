"""What analyze reads and shows: outcomes from a stage's source, as lines, JSON and a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from canary.adapters.aws import open_session as open_aws
from canary.adapters.clock import SystemClock
from canary.adapters.outcomes import Asked, source_of
from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.session import Session, percentage
from canary.core.plan import MeanGate, OutcomesGate
from canary.core.reading import Reading, read_rows
from canary.errors import PlanError, UsageError
from canary.view.analyzed import reading_data, reading_lines, reading_report
from canary.view.html import page

_SUM_TOLERANCE = 0.001


def read_experiment(
    session: Session, name: str | None, control: str, shares: dict[str, float], effect_ratio: float, since: int
) -> tuple[str, Reading]:
    """The experiment of a stage; windows that are still open are left out.

    Raises:
        PlanError: the stage names no outcomes.
        CanaryError: they can't be read.
    """
    stage = session.stage
    if stage.outcomes is None:
        raise PlanError(
            f"stage {stage.name} names no outcomes", hint='Add outcomes = "dynamodb://TABLE" or "csv:FILE" to it.'
        )
    if not effect_ratio > 0.0:
        raise UsageError("the effect must be above 0 %", hint="Give a percentage such as 5%.")
    clock = session.context.clock or SystemClock()
    aws = open_aws(session.region or stage.region, session.profile)
    gates = [gate for gate in stage.gates.values() if isinstance(gate, OutcomesGate | MeanGate)]
    metrics = tuple(dict.fromkeys(gate.metric for gate in gates))
    experiment = name or stage.functions[0].flag or stage.functions[0].name
    rows = source_of(stage.outcomes, aws, clock, session.context.base)(Asked(experiment, "on", metrics, since))
    present = int(clock.now().timestamp() // 60)
    return experiment, read_rows([row for row in rows if since <= row.minute < present], control, shares, effect_ratio)


def show_reading(name: str, found: Reading, effect_ratio: float, *, as_json: bool, report: Path | None) -> None:
    """Shows what an experiment says."""
    effect_percent = 100.0 * effect_ratio
    if as_json:
        write_json(reading_data(name, found))
    else:
        for line in reading_lines(name, found, effect_percent):
            click.echo(line)
    if report is not None:
        write_report(report, page(reading_report(name, found, effect_percent)))
        click.echo(f"report: {report}", err=as_json)


def shares_of(text: str | None) -> dict[str, float]:
    """`on=50,off=50` as ratios.

    Raises:
        UsageError: not such a list, or the shares don't add up to 100 %.
    """
    if text is None:
        return {}
    shares: dict[str, float] = {}
    for part in text.split(","):
        arm, equals, share = part.strip().partition("=")
        if not arm or not equals or arm in shares:
            raise UsageError(f"'{text}' is not a valid list of shares", hint="Write it as on=50,off=50.")
        shares[arm] = float(percentage(share)) / 100.0
    if abs(sum(shares.values()) - 1.0) > _SUM_TOLERANCE or min(shares.values()) <= 0.0:
        raise UsageError("the shares must be above 0 % and add up to 100 %", hint="Write them as on=50,off=50.")
    return shares


def moment(text: str | None) -> int:
    """A time in UTC, in minutes since 1970; 0 for none.

    Raises:
        UsageError: not a time.
    """
    if text is None:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a valid time", hint="Use 2027-01-31 or 2027-01-31T09:00.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() // 60)
