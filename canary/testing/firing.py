"""What happens when a schedule or a rule fires: the call of its target, the retries, the dead letter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, OperationNotFoundError, Shape, StructureShape

from canary.testing.delivery import Delivery
from flagkit.testing import ServiceError, VirtualClock
from flagkit.testing.codec import service_model

_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
# AWS says "exponential backoff" and no numbers; these are the stand-in's.
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 10.0, 900.0
# Scheduler user guide, "Using universal targets": actions that begin so aren't supported.
_READ_ONLY = (
    "get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover",
    "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration",
    "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel",
)  # fmt: skip


@dataclass(slots=True)
class Firing:
    """One time that a schedule fired, or a rule of EventBridge.

    Attributes:
        schedule: name of the schedule, or of the rule.
        group: its group, or the rule's bus.
        arn: its ARN.
        target: as in CreateSchedule.
        due: the time that the schedule names.
        attempts: when the target was called.
        errors: code of each failed attempt.
        outcome: `pending`, `delivered` or `failed`.
    """

    schedule: str
    group: str
    arn: str
    target: dict[str, Any]
    due: datetime
    attempts: list[datetime] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outcome: str = "pending"


class Targets:
    """Calls targets as Scheduler does: the universal target (any API operation) and Lambda functions.

    Args:
        clock: virtual time.
        delivery: makes the calls and sends dead letters.
    """

    def __init__(self, clock: VirtualClock, delivery: Delivery) -> None:
        self._clock = clock
        self._delivery = delivery

    def attempt(self, firing: Firing) -> None:
        """Calls the target; a failure is tried again as the retry policy says, then goes to the dead-letter queue."""
        now = self._clock.now()
        firing.attempts.append(now)
        try:
            self._call(firing.target)
        except ClientError as error:
            code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
        except (BotoCoreError, ValueError) as error:
            code, text = type(error).__name__, str(error)
        else:
            firing.outcome = "delivered"
            return
        firing.errors.append(code)
        policy = firing.target.get("RetryPolicy", {})
        retries = len(firing.attempts) - 1
        wait_s = min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2**retries)
        age_s = (now - firing.due).total_seconds() + wait_s
        if retries >= policy.get("MaximumRetryAttempts", 185):
            self._bury(firing, code, text, "MaximumRetryAttempts")
        elif age_s > policy.get("MaximumEventAgeInSeconds", 86400):
            self._bury(firing, code, text, "MaximumEventAgeInSeconds")
        else:
            self._clock.call_after(wait_s, partial(self.attempt, firing))

    def _call(self, target: dict[str, Any]) -> None:
        arn, text = target["Arn"], target.get("Input", "{}")
        if not arn.startswith(_UNIVERSAL):
            self._delivery.deliver(arn, text, {})
            return
        operation = _operation(arn)
        name, service = operation.name, operation.service_model.service_name
        given = json.loads(text)
        _check_names(operation.input_shape, given)
        client = self._delivery.client(service)
        method = next(method for method, api in client.meta.method_to_api_mapping.items() if api == name)
        getattr(client, method)(**given)

    def _bury(self, firing: Firing, code: str, text: str, condition: str) -> None:
        firing.outcome = "failed"
        queue = firing.target.get("DeadLetterConfig", {}).get("Arn")
        if not queue:
            return
        attributes = {
            "ERROR_CODE": code,
            "ERROR_MESSAGE": text,
            "EXHAUSTED_RETRY_CONDITION": condition,
            "RETRY_ATTEMPTS": str(len(firing.attempts) - 1),
            "TARGET_ARN": firing.target["Arn"],
        }
        if firing.arn.split(":")[2] == "events":
            attributes["RULE_ARN"] = firing.arn
        else:
            attributes["SCHEDULED_TIME"] = firing.due.strftime("%Y-%m-%dT%H:%M:%SZ")
            attributes["SCHEDULE_ARN"] = firing.arn
        try:
            self._delivery.deliver(queue, firing.target.get("Input", "{}"), attributes)
        except (ClientError, BotoCoreError, ValueError):
            firing.errors.append("InvocationsFailedToBeSentToDeadLetter")


def check_target(target: dict[str, Any]) -> None:
    """Checks at creation what can be checked: the ARN of a universal target, and that the input is JSON.

    Raises:
        ServiceError: a ValidationException.
    """
    try:
        json.loads(target.get("Input", "{}"))
        if target["Arn"].startswith(_UNIVERSAL):
            _operation(target["Arn"])
    except ValueError as error:
        raise ServiceError("ValidationException", f"Invalid target: {error}", status=400) from error


def _operation(arn: str) -> OperationModel:
    """The API operation that a universal target means.

    Raises:
        ValueError: if there is none, or Scheduler doesn't call it.
    """
    service, _, action = arn.removeprefix(_UNIVERSAL).partition(":")
    if not action or action.startswith(_READ_ONLY):
        message = f"{arn} is not supported as a target"
        raise ValueError(message)
    try:
        return service_model(service).operation_model(action[0].upper() + action[1:])
    except (UnknownServiceError, OperationNotFoundError) as error:
        message = f"{arn} names no API operation"
        raise ValueError(message) from error


def _check_names(shape: Shape | None, value: Any) -> None:
    """The Input names members as the API does: `FunctionName`, not `functionName`."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, member in value.items():
            if name not in shape.members:
                message = f"{name} is no parameter of the target; names are written as in the API reference"
                raise ValueError(message)
            _check_names(shape.members[name], member)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for member in value.values():
            _check_names(shape.value, member)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for member in value:
            _check_names(shape.member, member)
