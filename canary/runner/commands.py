"""What a person may ask of a running canary; each works from any process, driver or no driver.

They write the request into the aliases; a driver that is at work finds it at its next tick and goes along.
"""

from __future__ import annotations

from collections.abc import Mapping

from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.runner.setup import Ports


def pause(stage: StagePlan, ports: Ports) -> CanaryState:
    """Keeps the weight where it is; judging and taking back go on. Since 0.1."""
    raise NotImplementedError


def resume(stage: StagePlan, ports: Ports) -> CanaryState:
    """Goes on after a pause, an inconclusive end or a driver's death; hand the answer to `run`. Since 0.1."""
    raise NotImplementedError


def promote(stage: StagePlan, ports: Ports) -> CanaryState:
    """Gives the candidate everything now, whatever the evidence; the post-bake follows. Since 0.1."""
    raise NotImplementedError


def rollback(stage: StagePlan, ports: Ports, *, to: Mapping[str, str] | None = None) -> CanaryState | None:
    """Takes everything back to the recorded base, or to named versions when no canary is under way.

    Args:
        stage: the plan; need not be the one the canary began with.
        ports: the world.
        to: version by function key ("" for all).

    Returns:
        The final state; None when no canary was under way and `to` was written.

    Since 0.1.
    """
    raise NotImplementedError


def abort(stage: StagePlan, ports: Ports) -> CanaryState:
    """Stops the canary: takes everything back and ends as aborted. Since 0.1."""
    raise NotImplementedError
