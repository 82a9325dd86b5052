"""What would spoil the counts of users, as checks: windows longer than a step, other rollouts to the same users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from canary.core.plan import StagePlan
from canary.runner.checks import Check, Level
from canary.runner.session import Ports

OTHERS: Final = "other_rollouts"


def rollout_checks(stage: StagePlan, ports: Ports) -> Iterator[Check]:
    """One for steps that were given on the command line, one for each other rollout under way, which refuses none."""
    if stage.window_problem:
        hint = "Give fewer steps, or let the stage bake longer."
        yield Check("window", Level.FAILED, stage.window_problem, hint=hint)
    if ports.others is None:
        return
    found = ports.others()
    for other in found:
        yield Check(OTHERS, Level.WARNING, other.sentence, hint=other.hint)
    if not found:
        yield Check(OTHERS, Level.OK, "no other flag is rolled out to the same users")
