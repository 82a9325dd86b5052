"""The order of a verdict (statistics.md §4.14), one rule a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.core.measurements import Observations, StreamKey
from canary.core.verdict import Rule, Verdict

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
    assert verdicts[:2] == [Verdict.INCONCLUSIVE] * 2
    assert verdicts[-1] is Verdict.HEALTHY
    found = case.judged()
    assert found.deciding is Rule.SAFE
    assert found.reasons == ()
    assert found.minutes_to_decision == 0.0
    assert found.sentence == (
        "0 % of 300 requests took longer than 2.05 s on version 3 (99 % interval 0–1.9 %), "
        "0 % on version 2 in the same minutes; shown to stay below 5 %"
    )


def test_a_bad_candidate_is_unhealthy_with_its_numbers(case: Make) -> None:
    case = case(errors=[(62, 7, 540, 6)] * 4)
    found = case.judged()
    assert found.verdict is Verdict.UNHEALTHY
    assert found.deciding in (Rule.ATTRIBUTED, Rule.RELATIVE)
    assert found.blamed == (StreamKey(API, "errors"),)
    assert "11.3 % of 248 requests failed on version 3 (99 % interval " in found.sentence
    assert ", 1.1 % on version 2 in the same minutes; evidence 1:" in found.sentence
    assert found.first_seen == at(1)
    assert found.sentence.endswith("seen in minute 2")
    assert found.failed_requests == 28
    assert found.excess_failures == pytest.approx(28 - 248 * 6 / 540)
    assert found.reasons[0] == found.sentence


def test_the_literal_limit_alone_finds_a_candidate_without_a_better_base(case: Make) -> None:
    """kappa is out of reach: only the attribution-aware process can fire, and it needs the base to be better."""
    found = case(errors=[(60, 20, 540, 5)] * 4, text="gates.errors.relative = false").judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.ATTRIBUTED)
    assert " against, seen in minute 1" in found.sentence


def test_once_sick_stays_unhealthy(case: Make) -> None:
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
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.RELATIVE)
    assert "that it is worse than version 2" in found.sentence


def test_the_rule_that_fired_first_is_named_by_a_late_tick_too(case: Make) -> None:
    case = case(errors=[(60, 6, 540, 5)] * 20)
    early = next(found for minute in range(3, 23) if (found := case.judged(minute)).verdict is Verdict.UNHEALTHY)
    late = case.judged()
    assert (late.deciding, late.first_seen) == (early.deciding, early.first_seen)


def test_after_the_promotion_the_literal_limit_decides(case: Make) -> None:
    """No base is left to share the blame (statistics.md §4.5)."""
    rows = [GOOD] * 5 + [(600, 150, 0, 0)] * 2
    found = case(errors=rows, weights=[(0, 10), (5, 100)]).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.ATTRIBUTED)


def test_every_step_proves_its_health_anew(case: Make) -> None:
    case = case(errors=[GOOD] * 10 + [MORE] * 10, weights=[(0, 10), (10, 25)])
    assert case.judged(12).verdict is Verdict.NO_DATA
    assert case.judged(13).verdict is Verdict.INCONCLUSIVE
    assert case.judged(20).verdict is Verdict.HEALTHY
    assert ", since 10:10 UTC" in case.judged(20).sentence


def test_latency_is_not_judged_in_the_warm_up_after_each_increase(case: Make) -> None:
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
    assert "requests took longer than 2.05 s on version 3" in found.sentence
    assert found.blamed == (StreamKey(API, "latency"),)


def test_evidence_keeps_every_minute_and_its_interval(case: Make) -> None:
    found = case(errors=[ONE_BAD] * 6).judged()
    errors = found.evidence[0]
    assert len(errors.attributed_by_minute) == len(found.ln_attributed_by_minute) == found.minutes_scored == 6
    assert errors.ln_attributed == errors.attributed_by_minute[-1]
    assert errors.interval.lower < 6 / 360 < errors.interval.upper
    assert (errors.candidate_requests, errors.candidate_bad, errors.baseline_requests, errors.baseline_bad) == (
        360,
        6,
        3240,
        30,
    )
    assert errors.sentence == "1.7 % of 360 requests failed on version 3, 0.93 % on version 2 in the same minutes"
    assert errors.ln_literal is not None
    assert errors.ln_relative is not None
    assert found.evidence[1].ln_relative is None


def test_a_stage_without_a_relative_rule_has_none(case: Make) -> None:
    case = case(errors=[ONE_BAD] * 3, text="gates.errors.relative = false")
    assert [said.ln_relative for said in case.judged().evidence] == [None, None]


def test_notes_of_those_who_measured_become_warnings(case: Make) -> None:
    found = case(errors=[GOOD] * 9, seen=Observations(notes=("clock skew 3 s",))).judged()
    assert found.warnings == ("clock skew 3 s",)
