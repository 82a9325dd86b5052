"""Sends what services send one another: messages to queues, topics and functions, through boto3.

So moto's queues receive them, and faults strike these calls as any others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

_INSIDE: Any = {"ignore_configured_endpoint_urls": True}  # botocore-stubs don't know it


class Delivery:
    """Calls AWS as an AWS service does: once per attempt, with one client per service.

    Args:
        session: makes a boto3 session when the first call is made.
    """

    def __init__(self, session: Callable[[], boto3.Session]) -> None:
        self._make_session = session
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the clients, which are made again when they are needed."""
        return {**self.__dict__, "_session": None, "_clients": {}}

    def client(self, service: str) -> Any:
        """A client that does not retry: whoever calls has retries of its own."""
        if service not in self._clients:
            if self._session is None:
                self._session = self._make_session()
            # Inside AWS there is no AWS_ENDPOINT_URL: the stand-in's own calls never leave the process.
            config = Config(retries={"total_max_attempts": 1}, **_INSIDE)
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    def publish(self, topic_arn: str, subject: str, message: str) -> None:
        """Publishes to a topic."""
        self.client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=message)

    def deliver(self, arn: str, body: str, attributes: dict[str, str]) -> None:
        """Sends to a queue, topic, function or state machine, by its ARN.

        Raises:
            Exception: boto3's, if there is no such target; ValueError for another kind of ARN.
        """
        service, name = arn.split(":")[2], arn.split(":", 5)[-1]
        typed = {key: {"DataType": "String", "StringValue": value or "-"} for key, value in attributes.items()}
        if service == "sqs":
            queues = self.client("sqs")
            url = queues.get_queue_url(QueueName=name)["QueueUrl"]
            queues.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)
        elif service == "sns":
            self.client("sns").publish(TopicArn=arn, Message=body, MessageAttributes=typed)
        elif service == "lambda":
            self.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body.encode())
        elif service == "states":
            self.client("stepfunctions").start_execution(stateMachineArn=arn, input=body)
        else:
            message = f"nothing can be delivered to {arn}"
            raise ValueError(message)
