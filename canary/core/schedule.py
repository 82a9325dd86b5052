"""When to look and at which minutes: pure arithmetic on times; it must not wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from canary.core.measurements import MINUTE
from canary.core.phases import FINAL, Phase
from canary.core.state import CanaryState

LAG_BEHIND_TIMEOUT = timedelta(seconds=60)
"""An error is dated at its invocation's start and comes at its end, so a minute can grow until the timeout is over."""

NUDGE = timedelta(seconds=5)
"""How soon to look again at an alias that is on its way (read-back, AWS draining weights)."""


def whole_minute(at: datetime) -> datetime:
    """The start of the minute that holds `at`."""
    return at.replace(second=0, microsecond=0)


def settle(planned: timedelta, longest_timeout_s: int) -> timedelta:
    """How old a minute must be to be scored: max(plan, function timeout + 60 s) (lambda-canary.md §2.2)."""
    return max(planned, timedelta(seconds=longest_timeout_s) + LAG_BEHIND_TIMEOUT)


def settled_until(now: datetime, settle: timedelta) -> datetime:
    """The first minute too young to be scored."""
    return whole_minute(now - settle)


def history_start(started_at: datetime, history: timedelta) -> datetime:
    """The first minute of the base's history before a canary that began at `started_at`."""
    return whole_minute(started_at) - history.total_seconds() // 60 * MINUTE


def next_look(state: CanaryState, now: datetime) -> datetime | None:
    """When the next tick is due; None when the canary is over."""
    if state.phase in FINAL:
        return None
    if state.phase is Phase.STARTING:
        return now + NUDGE if any(hook.when == "before_traffic" for hook in state.stage.hooks) else now
    if state.behind or state.draining or state.phase in {Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ABORTING}:
        return now + min(NUDGE, state.stage.tick)
    return now + state.stage.tick
