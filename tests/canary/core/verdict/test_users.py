"""The judge of a flag's rollout: users instead of requests (statistics.md §4.18, §4.19)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.measurements import (
    MINUTE,
    DataState,
    FunctionVersions,
    MinuteCounts,
    MinuteSums,
    Observations,
    Stream,
    StreamKey,
    SumStream,
    WeightChange,
)
from canary.core.plan import StagePlan
from canary.core.verdict import Judgement, Rule, Verdict, judge
from tests.canary.stages import stage_of

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
KEY = "flag:on"
NAMES = (FunctionVersions(KEY, "2", "1"),)


def stage(**gates: object) -> StagePlan:
    steps = [{"weight": weight, "bake": timedelta(minutes=20)} for weight in (25, 50)]
    return stage_of(KEY, outcomes="csv:outcomes.csv", steps=steps, watch_max="40m", gates=gates or {"outcomes": {}})


def judged(
    rows: Sequence[tuple[int, int, int, int]],
    plan: StagePlan | None = None,
    sums: Sequence[SumStream] = (),
) -> Judgement:
    plan = plan or stage()
    minutes = tuple(MinuteCounts(T0 + MINUTE * index, *row) for index, row in enumerate(rows))
    count = max(len(rows), max((len(each.minutes) for each in sums), default=0))
    until = T0 + MINUTE * count
    streams = (Stream(StreamKey(KEY, "outcomes"), minutes),) if rows else ()
    seen = Observations(streams, versions=NAMES, settled_until=until, sums=tuple(sums))
    return judge(plan, seen, [WeightChange(T0, Decimal(25))], until + timedelta(minutes=2))


NONE_YET = [(0, 0, 0, 0)] * 4


def test_a_variant_that_breaks_users_is_unhealthy_and_users_are_counted() -> None:
    found = judged([*NONE_YET, *[(100, 9, 300, 6)] * 5])
    assert found.verdict is Verdict.UNHEALTHY
    assert found.deciding is Rule.REGRESSION
    assert " users failed on version 2 (new)" in found.sentence


def test_users_without_failures_make_it_healthy() -> None:
    found = judged([*NONE_YET, *[(100, 0, 300, 0)] * 6])
    assert found.verdict is Verdict.HEALTHY
    assert "0 % of 600 users failed" in found.sentence


def test_little_says_how_many_more_users_it_takes() -> None:
    found = judged([*NONE_YET, (10, 0, 30, 0)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "more users (" in found.sentence


def test_before_the_first_window_closes_there_is_no_user() -> None:
    found = judged(NONE_YET)
    assert found.verdict is Verdict.NO_DATA
    assert found.sentence == "outcomes of flag:on has counted no user on version 2 (new) at the present weight"
    assert "no user counted yet on version 2 (new)" in " ".join(found.reasons)


def test_a_wrong_share_of_first_exposures_holds_with_its_own_sentence() -> None:
    found = judged([*NONE_YET, *[(60, 0, 300, 0)] * 10])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.deciding is Rule.SHARE
    assert found.sentence == (
        "sample ratio: 16.7 % of the 2,880 users first exposed to flag:on at 25.0 % got the variant; the users can't "
        "be compared (wrong assignment, bots, programs with an old document or a wrong clock, or a redirect that loses "
        "users)"
    )


@pytest.mark.parametrize(("late_min", "holds"), [(0, False), (1, False), (2, False), (5, True)])
def test_programs_that_follow_a_step_two_minutes_later_hold_nobody(late_min: int, holds: bool) -> None:
    """25 % for 20 minutes, then 50 %, which programs have so many minutes later; 1,000 new users a minute."""
    shifted = 20
    rows = [
        (0, 0, 0, 0) if minute < 4 else (500, 0, 500, 0) if minute - 4 >= shifted + late_min else (250, 0, 750, 0)
        for minute in range(40)
    ]
    minutes = tuple(MinuteCounts(T0 + MINUTE * index, *row) for index, row in enumerate(rows))
    until = T0 + MINUTE * len(rows)
    seen = Observations((Stream(StreamKey(KEY, "outcomes"), minutes),), versions=NAMES, settled_until=until)
    changes = [WeightChange(T0, Decimal(25)), WeightChange(T0 + shifted * MINUTE, Decimal(50))]
    found = judge(stage(), seen, changes, until + timedelta(minutes=2))
    assert any(reason.startswith("sample ratio") for reason in found.reasons) is holds


def test_doubts_of_those_who_measured_hold_and_roll_nothing_back() -> None:
    minutes = tuple(MinuteCounts(T0 + MINUTE * index, 100, 0, 300, 0) for index in range(4, 12))
    until = T0 + 12 * MINUTE
    doubts = ("users of flag: 40 are dated in the future",)
    for bad, verdict in ((0, Verdict.INCONCLUSIVE), (30, Verdict.UNHEALTHY)):
        rows = tuple(replace(row, candidate_bad=bad) for row in minutes)
        streams = (Stream(StreamKey(KEY, "outcomes"), rows),)
        seen = Observations(streams, versions=NAMES, settled_until=until, doubts=doubts)
        found = judge(stage(), seen, [WeightChange(T0, Decimal(25))], until + timedelta(minutes=2))
        assert (found.verdict, doubts[0] in found.reasons) == (verdict, True)


@pytest.mark.parametrize("metric", ["slow", "abandoned"])
def test_other_metrics_are_named(metric: str) -> None:
    found = judged([*NONE_YET, *[(100, 20, 300, 6)] * 5], stage(outcomes={"metric": metric}))
    assert found.verdict is Verdict.UNHEALTHY
    assert {"slow": "users were too slow", "abandoned": "users had abandoned"}[metric] in found.sentence


def test_many_failed_users_stop_the_ramp() -> None:
    found = judged([*NONE_YET, *[(1000, 40, 3000, 84)] * 20], stage(outcomes={"limit_percent": 50, "relative": False}))
    assert any("users failed on the new version" in reason for reason in found.reasons)


def sums_of(mean: float, minutes: int = 20) -> SumStream:
    """Orders of 0 or 20: a tenth of 100 and of 300 users, scaled."""
    row = (100, 100 * mean, 100 * mean * 20.0, 300, 300 * 2.0, 300 * 2.0 * 20.0)
    rows = tuple(MinuteSums(T0 + MINUTE * index, *row) for index in range(4, minutes))
    return SumStream(StreamKey(KEY, "orders"), rows)


def test_a_lower_mean_is_unhealthy_with_both_means() -> None:
    plan = stage(orders={"kind": "value", "metric": "orders"})
    found = judged([*NONE_YET, *[(100, 0, 300, 0)] * 16], plan, [sums_of(1.0)])
    assert found.verdict is Verdict.UNHEALTHY, found
    assert "orders: 1 on version 2 (new) (" in found.sentence
    assert "2 on version 1 (baseline)" in found.sentence
    assert "difference in the same minutes -1 (interval " in found.sentence


def test_an_equal_mean_only_objects() -> None:
    found = judged(
        [*NONE_YET, *[(100, 0, 300, 0)] * 16], stage(orders={"kind": "value", "metric": "orders"}), [sums_of(2.0)]
    )
    assert found.verdict is Verdict.HEALTHY
    means = next(said for said in found.evidence if said.key.gate == "orders")
    assert means.sentence.startswith(
        "orders: 2 on version 2 (new) (1,600 users), difference in the same minutes +0 (in"
    )


def test_a_metric_that_nobody_reports_is_not_shown_to_be_equal() -> None:
    rows = tuple(MinuteSums(T0 + MINUTE * index, 100, 0.0, 0.0, 300, 0.0, 0.0) for index in range(4, 20))
    plan = stage(orders={"kind": "value", "metric": "orders"})
    found = judged([*NONE_YET, *[(100, 0, 300, 0)] * 16], plan, [SumStream(StreamKey(KEY, "orders"), rows)])
    assert found.verdict is Verdict.NO_DATA
    assert "nobody has a value of orders" in found.sentence


def test_means_that_were_not_measured_hold() -> None:
    plan = stage(orders={"kind": "value", "metric": "orders", "bad_when": "higher", "percent_of_baseline": 105})
    rows = [*NONE_YET, *[(100, 0, 300, 0)] * 6]
    assert judged(rows, plan).verdict is Verdict.NO_DATA
    none = SumStream(StreamKey(KEY, "orders"), state=DataState.COMPLETE)
    found = judged(rows, plan, [none])
    assert found.verdict is Verdict.NO_DATA
    assert any("no user counted yet" in said.sentence for said in found.evidence)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"gates": {"outcomes": {}}, "outcomes": None}, "outcomes is required"),
        ({"outcomes": "csv:x", "gates": {"outcomes": False, "errors": {}}}, "no outcomes or value gate reads them"),
        ({"outcomes": "csv:x", "window": "30m"}, "less than window"),
        ({"outcomes": "csv:x", "window": "90s"}, "whole minutes"),
        ({"outcomes": "csv:x", "engine": "lambda"}, "neither your files nor your commands"),
        ({"outcomes": "emf://shop", "window": "3h"}, "at most 2h"),
        ({"outcomes": "s3://x"}, "not a valid source of outcomes"),
        ({"outcomes": "csv:x", "gates": {"outcomes": {"metric": "a b"}}}, "not a valid metric"),
        (
            {"outcomes": "csv:x", "gates": {"o": {"kind": "value", "metric": "o", "percent_of_baseline": 105}}},
            "must be at most 100",
        ),
        (
            {"outcomes": "csv:x", "gates": {"o": {"kind": "value", "metric": "o", "bad_when": "higher"}}},
            "must be at least 100",
        ),
    ],
)
def test_plans_that_cannot_work_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        StagePlan.model_validate({"functions": [KEY], **settings})
