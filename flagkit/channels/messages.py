"""Texts in the form of each receiver, escaped for it: Slack, Teams, SNS, and the signature of a webhook. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final

from flagkit.channels.text import printable

SLACK_TEXT_CHARS: Final = 3000
"""The longest text of a section block (docs.slack.dev, Block Kit); a longer one is refused."""

SNS_SUBJECT_CHARS: Final = 100


def for_slack(text: str) -> str:
    """Escape text for Slack: `<!channel>` and links begin with `<` (docs.slack.dev, formatting text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def for_teams(text: str) -> str:
    """Escape text for an Adaptive Card, whose markdown makes links of brackets."""
    # A backslash of the text in front of a bracket would undo the one that is put there.
    lone = re.sub(r"(\\+)(?=\[)", r"\1\1", text)
    return lone.replace("<", "&lt;").replace("[", "\\[").replace("](", "]\\(")


def slack_message(text: str, colour: str) -> dict[str, object]:
    """Return the body of a message: its first line, and the others beside a bar in a colour such as `36C5F0`.

    A text of one line stands beside the bar as well. The text is escaped already.
    """
    head, _, rest = text.partition("\n")
    block = {"type": "section", "text": {"type": "mrkdwn", "text": _cut(rest or head), "verbatim": True}}
    return {"text": _cut(head), "attachments": [{"color": f"#{colour}", "blocks": [block]}]}


def teams_message(text: str) -> dict[str, object]:
    """Return the body of an Adaptive Card with a paragraph for each line; the text is escaped already."""
    body = [{"type": "TextBlock", "text": line, "wrap": True} for line in text.splitlines()]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def sns_subject(text: str) -> str:
    """Return text as SNS takes a subject: one line of ASCII, at most 100 characters."""
    line = printable(text, SNS_SUBJECT_CHARS).encode("ascii", "replace").decode().strip()
    return line[:SNS_SUBJECT_CHARS] or "-"


def signed_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a webhook by the Standard Webhooks specification (standardwebhooks.com).

    Args:
        secret: `whsec_` and the key in base64, or any other text, which is the key itself.
        message_id: the same in every attempt to deliver the message.
        at_s: the time of this attempt, in seconds since 1970.
        body: what is sent.
    """
    signed = f"{message_id}.{at_s}.".encode() + body
    mark = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{mark}"}


def _cut(text: str) -> str:
    """Shorten text for a block, between two escapes, never inside of one."""
    if len(text) <= SLACK_TEXT_CHARS:
        return text
    return re.sub(r"&\w{0,4}$", "", text[: SLACK_TEXT_CHARS - 1]) + "…"


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            pass
    return secret.encode()
