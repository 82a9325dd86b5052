"""Requests that fail or are slow are outcomes of their users, in every integration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flagkit import Flags, StaticSource
from flagkit.frameworks import Caller, FlagsASGIMiddleware, FlagsWSGIMiddleware, for_events, for_request
from flagkit.frameworks.django import middleware_for
from flagkit.outcomes import MemoryStore, Outcomes
from flagkit.testing import VirtualClock

USER = Caller("u")


class Shop:
    """A client with a store, a clock that a handler may advance, and what was counted."""

    def __init__(self) -> None:
        self.clock, self.store = VirtualClock(), MemoryStore()
        self.flags = Flags(StaticSource({"checkout": True}), clock=self.clock)
        self.outcomes = Outcomes(
            self.store, secret="s", experiments={"checkout"}, flush_interval_s=None, clock=self.clock
        )
        self.flags.report_to(self.outcomes)

    def work(self, seconds: float) -> None:
        for_request(self.flags).is_enabled("checkout")
        self.clock.advance(seconds)

    @property
    def bad(self) -> dict[str, int]:
        self.outcomes.flush()
        (row,) = self.store.rows("checkout")
        assert row.users == 1
        return dict(row.bad)


@pytest.fixture
def shop() -> Shop:
    return Shop()


CASES = [
    pytest.param(200, 0.0, {}, id="good"),
    pytest.param(404, 0.0, {}, id="not found"),
    pytest.param(503, 0.0, {"failed": 1}, id="failed"),
    pytest.param(200, 3.0, {"slow": 1}, id="slow"),
    pytest.param(None, 0.0, {"failed": 1}, id="raises"),
]


class BoomError(Exception):
    """What a handler raises."""


def wsgi(shop: Shop, status: int | None, seconds: float) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response(f"{status or 200} X", [])
        shop.work(seconds)
        if status is None:
            raise BoomError
        yield b""

    middleware = FlagsWSGIMiddleware(app, lambda environ: USER, shop.outcomes)
    body = middleware({}, lambda *_: None)
    try:
        list(body)
    finally:
        body.close()  # type: ignore[attr-defined]


def wsgi_function(shop: Shop, status: int | None, seconds: float) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        shop.work(seconds)
        if status is None:
            raise BoomError
        start_response(f"{status} X", [])
        return [b""]

    FlagsWSGIMiddleware(app, lambda environ: USER, shop.outcomes)({}, lambda *_: None).close()  # type: ignore[attr-defined]


def asgi(shop: Shop, status: int | None, seconds: float) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status or 200})
        shop.work(seconds)
        if status is None:
            raise BoomError
        await send({"type": "http.response.body"})

    async def send(message: Any) -> None: ...

    middleware = FlagsASGIMiddleware(app, lambda scope: USER, shop.outcomes)
    asyncio.run(middleware({"type": "http"}, None, send))  # type: ignore[arg-type]


def django(shop: Shop, status: int | None, seconds: float) -> None:
    def view(request: Any) -> Any:
        shop.work(seconds)
        if status is None:
            raise BoomError
        return SimpleNamespace(status_code=status)

    middleware_for(lambda request: USER, shop.outcomes)(view)(SimpleNamespace())


def django_async(shop: Shop, status: int | None, seconds: float) -> None:
    async def view(request: Any) -> Any:
        shop.work(seconds)
        if status is None:
            raise BoomError
        return SimpleNamespace(status_code=status)

    asyncio.run(middleware_for(lambda request: USER, shop.outcomes)(view)(SimpleNamespace()))


def aws_lambda(shop: Shop, status: int | None, seconds: float) -> None:
    @for_events(shop.flags, read=lambda event: USER)
    def handler(event: Any, context: Any) -> Any:
        shop.work(seconds)
        if status is None:
            raise BoomError
        return {"statusCode": status, "body": ""}

    handler({}, None)


@pytest.mark.parametrize(("status", "seconds", "bad"), CASES)
@pytest.mark.parametrize("framework", [wsgi, wsgi_function, asgi, django, django_async, aws_lambda])
def test_a_request_counts_for_its_user(
    shop: Shop, framework: Callable[[Shop, int | None, float], None], status: int | None, seconds: float, bad: object
) -> None:
    try:
        framework(shop, status, seconds)
    except BoomError:
        assert status is None
    assert shop.bad == bad


def test_an_answer_of_any_form_is_a_success_and_is_sent_at_the_end(shop: Shop) -> None:
    @for_events(shop.flags, read=lambda event: USER)
    def handler(event: Any, context: Any) -> str:
        shop.work(0.0)
        return "done"

    assert handler({}, None) == "done"
    assert [(row.users, row.bad) for row in shop.store.rows("checkout")] == [(1, {})]


def test_an_asgi_server_that_shuts_down_sends_what_waits(shop: Shop) -> None:
    sent: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message: Any) -> None:
        sent.append(f"{message['type']}: {len(shop.store.rows('checkout'))}")

    shop.flags.is_enabled("checkout", "u")
    asyncio.run(FlagsASGIMiddleware(app, outcomes=shop.outcomes)({"type": "lifespan"}, app, send))
    assert sent == ["lifespan.startup.complete: 0", "lifespan.shutdown.complete: 1"]
