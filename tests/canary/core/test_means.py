"""Means of two arms at any time (statistics.md §4.19)."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest

from canary.core.stats.means import LEAST_USERS, Comparison, Difference, Sums, difference, mean_path, users_needed

Draw = Callable[[Random], float]
ORDERS: Draw = lambda rng: rng.lognormvariate(3.0, 1.0) if rng.random() < 0.1 else 0.0  # noqa: E731
RARE: Draw = lambda rng: float(rng.random() < 0.01)  # noqa: E731


def minute(candidate: list[float], baseline: list[float]) -> Sums:
    return Sums(
        len(candidate),
        sum(candidate),
        sum(value * value for value in candidate),
        len(baseline),
        sum(baseline),
        sum(value * value for value in baseline),
    )


def drawn(rng: Random, draw: Draw, minutes: int, users: tuple[int, int], effect: float = 1.0) -> list[Sums]:
    """Minutes whose level goes up and down over the hour, as a day's does."""
    rows = []
    for number in range(minutes):
        level = 1.0 + 0.5 * math.sin(number / 15.0)
        candidate, baseline = ([level * draw(rng) for _ in range(count)] for count in users)
        rows.append(minute([effect * value for value in candidate], baseline))
    return rows


def test_nothing_is_said_before_there_are_enough_users() -> None:
    few = [minute([1.0] * 30, [2.0] * 30)] * 6
    assert difference([]).users == (0, 0)
    found = difference(few)
    assert found.users == (180, 180)
    assert found.means == (1.0, 2.0)
    assert found.effect == -1.0
    assert math.isinf(found.half_width(0.05))
    assert found.ln_e(lower_is_bad=True) == 0.0
    assert LEAST_USERS == 200


def test_values_without_any_spread_are_no_evidence() -> None:
    assert difference([minute([1.0] * 30, [2.0] * 30)] * 10).ln_e(lower_is_bad=True) == 0.0


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_mean_below_zero_leaves_room_on_the_side_that_is_bad(share: float) -> None:
    is_lower = share < 1.0
    equal = [minute([-1.0, -3.0] * 50, [-1.0, -3.0] * 50)] * 60
    assert mean_path(equal, share, lower_is_bad=is_lower)[-1] < 0.0
    worse = -4.0 if is_lower else -2.0
    bad = [minute([worse + 1.0, worse - 1.0] * 50, [-2.0, -4.0] * 50)] * 60
    assert mean_path(bad, share, lower_is_bad=is_lower)[-1] > math.log(100.0)


def test_minutes_with_users_of_one_arm_only_say_nothing() -> None:
    both = [minute([1.0, 2.0], [2.0, 4.0])] * 200
    assert difference([*both, minute([], [100.0] * 50), minute([100.0] * 50, [])]) == difference(both)


def test_a_days_course_is_no_effect_even_while_the_share_grows() -> None:
    # Quiet minutes with few candidates, then busy ones with many: over all minutes the candidate's mean is far higher.
    rows = [minute([1.0, 1.2], [1.0, 1.2] * 50)] * 60 + [minute([5.0, 5.2] * 50, [5.0, 5.2] * 50)] * 60
    found = difference(rows)
    assert found.means[0] > 1.5 * found.means[1]
    assert found.effect == pytest.approx(0.0)


def test_the_smallest_difference_between_the_two_sides() -> None:
    rows = drawn(Random(1), ORDERS, 60, (100, 100), effect=0.5)
    assert mean_path(rows, 1.0, lower_is_bad=True)[-1] > math.log(100.0)
    assert mean_path(rows, 1.0, lower_is_bad=False)[-1] < 0.0
    assert Difference((500, 500), (0.0, 1.0), -40.0, 1.0, 1e6).ln_e(lower_is_bad=False) == -600.0


@pytest.mark.slow
@pytest.mark.parametrize("draw", [ORDERS, RARE, lambda rng: rng.gauss(10.0, 2.0), lambda rng: rng.expovariate(1.0)])
@pytest.mark.parametrize("users", [(20, 60), (4, 76)])
def test_the_interval_holds_at_every_look_together(draw: Draw, users: tuple[int, int]) -> None:
    """40 hours looked at each minute: at 95 % more than six that miss the truth have a probability below 0.5 %."""
    rng, missed, crossed = Random(repr(users)), 0, 0
    for _ in range(40):
        compared, outside, found = Comparison(), False, False
        for row in drawn(rng, draw, 60, users):
            compared.add(row)
            seen = compared.difference()
            outside = outside or abs(seen.effect) > seen.half_width(0.05)
            found = found or seen.ln_e(lower_is_bad=True) >= math.log(100.0)
        missed += outside
        crossed += found
    assert missed <= 6
    assert crossed <= 3


def test_how_many_users_an_effect_takes() -> None:
    needed = users_needed(4.0, 0.2, 0.05, share=0.25)
    assert needed is not None
    weight = needed * 0.25 * 0.75
    assert Difference((0, 0), (0.0, 0.0), 0.2, 4.0 / weight, weight).half_width(0.05) == pytest.approx(0.2, rel=0.01)
    assert users_needed(4.0, 0.0, 0.05) is None
    assert users_needed(4.0, 0.2, 0.05, share=1.0) is None
    assert users_needed(1e12, 1e-9, 0.05) is None
