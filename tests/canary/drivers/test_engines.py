"""The engines end to end: the shipped state machine on the stand-in, the tick function as a Lambda function in it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import boto3
import pytest

from canary import runner
from canary.core import resources
from canary.core.phases import Phase
from tests.canary.drivers.fleet import BAD, GOOD, TEXT, WHERE, Fleet

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("code", "outcome", "version"),
    [(GOOD + "\n", ("SUCCEEDED", ""), "2"), (BAD, ("FAILED", "CanaryNotPromoted"), "1")],
)
def test_a_state_machine_carries_a_release_to_its_end(
    code: str, outcome: tuple[str, str], version: str, fleet: Fleet
) -> None:
    arn = fleet.release(code)
    fleet.aws.clock.advance(1200)
    assert fleet.outcome(arn) == outcome
    assert fleet.aliases() == [(version, None, TEXT)] * 2


@pytest.mark.sweep
def test_a_tick_that_fails_for_minutes_delays_the_release_and_no_more(fleet: Fleet) -> None:
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    fleet.is_broken = True
    fleet.aws.clock.advance(60)
    fleet.is_broken = False
    fleet.aws.clock.advance(1200)
    assert fleet.outcome(arn) == ("SUCCEEDED", "")


@pytest.mark.sweep
def test_minutes_without_lambda_delay_the_release_and_no_more(fleet: Fleet) -> None:
    """They rolled a healthy version back; a driver elsewhere waits for AWS, too."""
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    rule = fleet.aws.faults.add("server_error", "lambda.Invoke")
    fleet.aws.clock.advance(300)
    fleet.aws.faults.remove(rule)
    fleet.aws.clock.advance(1200)
    assert fleet.outcome(arn) == ("SUCCEEDED", "")


def test_step_functions_rolls_back_alone_when_the_tick_function_is_broken(fleet: Fleet) -> None:
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    assert fleet.aliases()[0][1] == {"AdditionalVersionWeights": {"2": 0.5}}
    fleet.is_broken = True
    fleet.aws.clock.advance(600)
    assert fleet.outcome(arn) == ("FAILED", "CanaryRolledBack")
    assert fleet.aliases() == [("1", None, TEXT)] * 2


@pytest.mark.sweep
def test_a_rollback_waits_for_a_lambda_api_that_is_down(fleet: Fleet) -> None:
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    fleet.is_broken = True
    fleet.aws.faults.add("server_error", "lambda.UpdateAlias", times=5)
    fleet.aws.clock.advance(900)
    assert fleet.outcome(arn) == ("FAILED", "CanaryRolledBack")
    assert fleet.aliases() == [("1", None, TEXT)] * 2


@pytest.mark.sweep
def test_the_rollback_machine_ends_a_canary_and_leaves_an_idle_stage_alone(fleet: Fleet) -> None:
    machine = resources.rollback_machine_arn("dev", **WHERE)
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    for name in ("first", "second"):
        found = fleet.states.start_execution(stateMachineArn=machine, name=name, input="{}")
        fleet.aws.clock.advance(120)
        assert fleet.outcome(found["executionArn"]) == ("SUCCEEDED", "")
        assert fleet.aliases() == [("1", None, TEXT)] * 2
    assert fleet.outcome(arn) == ("FAILED", "CanaryNotPromoted")
    row = fleet.ports.journal.canaries("dev")[0]
    assert row["outcome"] == "rolled_back"


def test_the_rollback_machine_leaves_an_alias_that_was_moved_to_a_third_version(fleet: Fleet) -> None:
    fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(90)
    fleet.is_broken = True
    fleet.aws.lambda_.deploy("api", GOOD + "# mended")
    client = boto3.client("lambda")
    client.update_alias(FunctionName="api", Name="live", FunctionVersion="3")  # the record and the weights stay
    machine = resources.rollback_machine_arn("dev", **WHERE)
    fleet.states.start_execution(stateMachineArn=machine, name="by-hand", input="{}")
    fleet.aws.clock.advance(60)
    assert fleet.aliases()[0][0] == "3"
    assert fleet.aliases()[1] == ("1", None, TEXT)


@pytest.mark.sweep
def test_an_execution_never_looks_after_the_canary_of_another(fleet: Fleet) -> None:
    first = fleet.release(GOOD + "\n")
    runner.abort(fleet.stage, fleet.ports)
    second = fleet.release(GOOD + "\n\n")
    fleet.aws.clock.advance(1200)
    assert fleet.outcome(first) == ("FAILED", "CanaryNotPromoted")
    assert fleet.outcome(second) == ("SUCCEEDED", "")
    assert fleet.aliases() == [("3", None, TEXT)] * 2


@pytest.mark.sweep
def test_what_a_person_asks_for_reaches_the_engine_through_the_aliases(fleet: Fleet) -> None:
    arn = fleet.release(GOOD + "\n")
    fleet.aws.clock.advance(200)
    runner.pause(fleet.stage, fleet.ports)
    fleet.aws.clock.advance(400)
    assert fleet.outcome(arn)[0] == "RUNNING"
    found = runner.current(fleet.stage, fleet.ports)
    assert found is not None
    assert found.phase is Phase.PAUSED
    runner.promote(fleet.stage, fleet.ports)
    fleet.aws.clock.advance(600)
    assert fleet.outcome(arn) == ("SUCCEEDED", "")


@pytest.mark.sweep
def test_another_interpreter_of_the_language_comes_to_the_same_ends(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moto's, which is LocalStack's; its threads move the virtual clock where they wait."""
    pytest.importorskip("antlr4")
    from jsonata import Jsonata
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
    from moto.stepfunctions.parser.asl.jsonata import jsonata

    aws = fleet.aws

    def sleep(seconds: float) -> None:
        with aws.wire.lock:
            aws.clock.advance(seconds)

    monkeypatch.setattr(jsonata, "_eval_jsonata", lambda text: Jsonata(text).evaluate(None))
    monkeypatch.setattr(WaitFunction, "_wait_interval", lambda self, env, wait_seconds: sleep(wait_seconds))
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})
    monkeypatch.delitem(aws.wire._services, "stepfunctions")
    fleet.deploy()
    ends = []
    for code, fleet.is_broken in ((GOOD + "\n", False), (BAD, False), (GOOD + "\n\n", True)):
        arn = fleet.release(code)
        until = time.monotonic() + 60
        while fleet.outcome(arn)[0] == "RUNNING" and time.monotonic() < until:
            threading.Event().wait(0.05)
        ends.append((*fleet.outcome(arn), fleet.aliases()[0][0]))
    assert ends == [
        ("SUCCEEDED", "", "2"),
        ("FAILED", "CanaryNotPromoted", "2"),
        ("FAILED", "CanaryRolledBack", "2"),
    ]
    assert fleet.aliases() == [("2", None, TEXT)] * 2
