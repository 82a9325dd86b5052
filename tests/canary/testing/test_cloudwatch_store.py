"""The store behind the stand-in's CloudWatch."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.testing.cloudwatch import MetricId, MetricStore
from canary.testing.cloudwatch.bins import Bin
from canary.testing.cloudwatch.statistics import compute, parse_statistic
from flagkit.testing import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


def minute_of(clock):
    return int(clock.epoch_s()) // 60


def counts(store, metric, first, length=30):
    return {
        unit: {minute - first: data.count for minute, data in minutes.items()}
        for unit, minutes in store.read(metric, first, first + length).items()
    }


def test_the_order_of_dimensions_does_not_matter(clock):
    """Exact dimension sets are sets."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    store.record("N", "m", {"A": "1", "B": "2"}, 1.0, clock.now())
    store.record("N", "m", {"B": "2", "A": "1"}, 1.0, clock.now())
    metric = MetricId.of("N", "m", {"B": "2", "A": "1"})
    assert counts(store, metric, minute_of(clock)) == {"None": {0: 2}}
    assert counts(store, MetricId.of("N", "m", {"A": "1"}), minute_of(clock)) == {}


def test_units_are_kept_apart(clock):
    """A series is a metric in one unit."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    for unit in ("Seconds", "Count", "Seconds"):
        store.record("N", "m", {}, 1.0, clock.now(), unit)
    metric = MetricId.of("N", "m", {})
    first = minute_of(clock)
    assert counts(store, metric, first) == {"Seconds": {0: 2}, "Count": {0: 1}}
    assert set(store.read(metric, first, first + 1, "Count")) == {"Count"}


def test_delays_are_the_same_in_every_run():
    """What is visible when depends on nothing but the calls."""

    def run():
        clock = VirtualClock()
        store = MetricStore(clock)
        metric = MetricId.of("N", "m", {"A": "1"})
        first = minute_of(clock)
        seen = []
        for _ in range(200):
            store.record("N", "m", {"A": "1"}, 1.0, clock.now())
            clock.advance(1)
            seen.append(counts(store, metric, first))
        return seen

    assert run() == run()


def test_a_long_simulation_keeps_one_bin_per_old_minute(clock):
    """Arrivals are joined once they are old and visible; no sample is lost by it."""
    store = MetricStore(clock)
    metric = MetricId.of("N", "m", {})
    first = minute_of(clock)
    for _ in range(60 * 60 // 5):
        store.record("N", "m", {}, 1.0, clock.now())
        clock.advance(5)
    clock.advance(95)
    assert counts(store, metric, first, 60) == {"None": dict.fromkeys(range(60), 12)}
    slots = store.series(metric, "None").minutes
    assert [len(slots[first + minute]) for minute in (0, 20, 40)] == [1, 1, 1]
    assert len(slots[first + 59]) == 12


def test_arrivals_are_not_joined_while_something_is_silent(clock):
    """A silence must be able to tell old arrivals from new ones."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    metric = MetricId.of("N", "m", {})
    first = minute_of(clock)
    silence = store.silence("N", "m")
    for _ in range(30 * 6):
        store.record("N", "m", {}, 1.0, clock.now())
        clock.advance(10)
    assert counts(store, metric, first) == {}
    store.lift(silence)
    assert counts(store, metric, first) == {"None": dict.fromkeys(range(30), 6)}


def test_several_silences_end_one_by_one(clock):
    """The oldest silence that is left decides."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    metric = MetricId.of("N", "m", {})
    first = minute_of(clock)
    store.record("N", "m", {}, 1.0, clock.now())
    early = store.silence("N")
    store.record("N", "m", {}, 1.0, clock.now())
    late = store.silence("N", "m")
    store.record("N", "m", {}, 1.0, clock.now())
    seen = [counts(store, metric, first)["None"][0]]
    for rule in (early, late):
        store.lift(rule)
        seen.append(counts(store, metric, first)["None"][0])
    assert seen == [1, 2, 3]


def test_a_window_may_be_much_longer_than_the_data(clock):
    """Reading a year does not walk through its minutes."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    store.record("N", "m", {}, 1.0, clock.now())
    first = minute_of(clock)
    assert counts(store, MetricId.of("N", "m", {}), first, 10**9) == {"None": {0: 1}}


def test_samples_of_one_moment_may_come_for_several_minutes(clock):
    """Dated back and ahead in turn."""
    store = MetricStore(clock, delay_s=0, delay_spread_s=0)
    first = minute_of(clock)
    clock.advance(600)
    for _ in range(3):
        for minutes in (0, 5, 10):
            store.record("N", "m", {}, 1.0, clock.now() - timedelta(minutes=minutes))
    assert counts(store, MetricId.of("N", "m", {}), first) == {"None": {0: 3, 5: 3, 10: 3}}


VALUES = st.lists(st.floats(min_value=0, max_value=1e6, allow_nan=False), min_size=1, max_size=60)


def bin_of(values):
    data = Bin()
    for value in values:
        data.add(value)
    return data


@settings(deadline=None)
@given(left=VALUES, right=VALUES)
def test_merged_bins_are_the_bin_of_all_samples(left, right):
    """A longer period is the sum of its minutes."""
    merged, whole = Bin.merged([bin_of(left), bin_of(right)]), bin_of(left + right)
    assert (merged.count, merged.min, merged.max, merged.logs) == (whole.count, whole.min, whole.max, whole.logs)
    assert merged.sum == pytest.approx(whole.sum)


@settings(deadline=None)
@given(values=VALUES, low=st.integers(0, 10**6), high=st.integers(0, 10**6))
def test_counts_of_neighbouring_ranges_add_up(values, low, high):
    """TC(:a) + TC(a:b) + TC(b:) is everything; each is between nothing and everything."""
    low, high = sorted((low, high))
    data = bin_of(values)
    parts = [compute(parse_statistic(name), data) for name in (f"TC(:{low})", f"TC({low}:{high})", f"TC({high}:)")]
    assert all(-1e-9 <= part <= len(values) + 1e-9 for part in parts)
    assert sum(parts) == pytest.approx(len(values))


@settings(deadline=None)
@given(values=VALUES)
def test_percentiles_rise_and_stay_between_the_extremes(values):
    """A percentile never falls when its percentage rises."""
    data = bin_of(values)
    found = [compute(parse_statistic(f"p{percent}"), data) for percent in range(0, 101, 5)]
    assert found == sorted(found)
    assert data.min <= found[0]
    assert found[-1] <= data.max


@settings(deadline=None)
@given(values=VALUES)
def test_the_count_above_an_edge_is_exact(values):
    """lambda-canary.md §2.3: TC at a bin edge equals the true count."""
    edge = 2048.400214585478  # 1.1**80
    assert compute(parse_statistic("TC(2048.4002145855:)"), bin_of(values)) == pytest.approx(
        sum(value >= edge for value in values), abs=1e-6
    )


def test_a_store_with_a_limit_drops_the_oldest_minutes() -> None:
    clock = VirtualClock()
    store = MetricStore(clock)
    store.keep_minutes = 10
    for _ in range(30):
        store.record("A", "m", {}, 1.0, clock.now())
        clock.advance(60)
    (series,) = store._series.values()
    assert len(series.minutes) == 11
