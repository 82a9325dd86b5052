"""A rollback of a flag leaves the last percentage that was shown healthy, where the plan says so; nobody is gained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary import runner
from canary.core.machine import conclude
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.record import Record, Shift, decode, encode
from canary.core.state import CanaryState
from canary.core.verdict import Judgement, Rule, Verdict
from flagkit.admin import edits
from tests.canary.flag_scenarios import KEY, FileScenario, Scenario


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    found = FileScenario(tmp_path, monkeypatch, on_unhealthy="last_safe", steps=[1, 5, 25], on_inconclusive="promote")
    found.users.failing["2"] = 0.3
    return found


def stepped_to(scenario: Scenario, share: float) -> CanaryState:
    """A driver that ends once the percentage is reached."""
    ports = scenario.ports()
    state = runner.start(scenario.stage, ports, canary_id="k3f9a2c1")
    for _ in range(200):
        if scenario.percent == share:
            return state
        done = runner.tick(scenario.stage, ports, state)
        state = done.state
        scenario.simulation.clock.sleep(60)
    raise AssertionError(scenario.shares)


@pytest.mark.parametrize(
    ("suffers_from_bp", "shares"),
    [
        (100, [0, 1, 0]),
        (2500, [0, 1, 5, 25, 5]),
        pytest.param(500, [0, 1, 5, 1], marks=pytest.mark.sweep),
        pytest.param(10_000, [0, 1, 5, 25, 100, 25], marks=pytest.mark.sweep),
    ],
)
def test_the_percentage_goes_back_to_the_last_healthy_step(
    scenario: Scenario, suffers_from_bp: int, shares: list[float]
) -> None:
    scenario.users.suffers_from_bp = suffers_from_bp
    assert scenario.deploy().phase is Phase.ROLLED_BACK
    assert (scenario.shares, scenario.record, scenario.ends) == (shares, None, [Phase.ROLLED_BACK])


def test_another_process_goes_back_to_the_same_percentage(scenario: Scenario) -> None:
    scenario.users.suffers_from_bp = 2500
    stepped_to(scenario, 25)
    assert scenario.resumed().phase is Phase.ROLLED_BACK
    assert (scenario.percent, scenario.record) == (5, None)


def test_a_step_that_a_person_went_on_from_is_not_safe(scenario: Scenario) -> None:
    scenario.users.suffers_from_bp = 10_000
    stepped_to(scenario, 5)
    runner.promote(scenario.stage, scenario.ports())
    assert scenario.resumed().phase is Phase.ROLLED_BACK
    assert scenario.shares == [0, 1, 5, 100, 1]


def test_a_step_that_a_policy_went_on_from_is_not_safe(scenario: Scenario) -> None:
    scenario.users.suffers_from_bp = 10_000
    state, now = stepped_to(scenario, 1), scenario.simulation.clock.now()
    held = replace(state, phase=Phase.HOLDING, deadline=now)
    onward = conclude(held, Judgement(Verdict.INCONCLUSIVE, "unknown", Rule.WAITING, now), now).state
    assert [(shift.weight_bp, shift.is_unsure) for shift in onward.shifts] == [(100, True), (500, False)]
    lowered = conclude(onward, Judgement(Verdict.UNHEALTHY, "harm", Rule.REGRESSION, now), now).state
    assert lowered.weight_bp == 0


@pytest.mark.parametrize("command", [runner.rollback, runner.abort])
def test_a_person_lowers_it_to_nobody(scenario: Scenario, command: object) -> None:
    scenario.users.suffers_from_bp = 2500
    stepped_to(scenario, 25)
    command(scenario.stage, scenario.ports())  # type: ignore[operator]
    assert (scenario.percent, scenario.record) == (0, None)


def test_a_person_lowers_what_a_rollback_left_to_nobody(scenario: Scenario) -> None:
    scenario.users.suffers_from_bp = 500
    scenario.deploy()
    assert scenario.percent == 1
    runner.rollback(scenario.stage, scenario.ports())
    assert scenario.percent == 0


@pytest.mark.parametrize("share", [0, 2])
def test_a_rollback_never_raises_what_somebody_lowered_further(scenario: Scenario, share: int) -> None:
    """The record says 5 %, and the flag has less: whoever did that has done more."""
    scenario.users.suffers_from_bp = 2500
    stepped_to(scenario, 25)

    def kill(number: int) -> None:
        if scenario.moments[-1].startswith("after the file's replace"):
            raise KeyboardInterrupt

    scenario.act, scenario.is_driven = kill, True
    with pytest.raises(KeyboardInterrupt):
        scenario.resumed()
    scenario.is_driven = False
    assert (scenario.percent, bool(scenario.record)) == (5, True)
    scenario.edit(lambda document: edits.rollout(document, KEY, share))
    assert scenario.resumed().phase is Phase.CONFLICT
    assert scenario.percent == share


def test_an_ally_finds_what_was_rolled_back(scenario: Scenario) -> None:
    scenario.users.suffers_from_bp = 2500
    known = stepped_to(scenario, 25)
    scenario.resumed()
    found = runner.tick(scenario.stage, scenario.ports(), known).state
    assert (found.phase, scenario.ends) == (Phase.ROLLED_BACK, [Phase.ROLLED_BACK])


def test_off_is_what_a_flag_has_unless_the_plan_says_otherwise() -> None:
    plan = {"name": "checkout", "flag": "file:flags.json#a", "outcomes": "csv:a.csv"}
    for written in ({}, {"on_unhealthy": "rollback"}, {"on_unhealthy": "off"}):
        assert StagePlan.model_validate({**plan, **written}).on_unhealthy == "off"
    with pytest.raises(ValueError, match="available for a flag only"):
        StagePlan.model_validate({"name": "staging", "functions": ["api:live"], "on_unhealthy": "last_safe"})


def test_the_record_keeps_which_steps_were_left_without_a_verdict() -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    shifts = (Shift(start, 125, is_unsure=True), Shift(start, 500), Shift(start, 2500), Shift(start, 500))
    record = Record("k3f9a2c1", "1", "2", Phase.ROLLING_BACK, start, shifts, None, "9f3a2b1c", "")
    assert " 1.25?@0,5@0,25@0,5@0 " in encode(record)
    assert decode(encode(record)) == record
