"""What drives a canary besides the command itself, and what one execution of Step Functions can hold. Pure."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Final

from canary.core.plan import StagePlan, format_duration
from canary.core.recover import in_order
from canary.errors import PlanError

EVENTS: Final = 25_000
"""Events that one execution may have (Step Functions quotas)."""

EVENTS_PER_TURN: Final = 9
"""A tick, a look and a wait: entered and exited, and the task's scheduled, started and succeeded."""

EVENTS_KEPT: Final = 5_000
"""Kept for retries and for the rollback: each alias gets its share of tries."""

TURNS: Final = (EVENTS - EVENTS_KEPT) // EVENTS_PER_TURN

EVENTS_PER_TRY: Final = 14
"""A try to roll an alias back: read, looked at, written, and the pause after it."""

MOST_TRIES: Final = 30
"""Two hours, with pauses of up to five minutes."""

LONGEST: Final = timedelta(days=365)
STATE_BYTES: Final = 256 * 1024


def functions_of(stage: StagePlan) -> list[dict[str, str]]:
    """What a rollback by Step Functions reads and writes, as its definition has it: the aliases, or the flag."""
    flag = {"flag": str(stage.flag)} if stage.flag else {}
    return [{"function": function.function, "alias": function.alias, **flag} for function in in_order(stage)]


def tries_of(stage: StagePlan) -> int:
    """How often Step Functions tries to roll each alias back: as often as the events that are kept for it allow."""
    return max(3, min(MOST_TRIES, EVENTS_KEPT // (EVENTS_PER_TRY * len(stage.functions))))


def check_limits(stage: StagePlan) -> None:
    """Checks that one execution can hold a release of this plan.

    Raises:
        PlanError: more events, state or time than Step Functions allows; with the arithmetic.
    """
    longest = stage.total_bake + stage.post_bake + (len(stage.steps) + 1) * stage.hold_max
    hint = 'Let the steps bake shorter, use a longer tick, or use engine = "lambda".'
    lasts = f"stage {stage.name} may take {format_duration(longest)}"
    if longest > LONGEST:
        raise PlanError(f"{lasts}; an execution of Step Functions lives one year at most", hint=hint)
    turns = math.ceil(longest / stage.tick)
    if turns > TURNS:
        raise PlanError(
            f"{lasts}, which is {turns:,} ticks of {format_duration(stage.tick)} or {turns * EVENTS_PER_TURN:,} "
            f"events; one execution has room for {TURNS:,} ticks ({EVENTS:,} events, {EVENTS_KEPT:,} of them for "
            "retries and the rollback)",
            hint=hint,
        )
    size = len(json.dumps(functions_of(stage)).encode())
    if size > STATE_BYTES:
        raise PlanError(
            f"stage {stage.name} has {len(stage.functions)} functions, whose rollback needs {size // 1024} KB of "
            f"state; an execution has {STATE_BYTES // 1024} KB",
            hint='Split the stage, or use engine = "lambda".',
        )
