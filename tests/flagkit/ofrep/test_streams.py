"""Event streams: what listens, when it is notified, and that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flagkit.ofrep.streams import Streams
from flagkit.web import asgi
from tests.flagkit.ofrep.conftest import BULK, OFF, Server, document, on

EVENTS = "/ofrep/v1/events"
KEY, OTHER_KEY = "k1-0123456789abcdef", "k2-0123456789abcdef"


class Listener:
    """A client of a stream, in the loop of the test."""

    def __init__(self, app: Any, headers: dict[str, str] | None = None, path: str = EVENTS) -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.leaving = asyncio.Event()
        url, _, query = path.partition("?")
        given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "GET", "path": url, "query_string": query.encode(), "headers": given}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.parts.put(dict(message))

    async def start(self) -> dict[str, Any]:
        return await self.parts.get()

    async def text(self) -> str:
        return (await self.parts.get())["body"].decode()

    async def leave(self) -> None:
        self.leaving.set()
        await self.task


def fields(event: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.splitlines() if ": " in line)


def test_a_client_is_notified_of_a_change_without_its_content(server: Server) -> None:
    async def run() -> None:
        listener = Listener(server.app)
        start = await listener.start()
        assert (start["status"], dict(start["headers"])[b"content-type"]) == (200, b"text/event-stream")
        first = fields(await listener.text())
        # What changed between its first evaluation and this stream would be lost, so it asks once more.
        assert first["data"] == f'{{"type":"refetchEvaluation","etag":"{first["id"]}"}}'
        await asyncio.to_thread(server.deploy, document({"plain": {"enabled": False}}))
        second = fields(await listener.text())
        assert second["id"] != first["id"]
        assert second["event"] == "message"
        assert "plain" not in str(second)
        await listener.leave()
        assert len(server.app.streams) == 0

    asyncio.run(run())


def test_a_change_of_other_flags_wakes_nobody(server: Server) -> None:
    async def run() -> None:
        listener = Listener(server.app)
        await listener.start()
        first = fields(await listener.text())
        values = {"plain": {"enabled": True}}
        await asyncio.to_thread(server.deploy, document({**values, "secret": {"enabled": False}}))
        second = fields(await listener.text())
        await asyncio.to_thread(server.deploy, document({**values, "secret": {"enabled": True}}))
        await asyncio.to_thread(server.deploy, document({"plain": {"enabled": False}}))
        third = fields(await listener.text())
        assert len({first["id"], second["id"], third["id"]}) == 3
        assert listener.parts.empty()
        await listener.leave()

    asyncio.run(run())


def test_a_client_that_was_away_is_notified_at_once(server: Server) -> None:
    async def run() -> None:
        listener = Listener(server.app)
        await listener.start()
        known = fields(await listener.text())["id"]
        await listener.leave()
        again = Listener(server.app, {"Last-Event-ID": known})
        await again.start()
        unchanged = fields(await again.text())
        assert (unchanged["id"], "data" in unchanged) == (known, False)
        await again.leave()
        server.deploy(document({"plain": {"enabled": False}}))
        late = Listener(server.app, {"Last-Event-ID": known})
        await late.start()
        event = fields(await late.text())
        assert "refetchEvaluation" in event["data"]
        assert event["id"] != known
        await late.leave()

    asyncio.run(run())


def test_two_servers_of_the_same_flags_have_the_same_ids(serve: Callable[..., Server]) -> None:
    assert serve().app._view.tag == serve().app._view.tag
    assert serve(document({"plain": {"enabled": False}})).app._view.tag != serve().app._view.tag


def test_a_silent_stream_is_kept_open(serve: Callable[..., Server]) -> None:
    server = serve(heartbeat_s=0.001)

    async def run() -> None:
        listener = Listener(server.app)
        await listener.start()
        await listener.text()
        assert await listener.text() == ":\n\n"
        await listener.leave()

    asyncio.run(run())


def test_so_many_streams_and_no_more(serve: Callable[..., Server]) -> None:
    server = serve(max_streams=2)

    async def run() -> None:
        listeners = [Listener(server.app) for _ in range(3)]
        starts = [await listener.start() for listener in listeners]
        assert sorted(start["status"] for start in starts) == [200, 200, 429]
        refused = next(start for start in starts if start["status"] == 429)
        assert dict(refused["headers"])[b"retry-after"] == b"30"
        for listener in listeners:
            await listener.leave()
        other = Listener(server.app)
        assert (await other.start())["status"] == 200
        await other.leave()

    asyncio.run(run())


def test_one_address_can_not_take_all_streams(serve: Callable[..., Server]) -> None:
    server = serve(streams_per_address=1, trusted_proxies=1)

    async def run() -> None:
        listeners = [
            Listener(server.app, {"X-Forwarded-For": address}) for address in ("1.1.1.1", "1.1.1.1", "2.2.2.2")
        ]
        assert [(await listener.start())["status"] for listener in listeners] == [200, 429, 200]
        for listener in listeners:
            await listener.leave()
        again = Listener(server.app, {"X-Forwarded-For": "1.1.1.1"})
        assert (await again.start())["status"] == 200
        await again.leave()
        assert not server.app.streams._addresses

    asyncio.run(run())


def test_a_stopping_server_ends_its_streams(server: Server) -> None:
    async def run() -> None:
        listener = Listener(server.app)
        await listener.start()
        await listener.text()
        await asyncio.to_thread(server.app.close_streams)
        await listener.task
        assert (await listener.parts.get())["more_body"] is False
        assert (await Listener(server.app).start())["status"] == 429

    asyncio.run(run())


def test_an_event_is_sent_once_more_for_the_other_processes(server: Server) -> None:
    async def run() -> None:
        server.app.streams._repeat_s = 0.001
        listener = Listener(server.app)
        await listener.start()
        first = await listener.text()
        assert await listener.text() == first
        assert listener.parts.empty()
        await listener.leave()

    asyncio.run(run())


def test_clients_of_rules_that_know_the_time_fetch_again_and_again(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flagkit.ofrep.streams.CLOCK_S", 0.001)
    timed = {"_variants": [on("on", "(gt $now 2027-01-01T00:00:00Z)"), OFF]}
    local = {"_variants": [on("on", "(eq $'weekday@Europe/Berlin' \"Mon\")"), OFF]}
    assert not serve().app._view.changes_with_time
    assert serve(document({"local": local})).app._view.changes_with_time
    server = serve(document({"timed": timed}))

    async def run() -> None:
        listener = Listener(server.app)
        await listener.start()
        events = [await listener.text() for _ in range(3)]
        assert events[0] == events[1] == events[2]
        await listener.leave()

    asyncio.run(run())


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError()])
def test_a_client_that_does_not_read_is_cut_off(error: Exception) -> None:
    async def run() -> None:
        streams = Streams(lambda: "tag", most=1, heartbeat_s=60)
        never = asyncio.Event()

        async def receive() -> asgi.Message:
            await never.wait()
            return {}

        async def send(message: asgi.Message) -> None:
            if message["type"] == "http.response.body":
                raise error

        await streams.serve(receive, send, [], None)
        assert len(streams) == 0

    asyncio.run(run())


def test_a_stream_of_a_loop_that_has_ended_harms_nobody(server: Server) -> None:
    loop = asyncio.new_event_loop()

    async def leave_it_open() -> Listener:
        listener = Listener(server.app)
        await listener.start()
        await listener.text()
        return listener

    listener = loop.run_until_complete(leave_it_open())
    stream = next(iter(server.app.streams._open))
    listener.task.cancel()
    loop.run_until_complete(asyncio.gather(listener.task, return_exceptions=True))
    loop.close()
    server.app.streams._open.add(stream)
    server.deploy(document({"plain": {"enabled": False}}))


def test_streams_can_be_switched_off(serve: Callable[..., Server]) -> None:
    server = serve(streams=False)
    assert "eventStreams" not in server.ask(BULK).json
    assert server.ask(EVENTS, method="GET").status == 404


def test_a_stream_needs_the_pass_of_the_answer(serve: Callable[..., Server]) -> None:
    server = serve(api_keys=[KEY, OTHER_KEY])

    def path(key: str) -> str:
        answer = server.ask(BULK, headers={"X-API-Key": key}).json
        return str(answer["eventStreams"][0]["endpoint"]["requestUri"])

    assert path(KEY) != path(OTHER_KEY)
    assert KEY not in path(KEY)
    for wrong in (EVENTS, f"{EVENTS}?pass=", f"{path(KEY)[:-1]}", f"{EVENTS}?pass=%FF%00"):
        assert server.ask(wrong, method="GET").status == 401

    async def run() -> None:
        listener = Listener(server.app, path=paths[0])
        assert (await listener.start())["status"] == 200
        await listener.leave()

    paths = [path(KEY)]
    asyncio.run(run())
    for url, join in (("https://events.example/e", "?"), ("https://events.example/e?channel=1", "&")):
        answer = serve(api_keys=[KEY], stream_url=url).ask(BULK, headers={"X-API-Key": KEY})
        assert answer.json["eventStreams"][0]["url"] == f"{url}{join}{paths[0].partition('?')[2]}"


def test_a_dropped_app_is_not_kept_alive(serve: Callable[..., Server]) -> None:
    import gc
    import weakref

    server = serve()
    dropped = weakref.ref(server.app)
    server.app = None
    gc.collect()
    assert dropped() is None
    server.deploy(document({"plain": {"_variants": [on("a", '(exists key::"x")'), OFF]}}))
