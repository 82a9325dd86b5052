"""The table of the canary machine: which phase follows which signal; it must not look at evidence or at time.

Two rules (after h11's `_state.py`):

1. Every change of phase goes through `TRANSITIONS`. No other file assigns a phase by its own judgement.
2. The table doesn't know why a signal was given. What evidence, time and people mean is `machine.py`'s business.

A (phase, signal) pair that isn't in the table is illegal: `next_phase` raises and nothing changes. The state
diagram in docs/canary/how-it-works.md is generated from this table (`diagram`), so it can't drift from it.
"""

from __future__ import annotations

from enum import StrEnum

from canary.errors import RefusedError


class Phase(StrEnum):
    """Where a canary stands."""

    STARTING = "starting"
    """Checked, and its records are being written; no traffic moved yet."""
    BAKING = "baking"
    """The candidate carries this step's weight and is being watched."""
    HOLDING = "holding"
    """The bake time is over without a healthy verdict; still watched, bounded by the deadline."""
    PAUSED = "paused"
    """A person paused it; it is still judged, and an unhealthy version is still rolled back (flagger#1801)."""
    INCONCLUSIVE = "inconclusive"
    """The deadline passed and the policy is to hold: rests at its weight, still watched when ticked."""
    PROMOTING = "promoting"
    """All traffic is being moved to the candidate; not every alias is verified yet."""
    POST_BAKE = "post_bake"
    """The candidate has all traffic: the post-promotion watch."""
    ROLLING_BACK = "rolling_back"
    """Everything is being rolled back to the baseline; not every alias is verified yet."""
    ABORTING = "aborting"
    """As rolling back, because a person aborted it."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    CONFLICT = "conflict"
    """An alias was changed outside this canary: it stopped without writing."""


class Signal(StrEnum):
    """What can happen to a canary."""

    BEGIN = "begin"
    NEXT_STEP = "next step"
    LAST_STEP_DONE = "last step done"
    BAKE_OVER = "bake over, not healthy"
    EXPIRED = "hold expired"
    UNHEALTHY = "unhealthy"
    UNHEALTHY_AT_START = "unhealthy before any traffic"
    ALIGNED = "every alias verified"
    POST_BAKE_OVER = "post-bake over"
    UNWATCHED = "post-bake over without data"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promotion requested"
    ROLLBACK = "rollback requested"
    ABORT = "abort"
    FOREIGN = "foreign writer"


FINAL = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.CONFLICT})
"""Phases that no signal leaves."""

RETURNING = frozenset({Phase.ROLLING_BACK, Phase.ABORTING, Phase.ROLLED_BACK, Phase.ABORTED})
"""Phases in which only the weight of the rollback is ever written: 0, or of a flag its last safe percentage."""

FORWARD = frozenset({Phase.BAKING, Phase.HOLDING, Phase.PAUSED, Phase.INCONCLUSIVE})
"""Phases in which both versions share the traffic."""

AFTER_PROMOTION = frozenset({Phase.PROMOTING, Phase.POST_BAKE, Phase.PROMOTED})
"""Phases in which the candidate is the primary version."""


def _table() -> dict[Phase, dict[Signal, Phase]]:
    by_hand = {
        Signal.PAUSE: Phase.PAUSED,
        Signal.PROMOTE: Phase.PROMOTING,
        Signal.ROLLBACK: Phase.ROLLING_BACK,
        Signal.ABORT: Phase.ABORTING,
        Signal.UNHEALTHY: Phase.ROLLING_BACK,
        Signal.FOREIGN: Phase.CONFLICT,
    }
    onward = {Signal.NEXT_STEP: Phase.BAKING, Signal.LAST_STEP_DONE: Phase.PROMOTING}
    back_only = {
        Signal.ROLLBACK: Phase.ROLLING_BACK,
        Signal.ABORT: Phase.ABORTING,
        Signal.UNHEALTHY: Phase.ROLLING_BACK,
        Signal.FOREIGN: Phase.CONFLICT,
    }
    return {
        Phase.STARTING: {
            Signal.BEGIN: Phase.BAKING,
            Signal.UNHEALTHY_AT_START: Phase.ABORTED,
            Signal.ROLLBACK: Phase.ABORTED,
            Signal.ABORT: Phase.ABORTED,
            Signal.FOREIGN: Phase.CONFLICT,
        },
        Phase.BAKING: {**by_hand, **onward, Signal.BAKE_OVER: Phase.HOLDING},
        Phase.HOLDING: {**by_hand, **onward, Signal.EXPIRED: Phase.INCONCLUSIVE, Signal.RESUME: Phase.BAKING},
        Phase.INCONCLUSIVE: {**by_hand, **onward, Signal.RESUME: Phase.BAKING},
        Phase.PAUSED: {**by_hand, Signal.RESUME: Phase.BAKING},
        Phase.PROMOTING: {**back_only, Signal.ALIGNED: Phase.POST_BAKE},
        Phase.POST_BAKE: {**back_only, Signal.POST_BAKE_OVER: Phase.PROMOTED, Signal.UNWATCHED: Phase.PROMOTED},
        Phase.ROLLING_BACK: {Signal.ALIGNED: Phase.ROLLED_BACK, Signal.FOREIGN: Phase.CONFLICT},
        Phase.ABORTING: {Signal.ALIGNED: Phase.ABORTED, Signal.FOREIGN: Phase.CONFLICT},
        Phase.PROMOTED: {},
        Phase.ROLLED_BACK: {},
        Phase.ABORTED: {},
        Phase.CONFLICT: {},
    }


TRANSITIONS = _table()
"""Phase -> signal -> phase. What isn't here can't happen."""


def next_phase(phase: Phase, signal: Signal) -> Phase:
    """The phase that follows.

    Raises:
        RefusedError: the signal has no meaning in this phase.
    """
    after = TRANSITIONS[phase].get(signal)
    if after is None:
        raise RefusedError(
            f"'{signal.value}' is not possible while the canary is {phase.value.replace('_', ' ')}",
            hint="`canary status STAGE` shows where it stands.",
        )
    return after


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> starting"]
    for phase, row in TRANSITIONS.items():
        by_target: dict[Phase, list[str]] = {}
        for signal, after in row.items():
            by_target.setdefault(after, []).append(signal.value)
        lines += [f"    {phase.value} --> {after.value}: {' / '.join(words)}" for after, words in by_target.items()]
        if not row:
            lines.append(f"    {phase.value} --> [*]")
    return "\n".join(lines) + "\n"
