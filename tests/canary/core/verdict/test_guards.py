"""Hard guards and what can't be read (statistics.md §3.9, lambda-canary.md §4 and §5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.core.measurements import AlarmReading, AlarmState, DataState, Observations, Probe, StreamKey
from canary.core.verdict import Rule, Verdict

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
GOOD = (60, 0, 540, 5)
Make = Callable[..., Any]
URL = 'gates.health = { url = "https://shop.example/health" }'
KEY = StreamKey("", "health")
ALARMS = 'gates.alarms = { names = ["shop-5xx"] }'


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def probes(*answers: bool | None, key: StreamKey = KEY) -> Observations:
    return Observations(probes=tuple(Probe(key, at(i), ok, "status 500") for i, ok in enumerate(answers)))


def alarm(state: AlarmState, since: float | None = 3, *, red_at_start: bool = False) -> Observations:
    moment = None if since is None else at(since)
    return Observations(alarms=(AlarmReading("alarms", "shop-5xx", state, moment, red_at_start, "5xx > 1"),))


@pytest.mark.parametrize("answers", [(False, False), (True, False, False, True), (False, None, False)])
def test_two_failed_health_checks_in_a_row_are_unhealthy(case: Make, answers: tuple[bool | None, ...]) -> None:
    """Those whose version nobody knows are passed over, whichever way they went."""
    found = case(text=URL, errors=[GOOD] * 9, seen=probes(*answers)).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.PROBE)
    assert found.sentence == "the health check failed 2 times in a row, health: status 500"
    assert found.blamed == (KEY,)


@pytest.mark.parametrize("answers", [(False, True, False, True), (True,), (None, True)])
def test_single_failures_that_pass_are_not_unhealthy(case: Make, answers: tuple[bool | None, ...]) -> None:
    assert case(text=URL, errors=[GOOD] * 9, seen=probes(*answers)).judged().verdict is Verdict.HEALTHY


def test_a_gate_may_ask_for_another_number_of_failures(case: Make) -> None:
    text = 'gates.health = { url = "https://x", failures = 1 }'
    found = case(text=text, errors=[GOOD] * 9, seen=probes(False)).judged()
    assert (found.verdict, found.sentence) == (Verdict.UNHEALTHY, "the health check failed once, health: status 500")


def test_a_health_check_nobody_planned_counts_at_once(case: Make) -> None:
    bare = Observations(probes=(Probe(StreamKey("api:live", "other"), at(0), ok=False),))
    found = case(errors=[GOOD] * 9, seen=bare).judged()
    assert found.sentence == "the health check failed once, other of api:live"


def test_a_failed_check_speaks_before_there_is_any_traffic(case: Make) -> None:
    assert case(text=URL, weights=(), seen=probes(False, False)).judged(0).verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((True, None), "it is unknown which version answered the health check"),
        ((True, False), "the latest health check failed"),
    ],
)
def test_an_unclear_or_failing_latest_check_holds(case: Make, answers: tuple[bool | None, ...], words: str) -> None:
    found = case(text=URL, errors=[GOOD] * 9, seen=probes(*answers)).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.PROBE)
    assert words in found.sentence


def test_an_alarm_that_turns_red_after_the_start_is_unhealthy(case: Make) -> None:
    found = case(text=ALARMS, errors=[GOOD] * 9, seen=alarm(AlarmState.ALARM)).judged()
    assert (found.verdict, found.deciding, found.first_seen) == (Verdict.UNHEALTHY, Rule.ALARM, at(3))
    assert found.sentence == 'alarm "shop-5xx" is in ALARM: 5xx > 1'


def test_an_alarm_without_a_time_counts_unless_it_was_red_before(case: Make) -> None:
    case = case(text=ALARMS, errors=[GOOD] * 9, seen=alarm(AlarmState.ALARM, None))
    assert case.judged().verdict is Verdict.UNHEALTHY
    before = replace(case, seen=alarm(AlarmState.ALARM, None, red_at_start=True))
    assert before.judged().verdict is Verdict.INCONCLUSIVE


def test_an_alarm_red_before_the_start_blames_nobody(case: Make) -> None:
    """Otherwise the alarm of the old version forbids to deploy its fix (SAM#716)."""
    seen = alarm(AlarmState.ALARM, -5, red_at_start=True)
    found = case(text=ALARMS, errors=[GOOD] * 9, seen=seen).judged()
    assert (found.verdict, found.sentence) == (Verdict.INCONCLUSIVE, 'alarm "shop-5xx" was in ALARM before the start')
    ignored = 'gates.alarms = { names = ["shop-5xx"], already_red = "ignore" }'
    assert case(text=ignored, errors=[GOOD] * 9, seen=seen).judged().verdict is Verdict.HEALTHY


def test_an_alarm_that_recovered_and_turns_red_again_counts(case: Make) -> None:
    seen = alarm(AlarmState.ALARM, 4, red_at_start=True)
    assert case(text=ALARMS, errors=[GOOD] * 9, seen=seen).judged().verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize("seen", [alarm(AlarmState.UNKNOWN), Observations()])
def test_an_alarm_that_can_not_be_read_is_no_success(case: Make, seen: Observations) -> None:
    found = case(text=ALARMS, errors=[GOOD] * 9, seen=seen).judged()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence.startswith('alarm "shop-5xx" could not be read')


@pytest.mark.parametrize("state", [AlarmState.OK, AlarmState.INSUFFICIENT_DATA])
def test_a_green_or_silent_alarm_does_not_hold(case: Make, state: AlarmState) -> None:
    assert case(text=ALARMS, errors=[GOOD] * 9, seen=alarm(state)).judged().verdict is Verdict.HEALTHY


def test_a_crash_that_the_baseline_shares_is_a_shared_incident(case: Make) -> None:
    """J3: two minutes at 60 % on both versions rolled back 36 to 100 % of healthy canaries."""
    found = case(errors=[GOOD] * 3 + [(40, 24, 360, 216)] * 2).judged()
    assert (found.verdict, found.deciding) == (Verdict.INCONCLUSIVE, Rule.LITERAL)


def test_a_crash_without_a_baseline_to_compare_with_rolls_back(case: Make) -> None:
    found = case(errors=[GOOD] * 3 + [(400, 240, 0, 0)] * 2, weights=[(0, 10), (3, 100)]).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.CRASH)


