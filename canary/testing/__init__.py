"""An AWS stand-in for releases: Lambda with aliases, CloudWatch, Scheduler, users' traffic, on a virtual clock."""

from __future__ import annotations

from canary.testing.aws import AwsStandIn
from canary.testing.firing import Firing
from canary.testing.foreign import ForeignWrite, ForeignWriter
from canary.testing.lambda_ import DeadLetter, HttpAnswer, LambdaService, LogLine, Outcome, http_event
from canary.testing.scheduler import SchedulerService
from canary.testing.traffic import Stream, Traffic, TrafficCounts

__all__ = [
    "AwsStandIn",
    "DeadLetter",
    "Firing",
    "ForeignWrite",
    "ForeignWriter",
    "HttpAnswer",
    "LambdaService",
    "LogLine",
    "Outcome",
    "SchedulerService",
    "Stream",
    "Traffic",
    "TrafficCounts",
    "http_event",
]
