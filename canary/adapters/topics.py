"""SNS topics and EventBridge buses as the notifier wants them: one message, one event; it composes neither."""

from __future__ import annotations

from datetime import datetime

from canary.adapters.aws import Api, Session
from canary.errors import UnavailableError


class SnsTopics:
    """Publishes to SNS. Since 0.1."""

    def __init__(self, session: Session) -> None:
        self._sns = Api(session, "sns")

    def publish_message(self, topic_arn: str, subject: str, message: str) -> None:
        """Publishes one message.

        Raises:
            AwsError: SNS says no.
        """
        # SNS wants one ASCII line of at most 100 characters as subject.
        line = subject.encode("ascii", "replace").decode().replace("\n", " ")[:100]
        self._sns.call("Publish", TopicArn=topic_arn, Subject=line, Message=message)


class EventBuses:
    """Puts events on EventBridge buses. Since 0.1."""

    def __init__(self, session: Session) -> None:
        self._events = Api(session, "events")

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        """Puts one event.

        Raises:
            AwsError: EventBridge says no, for the call or for the entry.
        """
        entry = {"EventBusName": bus, "Source": "canary", "DetailType": detail_type, "Detail": detail, "Time": at}
        answer = self._events.call("PutEvents", Entries=[entry])
        if answer.get("FailedEntryCount"):
            failed = answer["Entries"][0]
            raise UnavailableError(f"events:PutEvents: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
