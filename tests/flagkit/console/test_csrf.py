"""Only the console's own pages change something, and only under its own host names."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flagkit.console.csrf import OwnRequestsOnly

BASE = "http://127.0.0.1:8321"


async def _app(scope: object, receive: object, send: object) -> None:
    request = Request(scope)  # type: ignore[arg-type]
    response: Response = PlainTextResponse(request.method)
    await response(scope, receive, send)  # type: ignore[arg-type]


CLIENT = TestClient(OwnRequestsOnly(_app), base_url=BASE)


@pytest.mark.parametrize("method", ["POST", "DELETE", "BREW"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Sec-Fetch-Site", "same-origin")], 200),
        ([("Sec-Fetch-Site", "none")], 200),
        ([("Sec-Fetch-Site", "same-site"), ("Origin", BASE)], 403),
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", BASE)], 403),
        ([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Origin", BASE)], 200),
        ([("Origin", "http://127.0.0.1:9000")], 403),
        ([("Origin", "http://127.0.0.1")], 403),
        ([("Origin", "http://127.0.0.1:8321.evil.example")], 403),
        ([("Origin", "http://127.0.0.1:8321@evil.example")], 403),
        ([("Origin", "null")], 403),
        ([("Origin", "http://[evil")], 403),
        ([("Origin", BASE), ("Origin", "https://evil.example")], 403),
        ([("Referer", BASE + "/")], 403),
        ([], 403),
    ],
)
def test_a_change_comes_from_a_page_of_the_console(method: str, headers: list[tuple[str, str]], status: int) -> None:
    assert CLIENT.request(method, "/", headers=headers).status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_origin(method: str) -> None:
    assert CLIENT.request(method, "/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8321", 200),
        ("LOCALHOST", 200),
        ("[::1]:8321", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:127.0.0.1", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_another_host_name_is_refused(host: str, status: int) -> None:
    assert CLIENT.get("/", headers={"Host": host}).status_code == status
    assert CLIENT.get("/healthz", headers={"Host": host}).status_code == 200


def test_two_hosts_are_refused() -> None:
    assert CLIENT.get("/", headers=[("Host", "127.0.0.1"), ("Host", "localhost")]).status_code == 421


async def _never(*_: object) -> None:
    raise AssertionError("the web socket was passed on")


def test_web_sockets_are_closed() -> None:
    with pytest.raises(WebSocketDisconnect) as closed, TestClient(OwnRequestsOnly(_never)).websocket_connect("/"):
        pass
    assert closed.value.code == 1008
