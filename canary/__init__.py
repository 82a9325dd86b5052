"""Lambda canaries: shift traffic step by step, judge each step by evidence, roll back automatically.

```python
from pathlib import Path

import canary

plan = canary.load_plan(Path("canary.toml"))
ports = canary.assemble(plan, "staging")
state = canary.run(plan.stage("staging"), ports, canary.start(plan.stage("staging"), ports))
```

Names are loaded when they are first used, so `from canary.instrument import instrument` loads no AWS client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    __version__: str
    from canary.assembly import assemble, load_plan, open_journal
    from canary.core.phases import Phase
    from canary.core.plan import Plan, StagePlan
    from canary.core.state import CanaryState
    from canary.core.verdict import Judgement, Verdict
    from canary.errors import (
        AccessDeniedError,
        AwsError,
        CanaryError,
        ConflictError,
        NotFoundError,
        NotRunningError,
        PlanError,
        RecordError,
        RefusedError,
        StaleRevisionError,
        UnavailableError,
        UnknownStageError,
        UsageError,
    )
    from canary.runner import (
        Check,
        Level,
        Ports,
        abort,
        current,
        pause,
        preflight,
        promote,
        resume,
        rollback,
        run,
        start,
        tick,
        verify,
    )
    from canary.simulator import Comparison, Scenario, compare
    from canary.view.build import ViewBuilder
    from canary.view.html import canary_report, page
    from canary.view.plain import status_lines
    from canary.view.simulated import comparison_lines

__all__ = [
    "AccessDeniedError",
    "AwsError",
    "CanaryError",
    "CanaryState",
    "Check",
    "Comparison",
    "ConflictError",
    "Judgement",
    "Level",
    "NotFoundError",
    "NotRunningError",
    "Phase",
    "Plan",
    "PlanError",
    "Ports",
    "RecordError",
    "RefusedError",
    "Scenario",
    "StagePlan",
    "StaleRevisionError",
    "UnavailableError",
    "UnknownStageError",
    "UsageError",
    "Verdict",
    "ViewBuilder",
    "__version__",
    "abort",
    "assemble",
    "canary_report",
    "compare",
    "comparison_lines",
    "current",
    "load_plan",
    "open_journal",
    "page",
    "pause",
    "preflight",
    "promote",
    "resume",
    "rollback",
    "run",
    "start",
    "status_lines",
    "tick",
    "verify",
]

__getattr__ = lazy_names(
    __name__,
    {
        "canary.assembly": ("assemble", "load_plan", "open_journal"),
        "canary.core.phases": ("Phase",),
        "canary.core.plan": ("Plan", "StagePlan"),
        "canary.core.state": ("CanaryState",),
        "canary.core.verdict": ("Judgement", "Verdict"),
        "canary.errors": (
            "AccessDeniedError",
            "AwsError",
            "CanaryError",
            "ConflictError",
            "NotFoundError",
            "NotRunningError",
            "PlanError",
            "RecordError",
            "RefusedError",
            "StaleRevisionError",
            "UnavailableError",
            "UnknownStageError",
            "UsageError",
        ),
        "canary.runner": (
            "Check",
            "Level",
            "Ports",
            "abort",
            "current",
            "pause",
            "preflight",
            "promote",
            "resume",
            "rollback",
            "run",
            "start",
            "tick",
            "verify",
        ),
        "canary.simulator": ("Comparison", "Scenario", "compare"),
        "canary.view.build": ("ViewBuilder",),
        "canary.view.html": ("canary_report", "page"),
        "canary.view.plain": ("status_lines",),
        "canary.view.simulated": ("comparison_lines",),
    },
)
