"""The machine's clock: the only place of canary that asks the time of day or really waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

TOLERATED: Final = timedelta(seconds=5)


class SystemClock:
    """Time as the machine tells it, corrected by what AWS says when the machine's clock is wrong.

    The minutes that are measured are AWS's, so a runner whose clock is minutes off would look at the wrong ones
    (lambda-canary.md §9, trap 32).
    """

    def __init__(self) -> None:
        self._skew = timedelta()

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC) + self._skew

    def sleep(self, seconds: float) -> None:
        """Waits; a signal handler runs at once, and the wait goes on."""
        time.sleep(seconds)

    def aws_says(self, at: datetime) -> None:
        """Takes the `Date` of an AWS answer; it has whole seconds and came some time ago, so small differences stay."""
        skew = at - datetime.now(UTC)
        self._skew = skew if abs(skew) > TOLERATED else timedelta()
