"""Telling people: once per transition, in the receiver's own format, signed, retried, and never in the way."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from canary.adapters.notify import Notifier, transition_of
from canary.core.events import (
    CanaryEnded,
    CanaryStarted,
    Event,
    FunctionMove,
    Judged,
    Noticed,
    PhaseChanged,
    TrafficShifted,
)
from canary.core.phases import Phase
from canary.core.plan import EventBridgeTarget, Notification, SnsTarget, WebhookTarget
from canary.core.verdict import Judgement, Rule, SharedIncident, Verdict
from canary.errors import UnavailableError
from flagkit.testing import VirtualClock

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
STARTED = CanaryStarted("k3f9", "staging", AT, (FunctionMove("api:live", "2", "3"),), (1000, 5000), "f")
ROLLED_BACK = CanaryEnded("k3f9", "staging", AT, Phase.ROLLED_BACK, "12.1 % of 248 requests failed", AT)
SLACK = WebhookTarget(kind="slack", url="https://hooks.example.org/slack")


def judged(incident: SharedIncident | None) -> Judged:
    judgement = Judgement(Verdict.INCONCLUSIVE, "both fail", Rule.LITERAL, AT, shared_incident=incident)
    return Judged("k3f9", "staging", AT, Phase.BAKING, 1000, judgement)


def moved(before: Phase, after: Phase, at: datetime = AT) -> PhaseChanged:
    return PhaseChanged("k3f9", "staging", at, before, after, "because")


class Receiver:
    """An HTTP receiver that answers as told and remembers what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200)

    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(request.content) for request in self.requests]


def announcer(
    target: Notification, receiver: Callable[[httpx.Request], httpx.Response], **environment: str
) -> tuple[Notifier, VirtualClock]:
    clock = VirtualClock()
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    return Notifier([target], clock, http=client, environment=environment), clock


@pytest.mark.parametrize(
    ("event", "transition"),
    [
        (STARTED, "started"),
        (TrafficShifted("c", "s", AT, 2500, "healthy"), "advanced"),
        (TrafficShifted("c", "s", AT, 0, "unhealthy"), None),
        (TrafficShifted("c", "s", AT, 10_000, "done"), None),
        (ROLLED_BACK, "rolled_back"),
        (CanaryEnded("c", "s", AT, Phase.PROMOTED, "", AT), "promoted"),
        (CanaryEnded("c", "s", AT, Phase.CONFLICT, "", AT), "conflict"),
        (CanaryEnded("c", "s", AT, Phase.ABORTED, "", AT), "failed"),
        (moved(Phase.BAKING, Phase.HOLDING), "held"),
        (moved(Phase.HOLDING, Phase.PAUSED), None),
        (moved(Phase.PAUSED, Phase.BAKING), "resumed"),
        (moved(Phase.PAUSED, Phase.ROLLING_BACK), None),
        (judged(SharedIncident(AT, 2, True)), "incident"),
        (judged(None), None),
        (Noticed("c", "s", AT, "x"), None),
    ],
)
def test_each_event_means_one_transition_or_none(event: Event, transition: str | None) -> None:
    assert transition_of(event) == transition


def test_a_transition_is_sent_once_and_each_hold_again() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK, receiver)
    for event in (STARTED, STARTED, judged(SharedIncident(AT, 1, True)), judged(SharedIncident(AT, 2, True))):
        people.notify(event)
    for minutes in (0, 0, 9):
        people.notify(moved(Phase.BAKING, Phase.HOLDING, AT + timedelta(minutes=minutes)))
    assert len(receiver.requests) == 4


def test_slack_gets_text_with_stage_and_reason() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK, receiver)
    people.notify(ROLLED_BACK)
    (body,) = receiver.bodies()
    assert body["text"] == "[staging] canary k3f9 rolled back: 12.1 % of 248 requests failed"


