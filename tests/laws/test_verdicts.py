"""Laws of the verdict: whatever was measured, the rules that keep a canary safe hold."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.measurements import DataState, MinuteCounts, Observations, Stream, StreamKey, WeightChange
from canary.core.plan import Plan
from canary.core.verdict import Verdict, judge

pytestmark = pytest.mark.sweep

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STAGE = Plan.parse('[stages.staging]\nfunctions = ["api:live"]').stage("staging")
KEYS = (StreamKey("api:live", "errors"), StreamKey("api:live", "latency"))


@st.composite
def rows(draw: st.DrawFn, first: int, count: int) -> tuple[MinuteCounts, ...]:
    """Minutes of any traffic, some of them missing."""
    minutes = []
    for index in range(first, first + count):
        if draw(st.integers(0, 9)) == 0:
            continue
        n_c, n_b = draw(st.integers(0, 400)), draw(st.integers(0, 4000))
        share_c, share_b = draw(st.floats(0, 1)) ** 3, draw(st.floats(0, 1)) ** 3
        minutes.append(MinuteCounts(T0 + MINUTE * index, n_c, round(n_c * share_c), n_b, round(n_b * share_b)))
    return tuple(minutes)


@st.composite
def observations(draw: st.DrawFn, states: st.SearchStrategy[DataState]) -> Observations:
    history = draw(rows(-70, 70)) if draw(st.booleans()) else ()
    count = draw(st.integers(0, 16))
    return Observations(streams=tuple(Stream(key, draw(rows(0, count)), history, draw(states)) for key in KEYS))


complete = observations(st.just(DataState.COMPLETE))
weights = st.sampled_from(
    [
        (WeightChange(T0, Decimal(10)),),
        (WeightChange(T0, Decimal(10)), WeightChange(T0 + 6 * MINUTE, Decimal(25))),
        (WeightChange(T0 + timedelta(seconds=31), Decimal(50)), WeightChange(T0 + 5 * MINUTE, Decimal(100))),
    ]
)


@settings(deadline=None, max_examples=60)
@given(observations(st.sampled_from(DataState)), weights, st.integers(-3, 25))
def test_a_verdict_is_always_given_and_always_the_same(
    seen: Observations, changes: tuple[WeightChange, ...], minute: int
) -> None:
    now = T0 + MINUTE * minute
    found = judge(STAGE, seen, changes, now)
    assert found == judge(STAGE, seen, changes, now)
    assert found.sentence
    assert (found.reasons == ()) == (found.verdict is Verdict.HEALTHY)
    assert all(math.isfinite(value) for value in found.ln_evidence_by_minute)
    assert [said.key for said in found.evidence] == list(KEYS)


@settings(deadline=None, max_examples=40)
@given(complete, weights, st.integers(3, 18))
def test_once_unhealthy_stays_unhealthy(seen: Observations, changes: tuple[WeightChange, ...], minute: int) -> None:
    """As time goes on over the same rows; a rollback that a late tick would not see could be missed."""
    if judge(STAGE, seen, changes, T0 + MINUTE * minute).verdict is Verdict.UNHEALTHY:
        for later in (1, 2, 5):
            assert judge(STAGE, seen, changes, T0 + MINUTE * (minute + later)).verdict is Verdict.UNHEALTHY


PAIR = Plan.parse('[stages.staging]\nfunctions = ["api:live", "jobs:live"]').stage("staging")
PAIR_KEYS = tuple(StreamKey(function, gate) for gate in ("errors", "latency") for function in ("api:live", "jobs:live"))


@st.composite
def of_two_functions(draw: st.DrawFn) -> Observations:
    """Failing minutes of either function, health checks that fail and alarms that go red, in any order."""
    streams = tuple(
        Stream(key, draw(rows(0, 12)), draw(rows(-70, 70)) if draw(st.booleans()) else ()) for key in PAIR_KEYS
    )
    return Observations(streams=streams)


@settings(deadline=None, max_examples=40)
@given(of_two_functions(), weights)
def test_a_late_look_reports_the_same_as_a_punctual_one(seen: Observations, changes: tuple[WeightChange, ...]) -> None:
    def reported(minute: int) -> tuple[object, ...] | None:
        found = judge(PAIR, seen, changes, T0 + MINUTE * minute)
        if found.verdict is not Verdict.UNHEALTHY:
            return None
        return found.deciding, found.sentence, found.blamed, found.first_seen

    looks = [reported(minute) for minute in range(2, 18)]
    first = next((one for one in looks if one), None)
    assert all(one == first for one in looks[looks.index(first) :])


@settings(deadline=None, max_examples=40)
@given(complete, weights, st.sampled_from([s for s in DataState if s is not DataState.COMPLETE]), st.integers(0, 1))
def test_what_is_not_known_completely_is_never_healthy(
    seen: Observations, changes: tuple[WeightChange, ...], state: DataState, at: int
) -> None:
    streams = tuple(replace(s, state=state) if i == at else s for i, s in enumerate(seen.streams))
    assert judge(STAGE, replace(seen, streams=streams), changes, T0 + 20 * MINUTE).verdict is not Verdict.HEALTHY


@settings(deadline=None, max_examples=40)
@given(complete, weights)
def test_a_silent_candidate_is_never_healthy_or_unhealthy(
    seen: Observations, changes: tuple[WeightChange, ...]
) -> None:
    silent = tuple(
        replace(s, minutes=tuple(replace(m, candidate_requests=0, candidate_bad=0) for m in s.minutes))
        for s in seen.streams
    )
    verdict = judge(STAGE, replace(seen, streams=silent), changes, T0 + 20 * MINUTE).verdict
    assert verdict in (Verdict.NO_DATA, Verdict.INCONCLUSIVE)


@settings(deadline=None, max_examples=40)
@given(complete, weights)
def test_a_flawless_candidate_is_never_blamed(seen: Observations, changes: tuple[WeightChange, ...]) -> None:
    clean = tuple(replace(s, minutes=tuple(replace(m, candidate_bad=0) for m in s.minutes)) for s in seen.streams)
    assert judge(STAGE, replace(seen, streams=clean), changes, T0 + 20 * MINUTE).verdict is not Verdict.UNHEALTHY
