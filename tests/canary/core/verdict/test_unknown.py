"""What is not known, what is still needed, and several functions in one verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.core.measurements import (
    DataState,
    FunctionVersions,
    MinuteCounts,
    Observations,
    Stream,
    StreamKey,
    WeightChange,
)
from canary.core.verdict import Rule, Verdict, judge

Make = Callable[..., Any]
T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
API = "api:live"
GOOD = (60, 0, 540, 5)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def test_before_the_first_settled_minute_nothing_is_known(case: Make) -> None:
    for minute in (0, 1, 2.9):
        found = case(errors=[GOOD] * 5).judged(minute)
        assert (found.verdict, found.deciding, found.minutes_scored) == (Verdict.NO_DATA, Rule.NO_DATA, 0)
        assert found.sentence == "no complete minute at the present weight has settled yet"


def test_before_any_weight_only_guards_can_speak(case: Make) -> None:
    found = case(errors=[], weights=()).judged(3)
    assert found.verdict is Verdict.NO_DATA
    assert found.minutes_to_decision is None


def test_warm_up_is_inconclusive_not_unknown(case: Make) -> None:
    found = case(errors=[GOOD] * 3, latency=[(60, 20, 540, 5)] * 3).judged()
    assert found.verdict is Verdict.INCONCLUSIVE


def test_no_traffic_is_never_success(case: Make) -> None:
    found = case(errors=[(0, 0, 600, 6)] * 30).judged()
    assert (found.verdict, found.deciding) == (Verdict.NO_DATA, Rule.NO_DATA)
    assert found.sentence == "errors of api:live has counted no request on version 3 (new) at the present weight"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DataState.NO_DATA, "errors of api:live has no data: because"),
        (DataState.PARTIAL, "errors of api:live was answered only in part: because"),
        (DataState.FAILED, "errors of api:live could not be queried: because"),
        (DataState.UNKNOWN, "errors of api:live is unknown: because"),
    ],
)
def test_four_ways_of_missing_data_are_four_sentences_and_no_success(
    case: Make, make_stream: Make, state: DataState, words: str
) -> None:
    known = replace(make_stream("errors", [GOOD] * 30), state=state, detail="because")
    found = case(errors=[GOOD] * 30, seen=Observations(streams=(known,))).judged()
    assert (found.verdict, found.sentence) == (Verdict.NO_DATA, words)


def test_unknown_now_does_not_undo_what_was_unhealthy_before(case: Make, make_stream: Make) -> None:
    known = replace(make_stream("errors", [(60, 40, 540, 5)] * 5), state=DataState.FAILED)
    assert case(errors=[GOOD] * 5, seen=Observations(streams=(known,))).judged().verdict is Verdict.UNHEALTHY


def test_a_stream_that_was_not_measured_is_unknown(case: Make) -> None:
    found = case(errors=[GOOD] * 10, text="gates.throttles = {}\ngates.emf = {}").judged()
    assert found.verdict is Verdict.NO_DATA
    assert "emf of api:live is unknown: it was not measured" in found.reasons
    assert "throttles of api:live is unknown: it was not measured" in found.reasons


@pytest.mark.parametrize("row", [(60, 61, 540, 5), (60, 1, 540, 541), (-1, 0, 540, 5)])
def test_numbers_that_contradict_each_other_are_unknown(case: Make, row: tuple[int, int, int, int]) -> None:
    found = case(errors=[GOOD] * 9 + [row]).judged()
    assert found.verdict is Verdict.NO_DATA
    assert "its numbers contradict each other" in found.sentence


def test_what_is_still_needed_is_reported_in_requests_and_minutes(case: Make) -> None:
    found = case(errors=[GOOD] * 1, text="gates.latency = false").judged()
    (evidence,) = found.evidence
    assert evidence.requests_needed == 5
    assert evidence.minutes_needed == pytest.approx(5 / 60)
    assert found.minutes_to_decision == evidence.minutes_needed
    assert found.sentence.endswith("; about 5 more requests (1 min) would show it healthy")
    one_left = case(errors=[(64, 0, 540, 5)], text="gates.latency = false").judged()
    assert one_left.sentence.endswith("; about 1 more request (1 min) would show it healthy")


def test_a_rate_too_near_the_limit_can_not_be_shown_safe(case: Make) -> None:
    found = case(errors=[(60, 3, 540, 12)] * 10, text="gates.latency = false").judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.minutes_to_decision is None
    assert "at this rate it can't be shown to stay below 5 %" in found.sentence


def test_without_history_the_traffic_seen_says_how_long_it_takes(case: Make) -> None:
    plain = case(errors=[(30, 0, 270, 2)] * 2, text="gates.latency = false")
    bare = Stream(StreamKey(API, "errors"), plain.observations.streams[0].minutes)
    found = replace(plain, seen=Observations(streams=(bare,))).judged()
    assert found.evidence[0].minutes_needed == pytest.approx(5 / 30)
    empty = replace(bare, minutes=())
    assert replace(plain, seen=Observations(streams=(empty,))).judged().evidence[0].minutes_needed is None


def test_several_functions_are_judged_together_and_the_bad_one_is_blamed(case: Make, make_stream: Make) -> None:
    streams = tuple(
        make_stream(
            gate, [(60, 30, 540, 5) if (function, gate) == ("b:live", "errors") else GOOD] * 6, function=function
        )
        for function in ("a:live", "b:live", "c:live")
        for gate in ("errors", "latency")
    )
    versions = tuple(FunctionVersions(f"{name}:live", "9", "8") for name in "abc")
    case = case(
        functions='["a:live", "b:live", "c:live"]',
        errors=[GOOD] * 6,
        seen=Observations(streams=streams, versions=versions),
    )
    found = case.judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)
    assert found.blamed == (StreamKey("b:live", "errors"),)
    assert found.sentence.endswith("rolls back at 100:1)")
    assert "failed on version 9 (new) of b:live" in found.sentence


def test_no_single_stream_reaching_its_share_blames_the_largest(case: Make, make_stream: Make) -> None:
    """Six streams, none of which has 200 alone before the mean has."""
    bad = (12, 4, 540, 5)
    streams = tuple(
        make_stream(gate, [bad if gate == "errors" else GOOD] * 1, function=f)
        for f in ("a:live", "b:live")
        for gate in ("errors", "latency")
    )
    case = case(functions='["a:live", "b:live"]', errors=[GOOD], seen=Observations(streams=streams))
    found = case.judged()
    assert len(found.blamed) <= 2


def test_a_function_whose_turn_has_not_come_does_not_hold_the_others(case: Make, make_stream: Make) -> None:
    streams = tuple(
        make_stream(gate, [GOOD if f == "a:live" else (0, 0, 600, 6)] * 9, function=f)
        for f in ("a:live", "b:live")
        for gate in ("errors", "latency")
    )
    case = case(functions='["a:live", "b:live"]', errors=[GOOD] * 9, seen=Observations(streams=streams))
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
    unhealthy = judge(case.stage, replace(case.observations, streams=bad), soon, at(11))
    assert unhealthy.verdict is Verdict.UNHEALTHY
    assert unhealthy.first_seen == at(5)


def test_a_history_with_holes_and_numbers_that_are_none_is_read_like_a_clean_one(case: Make, make_stream: Make) -> None:
    """Minutes in any order, twice, missing, not finite, negative, contradictory, or of the future say nothing."""
    rows = [(60, 7, 540, 6)] * 4
    clean = make_stream("errors", rows)
    nan, inf = math.nan, math.inf
    odd = [(nan, 1), (600, nan), (-5, 0), (600, -1), (5, 9), (inf, 0), (inf, inf)]
    wrong = [MinuteCounts(at(-200 - index), 0, 0, *numbers) for index, numbers in enumerate(odd)]  # type: ignore[arg-type]
    future = [MinuteCounts(at(90), 0, 0, 600, 600)]
    past = (*clean.history[::-1], *wrong, *future, *clean.history[:20])
    dirty = replace(clean, history=past)
    holes = replace(clean, history=clean.history[::2])
    expected = case(errors=rows).judged()
    assert case(errors=rows, seen=Observations((dirty,))).judged().ln_evidence_by_minute == pytest.approx(
        expected.ln_evidence_by_minute
    )
    found = case(errors=rows, seen=Observations((holes,))).judged()
    assert (found.verdict, found.first_seen) == (expected.verdict, expected.first_seen)


@pytest.mark.parametrize("row", [(math.nan, 0, 540, 6), (60, math.nan, 540, 6), (60, 0, math.inf, 6), (60, -1, 540, 6)])
def test_a_minute_that_is_no_count_is_unknown_and_no_evidence(case: Make, row: tuple[Any, ...]) -> None:
    found = case(errors=[GOOD, row, GOOD]).judged()
    assert found.verdict is Verdict.NO_DATA
    assert "its numbers contradict each other" in found.sentence
    assert all(math.isfinite(value) for value in found.ln_evidence_by_minute)
