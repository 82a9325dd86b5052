"""What entering a phase changes in the state, and what it orders; it must not choose the phase."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from canary.core.alias import ALL_BP, AliasSpec
from canary.core.events import (
    AliasWrite,
    Announce,
    CanaryEnded,
    Effect,
    PhaseChanged,
    TrafficShifted,
    WriteAliases,
    WriteKind,
)
from canary.core.phases import FINAL, RETURNING, Phase, Signal, next_phase
from canary.core.record import Shift
from canary.core.state import CanaryState, FunctionState

Step = tuple[CanaryState, tuple[Effect, ...]]

_KINDS: Final = {
    Signal.BEGIN: WriteKind.FORWARD,
    Signal.NEXT_STEP: WriteKind.FORWARD,
    Signal.LAST_STEP_DONE: WriteKind.FORWARD,
    Signal.PROMOTE: WriteKind.FORWARD,
    Signal.UNHEALTHY: WriteKind.ROLLBACK,
    Signal.ROLLBACK: WriteKind.ROLLBACK,
    Signal.ABORT: WriteKind.ROLLBACK,
}


def enter(state: CanaryState, signal: Signal, why: str, now: datetime) -> Step:
    """Takes the transition that the signal asks for.

    Raises:
        RefusedError: the table has no such transition; nothing changed.
    """
    phase = next_phase(state.phase, signal)
    shifts = _shifts(state, phase, signal, now)
    moved = shifts != state.shifts
    after = replace(
        state,
        functions=tuple(_with_shifts(function, shifts[len(state.shifts) :]) for function in state.functions),
        phase=phase,
        shifts=shifts,
        deadline=_deadline(state, signal, now),
        behind=(),
        why=why,
    )
    effects: list[Effect] = [] if phase is Phase.CONFLICT else [_writes(after, _KINDS.get(signal, WriteKind.ANNOTATE))]
    if moved:
        effects.append(Announce(TrafficShifted(state.canary_id, state.stage.name, now, after.weight_bp, why)))
    if phase is not state.phase:
        effects.append(Announce(PhaseChanged(state.canary_id, state.stage.name, now, state.phase, phase, why, signal)))
    if phase in FINAL:
        effects.append(_ended(after, phase, why, now))
    return after, tuple(effects)


def finish_writing(state: CanaryState, now: datetime) -> Step:
    """Completes writes that were cut short: the same step again, for the aliases that don't say it yet."""
    if not state.behind:
        return state, ()
    done = replace(state, behind=())
    if state.phase in FINAL:
        return done, (_writes(state, WriteKind.RESTORE), _ended(state, state.phase, state.why, now))
    kind = WriteKind.ROLLBACK if state.phase in RETURNING else WriteKind.FORWARD
    done = replace(done, functions=tuple(_caught_up(state, function, now) for function in state.functions))
    writes = tuple(_write(done, f, done.spec(f)) for f in done.functions if f.function.key in state.behind)
    return done, (WriteAliases(kind, writes),)


def start_writes(state: CanaryState) -> WriteAliases:
    """The first write of a canary: its record on every alias, and no weight."""
    return _writes(state, WriteKind.ANNOTATE)


def restore_writes(state: CanaryState) -> WriteAliases:
    """The last write of a canary: the operators' descriptions again."""
    return WriteAliases(WriteKind.RESTORE, tuple(_restores(state)))


def _shifts(state: CanaryState, phase: Phase, signal: Signal, now: datetime) -> tuple[Shift, ...]:
    if signal in {Signal.BEGIN, Signal.NEXT_STEP}:
        return (*state.shifts, Shift(now, state.planned_bp[0]))
    if phase is Phase.PROMOTING:
        return (*state.shifts, Shift(now, ALL_BP))
    if phase in RETURNING and state.weight_bp:
        return (*state.shifts, Shift(now, 0))
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
        return max(bake_over, state.deadline or bake_over) + state.stage.hold_max
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
