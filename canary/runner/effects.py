"""Does what the machine ordered, in its order; it must not change the order or leave anything out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from canary.core.alias import AliasState
from canary.core.events import AliasWrite, Announce, CanaryStarted, Effect, WriteKind
from canary.core.state import CanaryState
from canary.runner.moving import roll_back, write_in_order
from canary.runner.retrying import Retrying


def carry_out(
    effects: Sequence[Effect], state: CanaryState, seen: dict[str, AliasState], retrying: Retrying
) -> CanaryState:
    """Carries the effects out and answers the state with what was found on the way.

    Raises:
        StaleRevisionError: an alias was changed meanwhile; the rest was not done.
        AwsError: AWS refused or can't be reached; the rest was not done.
    """
    for effect in effects:
        if isinstance(effect, Announce):
            retrying.teller.tell(effect.event)
        elif effect.kind is WriteKind.ROLLBACK:
            for key in roll_back(effect.writes, retrying):
                retrying.teller.notice(f"{key} was changed by somebody else and was left alone")
        elif effect.kind is WriteKind.RESTORE:
            write_in_order(_whole_texts(effect.writes, state, retrying), seen, retrying)
        else:
            write_in_order(effect.writes, seen, retrying)
    return state


def _whole_texts(writes: Sequence[AliasWrite], state: CanaryState, retrying: Retrying) -> tuple[AliasWrite, ...]:
    """The record may hold only the beginning of the operator's description; the journal has the whole of it."""
    cut = {function.function.key: function.description for function in state.functions if function.shortened}
    if not cut:
        return tuple(writes)
    whole: dict[str, str] = {}
    for event in retrying.teller.ports.journal.events(state.canary_id):
        if isinstance(event, CanaryStarted):
            whole.update({move.function: move.description for move in event.functions})
    missing = sorted(cut.keys() - whole.keys())
    if missing:
        retrying.teller.notice(f"the journal doesn't know the whole description of {', '.join(missing)}")
    return tuple(
        replace(write, spec=replace(write.spec, description=whole[write.function.key]))
        if write.spec.description == cut.get(write.function.key) and write.function.key in whole
        else write
        for write in writes
    )
