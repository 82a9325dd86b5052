"""Lambda canaries that judge each step by evidence and come back by themselves.

```python
from pathlib import Path

import canary

plan = canary.load_plan(Path("canary.toml"))
ports = canary.assemble(plan, "staging")
state = canary.run(plan.stage("staging"), ports, canary.start(plan.stage("staging"), ports))
```

Names are loaded when asked for, so `from canary.instrument import instrument` costs a Lambda function no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("assemble", "load_plan", "open_journal"), "assembly"),
    **dict.fromkeys(("Plan", "StagePlan"), "core.plan"),
    **dict.fromkeys(("Judgement", "Verdict"), "core.verdict"),
    **dict.fromkeys(("Comparison", "Scenario", "compare"), "simulator"),
    **dict.fromkeys(("Check", "Level", "Ports", "abort", "current", "pause", "preflight", "promote"), "runner"),
    **dict.fromkeys(("resume", "rollback", "run", "start", "tick", "verify"), "runner"),
    "CanaryState": "core.state",
    "Phase": "core.phases",
}

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
    "__version__",
    "abort",
    "assemble",
    "compare",
    "current",
    "load_plan",
    "open_journal",
    "pause",
    "preflight",
    "promote",
    "resume",
    "rollback",
    "run",
    "start",
    "tick",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value  # asked once
    return value
