"""The state machines as data: every path ends, nothing is uncaught, and the rollback calls no code of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from canary.core import resources
from canary.core.alias import AliasState
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.record import Record, Shift, encode
from canary.core.recover import recover
from canary.drivers import definition, rollback_definition
from canary.errors import PlanError
from canary.testing.states import evaluated
from tests.canary.stages import stage_of

TICK = resources.tick_function_arn("dev", account="123456789012", region="us-east-1")
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STAGE = stage_of("api:live", "worker:live")
TOPIC = "arn:aws:sns:us-east-1:123456789012:canary-dev"
FLAG = StagePlan.model_validate(
    {"name": "dev", "flag": "appconfig://shop/prod/flags#new_checkout", "outcomes": "dynamodb://outcomes"}
)
MACHINES = {
    "drive": definition(STAGE, TICK),
    "rollback": rollback_definition(STAGE),
    "drive a flag": definition(FLAG, TICK, TOPIC),
    "roll back a flag": rollback_definition(FLAG, TOPIC, TICK),
}


def scopes(machine: Any) -> Iterator[dict[str, Any]]:
    """Each set of states whose names are in one scope."""
    yield machine["States"]
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"])


@pytest.mark.parametrize("name", MACHINES)
def test_every_path_ends_and_every_task_has_a_time_limit_and_a_catch(name: str) -> None:
    machine = json.loads(json.dumps(MACHINES[name]))
    for states in scopes(machine):
        for state in states.values():
            targets = [state.get("Next"), state.get("Default"), *(catch["Next"] for catch in state.get("Catch", ()))]
            named = [target for target in targets if target] + [c["Next"] for c in state.get("Choices", ())]
            assert all(target in states for target in named)
            assert named or state["Type"] in {"Succeed", "Fail"} or state.get("End")
            if state["Type"] == "Task":
                assert state["TimeoutSeconds"]
                assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


def test_the_rollback_calls_nothing_but_lambdas_own_api() -> None:
    machine: Any = MACHINES["rollback"]
    tasks = [state for states in scopes(machine) for state in states.values() if state["Type"] == "Task"]
    assert {task["Resource"].rpartition(":")[2] for task in tasks} == {"getAlias", "updateAlias"}
    assert machine["States"]["RollBack"]["Items"] == [
        {"function": "api", "alias": "live"},
        {"function": "worker", "alias": "live"},
    ]


@pytest.mark.parametrize("name", ["drive a flag", "roll back a flag"])
def test_a_flag_is_lowered_by_the_tick_function_alone(name: str) -> None:
    machine: Any = MACHINES[name]
    tasks = [state for states in scopes(machine) for state in states.values() if state["Type"] == "Task"]
    assert {task["Resource"].partition(":states:::")[2] for task in tasks} == {"lambda:invoke", "aws-sdk:sns:publish"}
    item = {"function": "flag.new_checkout", "alias": "on", "flag": str(FLAG.flag)}
    assert machine["States"]["RollBack"]["Items"] == [item]


def test_a_stage_in_another_partition_has_its_integrations_there() -> None:
    machine: Any = definition(stage_of("api:live", region="us-gov-west-1"), TICK)
    tasks = [state for states in scopes(machine) for state in states.values() if state["Type"] == "Task"]
    assert {task["Resource"].partition(":states:")[0] for task in tasks} == {"arn:aws-us-gov"}


@pytest.mark.parametrize(
    ("phase", "weights"),
    [
        (Phase.STARTING, []),
        (Phase.BAKING, [700]),
        (Phase.PAUSED, [700, 2525]),
        (Phase.POST_BAKE, [700, 10_000]),
        (Phase.PROMOTED, [700, 10_000]),
        (Phase.ROLLING_BACK, [700, 0]),
        (Phase.ABORTING, [10_000, 0]),
    ],
)
def test_the_dead_man_switch_and_a_driver_agree_on_what_somebody_else_has_moved(
    phase: Phase, weights: list[int]
) -> None:
    shifts = tuple(Shift(NOW, weight) for weight in weights)
    record = Record("k3f9a2c1", "1", "2", phase, NOW, shifts, None, "0" * 8, "Live", planned_bp=(5000,))
    states: Any = MACHINES["rollback"]
    condition = states["States"]["RollBack"]["ItemProcessor"]["States"]["Ours"]["Choices"][0]["Condition"]
    stage = STAGE.with_functions({"api:live"})
    answers = set()
    for version, extra, extra_bp in product("123", ("1", "2", "3", None), (700, 2525, 10_000)):
        seen = AliasState(stage.functions[0], version, extra, extra_bp if extra else 0, encode(record), "r")
        state = recover(stage, [seen])
        assert state is not None
        known = {"description": seen.description, "version": version, "extra": extra or "", "extra_bp": seen.extra_bp}
        answers.add(answer := evaluated(condition, {**known, "canary_id": record.canary_id}))
        assert answer is not bool(state.foreign), known
        assert evaluated(condition, {**known, "canary_id": "another1"}) is False
        assert evaluated(condition, {**known, "canary_id": ""}) is ("3" not in {version, extra})
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        (stage_of("api:live", tick="1s"), "one execution has room for 2,222 ticks"),
        (stage_of("api:live", hold_max="720h", steps=list(range(1, 21))), "one year at most"),
        (stage_of(*(f"f{number}:live" for number in range(9000))), "KB of state"),
    ],
)
def test_what_an_execution_cannot_hold_is_refused_with_the_arithmetic(stage: StagePlan, problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        definition(stage, TICK)
