"""Refuses answers of AWS that ended early. It must not read what an answer says.

When a connection ends in the middle of a JSON body, botocore returns an answer without any members, as if a list were
empty.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.parsers import ResponseParserError


def refuse_cut_answers(client: Any) -> None:
    """Let a client raise botocore's `ResponseParserError` for an answer that did not arrive as a whole."""
    client.meta.events.register("after-call", _check)


def _check(http_response: Any, model: Any, **_: object) -> None:
    if http_response.status_code >= 300 or model.has_streaming_output:
        return  # an error is known by its status; the reader of a stream sees its end
    content, headers = http_response.content, http_response.headers
    expected = headers.get("Content-Length")
    if expected is not None and "Content-Encoding" not in headers and len(content) != int(expected):
        raise ResponseParserError(f"the answer ended early: {len(content):,} of {int(expected):,} bytes")
    if content and "json" in headers.get("Content-Type", ""):
        try:
            json.loads(content)
        except ValueError as error:
            raise ResponseParserError(f"the answer is not JSON: {error}") from None
