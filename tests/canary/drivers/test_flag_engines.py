"""A flag driven from AWS: the shipped template on the stand-in, the tick function in it, and who lowers the flag."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from canary.assembly import assemble, load_plan
from canary.cli import run as main
from canary.cli.session import CliContext
from canary.core import resources
from canary.core.phases import Phase
from canary.core.plan import EngineName, StagePlan
from canary.drivers import act
from canary.errors import PlanError
from canary.infra.drill import STAGE, run
from canary.infra.flag_drill import KEY, SOURCE, FlagRunning
from canary.runner import Level, Ports, preflight
from canary.testing import AwsStandIn
from flagkit.admin import edits
from flagkit.admin.stores import Note, open_store

pytestmark = pytest.mark.slow
WHERE = {"account": "123456789012", "region": "us-east-1"}


class Deployed(FlagRunning):
    """The stage of the drills with everything that is deployed; users come if asked for."""

    deployed: Path | None = None
    """The plan that the tick function has, if it is another."""

    def __init__(self, aws: AwsStandIn, folder: Path, failing_ratio: float = 0.0) -> None:
        super().__init__(aws, folder / "canary.toml", "alarm", failing_ratio, 1)
        self._build()
        self.aws, self.folder = aws, folder

    def ports(self, engine: EngineName = "local") -> Ports:
        return assemble(
            load_plan(self._plan), STAGE, base=self.folder, session=self._session, clock=self.aws.clock, engine=engine
        )

    @property
    def stage(self) -> StagePlan:
        return load_plan(self._plan).stage(STAGE)

    @property
    def percent(self) -> Decimal:
        return Decimal(self._aliases.read(self._target).extra_bp) / 100

    def act(self, action: str, **more: object) -> dict[str, Any]:
        event = {"stage": STAGE, "action": action, **more}
        return act(event, plan_path=self._plan, session=self._session, clock=self.aws.clock)

    def begin(self) -> str:
        """A command that is killed after the first step."""
        canary_id = str(self.act("start")["canary_id"])
        self.act("tick")
        assert self.percent == 10
        return canary_id

    def _tick(self, event: dict[str, Any], context: object) -> dict[str, object]:
        if self.deployed is None:
            return super()._tick(event, context)
        return act(event, plan_path=self.deployed, session=self._session, clock=self.aws.clock)

    def break_tick_function(self) -> None:
        self.deployed, self._is_broken = None, True

    def edit(self, percent: int) -> None:
        store = open_store(SOURCE, session=self._session, clock=self.aws.clock)
        base = store.read()
        saved = store.save(base, edits.rollout(base.document, KEY, percent), Note())
        assert store.deployments is not None
        store.deployments.deploy(saved.version.number, pace="immediate", when_busy="replace")
        self.aws.clock.advance(60)

    def outcome(self) -> str:
        return str(self.ports().journal.canaries(STAGE)[0]["outcome"])

    def schedules(self) -> list[str]:
        return [row["Name"] for row in boto3.client("scheduler").list_schedules()["Schedules"]]


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with AwsStandIn() as aws:
        made = Deployed(aws, tmp_path)
        made._users.stop()
        yield made


def test_when_every_driver_is_lost_the_dead_man_switch_lowers_the_flag_and_that_is_published(
    deployed: Deployed,
) -> None:
    canary_id = deployed.begin()
    assert deployed.schedules() == [resources.dead_man_schedule(STAGE, canary_id)]
    deployed.aws.clock.advance(14 * 60)
    assert deployed.percent == 10
    deployed.aws.clock.advance(2 * 60)
    assert deployed.percent == 0
    assert (deployed.outcome(), deployed.schedules()) == ("rolled_back", [])


def test_a_percentage_that_somebody_else_has_set_is_left_by_the_dead_man_switch(deployed: Deployed) -> None:
    deployed.begin()
    deployed.edit(40)
    deployed.aws.clock.advance(16 * 60)
    assert (deployed.percent, deployed.outcome()) == (40, "conflict")


def test_a_rollback_ends_the_rollout_that_is_named_and_no_other(deployed: Deployed) -> None:
    canary_id = deployed.begin()
    assert deployed.act("rollback", canary_id="another1")["done"]
    assert deployed.percent == 10
    with pytest.raises(PlanError, match="not appconfig://shop/prod/flags#other"):
        deployed.act("rollback", canary_id=canary_id, flag=f"{SOURCE}#other")
    answer = deployed.act("rollback", canary_id=canary_id, flag=f"{SOURCE}#{KEY}")
    assert (answer["phase"], answer["done"], deployed.percent) == (Phase.ROLLED_BACK.value, True, 0)
    assert deployed.act("rollback", canary_id=canary_id)["phase"] == "rolled_back", "twice is like once"


@pytest.mark.sweep
def test_the_rollback_machine_ends_with_an_alert_where_the_tick_function_stays_broken(deployed: Deployed) -> None:
    deployed.begin()
    deployed.break_tick_function()
    states = boto3.client("stepfunctions")
    machine = resources.rollback_machine_arn(STAGE, **WHERE)
    arn = states.start_execution(stateMachineArn=machine, name="by-hand", input="{}")["executionArn"]
    deployed.aws.clock.advance(3 * 3600)
    ended = states.describe_execution(executionArn=arn)
    assert ended["error"] == "CanaryNotRolledBack"
    assert ended["cause"].startswith(f"flag.{KEY}:on (ImportError) may still be on for some users")
    assert deployed.percent == 10


def test_doctor_says_whether_a_dead_man_switch_can_lower_the_flag(deployed: Deployed) -> None:
    def found() -> tuple[Level, str]:
        (check,) = (one for one in preflight(deployed.stage, deployed.ports()) if one.name == "dead_man")
        return check.level, check.text

    machine, tick = resources.rollback_machine(STAGE), resources.tick_function(STAGE)
    lowers = f"AWS starts {machine} if every driver ends, which lets {tick} set the percentage to 0 %"
    assert found() == (Level.OK, lowers)
    deployed.deployed = deployed.folder / "deployed.toml"
    deployed.deployed.write_text(deployed._plan.read_text().replace("bake =", "post_bake = '9m'\nbake ="))
    assert found() == (Level.WARNING, "the tick function has another plan")
    deployed.break_tick_function()
    level, said = found()
    assert (level, said.startswith(f"the tick function {tick} failed: ")) == (Level.WARNING, True)
    boto3.client("lambda").delete_function(FunctionName=tick)
    assert found() == (Level.WARNING, f"the tick function {tick} is not deployed")
    states = boto3.client("stepfunctions")
    states.delete_state_machine(stateMachineArn=resources.rollback_machine_arn(STAGE, **WHERE))
    assert found()[1].startswith(f"there is none ({machine} is not deployed)")


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["stepfunctions", "lambda"])
@pytest.mark.parametrize(("failing_ratio", "outcome", "version"), [(0.0, "promoted", "2"), (0.5, "rolled_back", "1")])
def test_an_engine_carries_a_rollout_to_its_end(
    engine: EngineName, failing_ratio: float, outcome: str, version: str, tmp_path: Path
) -> None:
    with AwsStandIn() as aws:
        deployed = Deployed(aws, tmp_path, failing_ratio)
        driver = deployed.ports(engine).engine
        assert driver is not None
        driver.hand_over(deployed.begin())
        aws.clock.advance(90 * 60)
        assert deployed.outcome() == outcome
        assert deployed._aliases.read(deployed._target).version == version
        assert deployed.schedules() == []


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("name", "longest_s"), [("command", 600), ("engine", 600), ("broken", 1500), ("alarm", 300), ("lost", 960)]
)
def test_a_drill_lowers_the_flag(name: str, longest_s: int, tmp_path: Path) -> None:
    done = run(name, tmp_path, flag=True)
    assert done.rollback_s is not None
    assert 0 < done.rollback_s <= longest_s
    assert done.failed_requests > 0


@pytest.mark.parametrize("has_plan", [True, pytest.param(False, marks=pytest.mark.sweep)])
def test_a_rollout_that_nobody_drives_is_found_in_its_document_and_lowered(
    has_plan: bool, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    def orphans(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["orphans", *words], CliContext(clock=deployed.aws.clock, base=deployed.folder))
        return code, capsys.readouterr().out

    assert orphans() == (0, "no canary in progress\n")
    canary_id = deployed.begin()
    if not has_plan:
        (deployed.folder / "canary.toml").unlink()
    code, out = orphans()
    assert (code, f"{canary_id}  in progress: baking" in out, f"{SOURCE}#{KEY}" in out) == (0, True, True)
    deployed.break_tick_function()
    deployed.aws.clock.advance(3 * 3600)
    assert (orphans()[0], deployed.percent) == (1, 10)
    assert orphans("--end", "--yes")[0] == 0
    assert (deployed.percent, orphans()) == (0, (0, "no canary in progress\n"))
    deployed.aws.faults.add("denied", "appconfig.ListApplications")
    assert orphans()[0] == 1, "what can't be searched isn't clean"
