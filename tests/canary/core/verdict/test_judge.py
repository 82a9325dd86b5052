"""The order of a verdict (statistics.md §4.14), one rule a test."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from canary.core.measurements import MINUTE, MinuteCounts, Observations, Stream, StreamKey, WeightChange
from canary.core.plan import Plan
from canary.core.verdict import Rule, Verdict, judge

Make = Callable[..., Any]
T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
API = "api:live"
GOOD = (60, 0, 540, 5)
MORE = (150, 0, 450, 5)
ONE_BAD = (60, 1, 540, 5)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def test_clean_requests_make_a_step_healthy_and_no_sooner(case: Make) -> None:
    case = case(errors=[GOOD] * 8)
    verdicts = [case.judged(minute).verdict for minute in range(3, 8)]
    assert verdicts[:1] == [Verdict.INCONCLUSIVE]
    assert verdicts[-1] is Verdict.HEALTHY
    found = case.judged()
    assert found.deciding is Rule.SAFE
    assert found.reasons == ()
    assert found.minutes_to_decision == 0.0
    assert found.sentence == (
        "0 % of 480 requests took longer than 2.05 s on version 3 (new) (99 % interval 0–1.2 %), "
        "0 % on version 2 (baseline) in the same minutes, 10:00 to 10:08 UTC; shown to stay below 5 %"
    )


def test_a_bad_candidate_is_unhealthy_with_its_numbers(case: Make) -> None:
    case = case(errors=[(62, 6, 540, 6)] * 4)
    found = case.judged()
    assert found.verdict is Verdict.UNHEALTHY
    assert found.deciding is Rule.REGRESSION
    assert found.blamed == (StreamKey(API, "errors"),)
    assert found.sentence.startswith("9.7 % of 124 requests failed on version 3 (new) (99 % interval ")
    assert ", 1.1 % on version 2 (baseline) in the same minutes, 10:00 to 10:02 UTC; " in found.sentence
    assert re.search(
        r"; [\d,]+:1 against the new version \(mean of 2 gates, this one [\d,]+:1; rolls back at 100:1\)$",
        found.sentence,
    )
    assert found.first_seen == at(1)
    assert case.judged(30).sentence == case.judged(4).sentence
    assert found.failed_requests == 24
    assert found.excess_failures == pytest.approx(24 - 248 * 6 / 540)
    assert found.reasons[0] == found.sentence


def test_a_gate_may_be_held_to_its_own_limit_alone(case: Make) -> None:
    found = case(errors=[(60, 20, 540, 5)] * 4, text="gates.errors.relative = false").judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)
    assert found.evidence[0].regression_limit_ratio == 0.05
    below = case(errors=[(600, 20, 5400, 20)] * 5, history=(0, 0, 6000, 22), text="gates.errors.relative = false")
    assert below.judged().verdict is not Verdict.UNHEALTHY


def test_once_unhealthy_stays_unhealthy(case: Make) -> None:
    case = case(errors=[(60, 30, 540, 5)] * 2 + [GOOD] * 20)
    for minute in range(4, 23):
        assert case.judged(minute).verdict is Verdict.UNHEALTHY
    assert case.judged(22).first_seen == case.judged(4).first_seen


def test_the_same_arguments_give_the_same_judgement(case: Make) -> None:
    case = case(errors=[ONE_BAD] * 12)
    assert case.judged() == case.judged()


def test_minutes_younger_than_the_settle_time_are_not_looked_at(case: Make) -> None:
    case = case(errors=[GOOD] * 5 + [(60, 60, 540, 0)] * 2)
    assert case.judged(7).verdict is Verdict.HEALTHY
    assert case.judged(8).verdict is Verdict.UNHEALTHY


def test_a_long_function_timeout_keeps_minutes_unsettled(case: Make) -> None:
    rows = [GOOD] * 5 + [(60, 60, 540, 0)] * 2
    seen = Observations(settled_until=at(5))
    assert case(errors=rows, seen=seen).judged(20).minutes_scored == 5


def test_a_healthy_four_percent_is_never_unhealthy(case: Make) -> None:
    found = case(errors=[(60, 2, 540, 22), (60, 3, 540, 21)] * 20).judged()
    assert found.verdict is not Verdict.UNHEALTHY


def test_a_candidate_worse_than_its_base_is_unhealthy_below_the_limit(case: Make) -> None:
    found = case(errors=[(600, 20, 5400, 20)] * 5, history=(0, 0, 6000, 22)).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)
    assert found.evidence[0].regression_limit_ratio == pytest.approx(0.0055)


def test_the_rule_that_fired_first_is_named_by_a_late_tick_too(case: Make) -> None:
    case = case(errors=[(60, 6, 540, 5)] * 20)
    early = next(found for minute in range(3, 23) if (found := case.judged(minute)).verdict is Verdict.UNHEALTHY)
    late = case.judged()
    assert (late.deciding, late.first_seen) == (early.deciding, early.first_seen)


def test_after_the_promotion_a_broken_limit_is_given_the_grace(case: Make) -> None:
    """No baseline is left to tell an outage from a regression (statistics.md §4.5)."""
    rows = [GOOD] * 5 + [(600, 150, 0, 0)] * 6
    case = case(errors=rows, weights=[(0, 10), (5, 100)])
    assert [case.judged(minute).verdict for minute in (8, 9, 10)] == [Verdict.INCONCLUSIVE] * 3
    assert case.judged(8).sentence.endswith("the baseline has no traffic to compare with")
    assert (case.judged().verdict, case.judged().deciding) == (Verdict.UNHEALTHY, Rule.LITERAL)


def test_every_step_proves_its_health_anew(case: Make) -> None:
    case = case(errors=[GOOD] * 10 + [(40, 0, 560, 5), *[MORE] * 9], weights=[(0, 10), (10, 25)])
    assert case.judged(13).verdict is Verdict.INCONCLUSIVE
    assert case.judged(12).verdict is Verdict.NO_DATA
    assert case.judged(20).verdict is Verdict.HEALTHY
    assert ", 10:10 to 10:18 UTC" in case.judged(20).sentence


def test_cold_starts_after_each_increase_roll_nothing_back(case: Make) -> None:
    cold = (60, 20, 540, 5)
    case = case(
        errors=[GOOD] * 10 + [MORE] * 10,
        latency=[cold] * 3 + [GOOD] * 7 + [(150, 50, 450, 5)] * 3 + [MORE] * 7,
        weights=[(0, 10), (10, 25)],
    )
    assert case.judged().verdict is Verdict.HEALTHY
    assert replace(case, text='gates.latency.warm_up = "0s"').judged().verdict is Verdict.UNHEALTHY


def test_a_slow_candidate_is_unhealthy_with_its_limit(case: Make) -> None:
    found = case(errors=[GOOD] * 8, latency=[(60, 30, 540, 5)] * 8).judged()
    assert found.verdict is Verdict.UNHEALTHY
    assert "requests took longer than 2.05 s on version 3 (new)" in found.sentence
    assert found.blamed == (StreamKey(API, "latency"),)


def test_evidence_keeps_every_minute_and_its_interval(case: Make) -> None:
    found = case(errors=[ONE_BAD] * 6).judged()
    errors = found.evidence[0]
    assert len(errors.evidence_by_minute) == len(found.ln_evidence_by_minute) == found.minutes_scored == 6
    assert errors.ln_evidence == errors.evidence_by_minute[-1]
    assert errors.interval.lower < 6 / 360 < errors.interval.upper
    assert (errors.candidate_requests, errors.candidate_bad, errors.baseline_requests, errors.baseline_bad) == (
        360,
        6,
        3240,
        30,
    )
    assert errors.sentence == (
        "1.7 % of 360 requests failed on version 3 (new), 0.93 % on version 2 (baseline) in the same minutes, "
        "10:00 to 10:06 UTC"
    )
    assert errors.ln_literal is not None
    assert found.ln_bound == pytest.approx(math.log(100))


@pytest.mark.parametrize(
    ("text", "history", "limits"),
    [
        ("", (0, 0, 600, 6), (0.015, 0.032)),
        ("", (0, 0, 600, 0), (0.001, 0.025)),
        ("", (0, 0, 600, 24), (0.05, 0.05)),
        ("evidence.limit_from_history = 3", (0, 0, 600, 6), (0.03, 0.032)),
        ("evidence.limit_from_history = 0", (0, 0, 600, 6), (0.05, 0.05)),
        ("evidence.floor_percent = 1", (0, 0, 600, 0), (0.01, 0.025)),
        ("gates.latency.relative = false", (0, 0, 600, 6), (0.015, 0.05)),
        ("", (0, 0, 0, 0), (0.01, 0.05)),
    ],
)
def test_the_history_sets_the_limit_of_a_regression(
    case: Make, text: str, history: tuple[int, ...], limits: tuple[float, float]
) -> None:
    """J10: 0.9 % against 0.01 % lay below every limit."""
    found = case(errors=[GOOD] * 3, history=history, text=text).judged()
    assert tuple(said.regression_limit_ratio for said in found.evidence) == pytest.approx(limits)


def test_a_version_as_good_as_a_baseline_near_the_limit_is_healthy(case: Make) -> None:
    """J8: below 5 % can't be shown at 4 %, but "less than 2.5 times the baseline" can."""
    found = case(errors=[(300, 12, 300, 12)] * 10, history=(0, 0, 600, 24), weights=[(0, 50)]).judged()
    assert found.verdict is Verdict.HEALTHY
    assert found.sentence.endswith("shown to be less than 2.5 times as often as on version 2 (baseline)")
    worse = case(errors=[(300, 24, 300, 12)] * 10, history=(0, 0, 600, 24), weights=[(0, 50)]).judged()
    assert worse.verdict is not Verdict.HEALTHY


