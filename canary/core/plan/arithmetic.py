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
