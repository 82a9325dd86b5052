"""Whether a plan can work at the traffic there is, with the numbers. Computes and says; refuses nothing itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from canary.core.plan.gates import EmfGate, ErrorsGate, Http5xxGate, LatencyGate, ProbesGate, is_per_function
from canary.core.plan.settings import Step
from canary.core.plan.stage import StagePlan
from canary.core.plan.user_gates import OutcomesGate
from canary.core.plan.values import FunctionRef, format_duration
from canary.core.stats.safe import clean_requests_needed

_WEIGHTS = (0.1, 0.2, 0.5, 1, 2, *range(5, 100, 5))
"""Weights a person would write."""


@dataclass(frozen=True, slots=True)
class StepProblem:
    """A step that can't be shown to be healthy in its time.

    Attributes:
        severity: "refuse" when not even the longest hold is enough, "warn" when the step will have to hold.
        function: `FunctionRef.key`.
        step: number of the step, from 1.
        gate: the gate that needs longest.
        requests_needed: clean requests of the new version.
        minutes_needed: at this traffic; infinite without any.
        message: the reason with its arithmetic.
        hint: what to change.
    """

    severity: Literal["refuse", "warn"]
    function: str
    step: int
    gate: str
    requests_needed: int
    minutes_needed: float
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Need:
    """What one gate asks of one function: clean requests, of which traffic."""

    gate: str
    requests: int
    diluted: bool
    unit: str = "requests"

    def minutes(self, requests_per_minute: float, weight_percent: float) -> float:
        share = 1.0 if self.diluted else weight_percent / 100.0
        rate = requests_per_minute * share
        return self.requests / rate if rate > 0.0 else math.inf


def _needs(stage: StagePlan) -> Iterator[_Need]:
    alpha = stage.evidence.alpha_safe
    for name, gate in stage.gates.items():
        if not is_per_function(gate):
            continue  # its traffic is not the function's
        if isinstance(gate, LatencyGate):
            alpha_of_gate = alpha / 2 if gate.warm_up else alpha  # half of the stake waits for warm requests
            yield _Need(name, clean_requests_needed(gate.limit_ratio, alpha_of_gate), not gate.by_version)
        elif isinstance(gate, (ErrorsGate, EmfGate, Http5xxGate, OutcomesGate)):
            limit = float(gate.limit_percent) / 100.0
            unit = "users" if isinstance(gate, OutcomesGate) else "requests"
            yield _Need(name, clean_requests_needed(limit, alpha), isinstance(gate, Http5xxGate), unit)


def clean_requests(stage: StagePlan) -> int:
    """How many requests of one function, none of them bad, every gate of a step needs at most to be healthy."""
    return max((need.requests for need in _needs(stage)), default=0)


def _minutes(value: float) -> str:
    """Minutes rounded up: "11", "4.4"."""
    if value >= 10.0 or value == math.floor(value):
        return f"{math.ceil(value)}"
    return f"{math.ceil(value * 10.0) / 10.0:g}"


def _advice(need: _Need, requests_per_minute: float, step: Step) -> str:
    allowed = step.bake.total_seconds() / 60.0
    for weight in _WEIGHTS:
        minutes = need.minutes(requests_per_minute, weight)
        if weight > step.weight and minutes <= allowed:
            return f"raise the weight to {weight:g} % for {_minutes(minutes)} minutes"
    shortest = _minutes(need.minutes(requests_per_minute, float(step.weight)))
    return f"no weight is enough for {format_duration(step.bake)}: let the step bake {shortest} minutes"


def _judge_step(
    stage: StagePlan, function: FunctionRef, number: int, needs: Sequence[_Need], requests_per_minute: float
) -> StepProblem | None:
    step = stage.steps[number - 1]
    need = max(needs, key=lambda need: need.minutes(requests_per_minute, float(step.weight)))
    minutes = need.minutes(requests_per_minute, float(step.weight))
    bake, hold = step.bake.total_seconds() / 60.0, stage.hold_max.total_seconds() / 60.0
    if minutes <= bake:
        return None
    impossible = minutes > bake + hold
    rate = requests_per_minute * (1.0 if need.diluted else float(step.weight) / 100.0)
    if rate > 0.0:
        spent = _minutes(need.requests / rate)
        time = f"at {rate:.3g} per minute that is {spent} minutes"
        hint = _advice(need, requests_per_minute, step)
    else:
        time, hint = "there is no traffic", "send traffic through the alias, or test the version before it gets any"
    longest = f", and the longest hold {format_duration(stage.hold_max)}" if impossible else ""
    message = (
        f"step {number} ({step.weight:f} %) of {function.key} needs {need.requests} clean {need.unit} for {need.gate}; "
        f"{time}, but it bakes {format_duration(step.bake)}{longest}; {hint}"
    )
    severity: Literal["refuse", "warn"] = "refuse" if impossible else "warn"
    return StepProblem(severity, function.key, number, need.gate, need.requests, minutes, message, hint)


def probes_sent(stage: StagePlan) -> tuple[int, int]:
    """Invocations by paired probes: per minute, and at most until the planned end of a release without holds."""
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, ProbesGate)}
    per_minute = sum(2 * gate.per_minute * len(stage.keys(name)) for name, gate in gates.items())
    return per_minute, math.ceil(per_minute * (stage.total_bake + stage.post_bake).total_seconds() / 60.0)


def check_feasibility(stage: StagePlan, requests_per_minute: float | Mapping[str, float]) -> tuple[StepProblem, ...]:
    """The steps that can't be shown to be healthy in their time, even if not a single request fails.

    Args:
        stage: the plan.
        requests_per_minute: traffic of each alias by `FunctionRef.key`, or one number for all; functions that are not
            in the mapping are not checked.
    """
    needs = tuple(_needs(stage))
    if not needs:
        return ()
    if isinstance(requests_per_minute, Mapping):
        traffic = requests_per_minute
    else:
        traffic = {function.key: requests_per_minute for function in stage.functions}
    found = (
        _judge_step(stage, function, number, needs, traffic[function.key])
        for function in stage.functions
        if function.key in traffic
        for number in range(1, len(stage.steps) + 1)
    )
    return tuple(finding for finding in found if finding)


def check_users(stage: StagePlan, users_per_minute: float, users: int | None = None) -> tuple[StepProblem, ...]:
    """The steps of a rollout that don't get enough new users with the flag in their time, even if nobody fails.

    Args:
        stage: the plan.
        users_per_minute: users who come for the first time, with the flag and without it; infinite where not known.
        users: how many may come in all; None where not known. Steps after one that uses them up are not listed.
    """
    needs = [need for need in _needs(stage) if need.unit == "users"]
    if not needs:
        return ()
    need = max(needs, key=lambda need: need.requests)
    found: list[StepProblem] = []
    counted = 0.0
    for number, step in enumerate(stage.steps, 1):
        coming = need.requests / (float(step.weight) / 100.0)
        if users is not None and counted + coming > users:
            return (*found, _too_few(stage, need, number, coming, counted, users))
        counted += coming
        minutes = coming / users_per_minute if users_per_minute > 0.0 else math.inf
        if minutes > step.bake.total_seconds() / 60.0:
            found.append(_too_slow(stage, need, number, coming, users_per_minute))
    return tuple(found)


def _needed_users(stage: StagePlan, need: _Need, number: int) -> str:
    step = stage.steps[number - 1]
    what = f"{need.requests:,} clean users {stage.words.at_candidate} for {need.gate}"
    return f"step {number} ({step.weight:f} %) needs {what}"


def _too_few(stage: StagePlan, need: _Need, number: int, coming: float, counted: float, users: int) -> StepProblem:
    """No time gives the step so many users."""
    weight, text = stage.steps[number - 1].weight, _needed_users(stage, need, number)
    if coming > users:
        have = math.floor(users * float(weight) / 100.0)
        text += f", and {weight:f} % of {users:,} users are {have:,}: no time makes them more"
        hint = _larger_step(need, users)
    else:
        text += f", so {math.ceil(coming):,} new users; the steps before it count {math.ceil(counted):,} of {users:,}"
        hint = "Use fewer or larger steps, or raise limit_percent."
    key = stage.functions[0].key
    return StepProblem("refuse", key, number, need.gate, need.requests, math.inf, text, hint)


def _too_slow(stage: StagePlan, need: _Need, number: int, coming: float, per_minute: float) -> StepProblem:
    """The step gets so many users only after its end."""
    step = stage.steps[number - 1]
    minutes = coming / per_minute if per_minute > 0.0 else math.inf
    bake, hold = step.bake.total_seconds() / 60.0, stage.hold_max.total_seconds() / 60.0
    never = minutes > bake + hold
    takes = (
        f"at {per_minute:.3g} a minute that takes {_minutes(minutes)} minutes" if per_minute > 0.0 else "nobody comes"
    )
    text = (
        f"{_needed_users(stage, need, number)}, so {math.ceil(coming):,} new users; {takes}, but it bakes "
        f"{format_duration(step.bake)}{f', and the longest hold is {format_duration(stage.hold_max)}' if never else ''}"
    )
    severity: Literal["refuse", "warn"] = "refuse" if never else "warn"
    hint, key = _larger_step(need, bake * per_minute), stage.functions[0].key
    return StepProblem(severity, key, number, need.gate, need.requests, minutes, text, hint)


def _larger_step(need: _Need, users: float) -> str:
    """The smallest usual percentage at which so many users are enough."""
    weight = next((weight for weight in _WEIGHTS if need.requests * 100.0 / weight <= users), None)
    return "Raise limit_percent." if weight is None else f"Start at {weight:g} %, or raise limit_percent."


def new_users_needed(stage: StagePlan) -> tuple[int, ...]:
    """How many users must come for the first time in each step, with the flag and without it, if nobody fails."""
    needed = max((need.requests for need in _needs(stage) if need.unit == "users"), default=0)
    return tuple(math.ceil(needed * 100 / step.weight) for step in stage.steps)


ENOUGH_PER_MINUTE = 20.0
"""With so many requests of the new version a minute a regression from 1 % to 10 % is found within 8 minutes."""


def first_weight(stage: StagePlan, requests_per_minute: float) -> float | None:
    """The smallest usual weight that gives the new version 20 requests a minute.

    Returns:
        None where the first step already does, or no weight up to 50 % would.
    """
    if float(stage.steps[0].weight) / 100.0 * requests_per_minute >= ENOUGH_PER_MINUTE:
        return None
    enough = (weight for weight in _WEIGHTS if weight / 100.0 * requests_per_minute >= ENOUGH_PER_MINUTE)
    return next((float(weight) for weight in enough if weight <= 50), None)


def has_little_traffic(stage: StagePlan, requests_per_minute: float) -> bool:
    """Whether the first step gives the new version few requests, and no probes make up for it."""
    probed = any(isinstance(gate, ProbesGate) for gate in stage.gates.values())
    return not probed and float(stage.steps[0].weight) / 100.0 * requests_per_minute < ENOUGH_PER_MINUTE
