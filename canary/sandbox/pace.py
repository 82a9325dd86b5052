"""Lets a virtual clock follow the machine's, faster or slower. It moves the clock and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from flagkit.testing import VirtualClock
from flagkit.testing.turns import TurnLock

_TICK_S: Final = 0.02
_SLICE_S: Final = 1.0
_BEHIND_S: Final = 1.0


class Pace:
    """Moves a virtual clock so that it runs at `speed` times real time.

    A machine that can't keep up makes the clock slower, never later than it says: everybody reads the same clock.

    Args:
        clock: what is moved.
        lock: held while the clock moves.
        speed: virtual seconds in a real second; 0 moves by `step` only.
        monotonic: real seconds.
    """

    def __init__(
        self,
        clock: VirtualClock,
        lock: TurnLock,
        speed: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.on_error: Callable[[Exception], object] = lambda error: None  # noqa: ARG005
        """Is given what a planned callback raises."""
        self.waiting: set[int] = set()
        """The threads that wait for the lock with a request; the clock lets them in between."""
        self._lock = lock
        self._monotonic = monotonic
        self._speed = speed
        self._begin()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)

    @property
    def speed(self) -> float:
        """Virtual seconds in a real second; assign to change it."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._lock:
            self.catch_up()
            self._speed = speed
            self._begin()

    def follow(self, clock: VirtualClock) -> None:
        """Moves another clock from now on."""
        with self._lock:
            self.clock = clock
            self._begin()

    def start(self) -> None:
        """Starts to move the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Stops for good."""
        self._stopped.set()
        self._thread.join()

    def catch_up(self) -> None:
        """Moves the clock towards the present, by one slice at most."""
        self._advance_slice()

    def step(self, seconds: float) -> None:
        """Moves the clock further, in slices, so that requests are answered in between.

        Raises:
            ValueError: if seconds is negative.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"time can't move by {seconds:g} s; give 0 or more")
        while seconds > 0:
            with self._lock:
                part_s = min(seconds, _SLICE_S)
                self.clock.advance(part_s)
                self._began_s += part_s
            seconds -= part_s
            self._let_in()

    def wait(self, seconds: float) -> None:
        """Waits until so much virtual time has passed; without a speed it moves the clock itself."""
        if self._speed:
            time.sleep(seconds / self._speed)
        else:
            self.step(seconds)

    def _begin(self) -> None:
        self._began_s, self._began_real_s = self.clock.monotonic(), self._monotonic()

    def _advance_slice(self) -> bool:
        """Moves the clock by what is due, at most by a slice; True if more is due."""
        with self._lock:
            target_s = self._began_s + (self._monotonic() - self._began_real_s) * self._speed
            behind_s = target_s - self.clock.monotonic()
            excess_s = behind_s - max(_SLICE_S, _BEHIND_S * self._speed)
            if excess_s > 0:
                self._began_s -= excess_s  # more than this machine can do: the clock is slower for a while
            if behind_s > 0:
                try:
                    self.clock.advance(min(behind_s, _SLICE_S))
                except Exception as error:  # noqa: BLE001 - one callback that fails doesn't stop time
                    self.on_error(error)
            return behind_s > _SLICE_S

    def _let_in(self) -> None:
        if self.waiting:
            time.sleep(0.001)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_S):
            while self._advance_slice() and not self._stopped.is_set():
                self._let_in()
