"""The virtual clock moves only when told and runs what was planned in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flagkit.testing import VirtualClock


def test_time_stands_still_until_it_is_moved():
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.sleep(1.5)
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 1.5
    assert clock.epoch_s() == clock.now().timestamp()


def test_planned_callbacks_run_in_order_and_see_their_own_time():
    clock = VirtualClock()
    seen = []
    clock.call_after(20, lambda: seen.append(("late", clock.monotonic())))
    clock.call_at(clock.now() + timedelta(seconds=10), lambda: seen.append(("early", clock.monotonic())))
    clock.call_after(10, lambda: seen.append(("second", clock.monotonic())))
    clock.advance(30)
    assert seen == [("early", 10.0), ("second", 10.0), ("late", 20.0)]
    assert clock.monotonic() == 30


def test_a_cancelled_callback_does_not_run():
    clock = VirtualClock()
    seen = []
    clock.call_after(1, lambda: seen.append(1)).cancel()
    clock.advance(2)
    assert seen == []


def test_a_repetition_runs_until_it_is_stopped_even_from_inside():
    clock = VirtualClock()
    seen = []

    def turn():
        seen.append(clock.monotonic())
        if len(seen) == 3:
            stop()

    stop = clock.call_every(5, turn)
    clock.advance(60)
    assert seen == [5.0, 10.0, 15.0]


def test_a_callback_that_sleeps_moves_time_for_everybody():
    clock = VirtualClock()
    clock.call_after(1, lambda: clock.sleep(10))
    clock.advance(2)
    assert clock.monotonic() == 11


def test_a_moment_in_the_past_only_runs_what_is_due():
    clock = VirtualClock()
    clock.advance(10)
    seen = []
    clock.call_at(clock.now() - timedelta(seconds=5), lambda: seen.append(1))
    clock.advance_to(clock.now() - timedelta(seconds=1))
    assert (seen, clock.monotonic()) == ([1], 10)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_never_decreases(seconds):
    with pytest.raises(ValueError, match="can't move"):
        VirtualClock().advance(seconds)


def test_a_repetition_needs_an_interval():
    with pytest.raises(ValueError, match="interval"):
        VirtualClock().call_every(0, print)
