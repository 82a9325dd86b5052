"""An AWS AppConfig stand-in and helpers for tests, on a virtual clock.

Names are loaded when asked for: pytest imports this package in every run through its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

_HOMES = {
    "AgentStandIn": "agent",
    "Answer": "watching",
    "AppConfigFlags": "deploy",
    "AwsStandIn": "aws",
    "CallContext": "wire",
    "CallRecord": "wire",
    "Fault": "faults",
    "FaultRule": "faults",
    "Faults": "faults",
    "ScriptedSource": "sources",
    "Service": "wire",
    "ServiceError": "wire",
    "VirtualClock": "clock",
    "answers_of": "watching",
    "combinations": "overrides",
    "override": "overrides",
}

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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
