"""The execution environments of one version: which are warm, which are busy. No code runs here."""

from __future__ import annotations

import heapq


class Environments:
    """Counts environments over virtual time: a request that finds no free one pays a cold start.

    The environment that was used last is used first.
    """

    __slots__ = ("_busy", "_free", "provisioned")

    def __init__(self) -> None:
        self._busy: list[float] = []
        self._free: list[float] = []
        self.provisioned = 0

    def busy(self, at_s: float) -> int:
        """How many run at a moment."""
        self._settle(at_s)
        return len(self._busy)

    def take(self, at_s: float, idle_s: float) -> bool:
        """Takes an environment for a request.

        Args:
            at_s: now.
            idle_s: environments that were idle for longer are gone.

        Returns:
            whether it is a new one: a cold start.
        """
        self._settle(at_s)
        if self._free and self._free[-1] + idle_s < at_s:
            self._free.clear()
        if self._free:
            self._free.pop()
            return False
        return len(self._busy) >= self.provisioned

    def occupy(self, until_s: float) -> None:
        """Says until when the environment taken last is busy."""
        heapq.heappush(self._busy, until_s)

    def clear(self) -> None:
        """Ends all environments, as a change of code or settings does."""
        self._busy.clear()
        self._free.clear()

    def _settle(self, at_s: float) -> None:
        while self._busy and self._busy[0] <= at_s:
            self._free.append(heapq.heappop(self._busy))
