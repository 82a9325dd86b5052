"""Asynchronous invocations: a queue on the clock, retries, destinations and dead letters.

The rules: Lambda developer guide, "Asynchronous invocation" and "Error handling for asynchronous invocation".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from canary.testing.lambda_.invocation import Invoker, Outcome
from canary.testing.lambda_.state import Function
from canary.testing.lambda_.telemetry import Telemetry
from flagkit.testing import VirtualClock

_RETRY_AFTER_S = (60.0, 120.0)  # after a function error: one minute, then two
_THROTTLED_FIRST_S, _THROTTLED_MAX_S = 1.0, 300.0  # throttled events return to the queue, up to five minutes apart
_MAX_AGE_S = 21_600

Deliver = Callable[[str, str, dict[str, str]], None]


@dataclass(slots=True)
class Event:
    """One event in the queue.

    Attributes:
        attempts: how often a version ran it.
        throttles: how often there was no room for it.
    """

    function: Function
    qualifier: str
    payload: bytes
    request_id: str
    accepted_at: datetime
    attempts: int = 0
    throttles: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that failed for good.

    Attributes:
        at: when it was given up.
        function: its name.
        qualifier: the alias or version called.
        payload: the event.
        condition: `RetriesExhausted` or `EventAgeExceeded`.
        error: the last error document, empty if no version ran it.
        attempts: how often a version ran it.
    """

    at: datetime
    function: str
    qualifier: str
    payload: bytes
    condition: str
    error: str
    attempts: int


class EventQueue:
    """Runs asynchronous invocations when the clock moves.

    Attributes:
        waiting: events accepted and not finished.
        dead: events given up.
        deliver: sends to a queue, topic or function: `deliver(arn, body, attributes)`.
        dispatch_s: how long an event waits in an empty queue.
    """

    def __init__(self, clock: VirtualClock, invoker: Invoker, telemetry: Telemetry, deliver: Deliver) -> None:
        self._clock = clock
        self._invoker = invoker
        self._telemetry = telemetry
        self.waiting = 0
        self.dead: list[DeadLetter] = []
        self.deliver = deliver
        self.dispatch_s = 0.05

    def accept(self, function: Function, qualifier: str, payload: bytes) -> None:
        """Queues an event."""
        event = Event(function, qualifier, payload, self._invoker.new_id(), self._clock.now())
        self._count("AsyncEventsReceived", event)
        self.waiting += 1
        self._clock.call_after(self.dispatch_s, partial(self._attempt, event))

    def _attempt(self, event: Event) -> None:
        settings = event.function.event_invoke.get(event.qualifier, {})
        age_s = (self._clock.now() - event.accepted_at).total_seconds()
        if age_s > settings.get("MaximumEventAgeInSeconds", _MAX_AGE_S):
            self._give_up(event, settings, "EventAgeExceeded", "")
            return
        # The alias is asked anew for each attempt; that a retry may run on the other version is unverified
        # (lambda-canary.md §1).
        outcome = self._invoker.invoke(event.function, event.qualifier, event.payload)
        if outcome.error in {"Throttled", "Pending"}:
            wait_s = min(_THROTTLED_MAX_S, _THROTTLED_FIRST_S * 2**event.throttles)
            event.throttles += 1
            self._clock.call_after(wait_s, partial(self._attempt, event))
            return
        event.attempts += 1
        if outcome.error is None:
            self.waiting -= 1
            self._send(settings, "OnSuccess", event, "Success", outcome)
        elif event.attempts <= settings.get("MaximumRetryAttempts", len(_RETRY_AFTER_S)):
            wait_s = _RETRY_AFTER_S[event.attempts - 1] + outcome.latency_ms / 1000
            self._clock.call_after(wait_s, partial(self._attempt, event))
        else:
            self._give_up(event, settings, "RetriesExhausted", outcome.payload.decode(), outcome)

    def _give_up(
        self, event: Event, settings: dict[str, Any], condition: str, error: str, outcome: Outcome | None = None
    ) -> None:
        self.waiting -= 1
        self._count("AsyncEventsDropped", event)
        name = event.function.name
        self.dead.append(
            DeadLetter(self._clock.now(), name, event.qualifier, event.payload, condition, error, event.attempts)
        )
        self._send(settings, "OnFailure", event, condition, outcome)
        version = event.function.version(outcome.version) if outcome else None
        queue = (version or event.function.latest).config.get("DeadLetterConfig", {}).get("TargetArn")
        if queue:
            message = json.loads(error).get("errorMessage", "") if error else ""
            attributes = {"RequestID": event.request_id, "ErrorCode": "200", "ErrorMessage": message[:1024]}
            self._deliver(queue, event.payload.decode(), attributes, "DeadLetterErrors", event)

    def _send(self, settings: dict[str, Any], kind: str, event: Event, condition: str, outcome: Outcome | None) -> None:
        target = settings.get("DestinationConfig", {}).get(kind, {}).get("Destination")
        if not target:
            return
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": event.function.qualified_arn(event.qualifier or "$LATEST"),
                "condition": condition,
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": json.loads(event.payload or b"null"),
        }
        if outcome is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.version}
            if outcome.error is not None:
                context["functionError"] = outcome.error
            record |= {"responseContext": context, "responsePayload": json.loads(outcome.payload)}
        self._deliver(target, json.dumps(record), {}, "DestinationDeliveryFailures", event)

    def _deliver(self, arn: str, body: str, attributes: dict[str, str], metric: str, event: Event) -> None:
        try:
            self.deliver(arn, body, attributes)
        except Exception:  # noqa: BLE001 - AWS reports any failed delivery by a metric, and nothing else
            self._count(metric, event)

    def _count(self, metric: str, event: Event) -> None:
        sets = self._telemetry.dimension_sets(event.function.name, event.qualifier, "")
        self._telemetry.count(metric, sets, self._clock.now())
