"""Finds out from the aliases where the canary stands; it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from canary.core.alias import AliasState
from canary.core.events import CanaryEnded
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.recover import in_order, recover
from canary.core.state import CanaryState
from canary.errors import ConflictError, NotFoundError, NotRunningError
from canary.runner.moving import read_all
from canary.runner.retrying import Retrying
from canary.runner.setup import Ports
from canary.runner.telling import Teller

Found = tuple[CanaryState, dict[str, AliasState], Retrying]


def current(stage: StagePlan, ports: Ports) -> CanaryState | None:
    """The canary that the stage's aliases tell of; None when there is none.

    Raises:
        ConflictError: the aliases tell of different canaries.
        RecordError: a record can't be read.
        AwsError: an alias can't be read.

    Since 0.1.
    """
    retrying = Retrying(Teller(ports, "", stage.name))
    return recover(stage, list(read_all(in_order(stage), retrying).values()))


def find(stage: StagePlan, ports: Ports, known: CanaryState | None = None) -> Found:
    """The canary under way, what each alias says, and the means to go on with it.

    Args:
        stage: the plan.
        ports: the world.
        known: what this driver saw last. When the aliases don't tell of that canary any more, the answer says how it
            ended without us: promoted, rolled back, or a conflict.

    Raises:
        NotRunningError: there is no canary, and none was known.
        ConflictError: the aliases tell of different canaries, and none was known.
    """
    retrying = Retrying(Teller(ports, known.canary_id if known else "", stage.name))
    try:
        seen = read_all(in_order(stage), retrying)
    except NotFoundError as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, f"an alias or its function was deleted: {error.message}"), {}, retrying
    try:
        state = recover(stage, list(seen.values()))
    except ConflictError as error:
        if known is None:
            raise
        return _ended(known, Phase.CONFLICT, error.message), seen, retrying
    if known is not None and (state is None or state.canary_id != known.canary_id):
        return _without_us(known, state, seen), seen, retrying
    if state is None:
        raise NotRunningError(f"no canary is under way in stage {stage.name}")
    if known is not None and known.phase is state.phase:
        state = replace(state, why=known.why)
    return state, seen, Retrying(Teller(ports, state.canary_id, stage.name))


def found_gone(state: CanaryState, retrying: Retrying) -> CanaryState:
    """Tells of an end that this driver only found; an ally that ended the canary has told its own journal."""
    if state.phase is Phase.CONFLICT:
        now = retrying.teller.ports.clock.now()
        retrying.teller.tell(
            CanaryEnded(state.canary_id, state.stage.name, now, state.phase, state.why, state.started_at)
        )
    return state


def _without_us(known: CanaryState, other: CanaryState | None, seen: Mapping[str, AliasState]) -> CanaryState:
    if other is not None:
        return _ended(known, Phase.CONFLICT, f"canary {other.canary_id} holds the aliases now")
    now_on = [(alias.version, alias.extra_version) for alias in (seen[f.function.key] for f in known.functions)]
    if now_on == [(f.candidate, None) for f in known.functions]:
        return _ended(known, Phase.PROMOTED, "promoted by another driver")
    if now_on == [(f.baseline, None) for f in known.functions]:
        return _ended(known, Phase.ROLLED_BACK, "rolled back by another driver")
    versions = ", ".join(f"{key} is on version {alias.version}" for key, alias in seen.items())
    return _ended(known, Phase.CONFLICT, f"somebody else moved the aliases: {versions}")


def _ended(known: CanaryState, phase: Phase, why: str) -> CanaryState:
    return replace(known, phase=phase, why=why, behind=(), draining=(), foreign=())
