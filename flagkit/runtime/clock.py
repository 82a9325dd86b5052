"""The clock port and the one place in flagkit that asks the machine for the time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

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


def sandbox_clock() -> SandboxClock | None:
    """The clock of the sandbox that `$SANDBOX_CLOCK_URL` names; None where it is unset."""
    url = os.environ.get("SANDBOX_CLOCK_URL")
    if not url:
        return None
    from flagkit.runtime.sandbox_clock import SandboxClock

    return SandboxClock(url)


def machine_clock() -> Clock:
    """The clock of command lines: the machine's, or the sandbox's that the environment names."""
    return sandbox_clock() or SystemClock()
