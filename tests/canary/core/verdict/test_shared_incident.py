"""A shared incident: both versions break the limit (statistics.md §3.9, decision 0011)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from canary.core.verdict import Rule, Verdict

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
GOOD = (60, 0, 540, 5)
OUTAGE = (60, 18, 540, 162)
Make = Callable[..., Any]


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def test_a_shared_outage_freezes_and_passes(case: Make) -> None:
    case = case(errors=[GOOD] * 5 + [OUTAGE] * 2 + [GOOD] * 12)
    during = case.judged(9)
    assert (during.verdict, during.deciding) == (Verdict.INCONCLUSIVE, Rule.LITERAL)
    assert during.shared_incident is not None
    assert during.shared_incident.since == at(5)
    assert during.shared_incident.still_above is True
    assert during.sentence.startswith("shared incident since 10:05 UTC, still above the limit: ")
    assert "the limit is 5 %, both versions exceed it" in during.sentence
    for minute in range(9, 22):
        assert case.judged(minute).verdict is not Verdict.UNHEALTHY
    assert case.judged().verdict is Verdict.HEALTHY
    assert case.judged().shared_incident is None


def test_proof_of_health_begins_anew_after_a_shared_incident(case: Make) -> None:
    case = case(errors=[GOOD] * 5 + [OUTAGE] * 2 + [GOOD] * 12)
    over = case.judged(11)
    assert over.verdict is Verdict.INCONCLUSIVE
    assert over.shared_incident is None
    assert over.deciding is Rule.WAITING
    assert any("10:09 to" in reason or "no request counted yet" in reason for reason in over.reasons)


def test_a_shared_outage_that_lasts_rolls_back_after_three_minutes(case: Make) -> None:
    case = case(errors=[GOOD] * 5 + [OUTAGE] * 9)
    assert [case.judged(minute).verdict for minute in (8, 9, 10)] == [Verdict.INCONCLUSIVE] * 3
    found = case.judged(11)
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.LITERAL)
    assert found.first_seen == at(8)
    assert found.sentence.endswith("10:00 to 10:09 UTC; the limit is 5 %, both versions exceed it")


def test_a_tick_that_comes_late_still_sees_the_incident_that_lasted(case: Make) -> None:
    case = case(errors=[GOOD] * 5 + [OUTAGE] * 6 + [GOOD] * 6)
    found = case.judged(30)
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.LITERAL)


def test_a_shared_incident_may_roll_back_at_once(case: Make) -> None:
    found = case(errors=[GOOD] * 5 + [OUTAGE] * 4, text='shared_incident = "rollback"').judged(8)
    assert (found.verdict, found.deciding, found.first_seen) == (Verdict.UNHEALTHY, Rule.LITERAL, at(5))


def test_a_shared_incident_may_be_ignored(case: Make) -> None:
    found = case(errors=[GOOD] * 5 + [OUTAGE] * 9, text='shared_incident = "ignore"').judged()
    assert found.verdict is not Verdict.UNHEALTHY
    assert found.shared_incident is None


def test_a_shared_incident_may_be_held_whatever_happens(case: Make) -> None:
    """J3: `hold` freezes and alerts; what follows is the plan's policy, not a rollback."""
    case = case(errors=[GOOD] * 5 + [(60, 36, 540, 324)] * 20 + [GOOD] * 9, text='shared_incident = "hold"')
    assert {case.judged(minute).verdict for minute in range(9, 27)} == {Verdict.INCONCLUSIVE}
    assert case.judged(20).shared_incident is not None
    assert case.judged().shared_incident is None


def test_an_incident_without_traffic_since_is_neither_over_nor_acted_on(case: Make) -> None:
    found = case(errors=[GOOD] * 5 + [OUTAGE] + [(0, 0, 0, 0)] * 6).judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.shared_incident is not None
    assert found.shared_incident.still_above is None
    assert found.shared_incident.minutes == 6
    assert "unclear whether it continues" in found.sentence


def test_an_outage_that_only_the_old_version_got_over_is_not_shared_any_more(case: Make) -> None:
    """Both together are back within the limit; what the candidate still does it is blamed for by itself."""
    alone = (60, 12, 540, 5)
    case = case(errors=[GOOD] * 5 + [OUTAGE] * 2 + [alone] * 6)
    assert case.judged(9).deciding is Rule.LITERAL
    found = case.judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)


def test_one_unlucky_request_after_an_incident_is_not_the_incident(case: Make) -> None:
    """At little traffic: the candidate alone would be above 5 %, both versions together are not."""
    rows = [(6, 0, 54, 0)] * 5 + [(6, 4, 54, 30)] * 2 + [(6, 1, 54, 0)] + [(6, 0, 54, 0)] * 8
    case = case(errors=rows, history=(0, 0, 60, 0))
    assert all(case.judged(minute).verdict is not Verdict.UNHEALTHY for minute in range(3, 19))


def test_a_second_incident_is_seen_as_fresh_as_the_first(case: Make) -> None:
    case = case(errors=[GOOD] * 3 + [OUTAGE] * 2 + [GOOD] * 6 + [OUTAGE] * 6)
    again = case.judged(14)
    assert again.shared_incident is not None
    assert again.shared_incident.since == at(11)
    assert case.judged().verdict is Verdict.UNHEALTHY


def test_an_incident_that_only_a_silent_gate_missed_starts_again_from_nothing(case: Make) -> None:
    """Two streams: latency never breaks its limit, so only what it has not bet yet stands for it."""
    case = case(errors=[OUTAGE] * 2 + [GOOD] * 4 + [OUTAGE] * 3)
    assert case.judged(11).shared_incident is not None


def test_evidence_against_the_limit_without_evidence_against_the_version_says_so(case: Make) -> None:
    """Next to no traffic on the baseline: the limit is broken, and nothing says by whom."""
    found = case(errors=[(60, 0, 3, 0)] * 3 + [(60, 16, 1, 0)] * 3, weights=[(0, 95)]).judged()
    assert found.deciding is Rule.LITERAL
    assert found.sentence.endswith("there is too little evidence that only the new version does")


def test_single_failures_after_an_outage_at_little_traffic_are_no_incident_that_goes_on(case: Make) -> None:
    """At 12 requests a minute one failed request of the new version in two minutes is already above 5 %."""
    outage, after = [(6, 4, 6, 4)] * 2, [(6, 1, 6, 0), (6, 0, 6, 1)] * 6
    found = case(errors=[*outage, *after]).judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.shared_incident is not None
    going_on = case(errors=[*outage, *[(6, 1, 6, 1)] * 12]).judged()
    assert (going_on.verdict, going_on.deciding) == (Verdict.UNHEALTHY, Rule.LITERAL)
