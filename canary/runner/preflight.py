"""Everything that is checked before traffic moves; it changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from canary.core.plan import StagePlan
from canary.ports import Target
from canary.runner.checks import Check
from canary.runner.setup import Ports


def preflight(
    stage: StagePlan, ports: Ports, targets: Sequence[Target] = (), *, ignore_alarms: Collection[str] = ()
) -> tuple[Check, ...]:
    """Looks at everything a canary of this stage depends on; `doctor` calls it without targets.

    Args:
        stage: the plan.
        ports: the world.
        targets: the versions to be released; without them, what concerns the candidate isn't checked.
        ignore_alarms: names of alarms that may be red already.

    Returns:
        Every check with its reason, failed ones too. Since 0.1.
    """
    raise NotImplementedError