def test_half_of_all_requests_failing_twice_rolls_back(case: Make) -> None:
    down = (40, 20, 360, 36)
    assert case(errors=[GOOD] * 3 + [down]).judged().deciding is not Rule.CRASH
    strict = "evidence.alpha_rollback = 1e-30"
    found = case(errors=[GOOD] * 3 + [down] * 2, text=strict).judged()
    assert (found.verdict, found.deciding, found.first_seen) == (Verdict.UNHEALTHY, Rule.CRASH, at(4))
    assert "the second at 10:04 UTC" in found.sentence


@pytest.mark.parametrize(
    "rows", [[(19, 19, 360, 300)] * 2, [(40, 19, 360, 300)] * 2, [(40, 20, 360, 300), GOOD, (40, 20, 360, 300)]]
)
def test_fewer_requests_or_minutes_are_left_to_the_evidence(case: Make, rows: list[tuple[int, ...]]) -> None:
    assert case(errors=rows).judged().deciding is not Rule.CRASH


def test_slow_requests_are_no_crash(case: Make) -> None:
    found = case(errors=[GOOD] * 6, latency=[(60, 0, 540, 0)] * 3 + [(60, 31, 540, 290)] * 3).judged()
    assert found.deciding is not Rule.CRASH


def test_blind_with_a_failing_check_goes_back(case: Make, make_stream: Make) -> None:
    blind = replace(make_stream("errors", [GOOD] * 3), state=DataState.FAILED)
    seen = replace(probes(True, False), streams=(blind,))
    case = case(text=URL, errors=[GOOD] * 30, seen=seen)
    assert case.judged(8).verdict is not Verdict.UNHEALTHY
    found = case.judged(12)
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.BLIND)
    assert found.sentence.startswith("errors of api:live has been unknown since 10:02 UTC and a health check failed")


def test_blind_from_the_first_minute_counts_from_the_start(case: Make, make_stream: Make) -> None:
    blind = replace(make_stream("errors", []), state=DataState.FAILED)
    case = case(text=URL, errors=[GOOD] * 30, seen=replace(probes(False), streams=(blind,)))
    assert case.judged(5).verdict is Verdict.NO_DATA
    assert case.judged(9).deciding is Rule.BLIND


def test_blind_without_a_failing_check_holds(case: Make, make_stream: Make) -> None:
    blind = replace(make_stream("errors", [GOOD] * 3), state=DataState.FAILED)
    case = case(text=URL, errors=[GOOD] * 30, seen=replace(probes(True), streams=(blind,)))
    assert case.judged(30).verdict is Verdict.NO_DATA
    assert replace(case, weights=()).judged(30).verdict is Verdict.NO_DATA
