"""SQS queues as gauges: depth or age per minute from CloudWatch, and the depth of this very moment from SQS itself."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from canary.adapters.aws import Api, Session, patiently
from canary.adapters.series import Series, SeriesReader
from canary.core.measurements import DataState, Gauge, MinuteValue, StreamKey
from canary.core.plan import QueueGate
from canary.core.schedule import whole_minute
from canary.errors import AwsError
from canary.ports import Clock, Window

DEPTH: Final = ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible")
AGE: Final = "ApproximateAgeOfOldestMessage"


class Queues:
    """Reads queues, usually dead-letter queues. Since 0.1."""

    def __init__(self, session: Session, clock: Clock, reader: SeriesReader) -> None:
        self._sqs = Api(session, "sqs")
        self._clock = clock
        self._reader = reader
        self._depths: dict[str, dict[datetime, float]] = {}

    def gauge(self, key: StreamKey, gate: QueueGate, window: Window) -> Gauge:
        """The queue's depth (messages) or its oldest message's age (seconds) over the window."""
        dimensions = (("QueueName", queue_name(gate.queue)),)
        names = DEPTH if gate.max_age is None else (AGE,)
        wanted = [Series("AWS/SQS", name, dimensions, "Maximum") for name in names]
        found = self._reader.fetch(wanted, window.history_start, window.end)
        values: dict[datetime, float] = {}
        for points in found.values():
            if points.state is not DataState.COMPLETE:
                return Gauge(key, state=points.state, detail=points.detail)
            for at, value in points.values.items():
                values[at] = values.get(at, 0.0) + value
        if gate.max_age is None:
            # CloudWatch's queue metrics come minutes late and sleep with an idle queue; SQS itself always answers, and
            # what it said at former ticks of this process fills the minutes that CloudWatch doesn't have.
            try:
                depth = self.depth(gate.queue)
            except AwsError as error:
                return Gauge(key, state=DataState.FAILED, detail=error.message)
            seen = self._depths.setdefault(gate.queue, {})
            seen[whole_minute(self._clock.now())] = float(depth)
            values = seen | values
        before = [value for at, value in sorted(values.items()) if at < window.start]
        minutes = tuple(MinuteValue(at, value) for at, value in sorted(values.items()) if at >= window.start)
        state = DataState.COMPLETE if minutes or before else DataState.NO_DATA
        return Gauge(key, minutes, before[-1] if before else None, state)

    def depth(self, queue: str) -> int:
        """Messages in the queue now, in flight or not.

        Raises:
            AwsError: no such queue, or SQS can't be asked.
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = queue if "://" in queue else self._url(queue)
        said = patiently(self._clock, lambda: self._sqs.call("GetQueueAttributes", QueueUrl=url, AttributeNames=names))
        return sum(int(said.get("Attributes", {}).get(name, 0)) for name in names)

    def _url(self, queue: str) -> str:
        answer = patiently(self._clock, lambda: self._sqs.call("GetQueueUrl", QueueName=queue_name(queue)))
        return str(answer["QueueUrl"])


def queue_name(queue: str) -> str:
    """The bare name of a queue given by name, ARN or URL."""
    return queue.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
