"""What analyze reads and shows: outcomes from a stage's source, as lines, JSON and a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from canary.adapters.aws import Session as AwsSession
from canary.adapters.aws import open_session as open_aws
from canary.adapters.clock import SystemClock
from canary.adapters.flag_target import FlagAliases
from canary.adapters.outcomes import Asked, counted_under, source_of
from canary.assembly import flag_within, open_journal
from canary.cli.json_lines import write_json
from canary.cli.output import write_report
from canary.cli.session import Session, percentage
from canary.core.plan import MeanGate, OutcomesGate
from canary.core.reading import Reading, read_rows
from canary.core.verdict.arms import steps_of
from canary.errors import PlanError, UsageError
from canary.runner.weights import Weights, weights_of
from canary.view.analyzed import reading_data, reading_lines, reading_report
from canary.view.html import page
from flagkit.core.outcomes import Row

_SUM_TOLERANCE = 0.001


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an experiment.

    Attributes:
        experiment: the name that users are counted under; the stage's rollout if None.
        canary_id: the rollout; the one under way or the newest if None.
        control: the arm to compare with; `off`, or the one with the most users, if None.
        shares: that the arms had all the time.
        effect_ratio: that users needed are computed for.
        since: the first minute, in minutes since 1970.
    """

    experiment: str | None
    canary_id: str | None
    control: str | None
    shares: dict[str, float]
    effect_ratio: float
    since: int


def read_experiment(session: Session, asked: Question) -> tuple[str, Reading]:
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
    if not asked.effect_ratio > 0.0:
        raise UsageError("the effect must be above 0 %", hint="Give a percentage such as 5%.")
    clock = session.context.clock or SystemClock()
    aws = open_aws(session.region or stage.region, session.profile)
    gates = [gate for gate in stage.gates.values() if isinstance(gate, OutcomesGate | MeanGate)]
    metrics = tuple(dict.fromkeys(gate.metric for gate in gates))
    rollout = _rollout(session, asked, aws)
    experiment = asked.experiment or counted_under(stage.functions[0], rollout.canary_id if rollout else "")
    source = source_of(stage.outcomes, aws, clock, session.context.base)
    present = clock.now().replace(second=0, microsecond=0)
    end = int(present.timestamp() // 60)
    rows = [row for row in source(Asked(experiment, stage.variant, metrics, asked.since)) if asked.since <= row.minute]
    rows = [row for row in rows if row.minute < end]
    steps = steps_of(_arms(rows, stage.variant), rollout.changes, stage.window, present) if rollout else ()
    control = asked.control or _control(rows, stage.variant)
    return experiment, read_rows(rows, control, asked.shares, asked.effect_ratio, steps)


def _rollout(session: Session, asked: Question, aws: AwsSession) -> Weights | None:
    """The rollout of a flag that is asked for; None for an experiment with a name, or of a function.

    Raises:
        UsageError: the stage has no rollouts.
        NotFoundError: the journal has no such rollout.
    """
    stage, base = session.stage, session.context.base
    if stage.flag is None or asked.experiment is not None:
        if asked.canary_id is not None:
            raise UsageError(
                "--canary names a rollout of the stage's flag, which this isn't", hint="Leave out --canary."
            )
        return None
    aliases = FlagAliases(flag_within(base, stage.flag), stage.variant, aws)
    journal = open_journal(session.plan, base=base, session=aws, stage=stage.name)
    return weights_of(stage, aliases, journal, asked.canary_id)


def _arms(rows: Sequence[Row], variant: str) -> dict[datetime, tuple[int, int]]:
    """Users with and without the variant by minute."""
    found: dict[datetime, tuple[int, int]] = {}
    for row in rows:
        at = datetime.fromtimestamp(row.minute * 60, UTC)
        on, off = found.get(at, (0, 0))
        found[at] = (on + row.users, off) if row.arm == variant else (on, off + row.users)
    return found


def _control(rows: Sequence[Row], variant: str) -> str:
    """The arm `off` where there is one, else that with the most users without the variant."""
    users: Counter[str] = Counter()
    for row in rows:
        users[row.arm] += row.users if row.arm != variant else 0
    return "off" if "off" in users or not users.total() else users.most_common(1)[0][0]


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