def test_a_late_regression_is_found_as_fast_as_an_early_one(case: Make) -> None:
    """J2: at minute 300 a paused canary took 25 minutes to see 10 % errors."""
    found = case(errors=[GOOD] * 300 + [(60, 8, 540, 5)] * 6).judged()
    assert found.verdict is Verdict.UNHEALTHY
    assert found.first_seen is not None
    assert found.first_seen <= at(303)


def test_evidence_of_a_warm_up_for_errors_is_limited(case: Make) -> None:
    rows = [(60, 8, 540, 5)] * 2 + [GOOD] * 8
    assert case(errors=rows).judged().verdict is Verdict.UNHEALTHY
    assert case(errors=rows, text='gates.errors.warm_up = "2m"').judged().verdict is not Verdict.UNHEALTHY
    crash = case(errors=[(60, 40, 540, 5)] * 2, text='gates.errors.warm_up = "2m"').judged()
    assert (crash.verdict, crash.deciding) == (Verdict.UNHEALTHY, Rule.CRASH)


def test_notes_of_those_who_measured_become_warnings(case: Make) -> None:
    found = case(errors=[GOOD] * 9, seen=Observations(notes=("clock skew 3 s",))).judged()
    assert found.warnings == ("clock skew 3 s",)


def calls_of_a_judgement(functions: int, minutes: int) -> int:
    """How many functions are called to judge so many functions with two gates, whose old minutes are known."""
    names = ", ".join(f'"f{number}:live"' for number in range(functions))
    stage = Plan.parse(f'[stages.s]\nfunctions = [{names}]\nsteps = [{{ weight = 10, bake = "12h" }}]').stage("s")
    rows = tuple(MinuteCounts(T0 + MINUTE * number, 60, number % 3 == 0, 540, number % 2) for number in range(minutes))
    past = tuple(MinuteCounts(T0 - MINUTE * (60 - number), 0, 0, 600, 6) for number in range(60))
    seen = Observations(streams=tuple(Stream(key, rows, past) for gate in stage.gates for key in stage.keys(gate)))
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    arguments = stage, seen, (WeightChange(T0, Decimal(10)),), T0 + MINUTE * (minutes + 3)
    judge(*arguments)
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        judge(*arguments)
    finally:
        sys.setprofile(before)
    return calls


def test_a_judgement_costs_as_much_again_for_twice_the_functions_or_minutes_and_no_more() -> None:
    """50 functions with 12 gates over 6 hours once took 9 s."""
    base = calls_of_a_judgement(2, 60)
    assert calls_of_a_judgement(4, 60) < 2.1 * base
    assert calls_of_a_judgement(2, 120) < 2.1 * base
