"""When minutes stop changing, and from which age on they count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.measurements import (
    MINUTE,
    AliasMinute,
    AliasTraffic,
    DataState,
    Gauge,
    MinuteCounts,
    MinuteValue,
    Observations,
    Stream,
    StreamKey,
)
from canary.core.plan import StagePlan
from canary.core.settling import Settling
from canary.core.verdict import Judgement, Rule, Verdict
from tests.canary.stages import stage_of

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SOONEST, LATEST = timedelta(seconds=23), timedelta(seconds=120)
STAGE = stage_of()


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class CloudWatch:
    """Minutes whose requests become visible one by one: the last one `delay_s` after the minute's end."""

    def __init__(self, delay_s: float, per_minute: int = 60, failing: float = 0.0) -> None:
        self.delay_s, self.per_minute, self.failing = delay_s, per_minute, failing
        self.state = DataState.COMPLETE

    def at(self, now: datetime) -> Observations:
        rows = []
        for number in range(-5, 60):
            minute = START + number * MINUTE
            done = (now - minute).total_seconds() - self.delay_s
            seen = int(self.per_minute * min(1.0, max(0.0, done / 60)))
            if seen:
                rows.append(MinuteCounts(minute, seen, round(seen * self.failing)))
        history = tuple(row for row in rows if row.minute < START)
        minutes = tuple(row for row in rows if row.minute >= START)
        key = StreamKey("api:live", "errors")
        traffic = AliasTraffic("api:live", tuple(AliasMinute(row.minute, row.candidate_requests) for row in minutes))
        return Observations((Stream(key, minutes, history, self.state),), traffic=(traffic,))


def looked(
    cloudwatch: CloudWatch, until_s: float, step_s: float = 20, stage: StagePlan = STAGE
) -> tuple[Settling, datetime]:
    settling, now = Settling(), START
    while now < START + seconds(until_s):
        settling = settling.read(stage, cloudwatch.at(now), now, LATEST)
        now += seconds(step_s)
    return settling, now


@pytest.mark.parametrize(("delay_s", "age_s"), [(5, 23), (40, 40), (75, 80), (90, 100), (119, 120), (200, 120)])
def test_a_minute_counts_from_the_age_at_which_the_ones_before_stopped_changing(delay_s: int, age_s: int) -> None:
    """Bounded below by the longest invocation and above by the plan, however long CloudWatch really takes."""
    settling, now = looked(CloudWatch(delay_s), 400)
    assert settling.age("errors", SOONEST) == seconds(age_s)
    counted = settling.settled(CloudWatch(delay_s).at(now), now, SOONEST)
    assert counted.settle_s == age_s
    assert counted.settled_until is not None
    assert all(row.minute < counted.settled_until for stream in counted.streams for row in stream.minutes)


def test_what_counts_early_is_complete() -> None:
    cloudwatch = CloudWatch(70)
    settling, now = looked(cloudwatch, 300)
    for _ in range(30):
        settling = settling.read(STAGE, cloudwatch.at(now), now, LATEST)
        counted = settling.settled(cloudwatch.at(now), now, SOONEST)
        assert {row.candidate_requests for row in counted.streams[0].minutes} == {60}
        now += seconds(20)


def test_nothing_is_assumed_before_a_minute_was_seen_to_stop() -> None:
    settling, _ = looked(CloudWatch(5), 100)
    assert settling.age("errors", SOONEST) == LATEST
    assert Settling().age("errors", SOONEST) == timedelta(), "and a driver that never looked has no minutes to count"


def test_a_driver_that_looks_rarely_or_sees_few_requests_learns_nothing() -> None:
    assert looked(CloudWatch(5), 900, step_s=60)[0].age("errors", SOONEST) == LATEST
    assert looked(CloudWatch(5, per_minute=12), 900)[0].age("errors", SOONEST) == LATEST


def test_a_minute_that_changes_after_it_counted_makes_the_next_ones_wait_longer() -> None:
    settling, now = looked(CloudWatch(5), 400)
    late = CloudWatch(110)
    for _ in range(6):
        settling = settling.read(STAGE, late.at(now), now, LATEST)
        now += seconds(60)
    assert settling.age("errors", SOONEST) > seconds(60)


