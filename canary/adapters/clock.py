"""The machine's clock: the only place of canary that asks the time of day or really waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine tells it. Since 0.1."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Waits; a signal handler runs at once, and the wait goes on."""
        time.sleep(seconds)
