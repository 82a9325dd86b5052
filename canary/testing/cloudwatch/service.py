"""The CloudWatch API of the stand-in, over a metric store."""

from __future__ import annotations

from canary.testing.cloudwatch.alarm_api import AlarmOperations
from canary.testing.cloudwatch.alarm_book import Publish, Send
from canary.testing.cloudwatch.metric_api import MetricOperations
from canary.testing.cloudwatch.store import MetricStore
from flagkit.testing.clock import VirtualClock


class CloudWatchService(MetricOperations, AlarmOperations):
    """CloudWatch on virtual time: metrics, statistics, alarms.

    Args:
        clock: virtual time.
        store: where metrics are kept.
        publish: sends an alarm's notification: `publish(topic_arn, subject, message)`.
        send: sends the change of an alarm to EventBridge.
    """

    service = "cloudwatch"
    throttling_code = "Throttling"

    def __init__(
        self, *, clock: VirtualClock, store: MetricStore, publish: Publish, send: Send = lambda _: None
    ) -> None:
        MetricOperations.__init__(self, clock, store)
        AlarmOperations.__init__(self, clock, publish, send)
