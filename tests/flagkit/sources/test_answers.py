"""An answer of AWS counts only as a whole; what botocore makes of a part of it looks like an empty answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.hooks import HierarchicalEmitter
from botocore.parsers import ResponseParserError

from flagkit.admin.identity import UNKNOWN, aws_caller
from flagkit.sources.answers import refuse_cut_answers


def answer(content: bytes, *, status: int = 200, streams: bool = False, **headers: str) -> None:
    emitter = HierarchicalEmitter()
    refuse_cut_answers(SimpleNamespace(meta=SimpleNamespace(events=emitter)))
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


def test_a_caller_that_cannot_be_read_is_unknown() -> None:
    def get_caller_identity() -> None:
        raise ResponseParserError("the answer was cut")

    session: Any = SimpleNamespace(client=lambda *_, **__: SimpleNamespace(get_caller_identity=get_caller_identity))
    assert aws_caller(session).arn == UNKNOWN
