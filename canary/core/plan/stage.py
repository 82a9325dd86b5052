"""One stage of a plan: what is shifted, in which steps, watched by which gates, and what happens when in doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from canary.core.plan.gates import ErrorsGate, Gate, LatencyGate
from canary.core.plan.settings import DeadMan, Evidence, FlagSwitch, Notification, Rules, Step
from canary.core.plan.values import Duration, FunctionRef, Model, Percent

OnInconclusive = Literal["hold", "promote", "rollback"]
SharedIncidentPolicy = Literal["hold", "rollback", "ignore"]
OnInterrupt = Literal["ask", "rollback", "leave"]


def _function(value: object) -> object:
    return FunctionRef.parse(value) if isinstance(value, str) else value


def default_gates() -> dict[str, Gate]:
    """The operations guide: error rate > 5 %, p95 > 2 s."""
    return {"errors": ErrorsGate(), "latency": LatencyGate()}


class StagePlan(Model):
    """One stage, with every default filled in. Since 0.1."""

    name: str = ""
    functions: tuple[Annotated[FunctionRef, BeforeValidator(_function)], ...] = Field(min_length=1)
    order: tuple[tuple[str, ...], ...] = ()
    """Groups of function keys, shifted one after the other within every step; others come last."""
    steps: tuple[Step, ...]
    gates: dict[str, Gate] = Field(default_factory=default_gates)

    watch_min: Duration = timedelta(minutes=15)
    """The steps together are watched at least so long, however clear the evidence."""
    watch_max: Duration = timedelta(minutes=30)
    """How long the steps together are watched when no `bake` is given."""
    min_bake: Duration = timedelta(minutes=5)
    post_bake: Duration = timedelta(minutes=5)
    settle: Duration = timedelta(seconds=120)
    tick: Duration = timedelta(seconds=60)
    hold_max: Duration = timedelta(minutes=30)

    promote: Literal["auto", "manual"] = "auto"
    on_inconclusive: OnInconclusive = "hold"
    on_no_data: OnInconclusive = "hold"
    unknown_after: Duration = timedelta(minutes=5)
    shared_incident: SharedIncidentPolicy = "hold"
    shared_incident_grace: Duration = timedelta(minutes=3)
    on_interrupt: OnInterrupt = "ask"
    hotfix: bool = False
    """Start although the old version is already sick."""

    harm_cap: int = Field(default=50, ge=0)
    inconclusive_weight_cap: Percent = Decimal(25)

    rules: Rules = Rules()
    evidence: Evidence = Evidence()
    notifications: tuple[Notification, ...] = ()
    flags_off: tuple[FlagSwitch, ...] = ()
    dead_man: DeadMan | None = None
    region: str | None = None
    account: str | None = None

    @property
    def groups(self) -> tuple[tuple[FunctionRef, ...], ...]:
        """The functions in the order in which they are shifted; one group when no order is given."""
        named = {key for group in self.order for key in group}
        by_key = {function.key: function for function in self.functions}
        ordered = tuple(tuple(by_key[key] for key in group) for group in self.order)
        rest = tuple(function for function in self.functions if function.key not in named)
        return (*ordered, rest) if rest else ordered

    @property
    def total_bake(self) -> timedelta:
        """How long the steps together are watched when nothing is cut short."""
        return sum((step.bake for step in self.steps), timedelta())

    @property
    def horizon_minutes(self) -> int:
        """H of canary-statistics.md §4.6: planned minutes plus the allowed extension, fixed at the start."""
        planned = self.total_bake + self.hold_max + self.post_bake + self.settle
        return max(1, math.ceil(planned.total_seconds() / 60))

    def with_steps(self, weights: Sequence[Decimal]) -> StagePlan:
        """The same stage with other weights, for `canary deploy STAGE 10`: together watched as long as before."""
        bake = self.total_bake / len(weights)
        steps = tuple(Step(weight=weight, bake=bake) for weight in weights)
        return self.model_copy(update={"steps": steps})

    def function(self, key: str) -> FunctionRef:
        """The function with this key.

        Raises:
            KeyError: no such function in the stage.
        """
        return {function.key: function for function in self.functions}[key]
