"""The canary machine: what a state and the evidence lead to; it must not fetch, wait, write or know any clock.

Rules (after h11's `_state.py`; the table itself is `phases.TRANSITIONS`):

1. Only `healthy` moves a canary forward, only `sick` or a person moves it back; what nobody knows holds, bounded by
   `hold_max`, and then the plan's policy speaks (decision 0009).
2. Every phase in which the candidate carries traffic is judged and may be taken back: waiting, paused, held and
   promoted ones too (flagger#1801).
3. A take-back goes to the recorded base version with no weights, and nothing but weight 0 is ever written after it.
4. Evidence is never state: it is measured anew at each tick (statistics.md §4.1).

This file says which signal a tick gives. `moves.py` says what entering a phase changes and orders.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from canary.core.alias import percent_text
from canary.core.events import Announce, Effect, Judged
from canary.core.measurements import Observations
from canary.core.moves import enter, finish_writing
from canary.core.phases import FINAL, FORWARD, Phase, Signal
from canary.core.plan import format_duration
from canary.core.state import CanaryState
from canary.core.verdict import Judgement, Rule, Verdict, judge

Trigger = tuple[Signal, str]
"""A signal and the sentence that goes with it."""

JUDGED: Final = frozenset({*FORWARD, Phase.STARTING, Phase.PROMOTING, Phase.POST_BAKE})
"""Phases in which evidence counts."""

_ROLLING_BACK: Final = frozenset({Phase.ROLLING_BACK, Phase.ABORTING})
_MAY_KEEP_WRITING: Final = _ROLLING_BACK | FINAL

_UNSURE: Final = frozenset({Rule.WAITING, Rule.NO_DATA})
"""Rules that say nothing worse than "not enough evidence": all that `promote` as a policy may overrule."""


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
    now = now.replace(microsecond=0)  # the record keeps whole seconds
    trigger: Trigger | None = None
    if judgement.verdict is Verdict.UNHEALTHY and state.phase in JUDGED and state.ours:
        trigger = Signal.UNHEALTHY_AT_START if state.phase is Phase.STARTING else Signal.UNHEALTHY, judgement.sentence
    elif state.foreign and not (state.phase in _MAY_KEEP_WRITING and state.ours):
        # Stop without writing (lambda-canary.md §9, trap 12); a take-back first finishes what is still ours.
        trigger = Signal.FOREIGN, "; ".join(change.text for change in state.foreign)
    elif not state.behind:
        trigger = _WATCH[state.phase](state, judgement, now)
    after, ordered = finish_writing(state, now) if trigger is None else enter(state, *trigger, now)
    if state.phase not in JUDGED or state.phase is Phase.STARTING:
        return after, ordered
    told = Announce(Judged(state.canary_id, state.stage.name, now, state.phase, state.weight_bp, judgement))
    # A take-back comes before any other call, telling included.
    return after, (*ordered, told) if after.phase in _ROLLING_BACK else (told, *ordered)


def request(state: CanaryState, signal: Signal, why: str, now: datetime) -> tuple[CanaryState, tuple[Effect, ...]]:
    """What a person asks for: the same table, no evidence needed.

    Raises:
        RefusedError: the signal has no meaning in this phase.

    Since 0.1.
    """
    return enter(state, signal, why, now.replace(microsecond=0))


def ready_to_go_on(state: CanaryState, now: datetime) -> timedelta:
    """How long the present step still has to be watched before a healthy verdict counts; zero when it does. Since 0.1.

    Healthy never shortens the minimum bake: leaks and the time of day are not in the data yet (§4.8).
    """
    step = state.step
    if step is None:
        return timedelta()
    waits = [state.step_at + min(state.stage.min_bake, step.bake) - now]
    if not state.planned_bp:
        waits.append(state.shifts[0].at + min(state.stage.watch_min, state.stage.total_bake) - now)
    return max(timedelta(), *waits)


def _begin(state: CanaryState, _judgement: Judgement, _now: datetime) -> Trigger:
    if state.unstarted:
        return Signal.ABORT, f"the start was cut short before {', '.join(state.unstarted)} could be claimed"
    return Signal.BEGIN, "every alias is claimed"


def _baking(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    step = state.step
    assert step is not None
    if judgement.verdict is Verdict.HEALTHY:
        return _onward(state, judgement.sentence, now)
    return (Signal.BAKE_OVER, judgement.sentence) if now >= state.step_at + step.bake else None


def _holding(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    if judgement.verdict is Verdict.HEALTHY:
        return _onward(state, judgement.sentence, now)
    if state.deadline is None or now < state.deadline:
        return None
    no_data = judgement.verdict is Verdict.NO_DATA
    policy = state.stage.on_no_data if no_data else state.stage.on_inconclusive
    name = "on_no_data" if no_data else "on_inconclusive"
    why = f'held for {format_duration(state.stage.hold_max)}, {name} = "{policy}": {judgement.sentence}'
    if policy == "rollback":
        return Signal.ROLLBACK, why
    if policy == "promote" and judgement.deciding in _UNSURE:
        return _step_or_promotion(state, why)
    return Signal.EXPIRED, why


def _resting(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    return _onward(state, judgement.sentence, now) if judgement.verdict is Verdict.HEALTHY else None


def _promoting(state: CanaryState, _judgement: Judgement, _now: datetime) -> Trigger | None:
    # AWS drains an alias with provisioned concurrency by weights of its own (trap 13): wait for it.
    return None if state.draining else (Signal.ALIGNED, "every alias read back on the new version")


def _post_bake(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    over = state.step_at + state.stage.post_bake
    if judgement.shared_incident is not None:
        over += state.stage.hold_max  # somebody may still want the one-call way back
    watched = format_duration(now - state.step_at)
    return (Signal.POST_BAKE_OVER, f"no regression in {watched} at 100 %") if now >= over else None


def _rolling_back(state: CanaryState, _judgement: Judgement, _now: datetime) -> Trigger | None:
    why = "; ".join([state.why or "every alias read back on the old version", *(c.text for c in state.foreign)])
    return None if state.draining else (Signal.ALIGNED, why)


def _nothing(_state: CanaryState, _judgement: Judgement, _now: datetime) -> None:
    return None


_WATCH: Final[dict[Phase, Callable[[CanaryState, Judgement, datetime], Trigger | None]]] = {
    Phase.STARTING: _begin,
    Phase.BAKING: _baking,
    Phase.HOLDING: _holding,
    Phase.PAUSED: _nothing,
    Phase.INCONCLUSIVE: _resting,
    Phase.PROMOTING: _promoting,
    Phase.POST_BAKE: _post_bake,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.ABORTING: _rolling_back,
    **dict.fromkeys(FINAL, _nothing),
}
"""What each phase waits for, besides sickness and foreign writers."""


def _onward(state: CanaryState, why: str, now: datetime) -> Trigger | None:
    if ready_to_go_on(state, now):
        return None
    if not state.planned_bp and state.stage.promote == "manual":
        return Signal.PAUSE, f'promote = "manual": waits for `canary promote {state.stage.name}`; {why}'
    return _step_or_promotion(state, why)


def _step_or_promotion(state: CanaryState, why: str) -> Trigger:
    if state.planned_bp:
        return Signal.NEXT_STEP, f"advanced to {percent_text(state.planned_bp[0])} %: {why}"
    return Signal.LAST_STEP_DONE, f"advanced to 100 %: {why}"
