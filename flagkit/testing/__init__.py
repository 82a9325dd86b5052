"""An AWS AppConfig stand-in and helpers for tests, on a virtual clock."""

from __future__ import annotations

from flagkit.testing.aws import AwsStandIn
from flagkit.testing.clock import VirtualClock
from flagkit.testing.faults import Fault, FaultRule, Faults
from flagkit.testing.wire import CallContext, CallRecord, Service, ServiceError

__all__ = [
    "AwsStandIn",
    "CallContext",
    "CallRecord",
    "Fault",
    "FaultRule",
    "Faults",
    "Service",
    "ServiceError",
    "VirtualClock",
]
