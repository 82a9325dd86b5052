"""Sends a message to SNS or EventBridge; what it says, and whether it is sent again, is the notifier's business."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from canary.adapters.aws import Api, Session
from canary.errors import UnavailableError
from flagkit.channels.messages import sns_subject


class Topics(Protocol):
    """The one call that SNS is used for."""

    def publish_message(self, topic_arn: str, subject: str, message: str, *, group: str, message_id: str) -> None:
        """Publishes; raises `AwsError` when it can't."""
        ...


class Buses(Protocol):
    """The one call that EventBridge is used for."""

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        """Puts one event; raises `AwsError` when it can't."""
        ...


class SnsTopics:
    """Publishes to SNS."""

    def __init__(self, session: Session) -> None:
        self._sns = Api(session, "sns")

    def publish_message(self, topic_arn: str, subject: str, message: str, *, group: str, message_id: str) -> None:
        """Publishes one message; a FIFO topic delivers the messages of a group in order, and each id once.

        Raises:
            AwsError: SNS refuses.
        """
        is_fifo = topic_arn.endswith(".fifo")
        once = {"MessageGroupId": group, "MessageDeduplicationId": message_id} if is_fifo else {}
        self._sns.call("Publish", TopicArn=topic_arn, Subject=sns_subject(subject), Message=message, **once)


class EventBuses:
    """Puts events on EventBridge buses."""

    def __init__(self, session: Session) -> None:
        self._events = Api(session, "events")

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        """Puts one event.

        Raises:
            AwsError: EventBridge refuses the call or the entry.
        """
        entry = {"EventBusName": bus, "Source": "canary", "DetailType": detail_type, "Detail": detail, "Time": at}
        answer = self._events.call("PutEvents", Entries=[entry])
        if answer.get("FailedEntryCount"):
            failed: Mapping[str, object] = next(iter(answer.get("Entries") or ()), {})
            raise UnavailableError(f"events:PutEvents: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
