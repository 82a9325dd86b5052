"""The simulator plays the shipped runner in simulations, repeatably, beside other tools' rules."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from canary import runner
from canary.core.alias import AliasSpec
from canary.core.events import CanaryStarted, Event, Judged
from canary.core.measurements import DataState
from canary.core.phases import Phase
from canary.core.plan import Plan, StagePlan
from canary.core.verdict import Verdict
from canary.errors import StaleRevisionError, UsageError
from canary.ports import Target, Window
from canary.simulator import (
    RUNS,
    Burst,
    Scenario,
    Spread,
    Summary,
    SyntheticTraffic,
    Users,
    affordable_runs,
    compare,
    healthy_count,
    release,
    replay,
)
from canary.simulator.counts import poisson
from canary.simulator.play import past_of, play
from canary.simulator.releases import share_interval, simulated
from canary.view.simulated import comparison_data, comparison_lines, comparison_report, histogram_lines
from flagkit.testing.clock import DEFAULT_START as START

pytestmark = pytest.mark.slow

PLAN = '[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 50]\nbake = "5m"\n'


@pytest.fixture(scope="module")
def stage() -> StagePlan:
    return Plan.parse(PLAN).stage("staging")


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 12.0, 60.0, 900.0])
def test_counts_are_poisson(mean: float) -> None:
    rng = Random(7)
    drawn = [poisson(mean, rng) for _ in range(4_000)]
    average = sum(drawn) / len(drawn)
    variance = sum((value - average) ** 2 for value in drawn) / len(drawn)
    assert min(drawn) >= 0
    assert abs(average - mean) <= 5 * math.sqrt(mean / len(drawn)) + 1e-9
    assert abs(variance - mean) <= 0.15 * mean + 1e-9


def test_a_version_that_fails_comes_back_and_a_healthy_one_is_promoted(stage: StagePlan) -> None:
    bad = release(stage, Scenario(0.12, 0.01, 10.0), "a")
    good = release(stage, Scenario(0.01, 0.01, 10.0), "a")
    assert bad.outcome == "rolled_back"
    assert bad.minutes < 8
    assert bad.failed_requests > 0
    assert good.outcome == "promoted"


def test_without_traffic_nothing_is_promoted_and_nothing_rolled_back(stage: StagePlan) -> None:
    silent = release(stage, Scenario(0.5, 0.01, 0.0), "a")
    assert silent.outcome == "inconclusive"
    assert silent.failed_requests == 0


def test_a_regression_that_begins_later_is_found_later(stage: StagePlan) -> None:
    assert release(stage, Scenario(0.3, 0.01, 10.0, from_minute=6), "a").minutes > 7


def test_slow_requests_bring_it_back_too(stage: StagePlan) -> None:
    assert release(stage, Scenario(0.01, 0.01, 10.0, candidate_slow=0.3), "a").outcome == "rolled_back"


def test_the_same_seed_gives_the_same_answer(stage: StagePlan) -> None:
    scenario = Scenario(0.08, 0.01, 4.0)
    assert compare(stage, scenario, runs=3, seed=5) == compare(stage, scenario, runs=3, seed=5)
    assert compare(stage, scenario, runs=3, seed=5) != compare(stage, scenario, runs=3, seed=6)


def test_the_history_is_that_of_the_seed_whatever_the_new_version_does(stage: StagePlan) -> None:
    scenario = Scenario(0.3, 0.01, 5.0)
    past = past_of(stage, scenario, "a")
    assert past_of(stage, scenario.healthy(), "a") == past
    assert play(stage, scenario.healthy(), "a", past) == play(stage, scenario.healthy(), "a")


def test_a_minute_is_drawn_once_whatever_asks() -> None:
    traffic, again = (SyntheticTraffic(Scenario(0.1), "x") for _ in range(2))
    assert traffic.served("api:live", "2", START, 0.1) is traffic.served("api:live", "2", START, 0.1)
    assert traffic.served("api:live", "2", START, 0.1) == again.served("api:live", "2", START, 0.1)


def test_progress_counts_every_release(stage: StagePlan) -> None:
    seen: list[int] = []
    compare(stage, Scenario(0.5, 0.01, 10.0), runs=6, progress=seen.append)
    assert seen == list(range(1, 6 + healthy_count(6) + 1))


def test_as_many_releases_are_simulated_as_the_work_allows(stage: StagePlan) -> None:
    scenario = Scenario(0.5, 0.01, 10.0)
    one = play(stage, scenario, "0/0")
    assert one.work > 2 * 180
    assert affordable_runs(stage, scenario) == RUNS
    some = affordable_runs(stage, scenario, work=20_000)
    assert 2 < some == affordable_runs(stage, scenario, work=20_000) < 20_000 / one.work
    two = Plan.parse(PLAN.replace('["api:live"]', '["api:live", "web:live"]')).stage("staging")
    assert affordable_runs(two, scenario, work=20_000) < 0.7 * some
    assert affordable_runs(stage, scenario, work=1) == 1


def test_a_stage_of_several_functions_counts_the_harm_of_all() -> None:
    two = Plan.parse(PLAN.replace('["api:live"]', '["api:live", "web:live"]')).stage("staging")
    assert release(two, Scenario(0.5, 0.01, 10.0), "a").outcome == "rolled_back"


# summaries


def test_the_95th_percentile_is_the_nearest_rank() -> None:
    assert Spread.of(range(1, 101)) == Spread(50.5, 95)
    assert Spread.of([]) == Spread(0.0, 0.0)
    assert Summary.of([]).promoted_ratio == 0


@pytest.mark.parametrize(
    "wrong",
    [{"candidate_errors": 1.1}, {"baseline_slow": -0.1}, {"requests_per_s": -1.0}, {"from_minute": -1.0}],
)
def test_impossible_scenarios_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Scenario(**{"candidate_errors": 0.1, **wrong})


# the in-memory ports keep AWS's rules


def test_a_stale_revision_is_refused(stage: StagePlan) -> None:
    simulation = simulated(stage, Scenario(0.1), "x")
    function = stage.functions[0]
    spec = AliasSpec("1", "2", 1000, "")
    simulation.aliases.write(function, spec, simulation.aliases.read(function).revision_id)
    with pytest.raises(StaleRevisionError):
        simulation.aliases.write(function, spec, "0")


def test_a_change_within_a_minute_is_shared_out_by_time(stage: StagePlan) -> None:
    simulation = simulated(stage, Scenario(0.1), "x")
    function = stage.functions[0]
    simulation.clock.sleep(30)
    simulation.aliases.write(function, AliasSpec("1", "2", 1000, ""), simulation.aliases.read(function).revision_id)
    assert simulation.aliases.share_in(function.key, "2", START, START + timedelta(minutes=1)) == pytest.approx(0.05)
    assert simulation.aliases.share_in(function.key, "2", START, START) == 0
    assert simulation.aliases.publish(function) == "3"
    assert simulation.journal.canaries() == []


def test_gauges_answer_that_there_is_nothing(stage: StagePlan) -> None:
    text = PLAN + '[stages.staging.gates.dlq]\nkind = "queue"\nqueue = "dlq"\nmax_new_messages = 0\n'
    plan = Plan.parse(text).stage("staging")
    simulation = simulated(plan, Scenario(0.1), "x")
    simulation.metrics.delay = timedelta()
    window = Window(START, START + timedelta(minutes=1), START - timedelta(minutes=3))
    measured = simulation.metrics.measure(plan, [Target(plan.functions[0], "1", "2")], window)
    assert [gauge.state for gauge in measured.gauges] == [DataState.NO_DATA]
    assert len(measured.streams[0].history) == 3


# replay


@pytest.fixture(scope="module")
def recorded(stage: StagePlan) -> tuple[Event, ...]:
    simulation = simulated(stage, Scenario(0.12, 0.01, 10.0), "replay")
    state = runner.start(stage, simulation.ports(), versions={"": "2"}, canary_id="k1")
    runner.run(stage, simulation.ports(), state)
    return tuple(simulation.journal.written)


def test_a_replay_under_the_same_plan_says_the_same(recorded: tuple[Event, ...], stage: StagePlan) -> None:
    found = replay(recorded, stage)
    unhealthy = next(e for e in recorded if isinstance(e, Judged) and e.judgement.verdict is Verdict.UNHEALTHY)
    assert found.unhealthy_at == unhealthy.at
    assert found.looks[-1].sentence == unhealthy.judgement.sentence
    assert found.recorded is Phase.ROLLED_BACK
    assert found.healthy_at is None
    assert {event.event for event in found.events} == {event.event for event in recorded}


def test_a_replay_under_a_patient_plan_may_say_otherwise(recorded: tuple[Event, ...]) -> None:
    patient = Plan.parse(
        PLAN + "[stages.staging.gates.errors]\nlimit_percent = 40\nrelative = false\n"
        "[stages.staging.evidence]\nalpha_rollback = 0.000001\n"
    ).stage("staging")
    assert replay(recorded, patient).unhealthy_at is None


def test_a_record_without_its_beginning_or_measurements_is_refused(
    recorded: tuple[Event, ...], stage: StagePlan
) -> None:
    with pytest.raises(UsageError, match="began"):
        replay(recorded[1:], stage)
    started = next(event for event in recorded if isinstance(event, CanaryStarted))
    with pytest.raises(UsageError, match="no measurement"):
        replay([started], stage)


def test_a_record_truncated_has_no_end(recorded: tuple[Event, ...], stage: StagePlan) -> None:
    found = replay([event for event in recorded if event.event != "canary_ended"], stage)
    assert found.recorded is None
    assert found.recorded_at is None


# what people and programs are shown


def test_a_comparison_is_reported_in_lines_data_and_a_page(stage: StagePlan) -> None:
    found = compare(stage, Scenario(0.3, 0.01, 10.0, from_minute=2), runs=4)
    text = "\n".join(comparison_lines(found))
    assert "4 releases to staging at 10 requests per second: 30 % fail on the new version from minute 2" in text
    shown = comparison_data(found)
    assert shown["runs"] == 4
    assert shown["rolled_back_ratio"] == 1.0
    assert shown["false_rollback_ratio"] == 0
    page = comparison_report(found)
    assert [bars.title for bars in page.chapters[0].bars][-1] == "Minutes to rollback"


def test_a_comparison_without_a_rollback_says_so(stage: StagePlan) -> None:
    found = compare(stage, Scenario(0.01, 0.01, 10.0), runs=2)
    assert "No release was rolled back." in "\n".join(comparison_lines(found))


def test_a_wide_histogram_is_binned() -> None:
    lines = list(histogram_lines(tuple(float(value) for value in range(40))))
    assert len(lines) <= 14
    assert "–" in lines[1]


def test_the_plan_may_be_a_changed_one(stage: StagePlan) -> None:
    assert replace(Scenario(0.1), baseline_errors=0.02).healthy().candidate_errors == 0.02


def test_gates_that_an_simulation_cannot_feed_are_named_and_left_out() -> None:
    text = PLAN + (
        '[stages.staging.gates.http]\nkind = "http_5xx"\nsource = "apigateway"\ntarget = "shop"\n'
        "[stages.staging.gates.throttles]\n"
        '[stages.staging.gates.red]\nkind = "alarms"\nnames = ["api"]\n'
        '[stages.staging.gates.health]\nurl = "https://example.org"\n'
        '[stages.staging.gates.edge]\nkind = "latency"\nsource = "url"\n'
    )
    found = compare(Plan.parse(text).stage("staging"), Scenario(0.01, 0.01, 10.0), runs=2)
    assert found.left_out == ("red", "health")
    assert found.summary.promoted_ratio == 1.0
    assert "Gates without synthetic data, left out: red, health." in "\n".join(comparison_lines(found))


def test_shares_come_with_their_interval(stage: StagePlan) -> None:
    assert share_interval(0, 0) == (0.0, 1.0)
    assert share_interval(0, 100) == pytest.approx((0.0, 0.0362), abs=1e-4)
    assert share_interval(98, 100) == pytest.approx((0.9296, 0.9976), abs=1e-4)
    assert share_interval(100, 100) == pytest.approx((0.9638, 1.0), abs=1e-4)
    found = compare(stage, Scenario(0.3, 0.01, 10.0), runs=4)
    assert "100 % (39.8–100 %)" in "\n".join(comparison_lines(found))
    assert comparison_data(found)["rolled_back_interval"] == found.summary.rolled_back_interval


def test_an_outage_in_the_history_does_not_hide_a_regression(stage: StagePlan) -> None:
    scenario = Scenario(0.12, 0.01, 10.0, history_outage=Burst(5, 0.5))
    found = release(stage, scenario, "a")
    assert (found.outcome, found.minutes < 8) == ("rolled_back", True)


def test_a_shared_outage_rolls_nothing_back(stage: StagePlan) -> None:
    scenario = Scenario(0.01, 0.01, 10.0, shared_outage=Burst(2, 0.3))
    assert {release(stage, scenario, seed).outcome for seed in "abc"} == {"promoted"}


def test_cold_starts_fail_after_each_step_and_may_be_allowed_for(stage: StagePlan) -> None:
    scenario = Scenario(0.01, 0.01, 20.0, cold_start=Burst(2, 0.08))
    assert release(stage, scenario, "a").outcome == "rolled_back"
    warm = Plan.parse(PLAN + 'gates.errors.warm_up = "3m"\n').stage("staging")
    assert release(warm, scenario, "a").outcome == "promoted"
    text = "\n".join(comparison_lines(compare(stage, scenario, runs=1)))
    assert "; cold starts after each step (2 min at 8 %)." in text


@pytest.mark.parametrize(("minutes", "failing"), [(0, 0.5), (121, 0.5), (5, 1.5)])
def test_bursts_that_make_no_sense_are_refused(minutes: float, failing: float) -> None:
    with pytest.raises(UsageError, match="can't be simulated"):
        Burst(minutes, failing)


USERS = '[stages.flag]\nfunctions = ["flag:on"]\nsteps = [25]\nbake = "20m"\noutcomes = "csv:users.csv"\n'


@pytest.fixture(scope="module")
def of_users() -> StagePlan:
    return Plan.parse(USERS).stage("flag")


def test_users_whose_feature_is_broken_are_found_and_broken_users_are_no_regression(of_users: StagePlan) -> None:
    scenario = Scenario(0.08, 0.0, 10.0, users=Users())
    broken = [play(of_users, scenario, f"s{number}") for number in range(3)]
    healthy = [play(of_users, scenario.healthy(), f"s{number}") for number in range(3)]
    assert {ending.outcome for ending in broken} == {"rolled_back"}
    assert all(ending.minutes < 12 for ending in broken)
    assert "rolled_back" not in {ending.outcome for ending in healthy}
    assert play(of_users, scenario, "s0") == broken[0]


def test_the_comparison_says_who_comes(of_users: StagePlan) -> None:
    found = compare(of_users, Scenario(0.08, 0.0, 10.0, users=Users(300)), runs=1)
    assert "; 300 users may come, 2 % of them broken with and without the variant." in next(comparison_lines(found))


def test_lost_users_are_a_wrong_sample_ratio(of_users: StagePlan) -> None:
    ending = play(of_users, Scenario(0.0, 0.0, 10.0, users=Users(lost=0.5)), "s")
    assert ending.outcome == "inconclusive"


@pytest.mark.parametrize("users", [{"number": 0}, {"broken": 1.5}, {"spread": -1.0}])
def test_impossible_users_are_refused(users: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Users(**users)  # type: ignore[arg-type]
