"""Whether a plan can work at its traffic, with the numbers a reader can follow."""

from __future__ import annotations

import math

import pytest

from canary.core.plan import (
    Plan,
    StagePlan,
    check_feasibility,
    first_weight,
    has_little_traffic,
    probes_sent,
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


def test_the_first_weight_gives_the_new_version_twenty_requests_a_minute() -> None:
    small = stage('steps = [10, 50]\nbake = "10m"')
    assert first_weight(small, 60) == 35
    assert first_weight(small, 200) is None
    assert first_weight(small, 10) is None


def test_a_stage_has_little_traffic_unless_probes_make_up_for_it() -> None:
    assert has_little_traffic(stage("steps = [10, 50]"), 60)
    assert not has_little_traffic(stage("steps = [35, 50]"), 60)
    assert not has_little_traffic(stage("steps = [10, 50]\nprobes = { invoke = {} }"), 60)


def test_probes_are_counted_before_they_are_sent() -> None:
    assert probes_sent(stage("")) == (0, 0)
    # Two functions, sixty pairs of two invocations, thirty minutes of steps and five after the promotion.
    assert probes_sent(stage("probes = { invoke = {} }")) == (240, 240 * 35)
    one = 'probes = { invoke = {}, per_minute = 12, functions = ["api:live"] }\npost_bake = "0s"'
    assert probes_sent(stage(one)) == (24, 24 * 30)
