"""The canary machine: what a state and the evidence lead to; it must not fetch, wait, write or know any clock.

Rules (after h11's `_state.py`; the table itself is `phases.TRANSITIONS`):

1. Only `healthy` moves a canary forward, only `unhealthy` or a person moves it back; anything else holds, bounded by
   `hold_max`, and then the plan's policy decides (decision 0009). With `on_unhealthy = "pause"` a person decides.
2. Every phase in which the candidate carries traffic is judged and can be rolled back: holding, paused, inconclusive
   and promoted ones too (flagger#1801).
3. A rollback goes to the recorded baseline version with no weights, and only weight 0 is ever written after it. With
   `on_unhealthy = "last_safe"` what the evidence rolls back goes to the last weight that was left with a healthy
   verdict, and only that is written after it; a person's rollback goes to 0.
4. Evidence is never state: it is measured again at each tick (statistics.md §4.1).

The first half of this file chooses the signal of a tick; the second half says what entering a phase changes and orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from canary.core.alias import ALL_BP, AliasSpec, percent_text
from canary.core.events import (
    AliasWrite,
    Announce,
    CanaryEnded,
    Effect,
    Judged,
    Measured,
    Noticed,
    PhaseChanged,
    TrafficShifted,
    WriteAliases,
    WriteKind,
)
from canary.core.measurements import MINUTE, HookResult, HookState, Observations
from canary.core.phases import FINAL, FORWARD, RETURNING, Phase, Signal, next_phase
from canary.core.plan import HookEvent, format_duration
from canary.core.record import Shift
from canary.core.state import CanaryState, FunctionState
from canary.core.verdict import Judgement, Rule, Verdict, judge


class Decision(NamedTuple):
    """What a tick or a request leads to.

    Attributes:
        state: the state once the effects are carried out.
        judgement: what the evidence says; None where the phase isn't judged.
        effects: what has to be done, in this order.
    """

    state: CanaryState
    judgement: Judgement | None
    effects: tuple[Effect, ...]


Trigger = tuple[Signal, str]
"""A signal and the sentence that explains it."""

JUDGED: Final = frozenset({*FORWARD, Phase.STARTING, Phase.PROMOTING, Phase.POST_BAKE})
"""Phases in which evidence counts."""

_ROLLING_BACK: Final = frozenset({Phase.ROLLING_BACK, Phase.ABORTING})
_MAY_KEEP_WRITING: Final = _ROLLING_BACK | FINAL

NOT_WATCHED: Final = "not watched"
"""How the reason of a promotion begins that nobody could watch."""

_UNSURE: Final = frozenset({Rule.WAITING, Rule.NO_DATA})
"""Rules that say nothing worse than "not enough evidence": all that `promote` as a policy may overrule."""

_FROM_A_STEP: Final = frozenset({Signal.NEXT_STEP, Signal.LAST_STEP_DONE, Signal.PROMOTE})
"""Signals that leave a step behind."""

_KINDS: Final = {
    Signal.BEGIN: WriteKind.FORWARD,
    Signal.NEXT_STEP: WriteKind.FORWARD,
    Signal.LAST_STEP_DONE: WriteKind.FORWARD,
    Signal.PROMOTE: WriteKind.FORWARD,
    Signal.UNHEALTHY: WriteKind.ROLLBACK,
    Signal.ROLLBACK: WriteKind.ROLLBACK,
    Signal.ABORT: WriteKind.ROLLBACK,
}


def decide(state: CanaryState, observations: Observations | None, now: datetime) -> Decision:
    """What the canary does next: judges all evidence, then takes one step of the machine.

    Args:
        state: where the canary stands, as read from its aliases (`recover`).
        observations: everything measured since the start; None where nothing was measured, because the phase isn't
            judged.
        now: aware UTC time of this tick.
    """
    if observations is None:
        return conclude(state, None, now)
    judgement = judge(state.stage, observations, state.weight_changes, now)
    return conclude(state, judgement, now, observations)


def conclude(
    state: CanaryState, judgement: Judgement | None, now: datetime, observations: Observations | None = None
) -> Decision:
    """`decide` with the evidence already judged; `observations` are published along with what follows from them."""
    now = now.replace(microsecond=0)  # the record keeps whole seconds
    trigger = _trigger(state, judgement, observations or Observations(), now)
    if trigger is None:
        after, ordered = _finish_writing(state, now)
    else:
        is_healthy = judgement is not None and judgement.verdict is Verdict.HEALTHY
        after, ordered = _enter(state, *trigger, now, is_healthy=is_healthy, resting_bp=state.resting_bp)
    published: list[Effect] = []
    if observations is not None:
        published.append(Announce(Measured(state.canary_id, state.stage.name, now, observations)))
    if judgement is not None and state.phase in JUDGED and state.phase is not Phase.STARTING:
        published.append(
            Announce(Judged(state.canary_id, state.stage.name, now, state.phase, state.weight_bp, judgement))
        )
    # The writes of a rollback come before everything else, publishing included.
    first = 1 if after.phase in _ROLLING_BACK else 0
    return Decision(after, judgement, (*ordered[:first], *published, *ordered[first:]))


def request(state: CanaryState, signal: Signal, why: str, now: datetime) -> Decision:
    """What a person asks for: the same table, no evidence needed.

    Raises:
        RefusedError: the signal has no meaning in this phase.
    """
    after, ordered = _enter(state, signal, why, now.replace(microsecond=0))
    return Decision(after, None, ordered)


def ready_to_advance(state: CanaryState, now: datetime) -> timedelta:
    """How long the present step must still be watched before a healthy verdict counts; zero when it does.

    Healthy never shortens the minimum bake: leaks and the time of day are not in the data yet
    (statistics.md §4.8).
    """
    step = state.step
    if step is None:
        return timedelta()
    waits = [state.step_at + min(state.stage.min_bake, step.bake) - now]
    if not state.planned_bp:
        waits.append(state.shifts[0].at + min(state.stage.watch_min, state.stage.total_bake) - now)
    return max(timedelta(), *waits)


def start_writes(state: CanaryState) -> WriteAliases:
    """The first write of a canary: its record on every alias, and no weight."""
    return _writes(state, WriteKind.ANNOTATE)


def restore_writes(state: CanaryState) -> WriteAliases:
    """The last write of a canary: the operators' descriptions again."""
    return WriteAliases(WriteKind.RESTORE, tuple(_restores(state)))


