"""Texts reach each receiver escaped, within its limits, and signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.channels.messages import (
    for_slack,
    for_teams,
    signed_headers,
    slack_message,
    sns_subject,
    teams_message,
)

LINK = re.compile(r"(?<!\\)(?:\\\\)*\[[^\]]*\]\(")


@given(st.text(alphabet="\\[]()<!channel>& \n"))
def test_no_text_becomes_a_link_or_a_mention(text: str) -> None:
    assert not LINK.search(for_teams(text))
    assert "<" not in for_teams(text) + for_slack(text)
    assert ">" not in for_slack(text)


@pytest.mark.parametrize(
    ("text", "shown"), [("[x](u)", "\\[x]\\(u)"), ("\\[x](u)", "\\\\\\[x]\\(u)"), ("a\\b", "a\\b")]
)
def test_a_backslash_of_the_text_does_not_undo_the_escape(text: str, shown: str) -> None:
    assert for_teams(text) == shown


def test_slack_takes_3000_characters_and_no_torn_escape() -> None:
    message: Any = slack_message(for_slack("x" * 2996 + "<&>"), "36C5F0")
    text = message["attachments"][0]["blocks"][0]["text"]["text"]
    assert (len(text) <= 3000, text[-3:], message["attachments"][0]["color"]) == (True, "xx…", "#36C5F0")


def test_slack_shows_the_first_line_above_and_the_others_beside_the_bar() -> None:
    message: Any = slack_message("title\na\nb", "36C5F0")
    assert message["text"] == "title"
    assert message["attachments"][0]["blocks"][0]["text"] == {"type": "mrkdwn", "text": "a\nb", "verbatim": True}


def test_each_line_is_a_paragraph_in_teams() -> None:
    message: Any = teams_message("a\nb")
    assert [block["text"] for block in message["attachments"][0]["content"]["body"]] == ["a", "b"]


@given(st.text())
def test_a_subject_is_one_line_of_at_most_100_ascii_characters(text: str) -> None:
    subject = sns_subject(text)
    assert re.fullmatch(r"[\x21-\x7e]|[\x21-\x7e][\x20-\x7e]{0,98}[\x21-\x7e]", subject)


def test_the_signature_is_the_one_of_the_published_example() -> None:
    """The example of Svix, whose scheme became the specification."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + base64.b64encode(b"0123456789abcdef").decode(), b"0123456789abcdef"),
        ("plain text", b"plain text"),
        ("whsec_not base64!", b"whsec_not base64!"),
    ],
)
def test_a_webhook_is_signed_by_the_standard_webhooks_specification(secret: str, key: bytes) -> None:
    body = json.dumps({"a": "ü"}).encode()
    headers = signed_headers(secret, "msg_1", 1767603600, body)
    expected = hmac.new(key, b"msg_1.1767603600." + body, hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1767603600",
        "webhook-signature": "v1," + base64.b64encode(expected).decode(),
    }
