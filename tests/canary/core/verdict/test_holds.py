"""Reasons to hold that blame nobody: share of traffic, lost requests, throttles, harm done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.core.measurements import AliasMinute, AliasTraffic, Observations
from canary.core.verdict import Rule, Verdict

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
GOOD = (60, 0, 540, 5)
API = "api:live"
Make = Callable[..., Any]


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def alias(requests: int, function: int | None = None, minutes: int = 9, key: str = API) -> Observations:
    rows = tuple(AliasMinute(at(i), requests, function) for i in range(minutes))
    return Observations(traffic=(AliasTraffic(key, rows),))


def test_a_share_that_is_not_the_weight_holds_and_says_so(case: Make) -> None:
    found = case(errors=[(120, 0, 480, 5)] * 9).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.SHARE)
    assert found.sentence == (
        "20.0 % of 4,800 requests of api:live reached the new version, the weight is 10.0 %: "
        "wrong weight, provisioned-concurrency spill or retries"
    )


def test_every_weight_is_compared_with_its_own_share(case: Make) -> None:
    rows = [GOOD] * 6 + [(150, 0, 450, 5)] * 8
    assert case(errors=rows, weights=[(0, 10), (6, 25)]).judged().verdict is Verdict.HEALTHY
    assert case(errors=rows, weights=[(0, 10), (6, 50)]).judged().deciding is Rule.SHARE


def test_the_minutes_of_a_change_are_left_out_of_the_share(case: Make) -> None:
    """A change at 10:05:30 is in force for sure from 10:06:30 on."""
    rows = [GOOD] * 5 + [(600, 0, 0, 0)] * 2 + [(150, 0, 450, 5)] * 9
    assert case(errors=rows, weights=[(0, 10), (5.5, 25)]).judged().verdict is Verdict.HEALTHY


def test_everything_on_one_version_is_no_share(case: Make) -> None:
    found = case(errors=[GOOD] * 6 + [(600, 0, 0, 0)] * 6, weights=[(0, 10), (6, 100)]).judged()
    assert found.verdict is Verdict.HEALTHY


def test_versions_that_do_not_add_up_to_the_alias_hold(case: Make) -> None:
    found = case(errors=[GOOD] * 9, seen=alias(1000)).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.CONSERVATION)
    assert "the two versions of api:live count 5,400 requests, the alias 9,000" in found.sentence


def test_a_few_requests_may_be_missing(case: Make) -> None:
    assert case(errors=[GOOD] * 9, seen=alias(620)).judged().verdict is Verdict.HEALTHY
    assert case(errors=[GOOD] * 9, seen=alias(600, key="other:live")).judged().verdict is Verdict.HEALTHY


def test_minutes_counted_one_way_only_are_not_compared(case: Make) -> None:
    assert case(errors=[GOOD] * 9, seen=alias(600, minutes=4)).judged().verdict is Verdict.HEALTHY


def test_traffic_past_the_alias_is_a_warning(case: Make) -> None:
    found = case(errors=[GOOD] * 9, seen=alias(600, 900)).judged()
    assert found.verdict is Verdict.HEALTHY
    assert found.warnings == ("2,700 of 8,100 requests went past the alias api:live",)
    assert case(errors=[GOOD] * 9, seen=alias(600, 605)).judged().warnings == ()
    assert case(errors=[GOOD] * 9, seen=alias(600, 9000, key="other:live")).judged().warnings == ()


def test_throttles_hold_and_never_blame(case: Make, make_stream: Make) -> None:
    throttles = make_stream("throttles", [(600, 0, 0, 0)] * 5 + [(600, 300, 0, 0)] * 4)
    seen = Observations(streams=(throttles,))
    found = case(text="gates.throttles = {}", errors=[GOOD] * 9, seen=seen).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.THROTTLED)
    assert found.sentence == (
        "40.0 % of 3,000 requests were throttled in the last 5 minutes (throttles of api:live), limit 1 %"
    )
    calm = make_stream("throttles", [(600, 300, 0, 0)] * 4 + [(600, 0, 0, 0)] * 5)
    assert case(
        text="gates.throttles = {}", errors=[GOOD] * 9, seen=Observations(streams=(calm,))
    ).judged().verdict is (Verdict.HEALTHY)


def test_enough_harm_stops_the_ramp(case: Make) -> None:
    """A slightly worse rate at much traffic: too little for a rollback, too much to advance."""
    rows = [(6000, 84, 54000, 540)] * 12
    found = case(text="harm_cap = 50\ngates.latency = false", errors=rows, history=(0, 0, 60000, 600)).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.HARM)
    assert found.sentence == (
        "1,008 requests failed on the new version, 288 more than the old version's rate explains; harm_cap is 50"
    )
    more = case(text="harm_cap = 250\ngates.latency = false", errors=rows, history=(0, 0, 60000, 600)).judged()
    assert more.verdict is Verdict.HEALTHY


def test_chance_alone_is_no_harm(case: Make) -> None:
    """60 more failures than expected, where 30 are the standard deviation."""
    rows = [(6000, 66, 54000, 540)] * 10
    found = case(text="gates.latency = false", errors=rows, history=(0, 0, 60000, 600)).judged()
    assert found.excess_failures == pytest.approx(60)
    assert found.verdict is Verdict.HEALTHY


def test_harm_without_a_base_is_measured_against_its_history(case: Make) -> None:
    found = case(errors=[(600, 6, 0, 0)] * 3, weights=[(0, 100)]).judged()
    assert found.failed_requests == 18
    assert found.excess_failures < 0.001


def test_harm_is_counted_once_although_two_gates_count_failures(case: Make, make_stream: Make) -> None:
    rows = [(60, 1, 540, 5)] * 4
    seen = Observations(streams=(make_stream("emf", rows),))
    found = case(text="gates.emf = {}", errors=rows, seen=seen).judged()
    assert found.failed_requests == 4


def test_every_reason_to_hold_is_reported(case: Make) -> None:
    case = case(errors=[(120, 0, 480, 5)] * 9, seen=alias(1000))
    found = case.judged()
    assert len(found.reasons) == 2
    assert found.reasons[0] == found.sentence
    assert replace(case, errors=[(60, 0, 540, 5)] * 9, seen=Observations()).judged().reasons == ()
