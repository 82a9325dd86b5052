"""The canary machine: what a state and the evidence lead to; it must not fetch, wait, write or know any clock.

Rules (after h11's `_state.py`; the table itself is `phases.TRANSITIONS`):

1. Only `healthy` moves a canary forward, only `sick` or a person moves it back; what nobody knows holds, bounded by
   `hold_max`, and then the plan's policy speaks (design D9).
2. Every phase in which the candidate carries traffic is judged and may be taken back: waiting, paused, held and
   promoted ones too (flagger#1801).
3. A take-back goes to the recorded base version with no weights, and nothing but weight 0 is ever written after it.
4. Evidence is never state: it is measured anew at each tick (canary-statistics.md §4.1).
"""

from __future__ import annotations

from datetime import datetime

from canary.core.events import Effect
from canary.core.measurements import Observations
from canary.core.state import CanaryState
from canary.core.verdict import Judgement, judge


def decide(state: CanaryState, observations: Observations, now: datetime) -> tuple[CanaryState, tuple[Effect, ...]]:
    """What the canary does next: judges all evidence, then takes one step of the machine.

    Args:
        state: where the canary stands, as read from its aliases (`recover`).
        observations: everything measured since the start.
        now: aware UTC time of this tick.

    Returns:
        The state after this tick, and what has to be done to get there, in this order.

    Since 0.1.
    """
    return conclude(state, judge(state.stage, observations, state.weight_changes, now), now)


def conclude(state: CanaryState, judgement: Judgement, now: datetime) -> tuple[CanaryState, tuple[Effect, ...]]:
    """`decide` with the evidence already judged. Since 0.1."""
    raise NotImplementedError
