"""Whether the plan can come to a verdict in its time, with this traffic and these functions; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from canary.core.plan import StagePlan, check_feasibility, format_duration
from canary.core.schedule import settle
from canary.ports import Target
from canary.runner.checks import Check, Level
from canary.runner.measuring import timeout_s
from canary.runner.retrying import Retrying


def feasibility_checks(stage: StagePlan, targets: Sequence[Target], retrying: Retrying) -> Iterator[Check]:
    """Refuses steps that not even the longest hold could show to be healthy; names those that will have to hold."""
    yield from _too_slow_to_judge(stage, targets, retrying)
    ports = retrying.teller.ports
    per_minute = ports.metrics.requests_per_minute(targets, ports.clock.now())
    known = {key: rate for key, rate in per_minute.items() if rate > 0.0}  # without traffic: `on_no_data` is for that
    for finding in check_feasibility(stage, known):
        refused = finding.severity == "refuse" and stage.on_inconclusive != "promote"
        level = Level.FAILED if refused else Level.WARNING
        text = f"{finding.message} (traffic of the last day: {known[finding.function]:.3g} requests a minute)"
        yield Check("enough_traffic", level, text, finding.function, finding.hint)


def _too_slow_to_judge(stage: StagePlan, targets: Sequence[Target], retrying: Retrying) -> Iterator[Check]:
    """A minute is settled only when its longest invocation must be over; until then a step is judged by nothing."""
    for target in targets:
        longest_s = max(
            timeout_s(target.function, version, retrying) for version in (target.baseline, target.candidate)
        )
        delay = settle(stage.settle, longest_s) + timedelta(minutes=1)
        for number, step in enumerate(stage.steps, 1):
            if delay <= step.bake:
                continue
            watched = step.bake + stage.hold_max
            yield Check(
                "judged_in_time",
                Level.FAILED if delay > watched and stage.on_no_data != "promote" else Level.WARNING,
                f"{target.function} may run {longest_s} s, so a minute is judged after {format_duration(delay)}; "
                f"step {number} bakes {format_duration(step.bake)} and holds {format_duration(stage.hold_max)} at most",
                target.function.key,
                "Let the step bake longer, raise hold_max, or lower the function's timeout.",
            )
            break
