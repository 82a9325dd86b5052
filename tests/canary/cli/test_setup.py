"""canary init writes a plan that can be used; the session is what the command line says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canary.adapters.aws import Session, open_session
from canary.core.plan import Plan
from flagkit.testing import Fault
from tests.canary.cli.conftest import Desk


def test_init_writes_a_plan_for_the_functions_that_exist(desk: Desk) -> None:
    (desk.base / "canary.toml").unlink()
    done = desk("init")
    assert (done.code, done.out) == (
        0,
        "canary.toml written: stage staging with api:live\nNext: canary doctor staging\n",
    )
    plan = Plan.parse((desk.base / "canary.toml").read_text())
    assert [function.key for function in plan.stage("staging").functions] == ["api:live"]
    assert desk("doctor", "staging").code in {0, 7}


def test_init_begins_with_a_larger_step_where_there_was_little_traffic(desk: Desk) -> None:
    (desk.base / "canary.toml").unlink()
    desk.aws.lambda_.deploy("cart", lambda event, context: {}, alias="live")
    desk.aws.traffic.steady("cart", "live", requests_per_minute=80)
    desk.aws.clock.advance(5 * 60)
    done = desk("init")
    assert done.out.splitlines()[1] == "The first step is 35 %, because there was little traffic in the last day."
    stage = Plan.parse((desk.base / "canary.toml").read_text()).stage("staging")
    assert [step.weight for step in stage.steps] == [35, 50]


def test_init_without_metrics_writes_the_usual_steps(desk: Desk) -> None:
    (desk.base / "canary.toml").unlink()
    desk.aws.faults.add(Fault.DENIED, "GetMetricData")
    done = desk("init", "--json")
    assert json.loads(done.out)["steps"] == [10, 50]


def test_init_takes_functions_and_another_stage(desk: Desk) -> None:
    done = desk("init", "shop:live", "cart:live", "--stage", "prod", "--plan", "prod.toml", "--json")
    assert json.loads(done.out) == {
        "plan": "prod.toml",
        "stage": "prod",
        "functions": ["shop:live", "cart:live"],
        "steps": [10, 50],
    }
    assert desk("plan", "prod", "--plan", "prod.toml").code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("init",), "canary.toml exists already"),
        (("init", "shop", "--plan", "x.toml"), '"shop:" must be a function and an alias'),
        (("init", "shop:live", "--plan", "nowhere/x.toml"), "can't be written"),
        (("init", "shop:live", "--plan", "x.toml", "--stage", "a b"), "not valid TOML"),
        (("iam", "staging", "--role", "king"), "'king' is not a role"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(desk: Desk, arguments: tuple[str, ...], part: str) -> None:
    done = desk(*arguments)
    assert done.code == 2
    assert part in done.err.splitlines()[0]
    assert not (desk.base / "x.toml").exists()


def test_init_without_any_alias_says_how_to_create_one(desk: Desk) -> None:
    client: Any = desk.aws.session().client("lambda")
    client.delete_alias(FunctionName="api", Name="live")
    done = desk("init", "--plan", "x.toml")
    assert done.code == 1
    assert "aws lambda create-alias" in done.err


def test_region_and_profile_are_taken_from_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = desk("status", "staging", "--profile", "nobody")
    assert done.code == 1
    assert done.err.startswith("error[aws_access_denied]: ")
    assert "hint: Correct --profile or AWS_PROFILE." in done.err
    asked: list[tuple[str | None, str | None]] = []

    def opened(region: str | None = None, profile: str | None = None) -> Session:
        asked.append((region, profile))
        return open_session("us-east-1")

    monkeypatch.setattr("canary.adapters.aws.open_session", opened)
    assert desk("status", "staging", "--region", "eu-west-1").code == 0
    assert set(asked) == {("eu-west-1", None)}
