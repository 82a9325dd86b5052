"""A plan in words and as a picture of characters; it must not judge whether the plan is good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from canary.core.plan import (
    AlarmsGate,
    CountingGate,
    EmfGate,
    ErrorsGate,
    Gate,
    HealthGate,
    Http5xxGate,
    LatencyGate,
    MetricGate,
    QueueGate,
    RatioGate,
    StagePlan,
    Step,
    ThrottlesGate,
    format_duration,
)
from canary.core.stats.safe import clean_requests_needed

_PICTURE_COLUMNS = 56


def plan_lines(stage: StagePlan, requests_per_s: float | None = None) -> Iterator[str]:
    """The whole plan, sentence by sentence.

    Args:
        stage: the plan of one stage.
        requests_per_s: expected traffic of the stage; tells how long each step needs.
    """
    names = ", ".join(function.key for function in stage.functions)
    yield f"Stage {stage.name} releases {names}" + (" together." if len(stage.functions) > 1 else ".")
    if len(stage.groups) > 1:
        order = ", then ".join(" and ".join(function.key for function in group) for group in stage.groups)
        yield f"Within each step: {order}."
    yield ""
    for number, step in enumerate(stage.steps, 1):
        yield f"  {number}. {_step_text(stage, step, requests_per_s)}"
    hand = ", once a person runs `canary promote`" if stage.promote == "manual" else ""
    post = format_duration(stage.post_bake)
    yield f"  {len(stage.steps) + 1}. everything{hand}; watched {post} more, with one call back"
    yield ""
    yield "Goes on when every gate is shown to be healthy and the step's time is over:"
    needed = _needed(stage)
    yield (
        f"  {needed} clean requests on the new version show it at each step "
        f"(all steps together take at least {format_duration(stage.minimum_watch)})"
    )
    yield "Comes back, at any time, when the evidence says:"
    yield from (f"  {name}: {gate_text(gate, stage)}" for name, gate in stage.gates.items())
    yield (
        f"In doubt it holds up to {format_duration(stage.hold_max)}, then: {_policy(stage.on_inconclusive)}; "
        f"without data: {_policy(stage.on_no_data)}."
    )
    yield f"When both versions fail alike: {_incident(stage)}."
    if rules := _rules(stage):
        yield f"Rules: {rules}."


def picture(stage: StagePlan) -> Iterator[str]:
    """Weights over time, drawn with characters."""
    total = stage.total_bake + stage.post_bake
    columns = [max(3, round(_PICTURE_COLUMNS * (step.bake / total))) for step in stage.steps]
    columns.append(max(3, round(_PICTURE_COLUMNS * (stage.post_bake / total))))
    weights = [float(step.weight) for step in stage.steps] + [100.0]
    starts = [sum(columns[:index]) for index in range(len(columns))]
    for index in reversed(range(len(weights))):
        left = " " * starts[index]
        corner = "┌" if index else "─"
        line = left + corner + "─" * (columns[index] - 1)
        if index < len(weights) - 1:
            line += "┘"
        yield f"  {weights[index]:>5g} % {line}"
    minutes = timedelta()
    axis = [" "] * (sum(columns) + 12)
    for index, start in enumerate(starts):
        label = f"{minutes / timedelta(minutes=1):g}"
        axis[start : start + len(label)] = label
        minutes += stage.steps[index].bake if index < len(stage.steps) else timedelta()
    yield f"          {''.join(axis).rstrip()} min, at most"


def gate_text(gate: Gate, stage: StagePlan) -> str:  # noqa: C901, PLR0911 - one line per kind of gate
    """What makes a gate turn red."""
    relative = f"or worse than {stage.evidence.worse_than_baseline:g} times the old version in the same minutes"
    match gate:
        case ErrorsGate():
            return f"more than {gate.limit_percent:g} % of requests fail" + (f", {relative}" if gate.relative else "")
        case LatencyGate():
            quantile = f"p{float(gate.quantile) * 100:g}"
            snapped = f"judged at {gate.snapped.total_seconds():.3g} s, where CloudWatch counts exactly"
            return f"{quantile} above {format_duration(gate.limit)} ({snapped})"
        case ThrottlesGate():
            return f"more than {gate.limit_percent:g} % of requests throttled: holds, blames no version"
        case Http5xxGate():
            return f"more than {gate.limit_percent:g} % of requests answered 5xx at the {gate.source}"
        case EmfGate():
            return f"more than {gate.limit_percent:g} % of requests {gate.bad}, by the handler's own counter"
        case RatioGate():
            side = "below" if gate.bad_when == "lower" else "above"
            share = f"{gate.percent_of_baseline:g} % of the old version's"
            return f"{gate.numerator.name} / {gate.denominator.name} {side} {share}"
        case MetricGate():
            return f"{gate.metric.namespace} {gate.metric.name} {gate.metric.stat} outside its limits"
        case QueueGate():
            what = f"{gate.max_new_messages} new messages" if gate.max_age is None else format_duration(gate.max_age)
            return f"queue {gate.queue} holds more than {what}"
        case AlarmsGate():
            return f"an alarm turns red: {', '.join(gate.names)}"
        case HealthGate():
            return f"{gate.failures} failed checks in a row of {gate.url or 'an invocation of the new version'}"


def _needed(stage: StagePlan) -> int:
    limits = [_limit(gate) for gate in stage.gates.values() if isinstance(gate, CountingGate)]
    return max(clean_requests_needed(limit, stage.evidence.alpha_safe) for limit in limits if limit)


def _limit(gate: CountingGate) -> float | None:
    match gate:
        case LatencyGate():
            return gate.limit_ratio
        case ErrorsGate() | Http5xxGate() | EmfGate():
            return float(gate.limit_percent) / 100
    return None


def _step_text(stage: StagePlan, step: Step, requests_per_s: float | None) -> str:
    words = f"{step.weight:g} % for {format_duration(stage.min_bake)} to {format_duration(step.bake)}"
    if not requests_per_s:
        return words
    per_minute = requests_per_s * 60 * float(step.weight) / 100
    needed = _needed(stage)
    minutes = needed / per_minute
    verdict = "fits" if timedelta(minutes=minutes) <= step.bake else "does not fit: the step would hold"
    return f"{words}; {needed} clean requests at {per_minute:g} a minute are {minutes:.1f} min: {verdict}"


def _policy(policy: str) -> str:
    return {"hold": "stays where it is and waits for a person", "promote": "promotes", "rollback": "rolls back"}[policy]


def _incident(stage: StagePlan) -> str:
    grace = format_duration(stage.shared_incident_grace)
    return {
        "hold": f"freezes and alerts, rolls back after {grace} if it is still so",
        "rollback": "rolls back at once",
        "ignore": "goes on watching",
    }[stage.shared_incident]


def _rules(stage: StagePlan) -> str:
    rules = stage.rules
    parts = [
        f"only from branch {rules.branch}" if rules.branch else "",
        "only from a clean tree" if rules.clean_tree else "",
        "a person confirms" if rules.confirm else "",
    ]
    return ", ".join(part for part in parts if part)