# Which signal a tick gives.


def _trigger(
    state: CanaryState, judgement: Judgement | None, observations: Observations, now: datetime
) -> Trigger | None:
    unhealthy = judgement is not None and judgement.verdict is Verdict.UNHEALTHY
    if judgement is not None and unhealthy and state.phase in JUDGED and state.ours:
        return _unhealthy(state, judgement)
    if state.foreign and not (state.phase in _MAY_KEEP_WRITING and state.ours):
        # Stop without writing (lambda-canary.md §9, trap 12); a rollback first finishes what is still ours.
        return Signal.FOREIGN, "; ".join(change.text for change in state.foreign)
    if state.behind:
        return None
    if state.phase in _WAITING_FOR and not state.unstarted and (hook := _unfinished_hook(state, observations)):
        name, signal = state.stage.hooks[hook.index].name, _WAITING_FOR[state.phase][1]
        return (signal, f"the hook {name} failed: {hook.detail}") if hook.state is HookState.FAILED else None
    if state.phase in _ON_STATE:
        return _ON_STATE[state.phase](state)
    if judgement is not None and state.phase is Phase.POST_BAKE:
        return _post_bake(state, judgement, observations, now)
    if judgement is not None and state.phase in _ON_EVIDENCE:
        return _ON_EVIDENCE[state.phase](state, judgement, now)
    return None


