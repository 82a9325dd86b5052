"""Failures and delays on demand: what happens to a share of a version's invocations. It draws and changes nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EVERY_VERSION = "*"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is wrong with a version.

    Attributes:
        error_ratio: share of invocations that fail before the handler runs, 0 to 1.
        latency_ms: what every invocation takes longer.
        slow_ratio: share of invocations that take `slow_ms` longer, 0 to 1.
        slow_ms: see `slow_ratio`.
        until: when it ends; None for until it is removed.
    """

    error_ratio: float = 0.0
    latency_ms: float = 0.0
    slow_ratio: float = 0.0
    slow_ms: float = 2500.0
    until: datetime | None = None


class Disturbances:
    """The disturbances of all functions, by function and version.

    Args:
        seed: of the shares.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"{seed}/disturbances")
        self.active: dict[tuple[str, str], Disturbance] = {}

    def set(self, function: str, disturbance: Disturbance, version: str = EVERY_VERSION) -> None:
        """Puts a disturbance on a version, in place of the one before."""
        self.active[function, version] = disturbance

    def clear(self, function: str, version: str = EVERY_VERSION) -> None:
        """Ends a disturbance."""
        self.active.pop((function, version), None)

    def draw(self, function: str, version: str, request_id: str, now: datetime) -> tuple[dict[str, Any] | None, float]:
        """What happens to one invocation: the error that it ends with, if any, and the seconds it takes longer."""
        longer_s = 0.0
        for key in ((function, version), (function, EVERY_VERSION)):
            found = self.active.get(key)
            if found is None:
                continue
            if found.until is not None and now >= found.until:
                del self.active[key]
                continue
            longer_s += found.latency_ms / 1000
            if found.slow_ratio and self._random.random() < found.slow_ratio:
                longer_s += found.slow_ms / 1000
            if found.error_ratio and self._random.random() < found.error_ratio:
                text = f"disturbed: {found.error_ratio:.0%} of the invocations of version {key[1]} fail"
                error = {"errorMessage": text, "errorType": "Disturbed", "requestId": request_id, "stackTrace": []}
                return error, longer_s
        return None, longer_s
