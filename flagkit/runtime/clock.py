"""The clock port and the one place in flagkit that asks the machine for the time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from flagkit.runtime.sandbox_clock import SandboxClock


class Clock(Protocol):
    """The time, as flagkit needs it."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


@runtime_checkable
class RunningClock(Clock, Protocol):
    """A clock that goes on by itself, so that threads can wait by it."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until the event is set, or the time is over; True if it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until the event is set, or the time is over; True if it is set."""
        return event.wait(seconds)


def sandbox_clock() -> SandboxClock | None:
    """The clock of the sandbox that `$SANDBOX_CLOCK_URL` names; None where it is unset."""
    url = os.environ.get("SANDBOX_CLOCK_URL")
    if not url:
        return None
    from flagkit.runtime.sandbox_clock import SandboxClock

    return SandboxClock(url)


def machine_clock() -> RunningClock:
    """The clock where none is given: the machine's, or the sandbox's that the environment names."""
    return sandbox_clock() or SystemClock()


def wait_by(clock: Clock, event: threading.Event, seconds: float) -> bool:
    """Wait for an event by a clock that goes on by itself; in real time by one that only a test moves."""
    return clock.wait(event, seconds) if isinstance(clock, RunningClock) else event.wait(seconds)


def stopwatch(clock: Clock) -> Callable[[], float]:
    """Seconds that a program itself takes: real ones, also beside the fast clock of a sandbox; in tests the test's."""
    return time.monotonic if isinstance(clock, RunningClock) else clock.monotonic
