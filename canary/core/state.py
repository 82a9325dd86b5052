"""Where a canary stands, and what each of its aliases has to say for that; values only, no decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from canary.core.alias import AliasSpec, basis_points
from canary.core.measurements import WeightChange
from canary.core.phases import AFTER_PROMOTION, FORWARD, RETURNING, Phase
from canary.core.plan import FunctionRef, StagePlan, Step
from canary.core.record import Record, Shift, encode


@dataclass(frozen=True, slots=True)
class FunctionState:
    """One function of a canary.

    Attributes:
        description: the operator's own alias description, to be restored at the end.
        shortened: True when only a part of it is known (the journal has the whole).
        shifts: when this alias really got its weights, where that differs from the others: a step that a dead driver
            had begun and a later one completed. None: with all the others.
    """

    function: FunctionRef
    baseline: str
    candidate: str
    description: str = ""
    shortened: bool = False
    shifts: tuple[Shift, ...] | None = None


@dataclass(frozen=True, slots=True)
class ForeignChange:
    """An alias that doesn't say what this canary left there."""

    function: str
    text: str


@dataclass(frozen=True, slots=True)
class CanaryState:
    """The state of a canary, as stored in its aliases.

    Attributes:
        stage: the plan it runs under, with the steps and the hotfix mode of this canary.
        functions: in the order in which they are shifted; the first is the lead, written first and restored last.
        shifts: every change of the candidate's weight so far, oldest first.
        deadline: until when the present hold lasts; None while it isn't held.
        behind: keys of functions whose alias doesn't say yet what this state wants (a write was interrupted).
        draining: keys of functions whose weights AWS itself is draining (provisioned concurrency).
        unstarted: keys of functions that have no record although the others do (a start was interrupted).
        foreign: the aliases that somebody else changed.
        why: the sentence that brought it here.
        members: see `Record.members`.
        is_watched: False when it was promoted without a single measured minute at 100 %.
    """

    canary_id: str
    stage: StagePlan
    functions: tuple[FunctionState, ...]
    phase: Phase
    started_at: datetime
    fingerprint: str
    shifts: tuple[Shift, ...] = ()
    deadline: datetime | None = None
    behind: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()
    unstarted: tuple[str, ...] = ()
    foreign: tuple[ForeignChange, ...] = ()
    why: str = ""
    is_watched: bool = True
    members: int = 0

    @property
    def weight_bp(self) -> int:
        """What the candidate carries, in basis points; 10,000 once promoted."""
        return self.shifts[-1].weight_bp if self.shifts else 0

    @property
    def safe_bp(self) -> int:
        """The last weight before the present one that was left with a healthy verdict; 0 without any."""
        return next((shift.weight_bp for shift in reversed(self.shifts[:-1]) if not shift.is_unsure), 0)

    @property
    def resting_bp(self) -> int:
        """What a rollback by evidence leaves to the candidate; `on_unhealthy` says it."""
        if self.phase in RETURNING:
            return self.weight_bp
        return self.safe_bp if self.stage.on_unhealthy == "last_safe" else 0

    @property
    def step_number(self) -> int:
        """Number of the present step, from 1; 0 before the first."""
        return min(len(self.shifts), len(self.stage.steps))

    @property
    def step(self) -> Step | None:
        """The present step of the plan; None before the first."""
        return self.stage.steps[self.step_number - 1] if self.step_number else None

    @property
    def planned_bp(self) -> tuple[int, ...]:
        """Weights of the steps still to come, without the promotion."""
        if self.phase not in FORWARD and self.phase is not Phase.STARTING:
            return ()
        return tuple(basis_points(step.weight) for step in self.stage.steps[len(self.shifts) :])

    @property
    def step_at(self) -> datetime:
        """When the last alias got the present weight. There must have been a first weight."""
        return max(self.shifts_of(function)[-1].at for function in self.functions if self.shifts_of(function))

    def shifts_of(self, function: FunctionState) -> tuple[Shift, ...]:
        """Every change of this function's weight, at its true time."""
        return self.shifts if function.shifts is None else function.shifts

    @property
    def weight_changes(self) -> tuple[WeightChange, ...]:
        """The weights as the verdict wants them: by function where they didn't get them together."""
        if all(function.shifts is None for function in self.functions):
            return tuple(WeightChange(shift.at, Decimal(shift.weight_bp) / 100) for shift in self.shifts)
        changes = [
            WeightChange(shift.at, Decimal(shift.weight_bp) / 100, function.function.key)
            for function in self.functions
            for shift in self.shifts_of(function)
        ]
        return tuple(sorted(changes, key=lambda change: change.at))

    @property
    def ours(self) -> tuple[FunctionState, ...]:
        """The functions whose aliases nobody else changed."""
        taken = {change.function for change in self.foreign}
        return tuple(function for function in self.functions if function.function.key not in taken)

    def record(self, function: FunctionState) -> Record:
        """What one alias has to remember."""
        return Record(
            canary_id=self.canary_id,
            baseline=function.baseline,
            candidate=function.candidate,
            phase=self.phase,
            started_at=self.started_at,
            shifts=self.shifts_of(function),
            deadline=self.deadline,
            fingerprint=self.fingerprint,
            description=function.description,
            planned_bp=self.planned_bp,
            hotfix=self.stage.hotfix,
            members=self.members,
            shortened=function.shortened,
        )

    def spec(self, function: FunctionState) -> AliasSpec:
        """The wanted state of one alias, record included."""
        return self._routed(function, encode(self.record(function)))

    def restored(self, function: FunctionState) -> AliasSpec:
        """The wanted state of one alias after the canary, with the operator's own description."""
        return self._routed(function, function.description)

    def _routed(self, function: FunctionState, description: str) -> AliasSpec:
        if self.phase in FORWARD or (self.phase in RETURNING and self.weight_bp):
            return AliasSpec(function.baseline, function.candidate, self.weight_bp, description, self.why)
        version = function.candidate if self.phase in AFTER_PROMOTION else function.baseline
        return AliasSpec(version, None, 0, description, self.why)
