"""A stand-in with CloudWatch alone: samples are visible at once, notifications go through moto's SNS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

import canary.testing
from canary.testing.cloudwatch import CloudWatchService, MetricStore
from flagkit.testing import AwsStandIn, Service


class CloudWatchStandIn(AwsStandIn):
    def make_services(self) -> list[Service]:
        self.store = MetricStore(self.clock, delay_s=0, delay_spread_s=0)
        self.cloudwatch = CloudWatchService(clock=self.clock, store=self.store, publish=self._publish)
        return [self.cloudwatch]

    def _publish(self, topic_arn: str, subject: str, message: str) -> None:
        boto3.client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=message)


class WholeStandIn(canary.testing.AwsStandIn):
    """The same with everything beside it, which a server needs."""

    def make_services(self) -> list[Service]:
        services = super().make_services()
        self.store = self.metrics
        self.store.delay_s = self.store.delay_spread_s = 0
        return services


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[CloudWatchStandIn | WholeStandIn]:
    parameters = getattr(request.node, "callspec", None)
    is_served = parameters is not None and parameters.params.get("transport") == "http"
    with WholeStandIn() if is_served else CloudWatchStandIn() as stand_in:
        stand_in.clock.advance(30 * 60)
        yield stand_in


@pytest.fixture
def client(aws: CloudWatchStandIn, transport: str) -> Any:
    return boto3.client("cloudwatch")


@pytest.fixture
def start(aws: CloudWatchStandIn) -> datetime:
    """Half an hour ago: 09:00."""
    return aws.clock.now() - timedelta(minutes=30)


Ask = Callable[..., dict[str, float]]


@pytest.fixture
def ask(client: Any, start: datetime) -> Ask:
    """Asks for one statistic of metric `App m` from ten minutes before `start` on; answers minute → value."""

    def ask_for(stat: str, *, minutes: int = 20, period: int = 60, **metric: Any) -> dict[str, float]:
        named = {"Namespace": "App", "MetricName": "m", **metric}
        query = {"Id": "q", "MetricStat": {"Metric": named, "Period": period, "Stat": stat}}
        first = start - timedelta(minutes=10)
        answer = client.get_metric_data(
            MetricDataQueries=[query], StartTime=first, EndTime=first + timedelta(minutes=minutes)
        )
        (result,) = answer["MetricDataResults"]
        assert result["StatusCode"] == "Complete"
        times = [f"{time.astimezone(start.tzinfo):%H:%M}" for time in result["Timestamps"]]
        return dict(zip(times, result["Values"], strict=True))

    return ask_for


Put = Callable[..., None]


@pytest.fixture
def put(client: Any, start: datetime) -> Put:
    """Puts data of metric `App m`, dated so many minutes after `start`."""

    def put_data(minute: float = 0, **datum: Any) -> None:
        at = start + timedelta(minutes=minute)
        client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Timestamp": at, **datum}])

    return put_data


class Inbox:
    """A queue that hears a topic."""

    def __init__(self) -> None:
        sns, sqs = boto3.client("sns"), boto3.client("sqs")
        self._sqs = sqs
        self.topic = sns.create_topic(Name="alerts")["TopicArn"]
        self._queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:inbox")

    def read(self) -> list[dict[str, Any]]:
        """What came since the last read: the SNS envelopes."""
        found = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def inbox(aws: CloudWatchStandIn) -> Inbox:
    return Inbox()
