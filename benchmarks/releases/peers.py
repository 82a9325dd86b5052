"""Rules of other tools, emulated on counts per minute (statistics.md §3.11); our own engine is not here.

Each rule sees the new version's requests and failures minute by minute and says in which minute it would roll back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

Minutes = Sequence[tuple[int, int]]
"""(requests, failed requests) of the new version, minute by minute."""

Rule = Callable[[Minutes], int | None]
"""Minutes -> number of the minute (from 1) at whose end it rolls back, or None."""

LIMIT: Final = 0.05


def codedeploy_2_of_3(minutes: Minutes) -> int | None:
    """A CloudWatch alarm, 2 of 3 minutes above 5 %; a minute without traffic does not breach."""
    last: deque[bool] = deque(maxlen=3)
    for number, (requests, failed) in enumerate(minutes, 1):
        last.append(requests > 0 and failed / requests > LIMIT)
        if sum(last) >= 2:
            return number
    return None


def argo_failure_limit_3(minutes: Minutes) -> int | None:
    """Argo Rollouts, success condition rate <= 5 % every minute, failureLimit 3: the 4th failure aborts.

    Failures are cumulative; a measurement without traffic counts as success.
    """
    failures = 0
    for number, (requests, failed) in enumerate(minutes, 1):
        failures += requests > 0 and failed / requests > LIMIT
        if failures > 3:
            return number
    return None


def flagger_threshold_5(minutes: Minutes) -> int | None:
    """Flagger, threshold 5: failed checks are never reset, no traffic fails, acted on at the tick after."""
    failures = 0
    for number, (requests, failed) in enumerate(minutes, 1):
        failures += requests == 0 or failed / requests > LIMIT
        if failures >= 5:
            return number + 1 if number < len(minutes) else None
    return None


PEERS: Final[dict[str, Rule]] = {
    "CodeDeploy alarm, 2 of 3": codedeploy_2_of_3,
    "Argo, failureLimit 3": argo_failure_limit_3,
    "Flagger, threshold 5": flagger_threshold_5,
}
"""The rules as implemented by the tools named, emulated."""
