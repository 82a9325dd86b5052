"""The simulated releases are those of the shipped runner, without the ticks at which nothing can happen."""

from __future__ import annotations

import pytest

from canary.cli.scenarios import with_probes
from canary.core.plan import Plan, StagePlan
from canary.simulator import Burst, Scenario, compare, play, power_of
from canary.simulator.releases import playable, release
from canary.view.planned import plan_lines
from canary.view.simulated import comparison_lines

pytestmark = pytest.mark.sweep


def stage_of(text: str = "", functions: str = '["api:live"]') -> StagePlan:
    return Plan.parse(f"[stages.staging]\nfunctions = {functions}\n{text}").stage("staging")


PLANS = {
    "default": stage_of(),
    "two short steps": stage_of('steps = [10, 50]\nbake = "5m"'),
    "mixed versions": stage_of('steps = [20]\nbake = "15m"\ngates.web = { kind = "http_5xx", source = "url" }'),
    "promotes in doubt": stage_of('steps = [10, 50]\nbake = "5m"\non_inconclusive = "promote"\nhold_max = "10m"'),
    "two functions": stage_of('steps = [30]\nbake = "15m"', '["api:live", "web:live"]'),
    "with probes": stage_of('steps = [10, 50]\nbake = "5m"\nprobes = { invoke = {}, per_minute = 20 }'),
}
SCENARIOS = {
    "healthy": Scenario(0.01, 0.01, 3.0),
    "bad": Scenario(0.08, 0.01, 3.0),
    "crash": Scenario(0.6, 0.01, 10.0),
    "late": Scenario(0.1, 0.01, 5.0, from_minute=13),
    "high baseline": Scenario(0.04, 0.04, 5.0),
    "few users": Scenario(0.01, 0.01, 0.3),
    "silent": Scenario(0.5, 0.01, 0.0),
    "slow": Scenario(0.01, 0.01, 5.0, candidate_slow=0.2),
    "short outage": Scenario(0.01, 0.01, 5.0, shared_outage=Burst(2, 0.3)),
    "long outage": Scenario(0.01, 0.01, 5.0, shared_outage=Burst(8, 0.3)),
    "history outage": Scenario(0.12, 0.01, 5.0, history_outage=Burst(5, 0.5)),
    "cold starts": Scenario(0.01, 0.01, 5.0, cold_start=Burst(2, 0.08)),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("plan", PLANS)
def test_every_ending_is_the_one_of_the_shipped_runner(plan: str, name: str) -> None:
    stage, _ = playable(PLANS[plan])
    shipped = release(stage, SCENARIOS[name], f"{plan}/{name}")
    played = play(stage, SCENARIOS[name], f"{plan}/{name}")
    assert played.outcome == shipped.outcome
    # Looks may fall into another moment of the same minute.
    assert played.minutes == pytest.approx(shipped.minutes, abs=1.1)
    assert played.failed_requests == pytest.approx(shipped.failed_requests, rel=0.1, abs=10)


def test_the_same_seed_gives_the_same_ending() -> None:
    first, again, other = (play(PLANS["default"], SCENARIOS["bad"], seed) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "text",
    [
        'promote = "manual"',
        "steps = [10, { pause = true }, 50]",
        'steps = [10, { weight = 50, pause = true }]\npromote = "manual"',
    ],
)
def test_who_is_asked_answers_at_once(text: str) -> None:
    assert play(stage_of(text), Scenario(0.01, 0.01, 20.0), "a").outcome == "promoted"


def test_a_bad_version_that_only_pauses_counts_as_rolled_back() -> None:
    assert play(stage_of('on_unhealthy = "pause"'), Scenario(0.5, 0.01, 10.0), "a").outcome == "rolled_back"


def test_a_promotion_in_the_planned_time_is_one_without_a_hold() -> None:
    assert play(PLANS["default"], Scenario(0.01, 0.01, 20.0), "a").in_time
    held = [play(PLANS["default"], Scenario(0.01, 0.01, 1.0), f"{number}") for number in range(6)]
    assert {ending.in_time for ending in held} == {False}


def test_probes_find_a_bad_version_where_users_are_few() -> None:
    scenario = Scenario(0.1, 0.01, 0.2)
    without = compare(PLANS["default"], scenario, runs=6)
    found = compare(with_probes(PLANS["default"], 60), scenario, runs=6)
    assert without.summary.rolled_back_ratio < 0.6
    assert found.summary.rolled_back_ratio == 1.0
    assert found.summary.minutes_to_rollback.mean < 8
    assert found.healthy.rolled_back_ratio == 0
    assert "; 60 pairs of probes per minute." in "\n".join(comparison_lines(found))
    replaced = with_probes(PLANS["with probes"], 5)
    assert compare(replaced, scenario, runs=1).probes_per_minute == 5


def test_a_start_that_would_be_refused_is_named() -> None:
    found = compare(PLANS["default"], Scenario(0.1, 0.1, 5.0), runs=1)
    assert found.is_refused
    assert "refuses such a release without --hotfix" in "\n".join(comparison_lines(found))


# what a plan can do, from the same releases


def test_the_power_of_a_plan_is_that_of_simulate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.simulator.power.HEALTHY_RUNS", 12)
    monkeypatch.setattr("canary.simulator.power.REGRESSION_RUNS", 12)
    stage, scenario = PLANS["two short steps"], Scenario(0.1, 0.01, 5.0)
    said: list[str] = []
    found = power_of(stage, 5.0, progress=said.append)
    same = compare(stage, scenario, runs=12)
    assert found.found == same.summary.rolled_back_ratio
    assert found.minutes == pytest.approx(same.summary.minutes_to_rollback.mean)
    healthy = compare(stage, scenario.healthy(), runs=12)
    assert found.promoted_in_time == healthy.summary.in_time_ratio
    assert found.in_time_interval[0] <= found.promoted_in_time <= found.in_time_interval[1]
    assert said == ["healthy releases", "releases with 10 % errors", "smaller regressions"]
    assert found.smallest is not None
    smaller = compare(stage, Scenario(found.smallest / 2, 0.01, 5.0), runs=12)
    assert smaller.summary.rolled_back_ratio < 0.8
    text = "\n".join(plan_lines(stage, 5.0, found))
    assert "In 12 simulated releases beside a baseline with 1 % errors:" in text
    assert (
        f"smallest regression that is rolled back in 80 % of the releases: {100 * found.smallest:.1f} % errors" in text
    )


def test_a_plan_without_traffic_finds_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.simulator.power.HEALTHY_RUNS", 5)
    found = power_of(stage_of('steps = [1]\nbake = "15m"\nhold_max = "1m"'), 0.001)
    assert (found.found, found.minutes, found.smallest) == (0.0, None, None)
    text = "\n".join(plan_lines(PLANS["default"], 0.001, found))
    assert "no regression is rolled back in 80 % of the releases" in text
    assert found.enough_per_s is not None
    assert f"one that fails every request would be, from {60 * found.enough_per_s:.3g} requests per minute on" in text
    assert "no first weight up to 50 % gives the new version 20 requests per minute" in text
    assert "Paired probes find them" in text
