"""Refuses answers of AWS that ended early or don't end. It must not read what an answer says.

When a connection ends in the middle of a JSON body, botocore returns an answer without any members, as if a list were
empty; and it reads a body to its end, however long that is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from botocore.exceptions import ResponseStreamingError
from botocore.parsers import ResponseParserError

ANSWER_LIMIT: Final = 32_000_000
"""Bytes of an answer; the longest, a page of 100,800 points of GetMetricData in XML, has about 10 million."""


def refuse_odd_answers(client: Any) -> None:
    """Let a client raise botocore's errors for an answer that did not arrive as a whole, or is longer than any.

    `ResponseParserError` is a part, `ResponseStreamingError` too much. Streamed bodies are their readers' business.
    """
    client.meta.events.register("after-call", _check)
    session = client._endpoint.http_session  # noqa: SLF001  botocore has no event between the headers and the body
    session.send = partial(_send, session.send)


def _send(send: Callable[[Any], Any], request: Any) -> Any:
    is_streamed, request.stream_output = request.stream_output, True  # so that the body is left to us
    response = send(request)
    if not is_streamed or response.status_code >= 300:
        response.raw = _Limited(response.raw)
        _ = response.content  # read as botocore does, and kept
    return response


class _Limited:
    """The part of urllib3's response that botocore reads a whole body by."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def stream(self) -> Iterator[bytes]:
        length = 0
        try:
            for chunk in self._raw.stream():
                length += len(chunk)
                if length > ANSWER_LIMIT:
                    self._raw.close()
                    raise ValueError(f"the answer is larger than {ANSWER_LIMIT:,} bytes")  # noqa: TRY301
                yield chunk
        except Exception as error:
            raise ResponseStreamingError(error=error) from error


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
