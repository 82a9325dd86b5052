"""The start of a canary: choose versions, check, claim the aliases; no traffic moves here."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.runner.setup import Ports


def start(
    stage: StagePlan,
    ports: Ports,
    *,
    versions: Mapping[str, str] | None = None,
    publish: bool = False,
    ignore_alarms: Collection[str] = (),
    canary_id: str | None = None,
) -> CanaryState:
    """Checks everything, then claims every alias of the stage with the canary's record.

    Hand the answer to `run`, or let a tick driver find it. If a driver died while claiming, calling this again with
    the same versions takes the claim over.

    Args:
        stage: the plan; steps already replaced (`StagePlan.with_steps`) and `hotfix` set as asked for.
        ports: the world.
        versions: candidate version by function key; "" as key for all. Missing ones get the newest published version.
        publish: publish `$LATEST` of every function first and release that.
        ignore_alarms: names of alarms that may be red already.
        canary_id: for tests and replays; invented when None.

    Raises:
        RefusedError: a check failed; nothing was changed. The message lists the failed checks.
        ConflictError: another canary holds an alias; names it.
        AwsError: an AWS call failed for good; nothing was changed.

    Since 0.1.
    """
    raise NotImplementedError
