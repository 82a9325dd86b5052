"""When to look and at which minutes: pure arithmetic on times; it must not wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from canary.core.measurements import MINUTE
from canary.core.phases import FINAL, Phase
from canary.core.state import CanaryState

LAG_BEHIND_TIMEOUT = timedelta(seconds=60)
"""An error is dated at its invocation's start and comes at its end, so a minute can grow until the timeout is over."""

SOONEST = timedelta(seconds=20)
"""CloudWatch isn't expected to have a minute complete sooner than this after its last request."""

CLOSE_TICK = timedelta(seconds=20)
"""How often to look while evidence is close to its bound, or the first minutes are measured."""

NUDGE = timedelta(seconds=5)
"""How soon to look again at an alias that is on its way (read-back, AWS draining weights)."""


def whole_minute(at: datetime) -> datetime:
    """The start of the minute that holds `at`."""
    return at.replace(second=0, microsecond=0)


def settle(planned: timedelta, longest_timeout_s: int) -> timedelta:
    """How old a minute must be at most to be scored: max(plan, function timeout + 60 s) (lambda-canary.md §2.2)."""
    return max(planned, timedelta(seconds=longest_timeout_s) + LAG_BEHIND_TIMEOUT)


def settle_at_least(longest_timeout_s: int) -> timedelta:
    """How old a minute must be however fast CloudWatch is: its longest invocation must be over."""
    return timedelta(seconds=longest_timeout_s) + SOONEST


def settled_until(now: datetime, settle: timedelta) -> datetime:
    """The first minute too young to be scored."""
    return whole_minute(now - settle)


def history_start(started_at: datetime, history: timedelta) -> datetime:
    """The first minute of the base's history before a canary that began at `started_at`."""
    return whole_minute(started_at) - history.total_seconds() // 60 * MINUTE


def next_look(state: CanaryState, now: datetime, settle: timedelta, *, is_close: bool = False) -> datetime | None:
    """When the next tick is due; None when the canary is over.

    Looks fall on the moments at which a further minute counts, and on the ends of bakes and holds.

    Args:
        state: after the last tick.
        now: the end of the last tick.
        settle: how old a minute must be to count.
        is_close: look every 20 s, because evidence is close to its bound or the first minutes are measured.
    """
    if state.phase in FINAL:
        return None
    if state.phase is Phase.STARTING:
        return now + NUDGE if any(hook.when == "before_traffic" for hook in state.stage.hooks) else now
    if state.behind or state.draining or state.phase in {Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ABORTING}:
        return now + min(NUDGE, state.stage.tick)
    pace = min(state.stage.tick, CLOSE_TICK) if is_close else state.stage.tick
    phase = whole_minute(now) - MINUTE + settle % MINUTE
    at = phase + ((now - phase) // pace + 1) * pace
    if at - now < min(NUDGE, pace):
        at += pace
    return min([at, *(moment for moment in _turning_points(state) if moment > now)])


def _turning_points(state: CanaryState) -> tuple[datetime, ...]:
    """The moments from which the machine may do something by time alone."""
    if not state.shifts:
        return ()
    deadline = () if state.deadline is None else (state.deadline,)
    if state.phase is Phase.POST_BAKE:
        return (state.step_at + state.stage.post_bake, *deadline)
    if state.step is None or state.phase is not Phase.BAKING:
        return deadline
    return (state.step_at + state.step.bake, state.step_at + min(state.stage.min_bake, state.step.bake), *deadline)
