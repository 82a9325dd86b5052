"""Notifications of a canary's transitions, once each: SNS, EventBridge, Slack, Teams, PagerDuty, any webhook.

It never decides anything and never stops a canary: what can't be sent is counted and noticed in the log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from string import Template
from typing import Protocol, TypeVar, assert_never

import httpx

from canary.adapters.aws import Api, Session
from canary.core.events import CanaryEnded, CanaryStarted, Event, Judged, PhaseChanged, TrafficShifted
from canary.core.phases import Phase
from canary.core.plan import EventBridgeTarget, Notification, SnsTarget, Transition, WebhookTarget
from canary.errors import AwsError, CanaryError, UnavailableError
from canary.ports import Clock


class SnsTopics:
    """Publishes to SNS."""

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
    """Puts events on EventBridge buses."""

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


logger = logging.getLogger("canary.notify")

Payload = Mapping[str, object]
_ATTEMPTS = 4
_TIMEOUT_S = 5.0
_DEFAULT_TEXT = Template("[$stage] $title: $why")
_COLOURS = {
    "promoted": "2EB67D",
    "rolled_back": "E01E5A",
    "conflict": "E01E5A",
    "failed": "E01E5A",
    "incident": "ECB22E",
}


class Topics(Protocol):
    """The one call that SNS is used for."""

    def publish_message(self, topic_arn: str, subject: str, message: str) -> None:
        """Publishes; raises `AwsError` when it can't."""
        ...


class Buses(Protocol):
    """The one call that EventBridge is used for."""

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        """Puts one event; raises `AwsError` when it can't."""
        ...


def transition_of(event: Event) -> Transition | None:
    """The transition that an event means to people; None for what only the journal cares about."""
    match event:
        case CanaryStarted():
            return "started"
        case TrafficShifted(weight_bp=weight_bp):
            return "advanced" if 0 < weight_bp < 10_000 else None
        case CanaryEnded(outcome=outcome):
            return _ENDS.get(outcome, "failed")
        case PhaseChanged(before=before, after=after):
            if after in _HELD and before not in _HELD:
                return "held"
            return "resumed" if before in _HELD and after is Phase.BAKING else None
        case Judged(judgement=judgement):
            return "incident" if judgement.shared_incident is not None else None
        case _:
            return None


_HELD = frozenset({Phase.HOLDING, Phase.PAUSED, Phase.INCONCLUSIVE})
_ENDS: Mapping[Phase, Transition] = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled_back",
    Phase.CONFLICT: "conflict",
}


def describe(event: Event, transition: Transition) -> dict[str, object]:
    """What every message is made of: JSON-ready, without any user data."""
    why = getattr(event, "why", "")
    if isinstance(event, Judged):
        why = event.judgement.sentence
    if isinstance(event, CanaryStarted):
        why = ", ".join(f"{move.function} {move.baseline} → {move.candidate}" for move in event.functions)
    weight_bp = getattr(event, "weight_bp", None)
    return {
        "canary_id": event.canary_id,
        "stage": event.stage,
        "transition": transition,
        "title": f"canary {event.canary_id} {transition.replace('_', ' ')}",
        "why": why,
        "weight_percent": None if weight_bp is None else weight_bp / 100,
        "at": event.at.isoformat(),
    }


