"""An AWS stand-in for releases: Lambda with aliases, CloudWatch, Scheduler, users' traffic, on a virtual clock."""

from __future__ import annotations

from canary.testing.aws import AwsStandIn
from canary.testing.lambda_ import LambdaService, Outcome
from canary.testing.traffic import Stream, Traffic, TrafficCounts, http_event

__all__ = ["AwsStandIn", "LambdaService", "Outcome", "Stream", "Traffic", "TrafficCounts", "http_event"]
