"""A stand-in for Amazon CloudWatch: metrics, statistics and alarms on virtual time."""

from __future__ import annotations

from canary.testing.cloudwatch.service import CloudWatchService
from canary.testing.cloudwatch.store import MetricId, MetricStore, Silence

__all__ = ["CloudWatchService", "MetricId", "MetricStore", "Silence"]