class Notifier:
    """An observer that sends each transition once to every target of the plan.

    Args:
        targets: the plan's notifications.
        clock: for waits between attempts.
        topics, buses: the AWS side; needed only when the plan names such targets.
        http: HTTP client; tests hand in one with a mock transport.
        environment: where secrets are looked up.
    """

    def __init__(
        self,
        targets: Sequence[Notification],
        clock: Clock,
        *,
        topics: Topics | None = None,
        buses: Buses | None = None,
        http: httpx.Client | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._clock = clock
        self._topics = topics
        self._buses = buses
        self._http = httpx.Client(timeout=_TIMEOUT_S) if http is None else http
        self._environment = os.environ if environment is None else environment
        self._sent: set[tuple[str, str, str]] = set()
        self.failed_sends = 0

    def notify(self, event: Event) -> None:
        """Sends the event if it is a transition that was not sent yet; never raises."""
        transition = transition_of(event)
        if transition is None:
            return
        facts = describe(event, transition)
        # Every weight and every hold is a transition of its own; an incident is judged again at each tick.
        key = (
            event.canary_id,
            transition,
            "" if transition == "incident" else str(facts["weight_percent"] or facts["at"]),
        )
        if key in self._sent:
            return
        self._sent.add(key)
        for target in self._targets:
            if not target.on or transition in target.on:
                self._send_or_count(target, facts)

    def _send_or_count(self, target: Notification, facts: Payload) -> None:
        try:
            self._send(target, facts)
        except (CanaryError, httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
            self.failed_sends += 1
            # Addresses may hold secrets, and httpx puts them into its messages: only the kind of error is told.
            logger.warning("canary %s: %s was not told (%s)", facts["canary_id"], target.kind, type(error).__name__)

    def _send(self, target: Notification, facts: Payload) -> None:
        match target:
            case SnsTarget():
                topics = _given(self._topics, "SNS")
                subject = f"[{facts['stage']}] {facts['title']}"[:100]  # SNS' limit
                self._retry(lambda: topics.publish_message(target.topic_arn, subject, json.dumps(facts)))
            case EventBridgeTarget():
                buses = _given(self._buses, "EventBridge")
                at = datetime.fromisoformat(str(facts["at"]))
                self._retry(lambda: buses.put_event(target.bus, f"Canary {facts['transition']}", json.dumps(facts), at))
            case WebhookTarget():
                url, body, headers = self._request(target, facts)
                self._retry(lambda: self._http.post(url, content=body, headers=headers).raise_for_status())
            case _:
                assert_never(target)

    def _request(self, target: WebhookTarget, facts: Payload) -> tuple[str, bytes, dict[str, str]]:
        url = target.url or ("" if target.url_env is None else self._environment[target.url_env])
        secret = "" if target.secret_env is None else self._environment[target.secret_env]
        template = _DEFAULT_TEXT if target.template is None else Template(target.template)
        text = template.safe_substitute({name: "" if value is None else str(value) for name, value in facts.items()})
        if target.kind == "pagerduty":
            url = url or "https://events.pagerduty.com/v2/enqueue"
        body = json.dumps(_message(target.kind, facts, text, secret)).encode()
        headers = {"Content-Type": "application/json"}
        if target.kind == "webhook" and secret:
            headers["X-Canary-Signature"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return url, body, headers

    def _retry(self, send: Callable[[], object]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                send()
            except (AwsError, httpx.TransportError) as error:
                if attempt == _ATTEMPTS:
                    raise
                logger.info("a notification failed (%s), attempt %d", type(error).__name__, attempt)
            except httpx.HTTPStatusError as error:
                if attempt == _ATTEMPTS or (error.response.status_code < 500 and error.response.status_code != 429):
                    raise
            else:
                return
            self._clock.sleep(2.0 ** (attempt - 1) * 0.5)


Client = TypeVar("Client")


def _given(client: Client | None, name: str) -> Client:
    if client is None:
        message = f"the plan names {name}, but no client was given"
        raise ValueError(message)
    return client


def _message(kind: str, facts: Payload, text: str, secret: str) -> dict[str, object]:
    """The body in the receiver's own format."""
    transition = str(facts["transition"])
    colour = _COLOURS.get(transition, "36C5F0")
    if kind == "slack":
        block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
        return {"text": text, "attachments": [{"color": f"#{colour}", "blocks": [block]}]}
    if kind == "teams":
        card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": text, "wrap": True}]}
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return {"type": "message", "attachments": [attachment]}
    if kind == "pagerduty":
        bad = transition in {"rolled_back", "conflict", "failed", "incident"}
        return {
            "routing_key": secret,
            "event_action": "trigger" if bad else "resolve",
            "dedup_key": f"canary-{facts['canary_id']}",
            "payload": {
                "summary": text[:1024],
                "source": f"canary/{facts['stage']}",
                "severity": "error" if bad else "info",
                "timestamp": facts["at"],
                "custom_details": dict(facts),
            },
        }
    return {**facts, "text": text}
