"""`tick` looks, decides and acts once; `run` ticks until the canary rests. Neither decides anything itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from canary.core.measurements import Observations
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.core.verdict import Judgement
from canary.runner.setup import Ports

Interrupted = Literal["rollback", "leave"]
"""What to do when the driver is told to stop."""

RESTING = frozenset({Phase.INCONCLUSIVE})
"""Phases besides the final ones at which `run` comes back by default."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did.

    Attributes:
        judgement: None when nothing was judged (claiming, taking back, conflict).
        next_at: when to look again; None when the canary is over.

    Since 0.1.
    """

    state: CanaryState
    observations: Observations
    judgement: Judgement | None
    next_at: datetime | None


def current(stage: StagePlan, ports: Ports) -> CanaryState | None:
    """The canary that the stage's aliases tell of; None when there is none.

    Raises:
        ConflictError: the aliases tell of different canaries.
        RecordError: a record can't be read.
        RefusedError: the plan isn't the one the canary began with.

    Since 0.1.
    """
    raise NotImplementedError


def tick(stage: StagePlan, ports: Ports, known: CanaryState | None = None) -> Tick:
    """Reads the aliases, measures, decides, and does what was decided.

    Args:
        stage: the plan as it is in the file.
        ports: the world.
        known: the state that this driver saw last, if any: lets it tell "finished by another driver" from "never was".

    Raises:
        NotRunningError: no canary in this stage, and none was known.
        UnavailableError: AWS can't be reached; nothing is lost, call again. (A take-back doesn't raise: it retries.)

    Since 0.1.
    """
    raise NotImplementedError


def run(
    stage: StagePlan,
    ports: Ports,
    state: CanaryState,
    *,
    stop_requested: Callable[[], bool] = lambda: False,
    on_interrupt: Callable[[], Interrupted] = lambda: "rollback",
    stop_at: Collection[Phase] = RESTING,
) -> CanaryState:
    """Ticks until the canary is final or in one of `stop_at`, and answers its last state.

    Args:
        stage: the plan as it is in the file.
        ports: the world.
        state: from `start`, `resume` or `current`.
        stop_requested: asked between effects and after each wait; set by a signal handler. A second signal changes
            nothing: what was begun is finished.
        on_interrupt: called once when a stop was requested: ask the person, or answer what the plan says.
        stop_at: non-final phases to come back at.

    Raises:
        ConflictError: never; a conflict is the final phase CONFLICT with `state.why`.

    Since 0.1.
    """
    raise NotImplementedError