def test_teams_gets_an_adaptive_card() -> None:
    receiver = Receiver()
    people, _ = announcer(WebhookTarget(kind="teams", url="https://teams.example.org/x"), receiver)
    people.notify(STARTED)
    (body,) = receiver.bodies()
    assert "AdaptiveCard" in json.dumps(body)
    assert "api:live 2 → 3" in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize(("event", "action"), [(ROLLED_BACK, "trigger"), (STARTED, "resolve")])
def test_pagerduty_is_triggered_by_bad_news_and_resolved_by_good(event: Event, action: str) -> None:
    receiver = Receiver()
    people, _ = announcer(WebhookTarget(kind="pagerduty", secret_env="KEY"), receiver, KEY="routing")
    people.notify(event)
    (body,) = receiver.bodies()
    assert (body["routing_key"], body["event_action"], body["dedup_key"]) == ("routing", action, "canary-k3f9")
    assert receiver.requests[0].url.host == "events.pagerduty.com"


def test_a_webhook_is_signed_and_templated() -> None:
    receiver = Receiver()
    target = WebhookTarget(
        kind="webhook", url_env="HOOK", secret_env="SECRET", template="$transition of $stage $unknown"
    )
    people, _ = announcer(target, receiver, HOOK="https://hook.example.org", SECRET="s3")
    people.notify(ROLLED_BACK)
    (request,) = receiver.requests
    expected = hmac.new(b"s3", request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Canary-Signature"] == f"sha256={expected}"
    assert receiver.bodies()[0]["text"] == "rolled_back of staging $unknown"


def test_only_the_transitions_that_the_plan_names_are_sent() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK.model_copy(update={"on": ("rolled_back",)}), receiver)
    people.notify(STARTED)
    people.notify(ROLLED_BACK)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("statuses", "tries"), [((500, 429, 200), 3), ((400,), 1), ((500,) * 9, 4)])
def test_server_errors_are_tried_again_and_refusals_are_not(statuses: tuple[int, ...], tries: int) -> None:
    receiver = Receiver(*statuses)
    people, clock = announcer(SLACK, receiver)
    people.notify(STARTED)
    assert len(receiver.requests) == tries
    assert people.failed_sends == (0 if statuses[-1] == 200 else 1)
    assert clock.monotonic() < 10


def test_a_failure_is_logged_without_the_secret_address_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to https://hooks.example.org/slack")

    people, _ = announcer(SLACK, broken)
    with caplog.at_level(logging.INFO, "canary.notify"):
        people.notify(STARTED)
    assert people.failed_sends == 1
    assert "hooks.example.org" not in caplog.text
    missing, _ = announcer(WebhookTarget(kind="slack", url_env="NOT_SET"), Receiver())
    missing.notify(STARTED)
    assert missing.failed_sends == 1


class Aws:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[tuple[str, ...]] = []

    def _take(self, *what: str) -> None:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("throttled")
        self.sent.append(what)

    def publish_message(self, topic_arn: str, subject: str, message: str) -> None:
        self._take(topic_arn, subject, message)

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        self._take(bus, detail_type, detail, at.isoformat())


def test_sns_and_eventbridge_get_json_and_are_tried_again() -> None:
    aws = Aws(failures=1)
    targets = [SnsTarget(kind="sns", topic_arn="arn:topic"), EventBridgeTarget(kind="eventbridge", bus="ops")]
    people = Notifier(
        targets, VirtualClock(), topics=aws, buses=aws, http=httpx.Client(transport=httpx.MockTransport(Receiver()))
    )
    people.notify(ROLLED_BACK)
    topic, bus = aws.sent
    assert topic[:2] == ("arn:topic", "[staging] canary k3f9 rolled back")
    assert json.loads(topic[2])["transition"] == "rolled_back"
    assert bus[:2] == ("ops", "Canary rolled_back")
    assert people.failed_sends == 0


def test_a_target_without_its_client_is_counted_not_raised() -> None:
    people, _ = announcer(SnsTarget(kind="sns", topic_arn="arn:topic"), Receiver())
    people.notify(STARTED)
    assert people.failed_sends == 1
