"""One outcome per user: assignment, windows, replays, late and early reports."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.core.outcomes import Exposed, Outcome, Row, Unit, add_up, expose, is_usable, report
from flagkit.outcomes.memory import MemoryStore

WINDOW_S = 300.0


def exposed(user: str = "u", arm: str = "on", at_s: float = 600.0) -> Exposed:
    return Exposed("checkout", user, arm, at_s)


def outcome(user: str = "u", at_s: float = 610.0, metric: str = "failed", value: float | None = None) -> Outcome:
    return Outcome("checkout", user, metric, at_s, value)


def test_the_first_exposure_assigns_the_arm_and_opens_the_window() -> None:
    unit, row = expose(None, exposed(at_s=659.0), WINDOW_S)
    assert row == Row(14, "on", users=1)  # exposed in minute 10, the first of five
    assert expose(unit, exposed(arm="off", at_s=700.0), WINDOW_S) == (unit, None)


@pytest.mark.parametrize(
    ("at_s", "counts"),
    [(539.9, False), (540.0, True), (600.0, True), (899.9, True), (900.0, False)],
    ids=["early", "clocks apart", "start", "end", "late"],
)
def test_an_outcome_counts_within_the_window_only(at_s: float, counts: bool) -> None:
    unit = Unit("on", 600.0)
    after, row = report(unit, outcome(at_s=at_s), WINDOW_S)
    assert (row == Row(14, "on", bad={"failed": 1})) is counts
    assert ("failed" in after.bad) is counts


def test_a_user_is_bad_once_for_each_metric() -> None:
    unit, _ = report(Unit("on", 600.0), outcome(), WINDOW_S)
    assert report(unit, outcome(at_s=620.0), WINDOW_S) == (unit, None)
    assert report(unit, outcome(metric="slow"), WINDOW_S)[1] == Row(14, "on", bad={"slow": 1})


def test_the_largest_value_counts() -> None:
    unit, row = report(Unit("on", 600.0), outcome(metric="orders", value=-2.0), WINDOW_S)
    assert row == Row(14, "on", sums={"orders": -2.0}, squares={"orders": 4.0})
    unit, row = report(unit, outcome(metric="orders", value=3.0), WINDOW_S)
    assert row == Row(14, "on", sums={"orders": 5.0}, squares={"orders": 5.0})
    assert report(unit, outcome(metric="orders", value=3.0), WINDOW_S) == (unit, None)


@pytest.mark.parametrize(
    ("event", "usable"),
    [
        (exposed(), True),
        (outcome(value=1.0), True),
        (exposed(user=""), False),
        (exposed(arm=""), False),
        (outcome(metric=""), False),
        (exposed(at_s=math.nan), False),
        (exposed(at_s=-1.0), False),
        (outcome(value=math.inf), False),
        (outcome(at_s=1e12), False),
        (exposed(arm="a#b"), False),
        (outcome(value=1e15), False),
        (exposed(arm="é" * 128), True),
        (exposed(arm="é" * 129), False),
        (outcome(metric="a\ud800"), False),
    ],
)
def test_what_a_store_may_take(event: Exposed | Outcome, usable: bool) -> None:
    assert is_usable(event) is usable


def test_rows_of_one_minute_and_arm_are_added_up() -> None:
    rows = [Row(2, "on", 1, {"failed": 1}), Row(1, "off", 1), Row(2, "on", 2, {"failed": 2, "slow": 1}, {"v": 1.5})]
    assert add_up(rows) == (Row(1, "off", 1), Row(2, "on", 3, {"failed": 3, "slow": 1}, {"v": 1.5}))


events = st.lists(
    st.one_of(
        st.builds(exposed, st.sampled_from("abc"), st.sampled_from(["on", "off"]), st.integers(600, 1200).map(float)),
        st.builds(
            outcome,
            st.sampled_from("abc"),
            st.integers(500, 1800).map(float),
            st.sampled_from(["failed", "slow"]),
            st.sampled_from([None, 1.0, 2.5, 7.0]),
        ),
    ),
    max_size=30,
)


@given(events, st.randoms(use_true_random=False))
def test_replays_and_the_order_of_reports_change_nothing(items: list[Exposed | Outcome], random: object) -> None:
    exposures = [item for item in items if isinstance(item, Exposed)]
    outcomes = [item for item in items if isinstance(item, Outcome)]
    once, again = MemoryStore(), MemoryStore()
    once.record(exposures, outcomes)
    again.record(exposures, ())
    for _ in range(2):
        random.shuffle(outcomes)  # type: ignore[attr-defined]
        again.record(exposures, outcomes)
    assert once.rows("checkout") == again.rows("checkout")
    assert sum(row.users for row in once.rows("checkout")) == len({item.user for item in exposures})
    for row in once.rows("checkout"):
        assert all(bad <= row.users for bad in row.bad.values())
