"""Phases and gates in words; it decides nothing but how a thing is called."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from canary.core.phases import Phase
from canary.core.plan import (
    EmfGate,
    ErrorsGate,
    Gate,
    Http5xxGate,
    LatencyGate,
    RatioGate,
    ThrottlesGate,
)
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

_NOTES: Final = {
    Phase.HOLDING: (Tone.WARN, "holds"),
    Phase.PAUSED: (Tone.WARN, "paused"),
    Phase.INCONCLUSIVE: (Tone.WARN, "inconclusive"),
    Phase.POST_BAKE: (Tone.GOOD, "watched on"),
    Phase.ROLLING_BACK: (Tone.BAD, "sick"),
    Phase.ABORTING: (Tone.BAD, "stopped"),
}


def phase_name(phase: Phase) -> str:
    """`rolled back` for ROLLED_BACK."""
    return phase.value.replace("_", " ")


def phase_note(phase: Phase) -> tuple[Tone, str] | None:
    """Tone and title of the note that a change to this phase deserves, or None."""
    return _NOTES.get(phase)


def headline(phase: Phase, weight_bp: int, why: str) -> str:
    """One sentence that says where the canary stands."""
    share = f"{weight_bp / 100:g} %"
    sentence = {
        Phase.STARTING: "Checked; no traffic has moved yet.",
        Phase.BAKING: f"The new version serves {share} of the traffic and is watched.",
        Phase.HOLDING: f"Holds at {share} until the evidence speaks.",
        Phase.PAUSED: f"Paused at {share} by a person; still watched, and taken back if it turns out sick.",
        Phase.INCONCLUSIVE: f"Rests at {share}: the evidence never spoke. A person must decide.",
        Phase.PROMOTING: "Gives all traffic to the new version.",
        Phase.POST_BAKE: "The new version serves everything and is watched on; one call takes it back.",
        Phase.ROLLING_BACK: "Gives all traffic back to the old version.",
        Phase.ABORTING: "Gives all traffic back to the old version, because a person said stop.",
        Phase.PROMOTED: "The new version serves all traffic.",
        Phase.ROLLED_BACK: "All traffic is back on the old version.",
        Phase.ABORTED: "Stopped by a person; all traffic is on the old version.",
        Phase.CONFLICT: "Somebody else moved the alias; we stopped without writing.",
    }[phase]
    return sentence if phase in _BY_ITSELF or not why else f"{sentence} {as_sentence(why)}"


def as_sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def gate_title(name: str, gate: Gate | None) -> str:
    """What a bad request of this gate is, for a chart."""
    match gate:
        case ErrorsGate():
            return "requests that failed"
        case LatencyGate():
            return f"requests slower than {_seconds(gate.limit)}"
        case Http5xxGate():
            return f"requests answered 5xx ({gate.source})"
        case ThrottlesGate():
            return "requests throttled"
        case EmfGate():
            return "requests that failed (own counter)" if gate.bad == "errors" else "slow requests (own counter)"
        case RatioGate():
            return f"{gate.numerator.name} per {gate.denominator.name}"
    return name


def _seconds(limit: timedelta) -> str:
    return f"{limit.total_seconds():g} s"


def percent(ratio: float) -> str:
    """`12.1 %`, `0.4 %`, `100 %`: a share for people."""
    value = ratio * 100
    if value >= 99.95 or abs(value - round(value)) < 0.005:
        return f"{value:.0f} %"
    return f"{value:.2f} %" if value < 0.1 else f"{value:.1f} %"


def odds(log10: float | None) -> str:
    """`1:3,400`, `1:10^9`, or `none` where nothing speaks against it: evidence for people."""
    if log10 is None or log10 < 0.02:
        return "none"
    value = 10.0 ** min(log10, 300.0)
    if log10 >= 6:
        return f"1:10^{log10:.0f}"
    return f"1:{value:,.0f}" if value >= 10 else f"1:{value:.1f}"
