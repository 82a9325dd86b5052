"""The Lambda driver and the state machine: the same runner, one tick an invocation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from canary.adapters.engines import ScheduledTicks
from canary.assembly import load_plan
from canary.core import resources
from canary.core.recover import deployed_fingerprint
from canary.drivers import act, handler, lambda_handler
from canary.errors import UnknownStageError, UsageError
from canary.testing import AwsStandIn

pytestmark = pytest.mark.slow

PLAN = '[stages.dev]\nfunctions = ["api:live"]\nsteps = [10, 50]\nbake = "5m"\njournal = ""\n'.replace(
    'journal = ""\n', ""
)
GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BAD = "def handler(event, context):\n    raise RuntimeError('broken')\n"


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as aws:
        aws.lambda_.deploy("api", GOOD, alias="live")
        aws.traffic.steady("api", "live", 120)
        aws.clock.advance(3 * 60)
        yield aws


@pytest.fixture
def drive(aws: AwsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    plan = tmp_path / "canary.toml"
    plan.write_text(PLAN)
    monkeypatch.setattr(lambda_handler.tempfile, "gettempdir", lambda: str(tmp_path))

    def drive(event: dict[str, Any]) -> dict[str, object]:
        return act(event, plan_path=plan, clock=aws.clock)

    drive.plan = plan  # type: ignore[attr-defined]
    return drive


def play(drive: Any, aws: AwsStandIn, event: dict[str, Any]) -> dict[str, Any]:
    """What the state machine does: start, then tick and wait until done."""
    answer = drive({**event, "action": "start"})
    for _ in range(100):
        if answer["done"]:
            return answer
        aws.clock.advance(answer["wait_s"])
        answer = drive({"stage": event["stage"]})
    raise AssertionError("never done")


@pytest.mark.sweep
@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize(("code", "phase", "version"), [(GOOD + "\n", "promoted", "2"), (BAD, "rolled_back", "1")])
def test_ticks_from_separate_invocations_carry_a_canary_to_its_end(
    code: str, phase: str, version: str, drive: Any, aws: AwsStandIn, *, is_warm: bool
) -> None:
    def invoke(event: dict[str, Any]) -> Any:
        if not is_warm:
            lambda_handler._memories.clear()
        return drive(event)

    lambda_handler._memories.clear()  # of other tests
    aws.lambda_.deploy("api", code)
    answer = play(invoke, aws, {"stage": "dev", "versions": {"": "2"}})
    assert not lambda_handler._memories, "nothing is kept of a canary that is over"
    assert (answer["phase"], answer["done"]) == (phase, True)
    alias = boto3.client("lambda").get_alias(FunctionName="api", Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == (version, None)


def test_a_tick_without_a_canary_is_idle_and_done(drive: Any) -> None:
    answer = drive({"stage": "dev"})
    assert (answer["phase"], answer["done"], answer["canary_id"]) == ("idle", True, None)
    assert drive({"stage": "dev", "action": "rollback"})["phase"] == "idle"


@pytest.mark.sweep
def test_a_rollback_without_a_canary_never_reverts_a_promotion(drive: Any, aws: AwsStandIn) -> None:
    """A state machine whose canary has ended rolls back when its ticks fail."""
    aws.lambda_.deploy("api", GOOD + "\n")
    play(drive, aws, {"stage": "dev", "versions": {"": "2"}})
    assert drive({"stage": "dev", "action": "rollback"})["phase"] == "idle"
    assert boto3.client("lambda").get_alias(FunctionName="api", Name="live")["FunctionVersion"] == "2"


def test_a_rollback_takes_everything_back(drive: Any, aws: AwsStandIn) -> None:
    aws.lambda_.deploy("api", GOOD + "\n")
    drive({"stage": "dev", "action": "start", "versions": {"": "2"}})
    drive({"stage": "dev"})
    assert drive({"stage": "dev", "action": "rollback"})["done"]
    alias = boto3.client("lambda").get_alias(FunctionName="api", Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == ("1", None)


def test_an_unknown_action_is_refused(drive: Any) -> None:
    with pytest.raises(UsageError, match="unknown action"):
        drive({"stage": "dev", "action": "explode"})
    with pytest.raises(UnknownStageError):
        drive({"stage": "production"})


def test_the_entry_point_reads_the_plan_that_the_environment_names(
    aws: AwsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.toml").write_text(PLAN)
    monkeypatch.setenv("CANARY_PLAN", str(tmp_path / "other.toml"))
    monkeypatch.setattr(lambda_handler.tempfile, "gettempdir", lambda: str(tmp_path))
    assert handler({"stage": "dev"}, None)["phase"] == "idle"


def test_notifications_are_waited_for_before_lambda_freezes_the_process(
    drive: Any, aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    class Sending:
        def notify(self, event: object) -> None:
            raise UsageError("nothing to see here")

        def flush(self, timeout_s: float) -> None:
            waited.append(timeout_s)

    made = lambda_handler.assemble
    monkeypatch.setattr(lambda_handler, "assemble", lambda *a, **k: replace(made(*a, **k), observers=(Sending(),)))
    drive({"stage": "dev"})
    act({"stage": "dev"}, plan_path=drive.plan, clock=aws.clock, left_s=lambda: 4.0)
    act({"stage": "dev"}, plan_path=drive.plan, clock=aws.clock, left_s=lambda: 0.5)
    assert [round(timeout_s) for timeout_s in waited] == [15, 3, 0]


def test_the_entry_point_knows_how_long_the_invocation_may_still_take(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 2500

    found: dict[str, Any] = {}
    monkeypatch.setattr(lambda_handler, "act", lambda event, **more: found.update(more) or {})
    handler({"stage": "dev"}, Context())
    assert found["left_s"]() == 2.5


def test_a_check_says_which_plan_the_function_has(drive: Any) -> None:
    stage = load_plan(drive.plan).stage("dev")
    answer = drive({"stage": "dev", "action": "check"})
    assert (answer["fingerprint"], answer["journal"]) == (deployed_fingerprint(stage), "file:.canary")


def test_the_last_tick_of_a_canary_leaves_the_schedule_of_the_next_one(drive: Any, aws: AwsStandIn) -> None:
    """Both had one name, and the next canary's could go between a look and the deletion."""
    scheduler = boto3.client("scheduler")
    scheduler.create_schedule_group(Name=resources.SCHEDULE_GROUP)
    engine = ScheduledTicks(load_plan(drive.plan).stage("dev"), "", aws.session())
    names = [resources.tick_schedule("dev", canary_id) for canary_id in ("k3f9a2c1", "m7h2b4d6")]
    for canary_id in ("k3f9a2c1", "m7h2b4d6", "m7h2b4d6"):
        engine.hand_over(canary_id)
    for _ in range(2):
        drive({"stage": "dev", "canary_id": "k3f9a2c1", "schedule": names[0]})
        assert [one["Name"] for one in scheduler.list_schedules()["Schedules"]] == names[1:]
    assert [engine.drives(canary_id) for canary_id in ("k3f9a2c1", "m7h2b4d6")] == [False, True]
