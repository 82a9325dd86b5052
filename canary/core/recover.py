"""From what the aliases say to where the canary stands; it must not read AWS nor choose what comes next.

How writes that a dead driver left unfinished are told apart from foreign changes:

* every alias must route as *its own* record says; if it doesn't, somebody else was there;
* the lead (first function) is written first, so its record tells the step, and an alias with an older record is
  merely behind: the step is completed, never undone;
* one alias that was rolled back rolls back all;
* at the end the lead is restored last, so an alias without a record is done when the lead says the canary is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from canary.core.alias import ALL_BP, AliasState, basis_points
from canary.core.phases import AFTER_PROMOTION, FORWARD, RETURNING, Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Record, decode
from canary.core.state import CanaryState, ForeignChange, FunctionState
from canary.errors import ConflictError


def in_order(stage: StagePlan) -> tuple[FunctionRef, ...]:
    """The functions in the order in which they are shifted; the first is the lead."""
    return tuple(function for group in stage.groups for function in group)


def fingerprint(stage: StagePlan) -> str:
    """Eight hex digits of everything that decides about a canary; not whom it tells nor how it was asked for."""
    return _hash(stage, {"notifications", "rules", "flags_off", "dead_man", "engine", "hotfix", "steps", "gate_sets"})


def deployed_fingerprint(stage: StagePlan) -> str:
    """Eight hex digits of all that a deployed driver takes from its plan, such as whom it notifies."""
    return _hash(stage, {"rules", "engine", "hotfix", "steps", "gate_sets"})


def _hash(stage: StagePlan, left_out: set[str]) -> str:
    # The weights are in the record itself; together the steps are watched as long as planned, however many there are.
    text = stage.model_dump_json(exclude=left_out)
    watched_s = round(stage.total_bake.total_seconds())
    return sha256(f"{text} {watched_s}".encode()).hexdigest()[:8]


def recover(stage: StagePlan, aliases: Sequence[AliasState]) -> CanaryState | None:
    """Where the canary stands that these aliases tell of; None when they tell of none.

    Args:
        stage: the plan as it is in the file.
        aliases: every alias of the stage, in the order of `in_order`.

    Raises:
        ConflictError: the aliases tell of different canaries.
        RecordError: a record can't be read.
    """
    records = {alias.function.key: record for alias in aliases if (record := decode(alias.description))}
    if not records:
        return None
    names = sorted({record.canary_id for record in records.values()})
    if len(names) > 1:
        raise ConflictError(f"the aliases of stage {stage.name} belong to different canaries: {', '.join(names)}")
    leading = _leading(records)
    state = CanaryState(
        canary_id=leading.canary_id,
        stage=_in_progress(stage, leading),
        functions=tuple(
            _function(alias, record, leading) for alias in aliases if (record := records.get(alias.function.key))
        ),
        phase=leading.phase,
        started_at=leading.started_at,
        fingerprint=leading.fingerprint,
        shifts=leading.shifts,
        deadline=leading.deadline,
        members=leading.members,
    )
    return _compare(state, aliases, records)


def _function(alias: AliasState, record: Record, leading: Record) -> FunctionState:
    own = None if record.shifts == leading.shifts else record.shifts
    return FunctionState(alias.function, record.baseline, record.candidate, record.description, record.shortened, own)


def _leading(records: Mapping[str, Record]) -> Record:
    """The record that counts: one that was rolled back if there is any, else the lead's (or the first that is left)."""
    ranked = sorted(records.values(), key=lambda record: record.phase not in RETURNING)  # stable: False sorts first
    return ranked[0]


def _in_progress(stage: StagePlan, record: Record) -> StagePlan:
    """The plan with the steps and the hotfix mode of this very canary (`canary deploy STAGE 10`)."""
    done: list[int] = []
    for shift in record.shifts:
        if max(done, default=0) < shift.weight_bp < ALL_BP:  # a rollback to an earlier weight is no step
            done.append(shift.weight_bp)
    weights = (*done, *record.planned_bp)
    planned = tuple(basis_points(step.weight) for step in stage.steps)
    sharing = record.phase in FORWARD or record.phase is Phase.STARTING
    if weights != planned and (sharing or weights != planned[: len(weights)]):
        stage = stage.with_steps([Decimal(weight) / 100 for weight in weights])
    if record.members:
        stage = stage.with_functions(members_of(stage, record.members))
    return stage.model_copy(update={"hotfix": stage.hotfix or record.hotfix})


def members_of(stage: StagePlan, members: int) -> tuple[str, ...]:
    """The keys of the functions that take part; see `Record.members`."""
    return tuple(function.key for bit, function in enumerate(in_order(stage)) if members >> bit & 1)


def _compare(state: CanaryState, aliases: Sequence[AliasState], records: Mapping[str, Record]) -> CanaryState:
    behind: list[str] = []
    draining: list[str] = []
    unstarted: list[str] = []
    foreign: list[ForeignChange] = []
    functions = {function.function.key: function for function in state.functions}
    members = {function.key for function in state.stage.functions}
    for alias in aliases:
        key = alias.function.key
        record = records.get(key)
        if record is None:
            if key not in members:
                continue
            if state.phase is Phase.STARTING:
                unstarted.append(key)
            elif state.phase not in RETURNING and state.phase is not Phase.PROMOTED:
                foreign.append(
                    ForeignChange(
                        key, f"{alias.function} lost the record of canary {state.canary_id}; it {alias.routes_text}"
                    )
                )
        elif is_draining(alias, record):
            draining.append(key)
        elif not routes_as_recorded(alias, record) and not (
            state.phase in RETURNING and _can_be_lowered(alias, record)
        ):
            foreign.append(
                ForeignChange(key, f"{alias.function} was changed outside this canary; it {alias.routes_text}")
            )
        elif not alias.says(state.spec(functions[key])) or state.phase is Phase.PROMOTED:
            behind.append(key)  # a promotion that is over still has its descriptions to restore
    return replace(
        state,
        behind=tuple(behind),
        draining=tuple(draining),
        unstarted=tuple(unstarted),
        foreign=tuple(foreign),
    )


def is_draining(alias: AliasState, record: Record) -> bool:
    """True when the weights are AWS's own: an alias with provisioned concurrency that changed its primary version.

    A flag has none. AWS then injects `{old: x}` and lets it run out (lambda-canary.md §9, trap 13).
    """
    if alias.function.flag:
        return False
    if record.phase in AFTER_PROMOTION:
        return (alias.version, alias.extra_version) == (record.candidate, record.baseline)
    was_promoted = any(shift.weight_bp == ALL_BP for shift in record.shifts)
    pair = (alias.version, alias.extra_version) == (record.baseline, record.candidate)
    return record.phase in RETURNING and was_promoted and pair


def routes_as_recorded(alias: AliasState, record: Record) -> bool:
    """True when an alias routes as the canary that wrote its record has left it."""
    routes = (alias.version, alias.extra_version, alias.extra_bp)
    if record.phase in FORWARD or _resting_bp(record):
        return routes == (record.baseline, record.candidate, record.shifts[-1].weight_bp)
    return routes == (record.candidate if record.phase in AFTER_PROMOTION else record.baseline, None, 0)


def _resting_bp(record: Record) -> int:
    return record.shifts[-1].weight_bp if record.phase in RETURNING and record.shifts else 0


def _can_be_lowered(alias: AliasState, record: Record) -> bool:
    """A rollback replaces shares of its own two versions, and never raises that of the candidate."""
    names = {alias.version, alias.extra_version} <= {record.baseline, record.candidate, None}
    return names and alias.share_bp(record.candidate) >= _resting_bp(record)
