"""A plan as text and as a picture of characters; it must not judge whether the plan is good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from canary.core.plan import (
    AlarmsGate,
    DatadogGate,
    EmfGate,
    ErrorsGate,
    Gate,
    HealthGate,
    Http5xxGate,
    HttpGate,
    LatencyGate,
    MeanGate,
    MetricGate,
    OutcomesGate,
    ProbesGate,
    PrometheusGate,
    QueueGate,
    RatioGate,
    StagePlan,
    Step,
    ThrottlesGate,
    clean_requests,
    first_weight,
    has_little_traffic,
    new_users_needed,
    probes_sent,
)
from canary.core.plan.gates import ValueGate
from canary.core.words import Words
from canary.view.labels import duration_text, percent

if TYPE_CHECKING:
    from canary.simulator import Power
from flagkit.channels.text import redacted

_PICTURE_COLUMNS = 56
PRICE_OF_1000_METRICS = 0.01
"""US dollars for metrics that GetMetricData is asked for (lambda-canary.md §2.2)."""


def plan_lines(stage: StagePlan, requests_per_s: float | None = None, power: Power | None = None) -> Iterator[str]:
    """The whole plan, sentence by sentence.

    Args:
        stage: the plan of one stage.
        requests_per_s: expected traffic of the stage; shows how long each step needs.
        power: what the plan can do at this traffic, as simulated.
    """
    words = stage.words
    names = ", ".join(map(str, stage.functions)) + (" together" if len(stage.functions) > 1 else "")
    yield f"Stage {stage.name} {words.releases(names)}{f' in {stage.flag.source}' if stage.flag else ''}."
    if len(stage.groups) > 1:
        order = ", then ".join(" and ".join(function.key for function in group) for group in stage.groups)
        yield f"Within each step: {order}."
    yield ""
    for number, step in enumerate(stage.steps, 1):
        yield f"  {number}. {_step_text(stage, step, requests_per_s)}"
    hand = ", after `canary promote`" if stage.promote == "manual" else ""
    post = duration_text(stage.post_bake)
    yield f"  {len(stage.steps) + 1}. 100 %{hand}, then a post-promotion watch of {post}"
    yield ""
    yield "Advances when every gate is healthy and the step has ended:"
    needed = clean_requests(stage)
    what = "requests" if stage.outcomes is None else "users"
    yield (
        f"  {needed} clean {what} {words.at_candidate} prove it at each step "
        f"(all steps together take at least {duration_text(stage.minimum_watch)})"
    )
    if stage.outcomes is not None and (coming := new_users_needed(stage)):
        steps = ", ".join(f"{number:,} in step {step}" for step, number in enumerate(coming, 1))
        yield f"  so users who must come for the first time, with it and without it: {steps} ({sum(coming):,} in all)"
    if power is not None:
        yield from _power(power, words)
    if requests_per_s and not stage.flag and has_little_traffic(stage, requests_per_s * 60):
        yield from _for_little_traffic(stage, requests_per_s * 60)
    for hook in stage.hooks:
        when = "Before any traffic" if hook.when == "before_traffic" else "After the promotion"
        otherwise = "nothing is shifted" if hook.when == "before_traffic" else "it is rolled back"
        where = hook.function or redacted(hook.url or "")
        yield f"{when}: {where} must succeed within {duration_text(hook.within)}, otherwise {otherwise}."
    yield f"{_ROLLS_BACK.get(stage.on_unhealthy, 'Rolls back')} at any time if:"
    for name, gate in stage.gates.items():
        yield f"  {name}: {gate_text(gate, stage)}{' (dry run: shown only)' if gate.dry_run else ''}"
    per_minute, planned = probes_sent(stage)
    if planned:
        yield (
            f"Probes: up to {planned:,} invocations until the planned end, {per_minute:,} per minute while it holds, "
            "none while it waits for a person."
        )
    yield (
        f"If inconclusive: holds up to {duration_text(stage.hold_max)}, then {_policy(stage.on_inconclusive)}. "
        f"Without data: {_policy(stage.on_no_data)}."
    )
    yield f"If {words.both} fail alike: {_incident(stage)}."
    if rules := _rules(stage):
        yield f"Rules: {rules}."


def cost_of_looks(stage: StagePlan, metrics: int) -> float:
    """US dollars for the looks of a release that doesn't hold, at the price of us-east-1 (lambda-canary.md §2.2)."""
    return metrics * ((stage.total_bake + stage.post_bake) / stage.tick) / 1_000 * PRICE_OF_1000_METRICS


