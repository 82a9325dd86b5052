"""Two ways to test a canary without AWS: a stand-in behind boto3, and canary's ports in memory.

`AwsStandIn` has Lambda with aliases, CloudWatch, Scheduler and users' traffic; the shipped adapters call it.
`Simulation` holds the ports in memory (`InMemoryAliases`, `InMemoryMetrics`, …); the runner uses them directly. Both
run on a `VirtualClock`.

Names are loaded when asked for: pytest imports this package in every run through its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canary.simulator.ports import (
        InMemoryAlarms,
        InMemoryAliases,
        InMemoryJournal,
        InMemoryMetrics,
        InMemoryProbes,
        Simulation,
        SteadyTraffic,
    )
    from canary.testing.aws import AwsStandIn
    from canary.testing.firing import Firing
    from canary.testing.foreign import ForeignWrite, ForeignWriter
    from canary.testing.lambda_ import (
        DeadLetter,
        HttpAnswer,
        LambdaService,
        LambdaSettings,
        LogLine,
        Outcome,
        http_event,
    )
    from canary.testing.scheduler import SchedulerService
    from canary.testing.traffic import Stream, Traffic, TrafficCounts
    from flagkit.testing.clock import VirtualClock

_IN_MEMORY = "canary.simulator.ports"
_HOMES = {
    "InMemoryAlarms": _IN_MEMORY,
    "InMemoryAliases": _IN_MEMORY,
    "InMemoryJournal": _IN_MEMORY,
    "InMemoryMetrics": _IN_MEMORY,
    "InMemoryProbes": _IN_MEMORY,
    "Simulation": _IN_MEMORY,
    "SteadyTraffic": _IN_MEMORY,
    "VirtualClock": "flagkit.testing.clock",
    "AwsStandIn": "canary.testing.aws",
    "DeadLetter": "canary.testing.lambda_",
    "Firing": "canary.testing.firing",
    "ForeignWrite": "canary.testing.foreign",
    "ForeignWriter": "canary.testing.foreign",
    "HttpAnswer": "canary.testing.lambda_",
    "LambdaService": "canary.testing.lambda_",
    "LambdaSettings": "canary.testing.lambda_",
    "LogLine": "canary.testing.lambda_",
    "Outcome": "canary.testing.lambda_",
    "SchedulerService": "canary.testing.scheduler",
    "Stream": "canary.testing.traffic",
    "Traffic": "canary.testing.traffic",
    "TrafficCounts": "canary.testing.traffic",
    "http_event": "canary.testing.lambda_",
}

__all__ = [
    "AwsStandIn",
    "DeadLetter",
    "Firing",
    "ForeignWrite",
    "ForeignWriter",
    "HttpAnswer",
    "InMemoryAlarms",
    "InMemoryAliases",
    "InMemoryJournal",
    "InMemoryMetrics",
    "InMemoryProbes",
    "LambdaService",
    "LambdaSettings",
    "LogLine",
    "Outcome",
    "SchedulerService",
    "Simulation",
    "SteadyTraffic",
    "Stream",
    "Traffic",
    "TrafficCounts",
    "VirtualClock",
    "http_event",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(home), name)
