"""The sentences of a verdict: rates, intervals, evidence. They decide nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from canary.core.measurements import DataState, StreamKey
from canary.core.plan import (
    CountingGate,
    EmfGate,
    GaugeGate,
    Http5xxGate,
    LatencyGate,
    MeanGate,
    MetricGate,
    OutcomesGate,
    ProbesGate,
    QueueGate,
    RatioGate,
    ThrottlesGate,
)
from canary.core.stats.bounds import Interval
from canary.core.stats.means import Sums, difference
from canary.core.words import Words, shown

STATES = {
    DataState.NO_DATA: "has no data",
    DataState.PARTIAL: "was answered only in part",
    DataState.FAILED: "could not be queried",
    DataState.UNKNOWN: "is unknown",
}


def percent(ratio: float) -> str:
    """A ratio as percent: one decimal from 1 % on, two digits below."""
    value = 100.0 * ratio
    if value == 0.0 or value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def limit(ratio: float) -> str:
    """A limit as percent, the way it was written."""
    return f"{100.0 * ratio:.4g}"


def odds(ln_e: float) -> str:
    """An e-value as odds: "3,400:1"; a power of ten when it is large."""
    if ln_e > math.log(1e6):
        return f"10^{ln_e / math.log(10):.0f}:1"
    value = math.exp(max(0.0, ln_e))
    digits = max(0, math.floor(math.log10(value)) - 2)
    return f"{round(value, -digits):,.0f}:1"


def evidence_text(ln_e: float, ln_bound: float, streams: int, ln_own: float, words: Words) -> str:
    """The evidence beside its bound.

    "1,230:1 against the new version (rolls back at 100:1)"; of several streams "332:1 against the new version (mean of
    2 gates, this one 664:1; rolls back at 100:1)".
    """
    combined = f"mean of {streams} gates, this one {odds(ln_own)}; " if streams > 1 else ""
    return f"{odds(ln_e)} {words.against} ({combined}rolls back at {odds(ln_bound)})"


def unit_of(gate: CountingGate | GaugeGate | MeanGate) -> str:
    """What a gate counts."""
    return "users" if isinstance(gate, (OutcomesGate, MeanGate)) else "requests"


def what_is_bad(gate: CountingGate | GaugeGate) -> str:
    """What a bad request of this gate did."""
    match gate:
        case LatencyGate():
            return f"took longer than {duration(gate.snapped.total_seconds())}"
        case Http5xxGate():
            return "were answered with 5xx"
        case ThrottlesGate():
            return "were throttled"
        case EmfGate(bad="slow") | OutcomesGate(metric="slow"):
            return "were too slow"
        case OutcomesGate(metric=metric) if metric != "failed":
            return f"had {metric}"
        case _:
            return "failed"


def duration(seconds: float) -> str:
    """A latency: "180 ms", "2.05 s"."""
    return f"{seconds:.3g} s" if seconds >= 1.0 else f"{1000.0 * seconds:.3g} ms"


def of_function(key: StreamKey, *, alone: bool) -> str:
    """Names the function where the stage has several."""
    return f" of {shown(key.function)}" if key.function and not alone else ""


def counted(
    gate: CountingGate,
    where: str,
    names: tuple[str, str],
    counts: tuple[int, int, int, int],
    bounds: Interval | None,
    usual_s: float | None = None,
) -> str:
    """The numbers of a counting gate in one sentence.

    Args:
        gate: what was counted.
        where: " of api:live" or nothing.
        names: where candidate and baseline were counted.
        counts: candidate requests, bad ones, baseline requests, bad ones.
        bounds: 99 % interval of the candidate's rate, when it is shown.
        usual_s: the baseline's usual p95, where requests above it are counted instead of those above the limit.
    """
    n_c, x_c, n_b, x_b = counts
    if isinstance(gate, RatioGate):
        mine, other = x_c / n_c if n_c else 0.0, x_b / n_b if n_b else 0.0
        share = f", {100.0 * mine / other:.0f} % of that" if other else "; nothing to compare with"
        what = f"{gate.numerator.name} per {gate.denominator.name}"
        return f"{what}{where}: {mine:.3g} {names[0]}{share} {names[1]} ({other:.3g}) in the same minutes"
    if isinstance(gate, ProbesGate):
        if not n_c:
            return f"no pair of probes answered yet{where}"
        return f"{x_c:,} of {n_c:,} pairs of probes{where} failed {names[0]} alone, {x_b:,} {names[1]} alone"
    interval = f" (99 % interval {percent(bounds.lower)}–{percent(bounds.upper)} %)" if bounds else ""
    apart = n_b > 0 or not isinstance(gate, (Http5xxGate, ThrottlesGate))
    who = f"{names[0]}{where}" if apart else f"through the alias{where}" if where else "through the alias"
    if n_c == 0:
        return f"no {unit_of(gate)[:-1]} counted yet {who}"
    what = what_is_bad(gate) if usual_s is None else f"took longer than the usual p95 of {duration(usual_s)}"
    text = f"{percent(x_c / n_c)} % of {n_c:,} {unit_of(gate)} {what} {who}{interval}"
    others = f"of {n_b:,} " if isinstance(gate, OutcomesGate) else ""
    return f"{text}, {percent(x_b / n_b)} % {others}{names[1]} in the same minutes" if n_b else text


def averaged(gate: MeanGate, where: str, names: tuple[str, str], minutes: Sequence[Sums], alpha: float | None) -> str:
    """The means of a value gate in one sentence; `alpha` is that of the interval, None for none."""
    found = difference(minutes)
    if not all(found.users):
        return f"no user counted yet {names[0]}{where}"
    text = f"{gate.metric}{where}: {found.means[0]:.3g} {names[0]} ({found.users[0]:,} users)"
    if alpha is not None and (half := found.half_width(alpha)) < math.inf:
        low, high = found.effect - half, found.effect + half
        text += f", difference in the same minutes {found.effect:+.2g} (interval {low:+.2g} to {high:+.2g})"
    return f"{text}, {found.means[1]:.3g} {names[1]} ({found.users[1]:,} users)"


def gauged(gate: GaugeGate, key: StreamKey, minutes: int, broken: int) -> str:
    """The minutes of a gauge in one sentence."""
    if isinstance(gate, QueueGate):
        limit = "held messages that are too old" if gate.max_age is not None else "held new messages"
        return f"queue {gate.queue} {limit} in {broken} of {minutes} minutes"
    if not isinstance(gate, MetricGate):
        return f"{key} broke its limit in {broken} of {minutes} minutes"
    return f"{gate.title} ({key}) broke its limit in {broken} of {minutes} minutes"
