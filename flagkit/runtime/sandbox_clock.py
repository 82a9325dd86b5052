"""The time of a sandbox (`canary sandbox`), for programs that work against it. Nothing here runs without one.

A sandbox may run at 60 times real time, or step. What asks this clock sees the sandbox's time, and its waits last as
long there as they would in reality.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from flagkit.runtime import forks

_ASK_AGAIN_S: Final = 0.2
_LONGEST_WAIT_S: Final = 0.25
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SandboxClock:
    """A sandbox's clock; fulfils the clock ports of flagkit and canary.

    It asks the sandbox a few times in a second and counts on in between. While the sandbox doesn't answer it goes on
    at the last known speed; before the first answer it shows the machine's time.

    Args:
        url: of the clock, e.g. `http://127.0.0.1:4566/_sandbox/clock`.
        monotonic: real seconds.
        pause: waits so many real seconds; True if the wait was cut short.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._address = urlsplit(url)
        self._monotonic = monotonic
        self._pause = pause
        self._lock = threading.Lock()
        self._asked_s = -_ASK_AGAIN_S
        self._known_s = monotonic()
        self._epoch_s = datetime.now(UTC).timestamp()
        self._speed = 1.0
        forks.register(self)

    def after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The sandbox's time of day, aware, in UTC."""
        return _EPOCH + timedelta(seconds=self.epoch_s())

    def monotonic(self) -> float:
        """Seconds of the sandbox's time."""
        return self.epoch_s()

    def epoch_s(self, *, anew: bool = False) -> float:
        """The sandbox's time as seconds since 1970; the sandbox is asked if that is some time ago, or now."""
        with self._lock:
            if anew or self._monotonic() - self._asked_s >= _ASK_AGAIN_S:
                self._ask()
            return self._epoch_s + (self._monotonic() - self._known_s) * self._speed

    def sleep(self, seconds: float, pause: Callable[[float], object] | None = None) -> None:
        """Waits until so much of the sandbox's time has passed.

        Args:
            seconds: of the sandbox's time.
            pause: how to wait, instead of the clock's own way; a true result ends the wait.
        """
        wait = self._pause if pause is None else pause
        end_s = self.epoch_s() + seconds
        # What is counted on is ahead of a sandbox that is busy, and AppConfig refuses a poll that is too early.
        while (left_s := end_s - self.epoch_s()) > 0 or (left_s := end_s - self.epoch_s(anew=True)) > 0:
            real_s = left_s / self._speed if self._speed else _LONGEST_WAIT_S
            if wait(min(real_s, _LONGEST_WAIT_S)):
                return

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits until the event is set, or so much of the sandbox's time has passed; True if it is set."""
        self.sleep(seconds, event.wait)
        return event.is_set()

    def _ask(self) -> None:
        self._asked_s = self._monotonic()
        try:
            host, port = self._address.hostname or "", self._address.port
            with closing(http.client.HTTPConnection(host, port, timeout=5.0)) as connection:
                connection.request("GET", self._address.path)
                answer = json.loads(connection.getresponse().read(65536))
            epoch_s, speed = float(answer["epoch_s"]), float(answer["speed"])
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
            return
        self._epoch_s, self._speed, self._known_s = epoch_s, speed, self._monotonic()