def cost_line(stage: StagePlan, metrics: int) -> str:
    """What the looks of a release cost."""
    dollars = cost_of_looks(stage, metrics)
    shown = f"${dollars:,.2f}" if dollars >= 0.01 else "less than $0.01"
    each = f"{metrics:,} metrics every {duration_text(stage.tick)}"
    planned = duration_text(stage.total_bake + stage.post_bake)
    return f"CloudWatch: {each}; a {stage.words.run} of {planned} costs {shown} (GetMetricData)."


def _power(power: Power, words: Words) -> Iterator[str]:
    """What the plan does at this traffic."""
    low, high = (100 * bound for bound in power.in_time_interval)
    yield f"In {power.runs} simulated {words.run}s {words.beside(percent(power.baseline_errors))}:"
    yield (
        f"  healthy {words.ones}: {percent(power.promoted_in_time)} are promoted without a hold "
        f"(95 % interval {low:.3g}–{high:.3g} %), {percent(power.promoted)} in all"
    )
    when = f", after {power.minutes:.1f} min on average" if power.minutes is not None else ""
    yield f"  10 % {words.failing}: {percent(power.found)} are rolled back{when}"
    if power.smallest is None:
        yield f"  no regression is rolled back in 80 % of the {words.run}s"
        if power.enough_per_s is not None:
            yield f"  one that fails every request would be, from {60 * power.enough_per_s:.3g} requests per minute on"
    else:
        smallest = f"{percent(power.smallest)} {words.failing}"
        yield f"  smallest regression that is rolled back in 80 % of the {words.run}s: {smallest}"


def _for_little_traffic(stage: StagePlan, per_minute: float) -> Iterator[str]:
    weight = first_weight(stage, per_minute)
    if weight is not None:
        yield (
            f"Little traffic: a first weight of {weight:g} % would give the new version 20 requests per minute; "
            "1 to 10 % errors are then found in about 7 min of data."
        )
    else:
        yield "Little traffic: no first weight up to 50 % gives the new version 20 requests per minute."
    yield '  Paired probes find them in about 4 min at any traffic: probes = { path = "/…" } (see docs/canary/plan.md).'


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
    yield f"          {''.join(axis).rstrip()} min if no step holds"


def _warming(warm_up: timedelta) -> str:
    return f"; cold starts: limited evidence for {duration_text(warm_up)} after each step" if warm_up else ""


