"""The percentages of a rollout and when each began: from the record while it runs, from the journal afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from canary.core.alias import ALL_BP
from canary.core.events import CanaryEnded, CanaryStarted, Event, TrafficShifted
from canary.core.measurements import WeightChange
from canary.core.plan import StagePlan
from canary.core.recover import in_order, recover
from canary.errors import CanaryError, NotFoundError
from canary.ports import Aliases, Journal


@dataclass(frozen=True, slots=True)
class Weights:
    """What a canary's candidate carried.

    Attributes:
        canary_id: the canary.
        changes: oldest first; of one that is over, the last one ends what was known. Empty where somebody else changed
            the weights.
        is_running: whether its record is in force.
    """

    canary_id: str
    changes: tuple[WeightChange, ...]
    is_running: bool


def weights_of(stage: StagePlan, aliases: Aliases, journal: Journal, canary_id: str | None = None) -> Weights | None:
    """The weights of the stage's canary: the one that runs, else the newest one, else None.

    Args:
        stage: the plan.
        aliases: what has the record.
        journal: the history.
        canary_id: a certain canary.

    Raises:
        NotFoundError: the journal has no such canary of this stage.
    """
    try:
        state = recover(stage, [aliases.read(function) for function in in_order(stage)])
    except CanaryError:
        state = None  # what it was can still be read in the journal
    if state is not None and canary_id in (None, state.canary_id):
        return Weights(state.canary_id, () if state.foreign else state.weight_changes, is_running=True)
    if canary_id is None:
        newest = next(iter(journal.canaries(stage.name)), None)
        return None if newest is None else _past(newest["canary_id"], journal.events(newest["canary_id"]))
    events = tuple(journal.events(canary_id))
    if not any(isinstance(event, CanaryStarted) and event.stage == stage.name for event in events):
        raise NotFoundError(
            f"the journal has no start of a canary {canary_id} in stage {stage.name}",
            hint=f"`canary history {stage.name}` lists its canaries.",
        )
    return _past(canary_id, events)


def _past(canary_id: str, events: Iterable[Event]) -> Weights:
    shifts: list[WeightChange] = []
    last = None
    for event in sorted(events, key=lambda event: event.at):
        last = event.at
        if isinstance(event, TrafficShifted):
            shifts.append(WeightChange(event.at, Decimal(event.weight_bp) / 100))
        if isinstance(event, CanaryEnded):
            break
    if last is not None and shifts and 0 < shifts[-1].weight_percent * 100 < ALL_BP:
        shifts.append(WeightChange(last, Decimal(0)))
    return Weights(canary_id, tuple(shifts), is_running=False)
