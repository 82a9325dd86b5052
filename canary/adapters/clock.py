"""The machine's clock: the only place of canary that asks the time of day or really waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

TOLERATED: Final = timedelta(seconds=5)


class SystemClock:
    """Time as the machine told it at first, counted on from there, and corrected by what AWS says.

    A step of the machine's clock while a canary runs changes nothing. A clock that is wrong from the beginning is
    corrected by the first answer of AWS: the minutes that are measured are AWS's, so a driver whose clock is minutes
    off would look at the wrong ones (lambda-canary.md §9, trap 32).
    """

    def __init__(self) -> None:
        self._began, self._began_s = datetime.now(UTC), time.monotonic()
        self._skew = timedelta()

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return self._counted() + self._skew

    def sleep(self, seconds: float) -> None:
        """Waits; a signal handler runs at once, and the wait goes on."""
        time.sleep(max(0.0, seconds))

    def aws_says(self, at: datetime) -> None:
        """Takes the `Date` of an AWS answer; it has whole seconds and came some time ago, so small differences stay."""
        skew = at - self._counted()
        self._skew = skew if abs(skew) > TOLERATED else timedelta()

    def _counted(self) -> datetime:
        return self._began + timedelta(seconds=time.monotonic() - self._began_s)