def gate_text(gate: Gate, stage: StagePlan) -> str:  # noqa: C901, PLR0911, PLR0912 - one line per kind of gate
    """What makes a gate fail."""
    factor = stage.evidence.limit_from_history
    relative = f"or clearly more than on the baseline and in its last {duration_text(stage.evidence.history)}"
    match gate:
        case ErrorsGate():
            worse = f", {relative}" if gate.relative and factor else ""
            return f"more than {gate.limit_percent:g} % of requests fail{worse}{_warming(gate.warm_up)}"
        case LatencyGate():
            quantile = f"p{float(gate.quantile) * 100:g}"
            snapped = f"evaluated at {gate.snapped.total_seconds():.3g} s, the nearest CloudWatch bin edge"
            usual = gate.relative and gate.by_version
            slower = ", or far more requests than usual exceed the baseline's p95" if usual else ""
            limit = f"{quantile} is above {duration_text(gate.limit)} ({snapped})"
            return f"{limit}{slower}{_warming(gate.warm_up)}"
        case ThrottlesGate():
            return f"more than {gate.limit_percent:g} % of requests are throttled (holds; attributed to no version)"
        case Http5xxGate():
            return f"more than {gate.limit_percent:g} % of requests are answered with 5xx ({gate.source})"
        case EmfGate():
            return f"more than {gate.limit_percent:g} % of requests have {gate.bad} (EMF counter of the handler)"
        case RatioGate():
            side = "below" if gate.bad_when == "lower" else "above"
            share = f"{gate.percent_of_baseline:g} % of the baseline's"
            return f"{gate.numerator.name} / {gate.denominator.name} {side} {share}"
        case MetricGate():
            metric = gate.metric
            named = f"{metric.namespace} {metric.name} {metric.stat}" if metric else gate.title
            return f"{named} is {_limits(gate) or 'outside its limits relative to the baseline'}"
        case HttpGate():
            return f"{redacted(gate.url)} answers {_limits(gate) or 'anything but true, 1 or status 2xx'}"
        case PrometheusGate() | DatadogGate():
            return f"{gate.kind} {gate.query} is {_limits(gate)}"
        case QueueGate():
            if gate.max_age is not None:
                return f"the oldest message of queue {gate.queue} is older than {duration_text(gate.max_age)}"
            return f"queue {gate.queue} has more than {gate.max_new_messages} new messages"
        case ProbesGate():
            sent = f"{gate.per_minute:,} pairs per minute: {_request(gate)}"
            return f"clearly more pairs of probes fail on the new version alone than on the baseline alone ({sent})"
        case OutcomesGate():
            worse = ", or clearly more than of the other users" if gate.relative and factor else ""
            what = {"failed": "fail", "slow": "are too slow"}.get(gate.metric, f"have {gate.metric}")
            return f"more than {gate.limit_percent:g} % of users {what} within {duration_text(stage.window)}{worse}"
        case MeanGate():
            side = "below" if gate.bad_when == "lower" else "above"
            return f"{gate.metric} per user {side} {gate.percent_of_baseline:g} % of the other users'"
        case AlarmsGate():
            return f"an alarm is in ALARM: {', '.join(gate.names)}"
        case HealthGate():
            where = redacted(gate.url) if gate.url else "direct invocation of the new version"
            return f"{gate.failures} health checks in a row fail ({where})"


def _request(gate: ProbesGate) -> str:
    return f"GET {gate.path.partition('?')[0]}" if gate.path else "invoked with the payload of the plan"


def _limits(gate: ValueGate) -> str:
    parts = [
        f"above {gate.max:g}" if gate.max is not None else "",
        f"below {gate.min:g}" if gate.min is not None else "",
    ]
    return " or ".join(part for part in parts if part)


def _step_text(stage: StagePlan, step: Step, requests_per_s: float | None) -> str:
    words = f"{step.weight:g} % for {_range(stage.min_bake, step.bake)}"
    if not requests_per_s or stage.outcomes is not None:
        return words
    per_minute = requests_per_s * 60 * float(step.weight) / 100
    needed = clean_requests(stage)
    minutes = needed / per_minute
    late = timedelta(minutes=minutes) + stage.settle > step.bake
    verdict = ": too short, the step would hold" if late else ""
    return f"{words}; {needed} clean requests at {per_minute:g} per minute take {minutes:.1f} min{verdict}"


_ROLLS_BACK: Final = {
    "pause": "Pauses and waits for a person",
    "off": "Goes back to 0 %",
    "last_safe": "Goes back to the last percentage that was shown healthy",
}


def _policy(policy: str) -> str:
    return {"hold": "waits for a decision", "promote": "promotes", "rollback": "rolls back"}[policy]


def _range(least: timedelta, most: timedelta) -> str:
    return duration_text(most) if least == most else f"{duration_text(least)} to {duration_text(most)}"


def _incident(stage: StagePlan) -> str:
    grace = duration_text(stage.shared_grace)
    return {
        "grace": f"freezes and alerts, rolls back if it lasts longer than {grace}",
        "hold": "freezes and alerts, holds, then as when inconclusive",
        "rollback": "rolls back immediately",
        "ignore": "keeps evaluating",
    }[stage.shared_incident]


def _rules(stage: StagePlan) -> str:
    rules = stage.rules
    parts = [
        f"branch {rules.branch} only" if rules.branch else "",
        "clean working tree only" if rules.clean_tree else "",
        "confirmation required" if rules.confirm else "",
    ]
    return ", ".join(part for part in parts if part)