def _unhealthy(state: CanaryState, judgement: Judgement) -> Trigger | None:
    if state.phase is Phase.STARTING:
        return Signal.UNHEALTHY_AT_START, judgement.sentence
    if state.stage.on_unhealthy == "pause" and state.phase in FORWARD:
        why = f'on_unhealthy = "pause": waiting for `canary rollback {state.stage.name}`; {judgement.sentence}'
        return None if state.phase is Phase.PAUSED else (Signal.PAUSE, why)
    return Signal.UNHEALTHY, judgement.sentence


_WAITING_FOR: Final[dict[Phase, tuple[HookEvent, Signal]]] = {
    Phase.STARTING: ("before_traffic", Signal.UNHEALTHY_AT_START),
    Phase.PROMOTING: ("after_traffic", Signal.UNHEALTHY),
}
"""Phases that are left only once the plan's hooks have succeeded, and what a failed hook leads to."""


def _unfinished_hook(state: CanaryState, observations: Observations) -> HookResult | None:
    """The first hook of this phase that hasn't succeeded; one without a result isn't known to have."""
    results = {result.index: result for result in observations.hooks}
    due = (index for index, hook in enumerate(state.stage.hooks) if hook.when == _WAITING_FOR[state.phase][0])
    asked = (results.get(index, HookResult(index, HookState.PENDING)) for index in due)
    return next((result for result in asked if result.state is not HookState.SUCCEEDED), None)


def _begin(state: CanaryState) -> Trigger:
    if state.unstarted:
        return Signal.ABORT, f"the start was interrupted before {', '.join(state.unstarted)} had its canary record"
    return Signal.BEGIN, state.stage.words.started(percent_text(state.planned_bp[0]), len(state.functions))


def _promoting(state: CanaryState) -> Trigger | None:
    # AWS drains an alias with provisioned concurrency by weights of its own (trap 13): wait for it.
    return None if state.draining else (Signal.ALIGNED, state.stage.words.verified_new)


def _rolling_back(state: CanaryState) -> Trigger | None:
    why = "; ".join([state.why or state.stage.words.verified_old, *(c.text for c in state.foreign)])
    return None if state.draining else (Signal.ALIGNED, why)


