"""An answer of AWS counts only as a whole; what botocore makes of a part of it looks like an empty answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from botocore.hooks import HierarchicalEmitter
from botocore.parsers import ResponseParserError

from flagkit.admin.identity import UNKNOWN, aws_caller
from flagkit.sources.answers import ANSWER_LIMIT, refuse_odd_answers


def answer(content: bytes, *, status: int = 200, streams: bool = False, **headers: str) -> None:
    emitter = HierarchicalEmitter()
    endpoint = SimpleNamespace(http_session=SimpleNamespace(send=None))
    refuse_odd_answers(SimpleNamespace(meta=SimpleNamespace(events=emitter), _endpoint=endpoint))
    emitter.emit(
        "after-call.appconfig.ListApplications",
        http_response=SimpleNamespace(
            status_code=status, content=content, headers={name.replace("_", "-"): it for name, it in headers.items()}
        ),
        model=SimpleNamespace(has_streaming_output=streams),
        parsed={},
        context={},
    )


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (b'{"Items": [', {"Content_Length": "20"}),
        (b"", {"Content_Length": "20"}),
        (b'{"Items": [', {"Content_Type": "application/json"}),
        (b"<html>", {"Content_Type": "application/json", "Content_Length": "6"}),
    ],
)
def test_a_part_of_an_answer_is_refused(content: bytes, more: dict[str, str]) -> None:
    with pytest.raises(ResponseParserError):
        answer(content, **more)


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (b"{}", {"Content_Length": "2", "Content_Type": "application/json"}),
        (b"{}", {}),
        (b"", {"Content_Length": "0", "Content_Type": "application/json"}),
        (b"unzipped", {"Content_Length": "5", "Content_Encoding": "gzip"}),
        (b"<a/>", {"Content_Length": "4", "Content_Type": "text/xml"}),
        (b"{", {"Content_Length": "9", "status": 500}),
        (b"{", {"Content_Length": "9", "streams": True}),
    ],
)
def test_a_whole_answer_an_error_and_a_stream_are_taken(content: bytes, more: dict[str, Any]) -> None:
    answer(content, **more)


class Endless:
    """A body that doesn't end, or breaks off."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent, self.error, self.is_closed = 0, error, False

    def stream(self) -> Iterator[bytes]:
        while self.error is None:
            self.sent += 1_000_000
            yield b" " * 1_000_000
        raise self.error

    def close(self) -> None:
        self.is_closed = True


def client_that_gets(body: Endless, status: int) -> Any:
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.Session("key", "secret", region_name="us-east-1").client("lambda", config=once)
    client._endpoint.http_session = SimpleNamespace(
        send=lambda request: AWSResponse(request.url, status, {}, cast("Any", body))
    )
    refuse_odd_answers(client)
    return client


@pytest.mark.parametrize(("operation", "status"), [("list_aliases", 200), ("list_aliases", 400), ("invoke", 404)])
def test_an_answer_without_end_is_read_up_to_the_limit(operation: str, status: int) -> None:
    body = Endless()
    with pytest.raises(HTTPClientError, match="larger than 32,000,000 bytes"):
        getattr(client_that_gets(body, status), operation)(FunctionName="f")
    assert body.is_closed
    assert body.sent == ANSWER_LIMIT + 1_000_000


def test_the_body_of_a_stream_is_left_to_its_reader() -> None:
    body = Endless()
    assert client_that_gets(body, 200).invoke(FunctionName="f")["StatusCode"] == 200
    assert not body.sent


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(HTTPClientError, match="reset"):
        client_that_gets(Endless(OSError("reset")), 200).list_functions()


def test_a_caller_that_cannot_be_read_is_unknown() -> None:
    def get_caller_identity() -> None:
        raise ResponseParserError("the answer was cut")

    session: Any = SimpleNamespace(client=lambda *_, **__: SimpleNamespace(get_caller_identity=get_caller_identity))
    assert aws_caller(session).arn == UNKNOWN
