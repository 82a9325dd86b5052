"""An AWS AppConfig stand-in and helpers for tests, on a virtual clock.

Names are loaded when they are first used: pytest imports this package in every run through its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.testing.agent import AgentStandIn
    from flagkit.testing.aws import AwsStandIn
    from flagkit.testing.clock import VirtualClock
    from flagkit.testing.deploy import AppConfigFlags
    from flagkit.testing.faults import Fault, FaultRule, Faults
    from flagkit.testing.overrides import combinations, override
    from flagkit.testing.sources import ScriptedSource
    from flagkit.testing.watching import Answer, answers_of
    from flagkit.testing.wire import CallContext, CallRecord, Service, ServiceError

__all__ = [
    "AgentStandIn",
    "Answer",
    "AppConfigFlags",
    "AwsStandIn",
    "CallContext",
    "CallRecord",
    "Fault",
    "FaultRule",
    "Faults",
    "ScriptedSource",
    "Service",
    "ServiceError",
    "VirtualClock",
    "answers_of",
    "combinations",
    "override",
]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.testing.agent": ("AgentStandIn",),
        "flagkit.testing.aws": ("AwsStandIn",),
        "flagkit.testing.clock": ("VirtualClock",),
        "flagkit.testing.deploy": ("AppConfigFlags",),
        "flagkit.testing.faults": ("Fault", "FaultRule", "Faults"),
        "flagkit.testing.overrides": ("combinations", "override"),
        "flagkit.testing.sources": ("ScriptedSource",),
        "flagkit.testing.watching": ("Answer", "answers_of"),
        "flagkit.testing.wire": ("CallContext", "CallRecord", "Service", "ServiceError"),
    },
)
