"""The CloudWatch API of the stand-in, over a metric store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from canary.testing.cloudwatch.store import MetricStore
from flagkit.testing.clock import VirtualClock
from flagkit.testing.wire import CallContext, Service

Publish = Callable[[str, str, str], object]


class CloudWatchService(Service):
    """CloudWatch on virtual time: metrics, statistics, alarms.

    Args:
        clock: virtual time.
        store: where metrics are kept.
        publish: sends an alarm's notification: `publish(topic_arn, subject, message)`.

    Since 0.1.
    """

    service = "cloudwatch"
    throttling_code = "Throttling"

    def __init__(self, *, clock: VirtualClock, store: MetricStore, publish: Publish) -> None:
        self.clock = clock
        self.store = store
        self._publish = publish

    def GetMetricData(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:  # noqa: ARG002
        """Values of several metrics."""
        results = [{"Id": query["Id"], "Timestamps": [], "Values": []} for query in params["MetricDataQueries"]]
        return {"MetricDataResults": results, "Messages": []}
