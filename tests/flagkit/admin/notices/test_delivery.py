"""Notices reach their receivers in their own forms, are tried again, and never take longer than their limit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from flagkit.admin.notices.delivery import WAITING_LIMIT, Delivery, Outbox, Outcome
from flagkit.admin.notices.notice import Notice
from flagkit.admin.settings import (
    EventBridgeReceiver,
    HttpReceiver,
    Receiver,
    SnsReceiver,
    SourceSettings,
)
from flagkit.channels.http import Http
from flagkit.testing import AwsStandIn, VirtualClock

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOTICE = Notice("m1", "live", AT, "file:flags.json", author="alice", version=3, names=("/flags.json",))
SECRETS = {"URL": "https://hooks.example.org/T0/xyz", "SECRET": "whsec_" + base64.b64encode(b"k" * 24).decode()}
SLACK = HttpReceiver(kind="slack", url_env="URL")


def delivery(
    receiver: Receiver, answer: Callable[[httpx.Request], httpx.Response], **environment: str
) -> tuple[Delivery, VirtualClock]:
    clock = VirtualClock()
    http = Http(httpx.MockTransport(answer))
    settings = SourceSettings(receivers=(receiver,))
    return Delivery(settings, environment=environment or SECRETS, http=http, clock=clock), clock


def answers(*statuses: int) -> tuple[Callable[[httpx.Request], httpx.Response], list[httpx.Request]]:
    left, got = list(statuses), []

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(left.pop(0) if left else 200)

    return answer, got


def test_a_webhook_is_signed_anew_for_each_attempt_under_one_id() -> None:
    answer, got = answers(503, 200)
    sender, _ = delivery(HttpReceiver(kind="webhook", url_env="URL", secret_env="SECRET"), answer)
    assert sender.deliver(NOTICE) == [Outcome("webhook (hooks.example.org)")]
    for request in got:
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.content
        mark = base64.b64encode(hmac.digest(b"k" * 24, signed, hashlib.sha256)).decode()
        assert request.headers["webhook-signature"] == f"v1,{mark}"
    assert {request.headers["webhook-id"] for request in got} == {"m1"}
    assert json.loads(got[0].content)["type"] == "flags.live"


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_chats_get_the_text(kind: Any) -> None:
    answer, got = answers()
    sender, _ = delivery(HttpReceiver(kind=kind, url_env="URL"), answer)
    sender.deliver(NOTICE)
    assert "alice deployed version 3 (version 3 is live)" in got[0].content.decode()
    assert "webhook-signature" not in got[0].headers


@pytest.mark.parametrize(
    ("status", "attempts", "problem"),
    [
        (500, 4, "HTTP status 500 (tried 4 times)"),
        (429, 4, "HTTP status 429 (tried 4 times)"),
        (302, 1, "HTTP status 302"),
        (404, 1, "HTTP status 404"),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_not(status: int, attempts: int, problem: str) -> None:
    answer, got = answers(*[status] * 9)
    sender, clock = delivery(SLACK, answer)
    begun_s = clock.monotonic()
    assert sender.deliver(NOTICE) == [Outcome("slack (hooks.example.org)", problem)]
    assert len(got) == attempts
    assert clock.monotonic() - begun_s <= 6


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (httpx.ConnectError("secret in the address"), "ConnectError (tried 4 times)"),
        (httpx.ReadError("x"), "ReadError (tried 4 times)"),
        (RuntimeError("secret"), "RuntimeError"),
    ],
)
def test_a_fault_is_named_without_the_address(error: Exception, problem: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    sender, _ = delivery(SLACK, answer)
    assert sender.deliver(NOTICE) == [Outcome("slack (hooks.example.org)", problem)]


def test_time_that_the_receiver_takes_counts() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        clock.advance(5.9)
        return httpx.Response(500)

    sender, clock = delivery(SLACK, answer)
    (outcome,) = sender.deliver(NOTICE)
    assert outcome.problem == "HTTP status 500 (tried 1 time)"


@pytest.mark.parametrize(
    ("receiver", "environment", "problem"),
    [
        (SLACK, {"OTHER": "x"}, "the environment variable URL is not set"),
        (SLACK, {"URL": "ftp://x"}, "the environment variable URL holds no valid http or https URL"),
        (SLACK, {"URL": "http://[::1"}, "the environment variable URL holds no valid http or https URL"),
        (
            HttpReceiver(kind="webhook", url="https://a.example", secret_env="SECRET"),
            {"OTHER": "x"},
            "the environment variable SECRET is not set",
        ),
    ],
)
def test_an_address_or_secret_that_is_missing_is_named(
    receiver: Receiver, environment: dict[str, str], problem: str
) -> None:
    answer, got = answers()
    sender, _ = delivery(receiver, answer, **environment)
    assert [outcome.problem for outcome in sender.deliver(NOTICE)] == [problem]
    assert got == []


def test_sns_and_eventbridge_get_the_notice_through_boto3() -> None:
    with AwsStandIn() as aws:
        session = aws.session()
        queue = session.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:q"
        topic = session.client("sns").create_topic(Name="flags")["TopicArn"]
        session.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        put: list[Any] = []
        session.events.register("provide-client-params.events.PutEvents", lambda params, **_: put.append(params))
        settings = SourceSettings(
            receivers=(SnsReceiver(kind="sns", topic_arn=topic), EventBridgeReceiver(kind="eventbridge"))
        )
        outcomes = Delivery(settings, session=session, clock=aws.clock).deliver(NOTICE)
        assert [outcome.problem for outcome in outcomes] == ["", ""]
        got = session.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    (mail,) = [json.loads(message["Body"]) for message in got]
    ((event,),) = [params["Entries"] for params in put]
    assert json.loads(mail["Message"])["type"] == "flags.live"
    assert mail["Subject"] == "[file:flags.json] alice deployed version 3 (version 3 is live)"
    assert (event["Source"], event["DetailType"]) == ("flagkit", "Flags live")
    assert json.loads(event["Detail"])["type"] == "flags.live"


@pytest.mark.parametrize(
    "receiver",
    [
        SnsReceiver(kind="sns", topic_arn="arn:aws:sns:us-east-1:123456789012:missing"),
        EventBridgeReceiver(kind="eventbridge", bus="missing"),
    ],
)
def test_what_aws_refuses_is_a_problem_that_names_the_receiver(receiver: Receiver) -> None:
    with AwsStandIn() as aws:
        sender = Delivery(SourceSettings(receivers=(receiver,)), session=aws.session(), clock=aws.clock)
        (outcome,) = sender.deliver(NOTICE)
    assert receiver.kind in outcome.receiver
    assert outcome.problem


def test_only_receivers_of_the_source_are_notified() -> None:
    answer, got = answers()
    sender, _ = delivery(HttpReceiver(kind="slack", url_env="URL", source="other.json"), answer)
    assert sender.deliver(NOTICE) == []
    assert got == []


def test_a_dripping_receiver_is_given_up() -> None:
    never = threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        never.wait(5)
        return httpx.Response(200)

    settings = SourceSettings(receivers=(SLACK,))
    http = Http(httpx.MockTransport(answer))
    (outcome,) = Delivery(settings, environment=SECRETS, http=http, limit_s=0.05).deliver(NOTICE)
    never.set()
    assert outcome.problem.startswith("no answer")


def test_a_notice_that_cannot_be_composed_is_a_problem_and_no_error() -> None:
    answer, _ = answers()
    warnings: list[str] = []
    outbox = Outbox(delivery(SLACK, answer)[0], warnings.append)

    def compose() -> Notice:
        raise ValueError("no\nidea")

    outbox.send(compose)
    outbox.wait()
    outbox.wait()
    assert warnings == ["warning: a notice was not delivered: no idea"]


def test_without_a_place_for_warnings_problems_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer, _ = answers(403)
    outbox = Outbox(delivery(SLACK, answer)[0])
    with caplog.at_level(logging.WARNING, "flagkit.notices"):
        outbox.send(lambda: NOTICE)
        outbox.wait()
    assert caplog.messages == ["flagkit: the notice to slack (hooks.example.org) was not delivered: HTTP status 403"]


def test_a_flood_of_notices_is_bounded_and_said() -> None:
    release = threading.Event()
    warnings: list[str] = []
    answer, got = answers()
    outbox = Outbox(delivery(SLACK, answer)[0], warnings.append)

    def compose() -> Notice:
        release.wait(5)
        return replace(NOTICE)

    for _ in range(WAITING_LIMIT + 1):
        outbox.send(compose)
    release.set()
    outbox.wait()
    assert len(got) == WAITING_LIMIT
    assert warnings == [f"warning: a notice was not delivered: {WAITING_LIMIT} others are still on their way"]
