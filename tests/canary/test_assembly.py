"""Which adapters a plan gets; every fault of the plan or the surroundings is one error with a hint."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest

from canary.adapters.clock import SystemClock
from canary.adapters.journals import DynamoJournal, FileJournal
from canary.adapters.notify import Notifier
from canary.assembly import assemble, load_plan, open_journal
from canary.cli.signals import StoppableClock
from canary.core.plan import FunctionRef, Plan
from canary.errors import PlanError, UnknownStageError
from canary.testing import AwsStandIn

PLAN = '[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 25, 50]\n'


def test_a_plan_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "canary.toml"
    path.write_text(PLAN)
    assert list(load_plan(path).stages) == ["staging"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"stages = 3"])
def test_a_plan_that_cannot_be_read_is_a_plan_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "canary.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError):
        load_plan(path)


def test_the_journal_is_what_the_plan_names(canary_aws: AwsStandIn, tmp_path: Path) -> None:
    assert isinstance(open_journal(Plan.parse(PLAN), base=tmp_path), FileJournal)
    table = Plan.parse(f'journal = "dynamodb://canary"\n{PLAN}')
    assert isinstance(open_journal(table, session=canary_aws.session()), DynamoJournal)
    assert isinstance(open_journal(table, stage="staging", session=canary_aws.session()), DynamoJournal)


@pytest.mark.parametrize("journal", ["s3://bucket", "file:", "dynamodb://", ""])
def test_another_journal_is_refused(journal: str) -> None:
    plan = Plan.parse(PLAN).model_copy(update={"journal": journal})
    with pytest.raises(PlanError, match="neither"):
        open_journal(plan)


def test_the_ports_of_a_stage_run_on_the_clock_they_are_given(canary_aws: AwsStandIn, tmp_path: Path) -> None:
    ports = assemble(Plan.parse(PLAN), "staging", base=tmp_path, clock=canary_aws.clock)
    assert ports.clock is canary_aws.clock
    assert not ports.in_parallel
    assert [type(observer).__name__ for observer in ports.observers] == ["DeadManSwitch"]
    real = assemble(Plan.parse(PLAN), "staging", base=tmp_path, session=canary_aws.session())
    assert isinstance(real.clock, SystemClock)
    assert real.in_parallel


def test_the_clock_of_the_command_line_is_corrected_by_aws(
    canary_aws: AwsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StoppableClock(threading.Event())
    ports = assemble(Plan.parse(PLAN), "staging", base=tmp_path, session=canary_aws.session(), clock=clock)
    assert ports.in_parallel
    dates: list[datetime] = []
    monkeypatch.setattr(StoppableClock, "aws_says", lambda self, at: dates.append(at))
    ports = assemble(Plan.parse(PLAN), "staging", base=tmp_path, session=canary_aws.session(), clock=clock)
    canary_aws.lambda_.deploy("api", "def handler(event, context): return 1", alias="live")
    ports.aliases.read(FunctionRef("api", "live"))
    assert dates


def test_an_unknown_stage_names_the_known_ones() -> None:
    with pytest.raises(UnknownStageError, match="staging"):
        assemble(Plan.parse(PLAN), "prod")


def test_the_plans_notifications_listen_after_everybody_else(canary_aws: AwsStandIn, tmp_path: Path) -> None:
    class Screen:
        def notify(self, event: object) -> None: ...

    screen = Screen()
    events = (
        f'{PLAN}notifications = [{{ kind = "sns", topic_arn = "arn:aws:sns:us-east-1:1:t" }}, '
        '{ kind = "eventbridge" }]\n'
    )
    ports = assemble(Plan.parse(events), "staging", base=tmp_path, clock=canary_aws.clock, observers=(screen,))
    assert ports.observers[0] is screen
    assert isinstance(ports.observers[-1], Notifier)
