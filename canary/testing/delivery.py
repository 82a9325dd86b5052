"""Sends what services send one another: messages to queues, topics and functions, through boto3.

So moto's queues receive them, and faults strike these calls as any others.
"""

from __future__ import annotations

from collections.abc import Callable

import boto3
from botocore.config import Config


class Delivery:
    """Sends messages as an AWS service does.

    Args:
        session: makes boto3 sessions.
    """

    def __init__(self, session: Callable[[], boto3.Session]) -> None:
        self._session = session

    def publish(self, topic_arn: str, subject: str, message: str) -> None:
        """Publishes to a topic."""
        self._session().client("sns", config=_ONCE).publish(TopicArn=topic_arn, Subject=subject, Message=message)

    def deliver(self, arn: str, body: str, attributes: dict[str, str]) -> None:
        """Sends to a queue, topic or function, by its ARN.

        Raises:
            Exception: boto3's, if there is no such target; ValueError for another kind of ARN.
        """
        service, name = arn.split(":")[2], arn.split(":", 5)[-1]
        typed = {key: {"DataType": "String", "StringValue": value or "-"} for key, value in attributes.items()}
        session = self._session()
        if service == "sqs":
            client = session.client("sqs", config=_ONCE)
            url = client.get_queue_url(QueueName=name)["QueueUrl"]
            client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)  # type: ignore[arg-type]
        elif service == "sns":
            topics = session.client("sns", config=_ONCE)
            topics.publish(TopicArn=arn, Message=body, MessageAttributes=typed)  # type: ignore[arg-type]
        elif service == "lambda":
            functions = session.client("lambda", config=_ONCE)
            functions.invoke(FunctionName=arn, InvocationType="Event", Payload=body.encode())
        else:
            message = f"nothing can be delivered to {arn}"
            raise ValueError(message)


_ONCE = Config(retries={"total_max_attempts": 1})
