"""Lets botocore wait in virtual time: the pauses of its retries and waiters move the clock, not the wall.

It changes where botocore's modules find `time`; clients stay unmodified. Inside a handler a pause is the handler's.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import botocore.endpoint
import botocore.waiter

from canary.testing.lambda_.sandbox import spend_if_inside
from flagkit.testing import VirtualClock
from flagkit.testing.turns import TurnLock


class VirtualTime:
    """A stand-in for the module `time` inside botocore's modules."""

    def __init__(self, clock: VirtualClock, lock: TurnLock) -> None:
        self._clock = clock
        self._lock = lock

    def sleep(self, seconds: float) -> None:
        """Moves the clock."""
        if not spend_if_inside(seconds):
            with self._lock:  # a server's clock moves in a thread of its own
                self._clock.sleep(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class Patience:
    """Installs virtual waiting and removes it at the end.

    Args:
        clock: virtual time.
        lock: of the stand-in.
    """

    _modules: tuple[ModuleType, ...] = (botocore.endpoint, botocore.waiter)

    def __init__(self, clock: VirtualClock, lock: TurnLock) -> None:
        self._time = VirtualTime(clock, lock)
        self._before: list[Any] = []

    def install(self) -> None:
        """Lets botocore wait in virtual time."""
        self._before = [vars(module)["time"] for module in self._modules]
        for module in self._modules:
            vars(module)["time"] = self._time

    def remove(self) -> None:
        """Lets botocore wait as before."""
        for module, before in zip(self._modules, self._before, strict=True):
            vars(module)["time"] = before
