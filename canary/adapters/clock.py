"""The machine's clock: the only place of canary that asks the time of day or really waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from canary.ports import Clock
from flagkit.runtime.clock import sandbox_clock

TOLERATED: Final = timedelta(seconds=5)
PLAUSIBLE: Final = timedelta(days=1)
"""How wrong a machine's clock may be for the first answer of AWS to correct it alone."""


class SystemClock:
    """Time as the machine told it at first, counted on from there, and corrected by what AWS says.

    A step of the machine's clock while a canary runs changes nothing. A clock that is wrong from the beginning is
    corrected by the first answer of AWS: the minutes that are measured are AWS's, so a driver whose clock is minutes
    off would look at the wrong ones (lambda-canary.md §9, trap 32). After the first answer two in a row must agree: one
    odd `Date` moves no clock. Where the environment names a sandbox, this is the sandbox's clock.
    """

    def __init__(self) -> None:
        self._began, self._began_s = datetime.now(UTC), time.monotonic()
        self._skew = timedelta()
        self._sandbox = sandbox_clock()
        self._latest: timedelta | None = None

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return self._counted() + self._skew if self._sandbox is None else self._sandbox.now()

    def sleep(self, seconds: float) -> None:
        """Waits; a signal handler runs at once, and the wait goes on."""
        if self._sandbox is None:
            self.pause(max(0.0, seconds))
        else:
            self._sandbox.sleep(seconds, self.pause)

    def pause(self, real_s: float) -> bool:
        """Waits real seconds; True if the wait was cut short."""
        time.sleep(real_s)
        return False

    def aws_says(self, at: datetime) -> None:
        """Takes the `Date` of an AWS answer; it has whole seconds and came some time ago, so small differences stay."""
        skew = at - self._counted()
        before, self._latest = self._latest, skew
        if abs(skew) <= PLAUSIBLE if before is None else abs(skew - before) <= TOLERATED:
            self._skew = skew if abs(skew) > TOLERATED else timedelta()

    def _counted(self) -> datetime:
        return self._began + timedelta(seconds=time.monotonic() - self._began_s)


class AppConfigClock:
    """The driver's clock for flagkit, which waits for deployments of AppConfig.

    Args:
        clock: the driver's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds on the driver's clock."""
        return self._clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        self._clock.sleep(seconds)
