"""The pace of the sandbox's clock, on a real clock that the test holds."""

from __future__ import annotations

import pytest

from canary.sandbox.pace import Pace
from flagkit.testing import VirtualClock
from flagkit.testing.turns import TurnLock


class Real:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def make(speed: float) -> tuple[Pace, VirtualClock, Real]:
    clock, real = VirtualClock(), Real()
    return Pace(clock, TurnLock(), speed, real), clock, real


def test_the_clock_runs_at_its_speed_and_does_not_drift() -> None:
    pace, clock, real = make(60)
    for _ in range(1000):
        real.seconds += 0.01
        pace.catch_up()
    assert clock.monotonic() == pytest.approx(600)


def test_a_change_of_speed_moves_no_time() -> None:
    pace, clock, real = make(60)
    real.seconds += 0.01
    pace.speed = 2
    real.seconds += 0.1
    pace.catch_up()
    assert clock.monotonic() == pytest.approx(0.6 + 0.2)


def test_a_step_is_added_to_the_pace() -> None:
    pace, clock, real = make(1)
    pace.step(90)
    real.seconds += 0.5
    pace.catch_up()
    assert clock.monotonic() == pytest.approx(90.5)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_time_is_never_stepped_back_or_away(seconds: float) -> None:
    pace, _, _ = make(1)
    with pytest.raises(ValueError, match="0 or more"):
        pace.step(seconds)


def test_a_machine_that_is_too_slow_makes_the_clock_slower() -> None:
    pace, clock, real = make(60)
    real.seconds += 1000
    pace.catch_up()
    assert clock.monotonic() == 1, "one slice, and not the hours that were missed"
    for _ in range(100):
        pace.catch_up()
    assert clock.monotonic() == 60, "what is due since is made up, at most one real second"


def test_a_callback_that_fails_does_not_stop_time() -> None:
    pace, clock, real = make(1)
    seen: list[Exception] = []
    pace.on_error = seen.append
    clock.call_after(0.1, lambda: 1 / 0)
    for _ in range(3):
        real.seconds += 0.2
        pace.catch_up()
    assert [type(error) for error in seen] == [ZeroDivisionError]
    assert clock.monotonic() == pytest.approx(0.6)
