"""When the source is asked next: never early, never all at once, never slower than usual in an outage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flagkit.runtime.refresher import delay_after_failure, delay_after_success

chances = st.floats(0, 1, exclude_max=True)
intervals = st.floats(1, 86_400)


@given(intervals, chances)
def test_after_a_success_the_interval_is_kept_and_at_most_a_tenth_is_added(interval_s, chance):
    assert interval_s <= delay_after_success(interval_s, chance) <= interval_s * 1.1


@given(st.integers(1, 10_000), intervals, chances)
def test_a_backoff_is_never_longer_than_half_the_interval_nor_than_its_doubling_ceiling(failures, interval_s, chance):
    delay_s = delay_after_failure(failures, interval_s, chance)
    assert 0 <= delay_s <= min(interval_s / 2, 2.0 ** min(failures - 1, 60))


def test_a_backoff_doubles_its_ceiling():
    almost_one = 0.999999
    ceilings = [round(delay_after_failure(failures, 60, almost_one)) for failures in range(1, 9)]
    assert ceilings == [1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(1, 100), st.floats(1, 3_600), chances)
def test_what_the_other_side_asks_for_is_obeyed(failures, wanted_s, chance):
    assert delay_after_failure(failures, 60, chance, retry_after_s=wanted_s) >= wanted_s
