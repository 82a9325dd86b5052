"""Which minutes are scored and under which weight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.measurements import WeightChange
from canary.core.verdict.timeline import schedule, timeline

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def changes(*pairs: tuple[float, int], function: str = "") -> tuple[WeightChange, ...]:
    return tuple(WeightChange(at(minute), Decimal(weight), function) for minute, weight in pairs)


def test_whole_minutes_from_the_one_of_the_first_weight() -> None:
    line = timeline(changes((0.5, 10)), at(3.9))
    assert line.minutes == (at(0), at(1), at(2))
    assert timeline((), at(3)).minutes == ()
    assert timeline(changes((5, 10)), at(3)).minutes == ()
    assert [line.index_from(at(m)) for m in (-1, 0, 0.5, 1, 9)] == [0, 0, 1, 1, 3]


def test_the_largest_weight_of_a_minute_counts() -> None:
    weights = changes((0.5, 10), (2.5, 25), (4, 0))
    plan = schedule(timeline(weights, at(6)), weights, "api:live")
    assert plan.weights == pytest.approx((0.1, 0.1, 0.25, 0.25, 0.0, 0.0))
    assert (plan.first, plan.step_from, plan.weight) == (0, 4, 0.0)


def test_segments_leave_out_what_a_change_may_still_be_reaching() -> None:
    weights = changes((0.5, 10), (4, 25), (4.5, 50))
    plan = schedule(timeline(weights, at(8)), weights, "api:live")
    assert plan.segments == ((2, 4, 0.1), (6, 8, 0.5))


def test_warm_up_is_counted_from_increases_only() -> None:
    weights = changes((0, 10), (2, 5), (4, 25))
    plan = schedule(timeline(weights, at(6)), weights, "api:live")
    assert plan.since_rise == tuple(timedelta(minutes=m) for m in (0, 1, 2, 3, 0, 1))


def test_other_functions_have_their_own_weights() -> None:
    weights = (*changes((0, 10), function="a:live"), *changes((2, 10), function="b:live"))
    line = timeline(weights, at(4))
    assert schedule(line, weights, "a:live").first == 0
    assert schedule(line, weights, "b:live").first == 2
    assert schedule(line, weights, "b:live").since_rise[0] is None
    assert schedule(line, weights, "").step_from == 2
    nobody = schedule(line, weights, "c:live")
    assert (nobody.first, nobody.step_from, nobody.weight) == (4, 4, 0.0)