def test_an_answer_that_failed_is_no_look() -> None:
    cloudwatch = CloudWatch(40)
    settling, now = looked(cloudwatch, 400)
    cloudwatch.state = DataState.FAILED
    assert settling.read(STAGE, cloudwatch.at(now), now, LATEST).gates == settling.gates


def test_gauges_and_totals_wait_for_the_slowest() -> None:
    cloudwatch = CloudWatch(40)
    settling, now = looked(cloudwatch, 400)
    slow = StreamKey("", "orders")
    values = tuple(MinuteValue(START + number * MINUTE, 1.0) for number in range(7))
    seen = cloudwatch.at(now)
    both = replace(
        seen,
        streams=(*seen.streams, Stream(slow, seen.streams[0].minutes)),
        gauges=(Gauge(StreamKey("", "queue"), values),),
    )
    counted = settling.read(STAGE, both, now, LATEST).settled(both, now, SOONEST)
    # At 9:06:40 errors count from 40 s on; what wasn't measured counts at 120 s.
    assert counted.streams[0].minutes[-1].minute == START + 5 * MINUTE
    for rows in (counted.streams[1].minutes, counted.gauges[0].minutes, counted.traffic[0].minutes):
        assert rows[-1].minute == START + 3 * MINUTE


def test_what_was_young_when_the_last_query_was_answered_does_not_count_later() -> None:
    """While queries fail the rows of the last answer stay, and they don't grow older."""
    cloudwatch = CloudWatch(110)
    settling, now = looked(cloudwatch, 400)
    old = cloudwatch.at(now)
    values = tuple(MinuteValue(row.minute, 1.0) for row in old.streams[0].minutes)
    known = replace(old, gauges=(Gauge(StreamKey("", "queue"), values),))
    settling = settling.read(STAGE, known, now, LATEST)
    before = settling.settled(known, now, SOONEST)
    failed = replace(
        known,
        streams=(replace(old.streams[0], state=DataState.FAILED),),
        gauges=(replace(known.gauges[0], state=DataState.FAILED),),
    )
    for _ in range(3):
        now += MINUTE
        settling = settling.read(STAGE, failed, now, LATEST)
    after = settling.settled(failed, now, SOONEST)
    assert after.streams[0].minutes == before.streams[0].minutes
    assert after.gauges[0].minutes == before.gauges[0].minutes
    assert after.traffic == before.traffic
    assert after.settled_until == before.settled_until + 3 * MINUTE if before.settled_until else False


def judgement(ln_e: float) -> Judgement:
    return Judgement(Verdict.INCONCLUSIVE, "", Rule.WAITING, START, ln_evidence_by_minute=(ln_e,))


def test_looks_are_close_while_measuring_and_while_evidence_is_close_to_its_bound() -> None:
    settling, now = looked(CloudWatch(40), 400)
    assert not Settling().wants_close_looks(None, START)
    assert settling.wants_close_looks(None, START + seconds(170))
    assert not settling.wants_close_looks(None, now)
    assert not settling.wants_close_looks(judgement(2.0), now)
    assert settling.wants_close_looks(judgement(2.4), now), "above 10:1 of 100:1"


def test_failures_in_minutes_that_do_not_count_yet_bring_the_next_look_forward() -> None:
    settling, now = looked(CloudWatch(40, failing=0.5), 400)
    assert settling.wants_close_looks(judgement(0.0), now)
    healthy = looked(CloudWatch(40, failing=0.02), 400)[0]
    assert not healthy.wants_close_looks(judgement(0.0), now)
    latency = stage_of(gates={"errors": {"kind": "latency"}})
    other = looked(CloudWatch(40, failing=0.5), 400, stage=latency)[0]
    assert not other.wants_close_looks(judgement(0.0), now), "slow requests of a cold start are no crash"


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 100)), max_size=40), st.integers(0, 200))
def test_an_age_is_within_its_bounds_whatever_the_numbers_do(looks: list[tuple[int, int]], least_s: int) -> None:
    settling, now = Settling(), START
    for gap_s, requests in looks:
        now += seconds(gap_s)
        rows = tuple(
            MinuteCounts(START + number * MINUTE, requests) for number in range(max(0, (now - START) // MINUTE))
        )
        settling = settling.read(STAGE, Observations((Stream(StreamKey("api:live", "errors"), rows),)), now, LATEST)
        assert min(LATEST, seconds(least_s)) <= settling.age("errors", seconds(least_s)) <= LATEST
