"""A clock that moves only when told, and runs the callbacks that fall due.

It has no service behaviour: services read the time and plan callbacks on it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

DEFAULT_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # a Monday morning


@dataclass(order=True, slots=True)
class Planned:
    """One planned callback; `cancel()` removes it."""

    due_s: float
    number: int
    callback: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Cancel the callback; does nothing if it has run."""
        self.cancelled = True


class VirtualClock:
    """A clock for tests and simulations; fulfils the clock ports of flagkit and canary.

    `sleep` and `advance` move time; callbacks planned by `call_at`, `call_after` and `call_every` run in order of their
    time, and each sees the clock at its own time. A callback that sleeps moves time for all later callbacks.

    Args:
        start: aware time at which the clock starts.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._start = start.astimezone(UTC)
        self._elapsed_s = 0.0
        self._planned: list[Planned] = []
        self._number = 0

    def now(self) -> datetime:
        """The virtual time of day, aware, in UTC."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Virtual seconds since the clock was created."""
        return self._elapsed_s

    def epoch_s(self) -> float:
        """The virtual time as seconds since 1970."""
        return self._start.timestamp() + self._elapsed_s

    def sleep(self, seconds: float) -> None:
        """Move time forward without waiting."""
        self.advance(seconds)

    def advance(self, seconds: float = 0.0) -> None:
        """Move time forward and run every callback that falls due.

        Args:
            seconds: how far; 0 runs what is due now.

        Raises:
            ValueError: if seconds is negative.
        """
        if not seconds >= 0:
            message = f"time can't move by {seconds} s; give 0 or more"
            raise ValueError(message)
        self._run_to(self._elapsed_s + seconds)

    def advance_to(self, when: datetime) -> None:
        """Move time forward to a moment; a past moment only runs what is due."""
        self._run_to(max(self._elapsed_s, (when - self._start).total_seconds()))

    def call_at(self, when: datetime, callback: Callable[[], object]) -> Planned:
        """Plan a callback for a moment; a past moment means at the next advance."""
        return self._plan((when - self._start).total_seconds(), callback)

    def call_after(self, seconds: float, callback: Callable[[], object]) -> Planned:
        """Plan a callback for a number of seconds from now."""
        return self._plan(self._elapsed_s + seconds, callback)

    def call_every(self, interval_s: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Plan a repeated callback, first after one interval.

        Returns:
            a function that ends the repetition.
        """
        if not interval_s > 0:
            message = f"the interval must be above 0 s, not {interval_s}"
            raise ValueError(message)
        return _Repetition(self, interval_s, callback).stop

    def _plan(self, due_s: float, callback: Callable[[], object]) -> Planned:
        self._number += 1
        planned = Planned(due_s, self._number, callback)
        heapq.heappush(self._planned, planned)
        return planned

    def _run_to(self, target_s: float) -> None:
        while self._planned and self._planned[0].due_s <= target_s:
            planned = heapq.heappop(self._planned)
            if planned.cancelled:
                continue
            self._elapsed_s = max(self._elapsed_s, planned.due_s)
            planned.callback()
        # A callback can itself have slept beyond the target.
        self._elapsed_s = max(self._elapsed_s, target_s)


class _Repetition:
    """One repeated callback."""

    def __init__(self, clock: VirtualClock, interval_s: float, callback: Callable[[], object]) -> None:
        self._clock, self._interval_s, self._callback = clock, interval_s, callback
        self._is_stopped = False
        self._due_s = clock.monotonic() + interval_s
        self._planned = clock._plan(self._due_s, self._run)  # noqa: SLF001 - a part of the clock

    def stop(self) -> None:
        """Ends the repetition."""
        self._is_stopped = True
        self._planned.cancel()

    def _run(self) -> None:
        self._callback()
        if not self._is_stopped:
            self._due_s += self._interval_s
            self._planned = self._clock._plan(self._due_s, self._run)  # noqa: SLF001
