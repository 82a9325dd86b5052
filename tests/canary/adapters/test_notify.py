"""Notifications: once per transition, in the receiver's own format, signed, retried, and never in the way."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
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
from canary.core.measurements import DataState, StreamKey
from canary.core.phases import Phase
from canary.core.plan import EventBridgeTarget, Notification, SnsTarget, StagePlan, WebhookTarget
from canary.core.verdict import Judgement, Rule, SharedIncident, StreamEvidence, Verdict
from canary.errors import UnavailableError
from canary.testing import InMemoryJournal
from flagkit.channels.http import Http
from flagkit.channels.messages import signed_headers
from flagkit.testing import VirtualClock

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
STARTED = CanaryStarted("k3f9", "staging", AT, (FunctionMove("api:live", "2", "3"),), (1000, 5000), "f")
SHIFTED = TrafficShifted("k3f9", "staging", AT, 1000, "")
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
    return Notifier([target], clock, http=Http(httpx.MockTransport(receiver)), environment=environment), clock


@pytest.mark.parametrize(
    ("event", "transition"),
    [
        (STARTED, None),  # no traffic has moved yet
        (SHIFTED, "started"),
        (TrafficShifted("c", "s", AT, 0, "unhealthy"), None),
        (TrafficShifted("c", "s", AT, 10_000, "done"), None),
        (ROLLED_BACK, "rolled_back"),
        (CanaryEnded("c", "s", AT, Phase.PROMOTED, "", AT), "promoted"),
        (CanaryEnded("c", "s", AT, Phase.CONFLICT, "", AT), "conflict"),
        (CanaryEnded("c", "s", AT, Phase.ABORTED, "", AT), "aborted"),
        (CanaryEnded("c", "s", AT, Phase.PAUSED, "", AT), "failed"),
        (moved(Phase.HOLDING, Phase.INCONCLUSIVE), "decision_needed"),
        (replace(moved(Phase.BAKING, Phase.PAUSED), why='promote = "manual": waiting'), "decision_needed"),
        (moved(Phase.BAKING, Phase.PAUSED), "held"),
        (moved(Phase.BAKING, Phase.HOLDING), "held"),
        (moved(Phase.HOLDING, Phase.PAUSED), None),
        (moved(Phase.PAUSED, Phase.BAKING), "resumed"),
        (moved(Phase.PAUSED, Phase.ROLLING_BACK), None),
        (judged(SharedIncident(AT, 2, True)), "incident"),
        (judged(None), None),
        (Noticed("c", "s", AT, "x"), None),
        (Noticed("c", "s", AT, "x", is_alert=True), "alert"),
    ],
)
def test_each_event_means_one_transition_or_none(event: Event, transition: str | None) -> None:
    assert transition_of(event) == transition


def test_more_weight_is_an_advance() -> None:
    assert transition_of(TrafficShifted("c", "s", AT, 2500, "healthy"), 1000) == "advanced"


def test_a_transition_is_sent_once_and_each_hold_again() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK, receiver)
    for event in (STARTED, SHIFTED, SHIFTED, judged(SharedIncident(AT, 1, True)), judged(SharedIncident(AT, 2, True))):
        people.notify(event)
    for minutes in (0, 0, 9):
        people.notify(moved(Phase.BAKING, Phase.HOLDING, AT + timedelta(minutes=minutes)))
    assert len(receiver.requests) == 4


def test_a_transition_has_one_id_whoever_sends_it_and_however_often() -> None:
    """A driver that takes over may send an end again, at another second; each hold, weight and alert is another one."""
    later, target = timedelta(seconds=3), WebhookTarget(kind="webhook", url="https://hook.example.org")
    receiver = Receiver(500, 408, 200)
    for delay in (timedelta(), later):
        people, _ = announcer(target, receiver)
        for event in (STARTED, SHIFTED, replace(SHIFTED, weight_bp=5000), ROLLED_BACK):
            people.notify(replace(event, at=event.at + delay))
    once = [request.headers["webhook-id"] for request in receiver.requests[2:]]
    assert len(once) == 6
    assert once[:3] == once[3:]
    assert {request.headers["webhook-id"] for request in receiver.requests[:3]} == {once[0]}
    assert [body["id"] for body in receiver.bodies()[2:]] == once
    for at in (AT, AT + later):
        people.notify(moved(Phase.BAKING, Phase.HOLDING, at))
        people.notify(Noticed("k3f9", "staging", at, "look", is_alert=True))
    ids = {body["id"] for body in receiver.bodies()}
    assert len(ids) == 3 + 4


def test_slack_gets_text_with_stage_and_reason() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK, receiver)
    people.notify(ROLLED_BACK)
    (body,) = receiver.bodies()
    assert body["text"] == "[staging] canary rolled back: 12.1 % of 248 requests failed (canary history)"


FLAG = StagePlan.model_validate(
    {"name": "checkout", "flag": "file:flags.json#new_checkout", "outcomes": "csv:users.csv", "steps": [5, 25, 100]}
)
OF_FLAG = replace(STARTED, stage="checkout", functions=(FunctionMove("flag.new_checkout:on", "1", "2"),))


def counted(verdict: Verdict, users: int, failed: int) -> Judged:
    """What a look found: so many users with the flag, so many of them failed, and 1 % of 4,000 others."""
    key = StreamKey("flag.new_checkout:on", "outcomes")
    evidence = StreamEvidence(
        key, DataState.COMPLETE, 0.05, users, failed, 4000, 40, True, None, None, None, (), "numbers"
    )
    judgement = Judgement(verdict, "8.2 % failed", Rule.REGRESSION, AT, evidence=(evidence,), blamed=(key,))
    return Judged("k3f9", "checkout", AT, Phase.BAKING, 2500, judgement)


def shift(weight_bp: int, why: str) -> TrafficShifted:
    return TrafficShifted("k3f9", "checkout", AT, weight_bp, why)


def test_notices_of_a_rollout_say_who_gains_and_who_loses() -> None:
    receiver = Receiver()
    hook = WebhookTarget(kind="webhook", url="https://hook.example.org")
    people = Notifier([hook], VirtualClock(), http=Http(httpx.MockTransport(receiver)), stage=FLAG, environment={})
    for event in (
        OF_FLAG,
        shift(500, "rollout started: 5 % of the users"),
        shift(2500, "advanced to 25 %: 0.5 % failed"),
        counted(Verdict.UNHEALTHY, 1204, 99),
        shift(0, "8.2 % failed"),
        replace(ROLLED_BACK, stage="checkout", why="8.2 % failed"),
    ):
        people.notify(event)
    assert [body["text"] for body in receiver.bodies()] == [
        "[checkout] rollout started: new_checkout (on): 0 % → 5 % of users, 5 % gain it (canary status checkout)",
        "[checkout] advanced to 25 %: new_checkout (on): 5 % → 25 % of users, 20 % gain it. 0.5 % failed "
        "(canary status checkout)",
        "[checkout] rollout rolled back: new_checkout (on): 25 % → 0 % of users, 25 % lose it. 8.2 % failed. "
        "By 09:00 UTC: 1,204 users with it, 99 failed (8.2 %, 99 % interval 5.5–11.9 %); "
        "4,000 users without it, 40 failed (1.0 %, 99 % interval 0.5–1.8 %) (canary history)",
    ]
    back = receiver.bodies()[-1]
    assert (back["flag"], back["variant"], back["functions"], back["gates"]) == ("new_checkout", "on", [], ["outcomes"])
    assert (back["from_percent"], back["weight_percent"]) == (25, 0)
    users = back["users"]
    assert isinstance(users, dict)
    assert {name: users["with"][name] for name in ("users", "failed")} == {"users": 1204, "failed": 99}
    assert users["without"]["failed_percent"] == 1.0
    assert len(users["without"]["interval_percent"]) == 2


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            CanaryEnded("k3f9", "checkout", AT, Phase.CONFLICT, "a_flag changed", AT),
            "rollout stopped by another change",
        ),
        (moved(Phase.BAKING, Phase.HOLDING), "rollout on hold"),
        (moved(Phase.PAUSED, Phase.BAKING), "rollout resumed"),
    ],
)
def test_a_notice_of_a_rollout_that_moves_nobody_says_where_it_stays(event: Event, text: str) -> None:
    receiver = Receiver()
    people = Notifier([SLACK], VirtualClock(), http=Http(httpx.MockTransport(receiver)), stage=FLAG, environment={})
    for each in (OF_FLAG, shift(500, ""), event):
        people.notify(each)
    stays = f"{text}: new_checkout (on): stays at 5 % of users. "
    said = str(receiver.bodies()[-1]["text"]).partition("] ")[2]
    assert said.startswith((f"{stays}Because", f"{stays}a_flag changed"))


def test_teams_gets_an_adaptive_card() -> None:
    receiver = Receiver()
    people, _ = announcer(WebhookTarget(kind="teams", url="https://teams.example.org/x"), receiver)
    people.notify(STARTED)
    people.notify(SHIFTED)
    (body,) = receiver.bodies()
    assert "AdaptiveCard" in json.dumps(body)
    assert "api:live 2 → 3" in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (moved(Phase.HOLDING, Phase.INCONCLUSIVE), [("trigger", "canary-k3f9-decision")]),
        (judged(SharedIncident(AT, 2, True)), [("trigger", "canary-k3f9-decision")]),
        (CanaryEnded("k3f9", "staging", AT, Phase.CONFLICT, "", AT), [("trigger", "canary-k3f9-decision")]),
        (moved(Phase.BAKING, Phase.HOLDING), []),
        (Noticed("k3f9", "staging", AT, "the driver stopped", is_alert=True), [("trigger", "canary-k3f9-alert")]),
        (moved(Phase.PAUSED, Phase.BAKING), [("resolve", "canary-k3f9-decision")]),
        (SHIFTED, [("resolve", "canary-k3f9-decision")]),
        (CanaryEnded("k3f9", "staging", AT, Phase.PROMOTED, "", AT), [("resolve", "canary-k3f9-decision")]),
        (ROLLED_BACK, [("resolve", "canary-k3f9-decision"), ("trigger", "canary-k3f9")]),
    ],
)
def test_pagerduty_alerts_until_a_person_has_decided(event: Event, sent: list[tuple[str, str]]) -> None:
    receiver = Receiver()
    people, _ = announcer(WebhookTarget(kind="pagerduty", secret_env="KEY"), receiver, KEY="routing")
    people.notify(event)
    assert [(body["event_action"], body["dedup_key"]) for body in receiver.bodies()] == sent
    assert {body["routing_key"] for body in receiver.bodies()} <= {"routing"}
    assert {request.url.host for request in receiver.requests} <= {"events.pagerduty.com"}


def test_a_notification_says_what_where_why_who_and_what_to_type() -> None:
    receiver = Receiver()
    target = WebhookTarget(kind="webhook", url="https://hook.example.org")
    run = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "shop/api", "GITHUB_RUN_ID": "7"}
    people, _ = announcer(target, receiver, GITHUB_ACTOR="alice", **run)
    key = StreamKey("api:live", "errors")
    judgement = Judgement(Verdict.INCONCLUSIVE, "too little traffic", Rule.WAITING, AT, blamed=(key,))
    for event in (STARTED, SHIFTED, Judged("k3f9", "staging", AT, Phase.BAKING, 1000, judgement)):
        people.notify(event)
    people.notify(moved(Phase.HOLDING, Phase.INCONCLUSIVE))
    started, decision = receiver.bodies()
    assert started["text"] == (
        "[staging] canary started: 10 % on 1 alias (api:live 2 → 3) (canary status staging) "
        "(https://github.com/shop/api/actions/runs/7)"
    )
    assert decision["weight_percent"] == 10
    assert decision["functions"] == [{"function": "api:live", "baseline": "2", "candidate": "3"}]
    assert (decision["gates"], decision["who"]) == (["api:live errors"], "alice")
    assert decision["command"] == "canary promote staging | canary rollback staging"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("slack", "&lt;!channel&gt; [x](http://e) &amp;"), ("teams", "&lt;!channel> \\[x]\\(http://e) &")],
)
def test_texts_from_outside_are_escaped_for_the_channel(kind: str, shown: str) -> None:
    receiver = Receiver()
    people, _ = announcer(WebhookTarget(kind=kind, url="https://hook.example.org", template="$why"), receiver)
    people.notify(replace(ROLLED_BACK, why="<!channel> [x](http://e) &\x1b"))
    assert shown + "\\x1b" in json.dumps(receiver.bodies()[0]).replace("\\\\", "\\")


def test_a_driver_that_takes_over_knows_the_beginning_from_the_journal() -> None:
    receiver = Receiver()
    journal = InMemoryJournal()
    for event in (STARTED, SHIFTED):
        journal.append(event)
    people = Notifier([SLACK], VirtualClock(), http=Http(httpx.MockTransport(receiver)), journal=journal)
    people.notify(TrafficShifted("k3f9", "staging", AT + timedelta(minutes=9), 5000, "healthy"))
    (body,) = receiver.bodies()
    assert str(body["text"]).startswith("[staging] advanced to 50 %: healthy")


def test_a_driver_of_one_tick_sends_an_incident_once_and_the_next_incident_again() -> None:
    receiver, journal = Receiver(), InMemoryJournal()
    incidents = [AT, AT, None, AT + timedelta(minutes=30), AT + timedelta(minutes=30)]
    for minute, since in enumerate(incidents):
        incident = None if since is None else SharedIncident(since, 1, True)
        event = replace(judged(incident), at=AT + timedelta(minutes=minute))
        journal.append(event)
        Notifier([SLACK], VirtualClock(), http=Http(httpx.MockTransport(receiver)), journal=journal).notify(event)
    assert len(receiver.requests) == 2


def test_a_driver_of_one_tick_knows_what_it_has_judged_in_that_tick() -> None:
    receiver, journal = Receiver(), InMemoryJournal()
    target = WebhookTarget(kind="webhook", url="https://hook.example.org")
    people = Notifier([target], VirtualClock(), http=Http(httpx.MockTransport(receiver)), journal=journal)
    judgement = Judgement(Verdict.UNHEALTHY, "fails", Rule.LITERAL, AT, blamed=(StreamKey("api:live", "errors"),))
    for event in (STARTED, SHIFTED, Judged("k3f9", "staging", AT, Phase.BAKING, 1000, judgement), ROLLED_BACK):
        journal.append(event)
    people.notify(ROLLED_BACK)
    (body,) = receiver.bodies()
    assert (body["gates"], body["versions"]) == (["api:live errors"], "api:live 2 → 3")


def test_what_is_not_sent_in_time_is_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, hold, arrived = InMemoryJournal(), threading.Event(), threading.Event()

    def hangs(request: httpx.Request) -> httpx.Response:
        arrived.set()
        hold.wait(60)
        return httpx.Response(200)

    http = Http(httpx.MockTransport(hangs))
    people = Notifier([SLACK], VirtualClock(), http=http, journal=journal, beside=True)
    people.notify(SHIFTED)
    assert arrived.wait(60)
    people.notify(moved(Phase.BAKING, Phase.HOLDING))
    people.flush(0.0)
    people.flush()  # at the end of the process: what was given up is neither waited for nor noticed again
    hold.set()
    texts = [event.text for event in journal.events("k3f9") if isinstance(event, Noticed)]
    assert texts == [
        "notification started to slack was not confirmed before the driver ended",
        "notification held to slack was not sent before the driver ended",
    ]


def test_a_failed_delivery_is_in_the_journal() -> None:
    journal = InMemoryJournal()
    http = Http(httpx.MockTransport(Receiver(400)))
    Notifier([SLACK], VirtualClock(), http=http, journal=journal).notify(SHIFTED)
    (noticed,) = journal.events("k3f9")
    assert isinstance(noticed, Noticed)
    assert noticed.text == "notification started to slack was not delivered: HTTP status 400"


def test_a_receiver_that_hangs_delays_nothing_and_the_end_waits_for_the_rest() -> None:
    hold, arrived = threading.Event(), threading.Event()
    requests: list[httpx.Request] = []

    def hangs(request: httpx.Request) -> httpx.Response:
        arrived.set()
        hold.wait(60)
        requests.append(request)
        return httpx.Response(200)

    people = Notifier([SLACK], VirtualClock(), http=Http(httpx.MockTransport(hangs)), beside=True)
    people.notify(SHIFTED)  # answers at once
    assert arrived.wait(60)
    assert not requests
    hold.set()
    people.notify(ROLLED_BACK)
    people.flush()
    assert len(requests) == 2


def test_a_full_queue_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.adapters.notify.QUEUE_LIMIT", 1)
    hold, arrived = threading.Event(), threading.Event()

    def hangs(request: httpx.Request) -> httpx.Response:
        arrived.set()
        hold.wait(60)
        return httpx.Response(200)

    people = Notifier([SLACK], VirtualClock(), http=Http(httpx.MockTransport(hangs)), beside=True)
    for share in (1000, 2000, 3000, 4000):
        people.notify(TrafficShifted("k3f9", "staging", AT, share, ""))
        assert arrived.wait(60)
    people.flush(0.0)
    hold.set()
    people.flush()
    assert people.failed_sends == 2


def test_a_webhook_is_signed_and_templated() -> None:
    receiver = Receiver()
    target = WebhookTarget(
        kind="webhook", url_env="HOOK", secret_env="SECRET", template="$transition of $stage $unknown"
    )
    people, _ = announcer(target, receiver, HOOK="https://hook.example.org", SECRET="s3")
    people.notify(ROLLED_BACK)
    (request,) = receiver.requests
    sent = {name: request.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert sent == signed_headers("s3", sent["webhook-id"], int(sent["webhook-timestamp"]), request.content)
    assert receiver.bodies()[0]["text"] == "rolled_back of staging $unknown"


def test_only_the_transitions_that_the_plan_names_are_sent() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK.model_copy(update={"on": ("rolled_back",)}), receiver)
    people.notify(SHIFTED)
    people.notify(ROLLED_BACK)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(("statuses", "tries"), [((500, 429, 200), 3), ((400,), 1), ((500,) * 9, 4)])
def test_server_errors_are_tried_again_and_refusals_are_not(statuses: tuple[int, ...], tries: int) -> None:
    receiver = Receiver(*statuses)
    people, clock = announcer(SLACK, receiver)
    people.notify(SHIFTED)
    assert len(receiver.requests) == tries
    assert people.failed_sends == (0 if statuses[-1] == 200 else 1)
    assert clock.monotonic() < 10


def test_a_failure_is_logged_without_the_secret_address_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to https://hooks.example.org/slack")

    people, _ = announcer(SLACK, broken)
    with caplog.at_level(logging.INFO, "canary.notify"):
        people.notify(SHIFTED)
    assert people.failed_sends == 1
    assert "hooks.example.org" not in caplog.text
    missing, _ = announcer(WebhookTarget(kind="slack", url_env="NOT_SET"), Receiver())
    missing.notify(SHIFTED)
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

    def publish_message(self, topic_arn: str, subject: str, message: str, *, group: str, message_id: str) -> None:
        self._take(topic_arn, subject, message, group, message_id)

    def put_event(self, bus: str, detail_type: str, detail: str, at: datetime) -> None:
        self._take(bus, detail_type, detail, at.isoformat())


def test_sns_and_eventbridge_get_json_and_are_tried_again() -> None:
    aws = Aws(failures=1)
    targets = [
        SnsTarget(kind="sns", topic_arn="arn:aws:sns:us-east-1:1:topic"),
        EventBridgeTarget(kind="eventbridge", bus="ops"),
    ]
    people = Notifier(
        targets, VirtualClock(), topics=aws, buses=aws, http=Http(httpx.MockTransport(Receiver())), environment={}
    )
    people.notify(ROLLED_BACK)
    topic, bus = aws.sent
    assert topic[:2] == ("arn:aws:sns:us-east-1:1:topic", "[staging] canary rolled back")
    assert json.loads(topic[2])["transition"] == "rolled_back"
    assert topic[3:] == ("k3f9", json.loads(topic[2])["id"])
    assert bus[:2] == ("ops", "Canary rolled_back")
    assert people.failed_sends == 0


def test_a_target_without_its_client_is_counted_not_raised() -> None:
    people, _ = announcer(SnsTarget(kind="sns", topic_arn="arn:aws:sns:us-east-1:1:topic"), Receiver())
    people.notify(SHIFTED)
    assert people.failed_sends == 1


def test_an_alert_carries_the_text_of_the_notice() -> None:
    receiver = Receiver()
    people, _ = announcer(SLACK, receiver)
    people.notify(Noticed("k3f9", "staging", AT, "the driver stopped", is_alert=True))
    (body,) = receiver.bodies()
    assert body["text"] == "[staging] attention needed: the driver stopped (canary status staging)"
