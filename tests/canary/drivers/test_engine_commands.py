"""`--engine`: commands hand a canary over and follow it; what isn't deployed is refused before anything moves."""

from __future__ import annotations

import json
from collections.abc import Callable

import boto3
import pytest

from canary.cli import run
from canary.cli.session import CliContext
from canary.cli.signals import StopRequest
from canary.core import resources
from tests.canary.drivers.fleet import BAD, GOOD, TEXT, WHERE, Fleet

pytestmark = pytest.mark.slow
Command = Callable[..., tuple[int, str]]
IDLE = [("1", None, TEXT)] * 2


@pytest.fixture
def command(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*words: str) -> tuple[int, str]:
        code = run([*words, "--plan", str(fleet.plan)], CliContext(clock=fleet.aws.clock, base=fleet.folder))
        caught = capsys.readouterr()
        return code, caught.out + caught.err

    return command


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("engine", "code", "exit_code", "version"),
    [
        ("stepfunctions", BAD, 3, "1"),
        ("lambda", GOOD + "\n", 0, "2"),
        pytest.param("stepfunctions", GOOD + "\n", 0, "2", marks=pytest.mark.sweep),
        pytest.param("lambda", BAD, 3, "1", marks=pytest.mark.sweep),
    ],
)
def test_deploy_hands_over_follows_and_exits_as_the_release_ended(
    engine: str, code: str, exit_code: int, version: str, fleet: Fleet, command: Command
) -> None:
    fleet.publish(code)
    found, shown = command("deploy", "dev", "--engine", engine)
    assert found == exit_code, shown
    assert f"engine {engine} drives this canary" in shown
    assert fleet.aliases() == [(version, None, TEXT)] * 2
    fleet.aws.clock.advance(180)
    assert fleet.aws.scheduler.ListSchedules({"GroupName": "canary"}, None)["Schedules"] == []  # type: ignore[arg-type]
    assert not [e for e in fleet.aws.states.executions.values() if e.status == "RUNNING"]


@pytest.mark.parametrize("missing", ["state machine", "tick function", "plan", "journal", "rollback", "other engine"])
def test_an_engine_that_cannot_be_used_is_refused_before_anything_moves(
    missing: str, fleet: Fleet, command: Command
) -> None:
    engine, said = "stepfunctions", ""
    machine = resources.state_machine_arn("dev", **WHERE)
    if missing == "state machine":
        fleet.states.delete_state_machine(stateMachineArn=machine)
        said = "the state machine canary-dev is not deployed"
    elif missing == "tick function":
        boto3.client("lambda").delete_function(FunctionName=resources.tick_function("dev"))
        said = "the tick function canary-tick-dev is not deployed"
    elif missing == "plan":
        fleet.deployed = fleet.folder / "older.toml"
        fleet.deployed.write_text(fleet.plan.read_text().replace('bake = "3m"', 'bake = "4m"'))
        said = "the tick function has another plan"
    elif missing == "journal":
        fleet.plan.write_text(fleet.plan.read_text().replace("dynamodb://canary-journal", "file:.canary"))
        said = "Files don't outlive the tick function"
    elif missing == "rollback":
        text = fleet.states.describe_state_machine(stateMachineArn=machine)["definition"]
        text = text.replace('{"function": "worker", "alias": "live"}', '{"function": "old", "alias": "live"}')
        fleet.states.update_state_machine(stateMachineArn=machine, definition=text)
        said = "the rollback of the state machine lacks worker:live"
    else:
        fleet.release(GOOD + "\n")
        engine, said = "lambda", "is in progress"
    fleet.publish(BAD)
    code, shown = command("deploy", "dev", "--engine", engine)
    assert code in {5, 6}, shown
    assert said in shown.replace("\n", " ")
    if missing in {"state machine", "tick function"}:
        assert "canary infra dev --out FILE" in shown
    if missing != "other engine":
        assert fleet.aliases() == IDLE


@pytest.mark.sweep
def test_two_engines_on_one_stage_are_refused(fleet: Fleet, command: Command) -> None:
    fleet.release(GOOD + "\n")
    assert command("abort", "dev")[0] == 0
    fleet.publish(BAD)
    code, shown = command("deploy", "dev", "--engine", "lambda")
    assert code == 5
    assert "an execution of engine stepfunctions" in shown
    assert fleet.aliases() == IDLE


def test_a_release_whose_engine_does_not_start_is_aborted(fleet: Fleet, command: Command) -> None:
    fleet.publish(GOOD + "\n")
    fleet.aws.faults.add("denied", "stepfunctions.StartExecution")
    code, shown = command("deploy", "dev", "--engine", "stepfunctions")
    assert code == 1
    assert "was aborted" in shown
    assert fleet.aliases() == IDLE
    row = fleet.ports.journal.canaries("dev")[0]
    assert row["outcome"] == "aborted"


@pytest.mark.sweep
def test_a_lost_answer_to_the_start_starts_no_second_execution(fleet: Fleet, command: Command) -> None:
    fleet.publish(BAD)
    fleet.aws.faults.add("lost_answer", "stepfunctions.StartExecution", times=1)
    assert command("deploy", "dev", "--engine", "stepfunctions")[0] == 3
    assert len(fleet.aws.states.executions) == 1


def test_ctrl_c_stops_following_and_nothing_else(
    fleet: Fleet, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.publish(GOOD + "\n")
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "is_set", lambda self: True)
        code, shown = command("deploy", "dev", "--engine", "stepfunctions")
    assert code == 130
    assert "goes on in engine stepfunctions" in shown
    (execution,) = fleet.aws.states.executions.values()
    assert execution.status == "RUNNING"
    assert "--watch" in shown


@pytest.mark.sweep
def test_a_canary_whose_execution_was_stopped_is_noticed_and_resumed(fleet: Fleet, command: Command) -> None:
    fleet.publish(GOOD + "\n")
    fleet.aws.clock.call_after(
        150,
        lambda: fleet.states.stop_execution(executionArn=next(iter(fleet.aws.states.executions))),
    )
    code, shown = command("deploy", "dev", "--engine", "stepfunctions")
    assert code == 1
    assert "no longer drives canary" in shown
    assert command("resume", "dev", "--engine", "stepfunctions")[0] == 0
    names = [execution.name for execution in fleet.aws.states.executions.values()]
    assert names == [names[0], f"{names[0]}.1"]


def test_an_unknown_engine_is_refused(command: Command) -> None:
    code, shown = command("deploy", "dev", "--engine", "jenkins")
    assert code == 2
    assert "local, stepfunctions, lambda" in shown


def test_doctor_checks_the_engine_of_the_plan(fleet: Fleet, command: Command) -> None:
    fleet.plan.write_text(fleet.plan.read_text().replace("[stages.dev]", '[stages.dev]\nengine = "lambda"'))
    shown = json.loads("[" + ",".join(command("doctor", "dev", "--json")[1].strip().splitlines()) + "]")
    levels = {check["name"]: check["level"] for check in shown}
    assert levels["engine_deployed"] == levels["engine_plan"] == levels["one_engine"] == "ok"
