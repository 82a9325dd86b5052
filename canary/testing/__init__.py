"""Two ways to test a canary without AWS: a stand-in behind boto3, and canary's ports in memory.

`AwsStandIn` has Lambda with aliases, CloudWatch, Scheduler and users' traffic; the shipped adapters call it.
`Simulation` holds the ports in memory (`InMemoryAliases`, `InMemoryMetrics`, …); the runner uses them directly. Both
run on a `VirtualClock`.

Names are loaded when they are first used: pytest imports this package in every run through its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from canary.simulator.aliases import InMemoryAliases
    from canary.simulator.checks import InMemoryAlarms, InMemoryHooks, InMemoryProbes
    from canary.simulator.ports import (
        InMemoryJournal,
        InMemoryMetrics,
        InMemoryPairs,
        Simulation,
        SteadyTraffic,
    )
    from canary.testing.aws import AwsStandIn
    from canary.testing.cloudwatch import CloudWatchService, MetricStore
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

__all__ = [
    "AwsStandIn",
    "CloudWatchService",
    "DeadLetter",
    "Firing",
    "ForeignWrite",
    "ForeignWriter",
    "HttpAnswer",
    "InMemoryAlarms",
    "InMemoryAliases",
    "InMemoryHooks",
    "InMemoryJournal",
    "InMemoryMetrics",
    "InMemoryPairs",
    "InMemoryProbes",
    "LambdaService",
    "LambdaSettings",
    "LogLine",
    "MetricStore",
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

__getattr__ = lazy_names(
    __name__,
    {
        "canary.simulator.aliases": ("InMemoryAliases",),
        "canary.simulator.checks": ("InMemoryAlarms", "InMemoryHooks", "InMemoryProbes"),
        "canary.simulator.ports": (
            "InMemoryJournal",
            "InMemoryMetrics",
            "InMemoryPairs",
            "Simulation",
            "SteadyTraffic",
        ),
        "canary.testing.aws": ("AwsStandIn",),
        "canary.testing.cloudwatch": ("CloudWatchService", "MetricStore"),
        "canary.testing.firing": ("Firing",),
        "canary.testing.foreign": ("ForeignWrite", "ForeignWriter"),
        "canary.testing.lambda_": (
            "DeadLetter",
            "HttpAnswer",
            "LambdaService",
            "LambdaSettings",
            "LogLine",
            "Outcome",
            "http_event",
        ),
        "canary.testing.scheduler": ("SchedulerService",),
        "canary.testing.traffic": ("Stream", "Traffic", "TrafficCounts"),
        "flagkit.testing.clock": ("VirtualClock",),
    },
)
