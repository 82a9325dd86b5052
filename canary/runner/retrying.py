"""Another try after an AWS call that failed: exponential waits with full jitter, through the Clock port.

boto3 itself is configured to try once (canary.adapters.aws), so that every attempt is visible, bounded and counted
in virtual time. What may be tried again is decided by the kind of error alone, never by its text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from canary.errors import AwsError, UnavailableError
from canary.runner.telling import Teller

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0
ATTEMPTS = 8
"""About half a minute of waiting at most: a tick must not outlast the next one by much."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """Makes calls again. Since 0.1."""

    teller: Teller

    def call(self, action: str, attempt_once: Callable[[], T]) -> T:
        """Calls until it answers, at most `ATTEMPTS` times.

        Raises:
            UnavailableError: the last attempt failed as well.
            AwsError: an error that another try wouldn't mend, at once.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return attempt_once()
            except UnavailableError as error:
                self.wait(action, attempt, error)
        return attempt_once()

    def wait(self, action: str, attempt: int, error: AwsError) -> None:
        """Tells of the failed attempt and waits: a random share of a doubling limit ("full jitter")."""
        limit_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 10))
        wait_s = limit_s * self.teller.ports.jitter()
        self.teller.retried(action, attempt, wait_s, error)
        self.teller.ports.clock.sleep(wait_s)
