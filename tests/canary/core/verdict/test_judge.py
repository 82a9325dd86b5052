"""The order of a verdict (canary-statistics.md §4.14), one rule a test."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.core.measurements import DataState, FunctionVersions, Observations, Stream, StreamKey, WeightChange
from canary.core.verdict import Process, Verdict, judge

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
API = "api:live"
GOOD = (60, 0, 540, 5)
MORE = (150, 0, 450, 5)
ONE_BAD = (60, 1, 540, 5)
OUTAGE = (60, 18, 540, 162)
Make = Callable[..., Any]


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def test_before_the_first_settled_minute_nothing_is_known(world: Make) -> None:
    for minute in (0, 1, 2.9):
        found = world(errors=[GOOD] * 5).judged(minute)
        assert (found.verdict, found.deciding, found.minutes_scored) == (Verdict.NO_DATA, Process.NO_DATA, 0)
        assert found.sentence == "no whole minute of the present weight is settled yet"


def test_before_any_weight_only_guards_can_speak(world: Make) -> None:
    found = world(errors=[], weights=()).judged(3)
    assert found.verdict is Verdict.NO_DATA
    assert found.minutes_to_decision is None


def test_clean_requests_make_a_step_healthy_and_no_sooner(world: Make) -> None:
    case = world(errors=[GOOD] * 8)
    verdicts = [case.judged(minute).verdict for minute in range(3, 8)]
    assert verdicts[:2] == [Verdict.INCONCLUSIVE] * 2
    assert verdicts[-1] is Verdict.HEALTHY
    found = case.judged()
    assert found.deciding is Process.SAFE
    assert found.reasons == ()
    assert found.minutes_to_decision == 0.0
    assert found.sentence == (
        "0 % of 300 requests took longer than 2.05 s on version 3 (99 % interval 0–1.9 %), "
        "0 % on version 2 in the same minutes; shown to stay below 5 %"
    )


def test_a_bad_candidate_is_sick_with_its_numbers(world: Make) -> None:
    case = world(errors=[(62, 7, 540, 6)] * 4)
    found = case.judged()
    assert found.verdict is Verdict.SICK
    assert found.deciding in (Process.ATTRIBUTED, Process.RELATIVE)
    assert found.blamed == (StreamKey(API, "errors"),)
    assert "11.3 % of 248 requests failed on version 3 (99 % interval " in found.sentence
    assert ", 1.1 % on version 2 in the same minutes; evidence 1:" in found.sentence
    assert found.first_seen == at(1)
    assert found.sentence.endswith("seen in minute 2")
    assert found.failed_requests == 28
    assert found.excess_failures == pytest.approx(28 - 248 * 6 / 540)
    assert found.reasons[0] == found.sentence


def test_the_literal_limit_alone_finds_a_candidate_without_a_better_base(world: Make) -> None:
    """kappa is out of reach: only the attribution-aware process can fire, and it needs the base to be better."""
    found = world(errors=[(60, 20, 540, 5)] * 4, text="gates.errors.relative = false").judged()
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.ATTRIBUTED)
    assert " against, seen in minute 1" in found.sentence


def test_once_sick_stays_sick(world: Make) -> None:
    case = world(errors=[(60, 30, 540, 5)] * 2 + [GOOD] * 20)
    for minute in range(4, 23):
        assert case.judged(minute).verdict is Verdict.SICK
    assert case.judged(22).first_seen == case.judged(4).first_seen


def test_the_same_arguments_give_the_same_judgement(world: Make) -> None:
    case = world(errors=[ONE_BAD] * 12)
    assert case.judged() == case.judged()


def test_minutes_younger_than_the_settle_time_are_not_looked_at(world: Make) -> None:
    case = world(errors=[GOOD] * 5 + [(60, 60, 540, 0)] * 2)
    assert case.judged(7).verdict is Verdict.HEALTHY
    assert case.judged(8).verdict is Verdict.SICK


def test_a_long_function_timeout_keeps_minutes_unsettled(world: Make) -> None:
    rows = [GOOD] * 5 + [(60, 60, 540, 0)] * 2
    seen = Observations(settled_until=at(5))
    assert world(errors=rows, seen=seen).judged(20).minutes_scored == 5


def test_a_healthy_four_percent_is_never_sick(world: Make) -> None:
    found = world(errors=[(60, 2, 540, 22), (60, 3, 540, 21)] * 20).judged()
    assert found.verdict is not Verdict.SICK


def test_a_candidate_worse_than_its_base_is_sick_below_the_limit(world: Make) -> None:
    found = world(errors=[(600, 20, 5400, 20)] * 5, history=(0, 0, 6000, 22)).judged()
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.RELATIVE)
    assert "that it is worse than version 2" in found.sentence


def test_a_shared_outage_freezes_and_passes(world: Make) -> None:
    case = world(errors=[GOOD] * 5 + [OUTAGE] * 2 + [GOOD] * 12)
    during = case.judged(9)
    assert (during.verdict, during.deciding) == (Verdict.INCONCLUSIVE, Process.LITERAL)
    assert during.shared_incident is not None
    assert during.shared_incident.since == at(5)
    assert during.shared_incident.still_above is True
    assert during.sentence.startswith("frozen since 10:05 UTC by a shared incident, still above: ")
    assert "the limit is 5 %, both versions break it" in during.sentence
    for minute in range(9, 22):
        assert case.judged(minute).verdict is not Verdict.SICK
    assert case.judged().verdict is Verdict.HEALTHY
    assert case.judged().shared_incident is None


def test_proof_of_health_begins_anew_after_a_shared_incident(world: Make) -> None:
    case = world(errors=[GOOD] * 5 + [OUTAGE] * 2 + [GOOD] * 12)
    over = case.judged(11)
    assert over.verdict is Verdict.INCONCLUSIVE
    assert over.shared_incident is None
    assert over.deciding is Process.WAITING
    assert any("since 10:" in reason or "no request counted yet" in reason for reason in over.reasons)


def test_a_shared_outage_that_lasts_rolls_back_after_three_minutes(world: Make) -> None:
    case = world(errors=[GOOD] * 5 + [OUTAGE] * 9)
    assert [case.judged(minute).verdict for minute in (8, 9, 10)] == [Verdict.INCONCLUSIVE] * 3
    found = case.judged(11)
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.LITERAL)
    assert found.first_seen == at(8)
    assert found.sentence.endswith("both versions break it, seen in minute 9")


def test_a_tick_that_comes_late_still_sees_the_incident_that_lasted(world: Make) -> None:
    case = world(errors=[GOOD] * 5 + [OUTAGE] * 6 + [GOOD] * 6)
    found = case.judged(30)
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.LITERAL)


def test_a_shared_incident_may_roll_back_at_once(world: Make) -> None:
    found = world(errors=[GOOD] * 5 + [OUTAGE] * 4, text='shared_incident = "rollback"').judged(8)
    assert (found.verdict, found.deciding, found.first_seen) == (Verdict.SICK, Process.LITERAL, at(5))


def test_a_shared_incident_may_be_ignored(world: Make) -> None:
    found = world(errors=[GOOD] * 5 + [OUTAGE] * 9, text='shared_incident = "ignore"').judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.shared_incident is None


def test_an_incident_without_traffic_since_is_neither_over_nor_acted_on(world: Make) -> None:
    found = world(errors=[GOOD] * 5 + [OUTAGE] + [(0, 0, 0, 0)] * 6).judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.shared_incident is not None
    assert found.shared_incident.still_above is None
    assert found.shared_incident.minutes == 6
    assert "not clear whether it lasts" in found.sentence


def test_an_outage_that_only_the_old_version_got_over_is_not_shared_any_more(world: Make) -> None:
    """Both together are back within the limit; what the candidate still does it is blamed for by itself."""
    alone = (60, 12, 540, 5)
    case = world(errors=[GOOD] * 5 + [OUTAGE] * 2 + [alone] * 6)
    assert case.judged(9).deciding is Process.LITERAL
    found = case.judged()
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.RELATIVE)


def test_one_unlucky_request_after_an_incident_is_not_the_incident(world: Make) -> None:
    """At little traffic: the candidate alone would be above 5 %, both versions together are not."""
    rows = [(6, 0, 54, 0)] * 5 + [(6, 4, 54, 30)] * 2 + [(6, 1, 54, 0)] + [(6, 0, 54, 0)] * 8
    case = world(errors=rows, history=(0, 0, 60, 0))
    assert all(case.judged(minute).verdict is not Verdict.SICK for minute in range(3, 19))


def test_the_rule_that_fired_first_is_named_by_a_late_tick_too(world: Make) -> None:
    case = world(errors=[(60, 6, 540, 5)] * 20)
    early = next(found for minute in range(3, 23) if (found := case.judged(minute)).verdict is Verdict.SICK)
    late = case.judged()
    assert (late.deciding, late.first_seen) == (early.deciding, early.first_seen)


def test_a_second_incident_is_seen_as_fresh_as_the_first(world: Make) -> None:
    case = world(errors=[GOOD] * 3 + [OUTAGE] * 2 + [GOOD] * 6 + [OUTAGE] * 6)
    again = case.judged(14)
    assert again.shared_incident is not None
    assert again.shared_incident.since == at(11)
    assert case.judged().verdict is Verdict.SICK


def test_after_the_promotion_the_literal_limit_decides(world: Make) -> None:
    """No base is left to share the blame (canary-statistics.md §4.5)."""
    rows = [GOOD] * 5 + [(600, 150, 0, 0)] * 2
    found = world(errors=rows, weights=[(0, 10), (5, 100)]).judged()
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.ATTRIBUTED)


def test_every_step_proves_its_health_anew(world: Make) -> None:
    case = world(errors=[GOOD] * 10 + [MORE] * 10, weights=[(0, 10), (10, 25)])
    assert case.judged(12).verdict is Verdict.NO_DATA
    assert case.judged(13).verdict is Verdict.INCONCLUSIVE
    assert case.judged(20).verdict is Verdict.HEALTHY
    assert ", since 10:10 UTC" in case.judged(20).sentence


def test_latency_is_not_judged_in_the_warm_up_after_each_increase(world: Make) -> None:
    cold = (60, 20, 540, 5)
    case = world(
        errors=[GOOD] * 10 + [MORE] * 10,
        latency=[cold] * 3 + [GOOD] * 7 + [(150, 50, 450, 5)] * 3 + [MORE] * 7,
        weights=[(0, 10), (10, 25)],
    )
    assert case.judged().verdict is Verdict.HEALTHY
    assert replace(case, text='gates.latency.warm_up = "0s"').judged().verdict is Verdict.SICK


def test_a_slow_candidate_is_sick_in_the_words_of_its_limit(world: Make) -> None:
    found = world(errors=[GOOD] * 8, latency=[(60, 30, 540, 5)] * 8).judged()
    assert found.verdict is Verdict.SICK
    assert "requests took longer than 2.05 s on version 3" in found.sentence
    assert found.blamed == (StreamKey(API, "latency"),)


def test_warm_up_is_inconclusive_not_unknown(world: Make) -> None:
    found = world(errors=[GOOD] * 3).judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any(reason.startswith("no request counted yet on version 3") for reason in found.reasons)


def test_no_traffic_is_never_success(world: Make) -> None:
    found = world(errors=[(0, 0, 600, 6)] * 30).judged()
    assert (found.verdict, found.deciding) == (Verdict.NO_DATA, Process.NO_DATA)
    assert found.sentence == "errors of api:live counted no request for version 3 under the present weight"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DataState.NO_DATA, "errors of api:live has no data: because"),
        (DataState.PARTIAL, "errors of api:live was answered only in part: because"),
        (DataState.FAILED, "errors of api:live could not be queried: because"),
        (DataState.UNKNOWN, "errors of api:live is unknown: because"),
    ],
)
def test_four_ways_of_not_knowing_are_four_sentences_and_no_success(
    world: Make, make_stream: Make, state: DataState, words: str
) -> None:
    known = replace(make_stream("errors", [GOOD] * 30), state=state, detail="because")
    found = world(errors=[GOOD] * 30, seen=Observations(streams=(known,))).judged()
    assert (found.verdict, found.sentence) == (Verdict.NO_DATA, words)


def test_unknown_now_does_not_undo_what_was_sick_before(world: Make, make_stream: Make) -> None:
    known = replace(make_stream("errors", [(60, 40, 540, 5)] * 5), state=DataState.FAILED)
    assert world(errors=[GOOD] * 5, seen=Observations(streams=(known,))).judged().verdict is Verdict.SICK


def test_a_stream_that_was_not_measured_is_unknown(world: Make) -> None:
    found = world(errors=[GOOD] * 10, text="gates.throttles = {}\ngates.emf = {}").judged()
    assert found.verdict is Verdict.NO_DATA
    assert "emf of api:live is unknown: it was not measured" in found.reasons
    assert "throttles of api:live is unknown: it was not measured" in found.reasons


@pytest.mark.parametrize("row", [(60, 61, 540, 5), (60, 1, 540, 541), (-1, 0, 540, 5)])
def test_numbers_that_contradict_each_other_are_unknown(world: Make, row: tuple[int, int, int, int]) -> None:
    found = world(errors=[GOOD] * 9 + [row]).judged()
    assert found.verdict is Verdict.NO_DATA
    assert "its numbers contradict each other" in found.sentence


def test_what_is_still_needed_is_told_in_requests_and_minutes(world: Make) -> None:
    found = world(errors=[GOOD] * 1, text="gates.latency = false").judged()
    (evidence,) = found.evidence
    assert evidence.requests_needed == 5
    assert evidence.minutes_needed == pytest.approx(5 / 60)
    assert found.minutes_to_decision == evidence.minutes_needed
    assert found.sentence.endswith("; about 5 more requests (1 min) would show it safe")


def test_a_rate_too_near_the_limit_can_not_be_shown_safe(world: Make) -> None:
    found = world(errors=[(60, 3, 540, 26)] * 10, text="gates.latency = false").judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.minutes_to_decision is None
    assert "at this rate it can't be shown to stay below 5 %" in found.sentence


def test_without_history_the_traffic_seen_tells_how_long_it_takes(world: Make) -> None:
    plain = world(errors=[(30, 0, 270, 2)] * 2, text="gates.latency = false")
    bare = Stream(StreamKey(API, "errors"), plain.observations.streams[0].minutes)
    found = replace(plain, seen=Observations(streams=(bare,))).judged()
    assert found.evidence[0].minutes_needed == pytest.approx(5 / 30)
    empty = replace(bare, minutes=())
    assert replace(plain, seen=Observations(streams=(empty,))).judged().evidence[0].minutes_needed is None


def test_evidence_keeps_every_minute_and_its_interval(world: Make) -> None:
    found = world(errors=[ONE_BAD] * 6).judged()
    errors = found.evidence[0]
    assert len(errors.attributed_by_minute) == len(found.ln_attributed_by_minute) == found.minutes_scored == 6
    assert errors.ln_attributed == errors.attributed_by_minute[-1]
    assert errors.interval.lower < 6 / 360 < errors.interval.upper
    assert errors.base_interval.lower < 5 / 540 < errors.base_interval.upper
    assert (errors.candidate_requests, errors.candidate_bad, errors.base_requests, errors.base_bad) == (
        360,
        6,
        3240,
        30,
    )
    assert errors.sentence == "1.7 % of 360 requests failed on version 3, 0.93 % on version 2 in the same minutes"
    assert errors.ln_literal is not None
    assert errors.ln_relative is not None
    assert found.evidence[1].ln_relative is None


def test_several_functions_are_judged_together_and_the_bad_one_is_blamed(world: Make, make_stream: Make) -> None:
    streams = tuple(
        make_stream(
            gate, [(60, 30, 540, 5) if (function, gate) == ("b:live", "errors") else GOOD] * 6, function=function
        )
        for function in ("a:live", "b:live", "c:live")
        for gate in ("errors", "latency")
    )
    versions = tuple(FunctionVersions(f"{name}:live", "9", "8") for name in "abc")
    case = world(
        functions='["a:live", "b:live", "c:live"]',
        errors=[GOOD] * 6,
        seen=Observations(streams=streams, versions=versions),
    )
    found = case.judged()
    assert (found.verdict, found.deciding) == (Verdict.SICK, Process.CRASH)
    assert found.blamed == (StreamKey("b:live", "errors"),)
    assert found.sentence.endswith("; at least half of them in each of 2 minutes running, the second at 10:01 UTC")
    assert "failed on version 9 of b:live" in found.sentence


def test_no_single_stream_reaching_its_share_blames_the_largest(world: Make, make_stream: Make) -> None:
    """Six streams, none of which has 200 alone before the mean has."""
    bad = (12, 4, 540, 5)
    streams = tuple(
        make_stream(gate, [bad if gate == "errors" else GOOD] * 1, function=f)
        for f in ("a:live", "b:live")
        for gate in ("errors", "latency")
    )
    case = world(functions='["a:live", "b:live"]', errors=[GOOD], seen=Observations(streams=streams))
    found = case.judged()
    assert len(found.blamed) <= 2


def test_a_function_whose_turn_has_not_come_does_not_hold_the_others(world: Make, make_stream: Make) -> None:
    streams = tuple(
        make_stream(gate, [GOOD if f == "a:live" else (0, 0, 600, 6)] * 9, function=f)
        for f in ("a:live", "b:live")
        for gate in ("errors", "latency")
    )
    case = world(functions='["a:live", "b:live"]', errors=[GOOD] * 9, seen=Observations(streams=streams))
    weights = (WeightChange(T0, case.changes[0].weight_percent, "a:live"),)
    found = judge(case.stage, case.observations, weights, at(11))
    assert found.verdict is Verdict.HEALTHY
    later = (*weights, WeightChange(at(9), case.changes[0].weight_percent, "b:live"))
    assert judge(case.stage, case.observations, later, at(14)).verdict is Verdict.NO_DATA
    bad = tuple(
        replace(s, minutes=(*s.minutes[:5], *make_stream("x", [GOOD] * 5 + [(60, 25, 540, 5)] * 4).minutes[5:]))
        if s.key == StreamKey("b:live", "errors")
        else s
        for s in streams
    )
    soon = (*weights, WeightChange(at(5), case.changes[0].weight_percent, "b:live"))
    sick = judge(case.stage, replace(case.observations, streams=bad), soon, at(11))
    assert sick.verdict is Verdict.SICK
    assert sick.first_seen == at(5)


def test_a_stage_without_a_relative_rule_has_none(world: Make) -> None:
    case = world(errors=[ONE_BAD] * 3, text="gates.errors.relative = false")
    assert [said.ln_relative for said in case.judged().evidence] == [None, None]


def test_notes_of_those_who_measured_become_warnings(world: Make) -> None:
    found = world(errors=[GOOD] * 9, seen=Observations(notes=("clock skew 3 s",))).judged()
    assert found.warnings == ("clock skew 3 s",)


def test_a_tick_over_ten_functions_and_six_gates_is_fast(world: Make, make_stream: Make) -> None:
    """The bar is 50 ms of CPU; here three times that, since test machines are busy."""
    gates = """
gates.p99 = { kind = "latency", quantile = 0.99, limit = "5s" }
gates.emf = {}
gates.slow = { kind = "emf", bad = "slow" }
gates.http_5xx = { source = "url" }
"""
    names = [f"f{i}:live" for i in range(10)]
    functions = "[" + ", ".join(f'"{name}"' for name in names) + "]"
    case = world(text=gates, functions=functions, errors=[ONE_BAD] * 30)
    streams = tuple(make_stream(gate, [ONE_BAD] * 30, function=f) for gate in case.stage.gates for f in names)
    case = replace(case, seen=Observations(streams=streams))
    observations, stage, changes = case.observations, case.stage, case.changes
    spent = math.inf
    for _ in range(3):
        began = time.process_time()
        assert len(judge(stage, observations, changes, at(32)).evidence) == 60
        spent = min(spent, time.process_time() - began)
    assert spent < 0.15