def _baking(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    step = state.step
    assert step is not None
    if judgement.verdict is Verdict.HEALTHY:
        return _advance(state, judgement.sentence, now)
    return (Signal.BAKE_OVER, judgement.sentence) if now >= state.step_at + step.bake else None


def _holding(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    if judgement.verdict is Verdict.HEALTHY:
        return _advance(state, judgement.sentence, now)
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


def _inconclusive(state: CanaryState, judgement: Judgement, now: datetime) -> Trigger | None:
    return _advance(state, judgement.sentence, now) if judgement.verdict is Verdict.HEALTHY else None


def _post_bake(state: CanaryState, judgement: Judgement, observations: Observations, now: datetime) -> Trigger | None:
    """The end of the post-promotion watch; a version that nobody could watch is not called watched (decision 0009)."""
    stage = state.stage
    over = state.step_at + stage.post_bake
    if judgement.shared_incident is not None:
        over += stage.hold_max  # somebody may still want the one-call rollback
    if now < over:
        return None
    if not stage.post_bake:
        return Signal.POST_BAKE_OVER, 'promoted without a post-promotion watch: post_bake = "0s"'
    if watched := _watched_minutes(observations, state.step_at):
        why = f"no regression in {watched} measured min at 100 %"
        if judgement.would_roll_back:
            why += f", but a dry-run gate would have rolled back: {judgement.would_roll_back}"
        return Signal.POST_BAKE_OVER, why
    if now < over + stage.hold_max:
        return None
    why = f"{NOT_WATCHED}: {stage.words.unwatched(format_duration(now - state.step_at))}"
    if stage.on_no_data == "rollback":
        return Signal.ROLLBACK, f'{why}; on_no_data = "rollback"'
    return Signal.UNWATCHED, why


def _watched_minutes(observations: Observations, since: datetime) -> int:
    """Settled minutes after the promotion in which the new version had requests."""
    first = since.replace(second=0, microsecond=0) + MINUTE
    rows = (row for stream in observations.streams for row in stream.minutes)
    return len({row.minute for row in rows if row.minute >= first and row.candidate_requests})


_ON_STATE: Final[dict[Phase, Callable[[CanaryState], Trigger | None]]] = {
    Phase.STARTING: _begin,
    Phase.PROMOTING: _promoting,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.ABORTING: _rolling_back,
}
"""Phases that wait for their aliases only. Paused and final ones wait for nothing."""

_ON_EVIDENCE: Final[dict[Phase, Callable[[CanaryState, Judgement, datetime], Trigger | None]]] = {
    Phase.BAKING: _baking,
    Phase.HOLDING: _holding,
    Phase.INCONCLUSIVE: _inconclusive,
}
"""Phases that wait for evidence or time."""


def _advance(state: CanaryState, why: str, now: datetime) -> Trigger | None:
    if ready_to_advance(state, now):
        return None
    was_resumed = state.phase is Phase.BAKING and state.deadline is not None
    if state.step is not None and state.step.pause and not was_resumed:
        percent = percent_text(state.weight_bp)
        return Signal.PAUSE, f"the plan pauses after {percent} %: waiting for `canary resume {state.stage.name}`; {why}"
    if not state.planned_bp and state.stage.promote == "manual":
        return Signal.PAUSE, f'promote = "manual": waiting for `canary promote {state.stage.name}`; {why}'
    return _step_or_promotion(state, why)


def _step_or_promotion(state: CanaryState, why: str) -> Trigger:
    if state.planned_bp:
        return Signal.NEXT_STEP, f"advanced to {percent_text(state.planned_bp[0])} %: {why}"
    return Signal.LAST_STEP_DONE, f"advanced to 100 %: {why}"


# What entering a phase changes in the state, and what it orders.

_Step = tuple[CanaryState, tuple[Effect, ...]]


def _enter(
    state: CanaryState, signal: Signal, why: str, now: datetime, *, is_healthy: bool = False, resting_bp: int = 0
) -> _Step:
    """Takes the transition that the signal asks for.

    Args:
        state: before it.
        signal: what happened.
        why: the sentence that explains it.
        now: this tick.
        is_healthy: whether the verdict is.
        resting_bp: the weight that a rollback leaves.

    Raises:
        RefusedError: the table has no such transition; nothing changed.
    """
    phase = next_phase(state.phase, signal)
    if signal in _FROM_A_STEP and state.stage.flag is not None and not is_healthy:
        state = replace(state, shifts=(*state.shifts[:-1], replace(state.shifts[-1], is_unsure=True)))
    shifts = _shifts(state, phase, signal, now, resting_bp)
    moved = shifts != state.shifts
    after = replace(
        state,
        functions=tuple(_with_shifts(function, shifts[len(state.shifts) :]) for function in state.functions),
        phase=phase,
        shifts=shifts,
        deadline=_deadline(state, signal, now),
        behind=(),
        why=why,
        is_watched=signal is not Signal.UNWATCHED,
    )
    if phase in FORWARD:  # each alias gets the present weight with this write, one that was behind too
        after = replace(after, functions=tuple(_caught_up(after, function, now) for function in after.functions))
    effects: list[Effect] = [] if phase is Phase.CONFLICT else [_writes(after, _KINDS.get(signal, WriteKind.ANNOTATE))]
    if moved:
        effects.append(Announce(TrafficShifted(state.canary_id, state.stage.name, now, after.weight_bp, why)))
    if phase is not state.phase:
        effects.append(Announce(PhaseChanged(state.canary_id, state.stage.name, now, state.phase, phase, why, signal)))
    if phase in FINAL:
        effects.append(_ended(after, phase, why, now))
    if signal is Signal.UNWATCHED:
        effects.append(Announce(Noticed(state.canary_id, state.stage.name, now, f"promoted, but {why}", is_alert=True)))
    return after, tuple(effects)


def _finish_writing(state: CanaryState, now: datetime) -> _Step:
    """Completes writes that were interrupted: the same step again, for the aliases that don't say it yet."""
    if not state.behind:
        return state, ()
    done = replace(state, behind=())
    if state.phase in FINAL:
        return done, (_writes(state, WriteKind.RESTORE), _ended(state, state.phase, state.why, now))
    kind = WriteKind.ROLLBACK if state.phase in RETURNING else WriteKind.FORWARD
    done = replace(done, functions=tuple(_caught_up(state, function, now) for function in state.functions))
    writes = tuple(_write(done, f, done.spec(f)) for f in done.functions if f.function.key in state.behind)
    return done, (WriteAliases(kind, writes),)


def _shifts(state: CanaryState, phase: Phase, signal: Signal, now: datetime, resting_bp: int) -> tuple[Shift, ...]:
    if signal in {Signal.BEGIN, Signal.NEXT_STEP}:
        return (*state.shifts, Shift(now, state.planned_bp[0]))
    if phase is Phase.PROMOTING:
        return (*state.shifts, Shift(now, ALL_BP))
    if phase in RETURNING and state.weight_bp and state.phase not in RETURNING:
        return (*state.shifts, Shift(now, resting_bp))
    return state.shifts


def _with_shifts(function: FunctionState, added: tuple[Shift, ...]) -> FunctionState:
    return function if function.shifts is None else replace(function, shifts=(*function.shifts, *added))


def _caught_up(state: CanaryState, function: FunctionState, now: datetime) -> FunctionState:
    """A function that gets the present weight only now: the verdict must not expect its traffic to have had it."""
    own = function.shifts
    if own is None or (own and own[-1].weight_bp == state.weight_bp):
        return function
    return replace(function, shifts=(*own, Shift(now, state.weight_bp)))


def _deadline(state: CanaryState, signal: Signal, now: datetime) -> datetime | None:
    if signal is Signal.BAKE_OVER:
        # Counted from the end of the bake, so that a driver that was dead meanwhile doesn't hold twice as long.
        assert state.step is not None
        bake_over = state.step_at + state.step.bake
        planned = max(bake_over, state.deadline or bake_over) + state.stage.hold_max
        # It may have been asleep for longer: what is counted from now on still gets the time to settle.
        return max(planned, now + min(state.stage.hold_max, state.stage.settle + 2 * MINUTE))
    return now if signal is Signal.RESUME else None


def _writes(state: CanaryState, kind: WriteKind) -> WriteAliases:
    if state.phase in FINAL:
        return restore_writes(state)
    return WriteAliases(kind, tuple(_write(state, f, state.spec(f)) for f in state.functions))


def _restores(state: CanaryState) -> Iterable[AliasWrite]:
    """The lead is restored last: as long as its record stands, any process knows that the others may be done.

    A promotion says so in the lead first, because an alias without a record is otherwise a foreign change.
    """
    lead, *others = state.ours
    if others and state.phase is Phase.PROMOTED:
        yield _write(state, lead, state.spec(lead))
    for function in (*others, lead):
        yield _write(state, function, state.restored(function))


def _write(state: CanaryState, function: FunctionState, spec: AliasSpec) -> AliasWrite:
    return AliasWrite(function.function, spec, (function.baseline, function.candidate), state.canary_id)


def _ended(state: CanaryState, outcome: Phase, why: str, now: datetime) -> Announce:
    conflict = outcome is Phase.CONFLICT and state.weight_bp
    left = tuple(function.function.key for function in state.ours) if conflict else ()
    return Announce(CanaryEnded(state.canary_id, state.stage.name, now, outcome, why, state.started_at, left))
