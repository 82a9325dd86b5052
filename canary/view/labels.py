"""How phases, gates, shares and odds are written for people; it decides nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from canary.core.alias import basis_points
from canary.core.phases import Phase
from canary.core.plan import (
    EmfGate,
    ErrorsGate,
    Gate,
    Http5xxGate,
    LatencyGate,
    MeanGate,
    OutcomesGate,
    ProbesGate,
    RatioGate,
    StagePlan,
    ThrottlesGate,
)
from canary.core.words import Words
from canary.view.model import Tone

PHASE_TONES: Final = {
    Phase.HOLDING: Tone.WARN,
    Phase.PAUSED: Tone.WARN,
    Phase.INCONCLUSIVE: Tone.WARN,
    Phase.PROMOTING: Tone.GOOD,
    Phase.POST_BAKE: Tone.GOOD,
    Phase.PROMOTED: Tone.GOOD,
    Phase.ROLLING_BACK: Tone.BAD,
    Phase.ROLLED_BACK: Tone.BAD,
    Phase.ABORTING: Tone.BAD,
    Phase.ABORTED: Tone.BAD,
    Phase.CONFLICT: Tone.BAD,
}
"""How each phase is meant; the rest is plain."""

_BY_ITSELF: Final = frozenset({Phase.BAKING, Phase.PROMOTING, Phase.POST_BAKE, Phase.PROMOTED})
"""Phases whose headline needs no reason."""

_POLICIES: Final = {"hold": "waits for a decision", "rollback": "rolls back", "promote": "advances all the same"}

_NOTES: Final = {
    Phase.HOLDING: (Tone.WARN, "holds"),
    Phase.PAUSED: (Tone.WARN, "paused"),
    Phase.INCONCLUSIVE: (Tone.WARN, "inconclusive"),
    Phase.POST_BAKE: (Tone.GOOD, "post-promotion watch"),
    Phase.ROLLING_BACK: (Tone.BAD, "unhealthy"),
    Phase.ABORTING: (Tone.BAD, "aborting"),
}


def phase_name(phase: Phase) -> str:
    """`rolled back` for ROLLED_BACK."""
    return phase.value.replace("_", " ")


def phase_note(phase: Phase) -> tuple[Tone, str] | None:
    """Tone and title of the note that a change to this phase deserves, or None."""
    return _NOTES.get(phase)


def headline(phase: Phase, weight_bp: int, why: str, words: Words) -> str:
    """One sentence that says where the canary stands."""
    sentence = words.headline(phase, f"{weight_bp / 100:g} %")
    return sentence if phase in _BY_ITSELF or not why else f"{sentence} {as_sentence(why)}"


def next_action(
    phase: Phase,
    name: str,
    stage: StagePlan | None,
    weights: Sequence[tuple[datetime, int]],
    now: datetime,
    words: Words,
) -> str:
    """What happens next and when, or the command that a person runs; empty at the end."""
    commands = {
        Phase.PAUSED: f"`canary resume {name}` continues, `canary rollback {name}` ends it",
        Phase.INCONCLUSIVE: f"`canary promote {name}` or `canary rollback {name}`",
        Phase.CONFLICT: f"`canary status {name}` shows {words.now}",
    }
    if phase in commands or stage is None or not weights:
        return commands.get(phase, "")
    since, weight_bp = weights[-1]
    if phase is Phase.POST_BAKE:
        return f"promoted in {_minutes_left(since + stage.post_bake, now)} if no regression shows"
    return _next_step(phase, stage, since, weight_bp, now) if phase in {Phase.BAKING, Phase.HOLDING} else ""


def _next_step(phase: Phase, stage: StagePlan, since: datetime, weight_bp: int, now: datetime) -> str:
    ahead = [step.weight for step in stage.steps if basis_points(step.weight) > weight_bp]
    last = f"`canary promote {stage.name}`" if stage.promote == "manual" else "promotion"
    target = f"{ahead[0]:g} %" if ahead else last
    if phase is Phase.HOLDING:
        then = _POLICIES[stage.on_inconclusive]
        return f"{target} once healthy; holds up to {duration_text(stage.hold_max)}, then {then}"
    bake = next((step.bake for step in stage.steps if basis_points(step.weight) == weight_bp), None)
    ends = "" if bake is None else f"; step ends in {_minutes_left(since + bake, now)}"
    return f"{target} once healthy{ends}"


def _minutes_left(due: datetime, now: datetime) -> str:
    return f"{max((due - now).total_seconds() / 60, 0.0):.0f} min"


def as_sentence(text: str) -> str:
    """With a capital and a full stop; a name such as `new_checkout` or `api:live` at its beginning stays as it is."""
    is_name = not {"_", ":"}.isdisjoint(text.partition(" ")[0].rstrip(":"))
    return f"{text[:1] if is_name else text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def gate_title(name: str, gate: Gate | None) -> str:
    """What this gate counts as bad, for a chart; and that it doesn't decide."""
    return f"{_counted(name, gate)}{' (dry run)' if gate is not None and gate.dry_run else ''}"


def _counted(name: str, gate: Gate | None) -> str:  # noqa: PLR0911 - one line per kind of gate
    match gate:
        case ErrorsGate():
            return "failed requests"
        case LatencyGate():
            return f"requests slower than {_seconds(gate.limit)}"
        case Http5xxGate():
            return f"requests answered with 5xx ({gate.source})"
        case ThrottlesGate():
            return "throttled requests"
        case EmfGate():
            return "failed requests (EMF counter)" if gate.bad == "errors" else "slow requests (EMF counter)"
        case OutcomesGate(metric=metric):
            return {"failed": "failed users", "slow": "users with slow requests"}.get(metric, f"users with {metric}")
        case MeanGate():
            return f"{gate.metric} per user"
        case ProbesGate():
            return "pairs of probes that failed on one version alone"
        case RatioGate():
            return f"{gate.numerator.name} per {gate.denominator.name}"
    return name


def _seconds(limit: timedelta) -> str:
    return f"{limit.total_seconds():g} s"


def duration_text(span: timedelta) -> str:
    """`90 s`, `5 min`, `1 h 30 min`: a duration for people."""
    seconds = span.total_seconds()
    if seconds < 60 or (seconds < 600 and seconds % 60):
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def span_text(minutes: float) -> str:
    """`45 s`, `2 min 20 s`, `1 h 5 min`: how long something took or lies back."""
    seconds = round(max(minutes, 0.0) * 60)
    hours, rest = divmod(seconds, 3600)
    whole, left = divmod(rest, 60)
    parts = [(hours, "h"), (whole, "min")] + ([] if hours else [(left, "s")])
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def percent(ratio: float) -> str:
    """`12.1 %`, `0.4 %`, `100 %`: a share for people."""
    value = ratio * 100
    if value >= 99.95 or abs(value - round(value)) < 0.005:
        return f"{value:.0f} %"
    return f"{value:.2f} %" if value < 0.1 else f"{value:.1f} %"


def odds(log10: float | None) -> str:
    """`3,400:1`, `10^9:1`, or `none` where nothing speaks against the new version: evidence for people."""
    if log10 is None or log10 < 0.02:
        return "none"
    value = 10.0 ** min(log10, 300.0)
    if log10 >= 6:
        return f"10^{log10:.0f}:1"
    return f"{value:,.0f}:1" if value >= 10 else f"{value:.1f}:1"
