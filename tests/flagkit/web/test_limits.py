"""Limits that servers share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flagkit.web.asgi import DisconnectedError, RefusedRequestError, caller_address, path_of, read_body, respond
from flagkit.web.limits import MOST_CALLERS, BodyLimit, RateLimit


def parts_of(*parts: dict[str, Any]) -> Any:
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_body_in_parts_is_read_whole() -> None:
    receive = parts_of(body(b"a", more=True), body(b"", more=True), body(b"b"))
    assert asyncio.run(read_body({"headers": []}, receive)) == b"ab"


def test_a_body_that_is_too_large_or_slow_or_lost_is_refused() -> None:
    async def run(receive: Any, **limits: Any) -> bytes:
        return await read_body({"headers": []}, receive, **limits)

    with pytest.raises(RefusedRequestError) as large:
        asyncio.run(run(parts_of(body(b"abc", more=True), body(b"def")), limit=5))
    with pytest.raises(RefusedRequestError) as slow:
        asyncio.run(run(parts_of(body(b"a", more=True)), timeout_s=0.001))
    with pytest.raises(DisconnectedError):
        asyncio.run(run(parts_of(body(b"a", more=True), {"type": "http.disconnect"})))
    assert (large.value.status, slow.value.status) == (413, 408)
    assert large.value.headers == slow.value.headers == [(b"connection", b"close")]


def answered(app: Any, receive: Any, **scope: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "headers": [], **scope}, receive, send))
    return sent


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        first = await receive()
        await respond(send, 200, first["body"] + (await receive())["type"].encode(), [(b"x-frame-options", b"OWN")])
    else:
        await send({"type": scope["type"]})


def test_an_app_gets_the_whole_body_or_nothing() -> None:
    app = BodyLimit(echo, limit=3)
    receive = parts_of(body(b"a", more=True), body(b"b"), {"type": "http.disconnect"})
    assert answered(app, receive)[1]["body"] == b"abhttp.disconnect"
    assert answered(app, parts_of(body(b"abcd")))[0]["status"] == 413
    assert answered(app, parts_of({"type": "http.disconnect"})) == []
    assert answered(app, None, type="lifespan") == [{"type": "lifespan"}]


def test_each_caller_has_its_own_bucket() -> None:
    limit = RateLimit(2.0, 3)
    assert [limit.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert limit.wait_s("b", 0.0) == 0
    assert [limit.wait_s("a", 1.0) for _ in range(3)] == [0, 0, 1]
    assert limit.wait_s("a", 0.5) == 1  # a clock that goes back gives nothing
    assert [RateLimit(0.01, 1).wait_s("a", 0.0), RateLimit(0.01, 1).wait_s("a", 0.0)] == [0, 0]


def test_the_memory_for_callers_is_bounded() -> None:
    limit = RateLimit(1.0, 1)
    for number in range(MOST_CALLERS + 100):
        limit.wait_s(str(number), 0.0)
    assert len(limit._buckets) == MOST_CALLERS


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "wanted"),
    [
        (("192.0.2.1", 1), "9.9.9.9", 0, "192.0.2.1"),
        (("192.0.2.1", 1), "9.9.9.9, 8.8.8.8", 1, "8.8.8.8"),
        (("192.0.2.1", 1), "9.9.9.9, 8.8.8.8", 2, "9.9.9.9"),
        (("192.0.2.1", 1), "9.9.9.9", 2, "192.0.2.1"),
        (("192.0.2.1", 1), "", 1, "192.0.2.1"),
        (("2001:db8:1:2:3::4", 1), "", 0, "2001:db8:1:2::/64"),
        (("2001:db8:1:2::9%eth0", 1), "", 0, "2001:db8:1:2::/64"),
        (("192.0.2.1", 1), "9.9.9.9:1234", 1, "9.9.9.9"),
        (("192.0.2.1", 1), "[2001:db8:1:2::1]:1234", 1, "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.1", 1), "", 0, "192.0.2.1"),
        (("192.0.2.1", 1), "unknown", 1, "unknown"),
        (None, "", 0, ""),
    ],
)
def test_the_address_of_a_caller(client: Any, forwarded: str, proxies: int, wanted: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert caller_address({"client": client, "headers": headers}, proxies) == wanted


def test_the_path_below_a_mount() -> None:
    assert path_of({"path": "/flags/x", "root_path": "/flags"}) == "/x"
    assert path_of({"path": "/flags", "root_path": "/flags"}) == ""
    assert path_of({"path": "/flagsx", "root_path": "/flags"}) == "/flagsx"
    assert path_of({"path": "/x"}) == "/x"
