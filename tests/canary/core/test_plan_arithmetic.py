"""Whether a plan can work at its traffic, with the numbers a reader can follow."""

from __future__ import annotations

import math

import pytest

from canary.core.plan import (
    Plan,
    StagePlan,
    check_feasibility,
    first_weight,
    minutes_to_find,
    smallest_regression,
)


def stage(text: str) -> StagePlan:
    return Plan.parse(f'[stages.staging]\nfunctions = ["api:live", "worker:live"]\n{text}').stage("staging")


SHORT = 'steps = [10]\nbake = "5m"\ngates.latency = false'


def test_a_step_that_is_too_short_is_refused_with_its_arithmetic() -> None:
    (found,) = check_feasibility(stage(SHORT), {"api:live": 60.0})
    assert found.message == (
        "step 1 (10 %) of api:live needs 65 clean requests for errors; at 6 per minute that is 11 minutes, "
        "but it bakes 5m; raise the weight to 25 % for 4.4 minutes"
    )
    assert (found.severity, found.step, found.gate, found.requests_needed) == ("warn", 1, "errors", 65)
    assert found.minutes_needed == pytest.approx(65 / 6)
    assert found.hint == "raise the weight to 25 % for 4.4 minutes"


def test_a_step_that_no_hold_can_save_is_refused() -> None:
    (found,) = check_feasibility(stage(SHORT), {"worker:live": 6.0})
    assert found.severity == "refuse"
    assert found.function == "worker:live"
    assert "and the longest hold 30m" in found.message
    assert "no weight is enough for 5m: let the step bake 109 minutes" in found.message


def test_without_traffic_nothing_can_be_judged() -> None:
    found = check_feasibility(stage(SHORT), 0)
    assert [finding.function for finding in found] == ["api:live", "worker:live"]
    assert all(finding.severity == "refuse" and finding.minutes_needed == math.inf for finding in found)
    assert "there is no traffic" in found[0].message


def test_enough_traffic_is_not_mentioned() -> None:
    assert check_feasibility(stage(SHORT), 1000) == ()
    assert check_feasibility(stage(SHORT), {}) == ()


def test_latency_with_a_warm_up_needs_more_requests() -> None:
    """Half of the stake waits for warm requests."""
    (found, *_) = check_feasibility(stage('steps = [10, 50]\nbake = "10m"'), {"api:live": 70})
    assert (found.gate, found.requests_needed) == ("latency", 80)


def test_strict_limits_need_more_requests() -> None:
    text = 'steps = [10]\nbake = "30m"\ngates.latency = false\ngates.errors.limit_percent = 1'
    (found,) = check_feasibility(stage(text), {"api:live": 60})
    assert found.requests_needed > 300


def test_gates_of_the_whole_stage_have_traffic_of_their_own() -> None:
    text = 'gates.errors = false\ngates.latency = false\ngates.http_5xx = { source = "apigateway", target = "shop" }'
    assert check_feasibility(stage(text), 0.001) == ()
    at_url = 'gates.errors = false\ngates.latency = false\ngates.http_5xx = { source = "url" }'
    assert check_feasibility(stage(at_url), 10) == ()
    assert "at 1 per minute that is 65 minutes" in check_feasibility(stage(at_url), 1)[0].message


def test_gates_that_need_no_proof_need_no_traffic() -> None:
    text = SHORT + "\ngates.throttles = {}\ngates.emf = {}"
    assert {finding.gate for finding in check_feasibility(stage(text), 60)} == {"errors"}


def test_the_first_weight_gives_the_new_version_fifteen_requests_a_minute() -> None:
    small = stage('steps = [10, 50]\nbake = "10m"')
    assert first_weight(small, 60) == 25
    assert first_weight(small, 150) is None
    assert first_weight(small, 10) is None


def test_the_plan_says_what_it_typically_finds() -> None:
    small = stage('steps = [10, 25, 50]\nbake = "10m"\ngates.latency = false')
    assert minutes_to_find(small, 60, 0.10) == pytest.approx(13, abs=2)
    assert minutes_to_find(small, 600, 0.10) == pytest.approx(2, abs=1)
    assert minutes_to_find(small, 60, 0.01) is None
    smallest = smallest_regression(small, 60)
    assert smallest is not None
    assert 0.04 < smallest < 0.1
    assert minutes_to_find(small, 60, smallest) is not None
    assert smallest_regression(small, 0.01) is None
    only = stage('steps = [10]\nbake = "30m"\ngates.errors = false')
    assert minutes_to_find(only, 6000, 1.0) is None
    literal = stage('steps = [10]\nbake = "30m"\ngates.errors.relative = false')
    found = smallest_regression(literal, 600)
    assert found is not None
    assert found > 0.05
