"""Event streams: clients listen, and are notified that flags changed. It must not tell what changed.

A stream keeps one mark, "there is news", and no queue: however slow its client is, it needs the same memory. The id of
an event is the tag of the flags, so a client that was away sends the tag it knew (`Last-Event-ID`), to this process or
to another one, and is notified at once if that isn't the current one.

Each event is sent once more after a while: the client's next request can go to another process, which polls its source
a little later than this one. And flags whose rules know the time change without a new document.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from flagkit.web.asgi import Headers, Receive, Send

RETRY_MS: Final = 2_000
SEND_TIMEOUT_S: Final = 20.0
"""How long a client can leave what is sent to it unread before its stream is cut."""

CLOCK_S: Final = 60.0
"""How often clients of flags whose rules know the time fetch again."""

_HEARTBEAT: Final = b":\n\n"


class Streams:
    """The open streams of one server.

    Args:
        tag: tells the tag of the current flags.
        most: how many streams can be open at once.
        most_each: how many of one address can be open at once.
        heartbeat_s: seconds between two comments on a silent stream.
        repeat_s: seconds after which an event is sent once more; infinite for never.
        by_clock: tells whether the current flags change with the time.
    """

    def __init__(
        self,
        tag: Callable[[], str],
        *,
        most: int,
        most_each: int | None = None,
        heartbeat_s: float,
        repeat_s: float = math.inf,
        by_clock: Callable[[], bool] = lambda: False,
    ) -> None:
        self._tag = tag
        self._most = most
        self._most_each = most if most_each is None else most_each
        self._addresses: Counter[str] = Counter()
        self._heartbeat_s = heartbeat_s
        self._repeat_s = repeat_s
        self._by_clock = by_clock
        self._open: set[_Stream] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    def is_full(self, address: str = "") -> bool:
        """Whether no more streams can be opened, from this address."""
        return self._closing or len(self._open) >= self._most or self._addresses[address] >= self._most_each

    def notify(self) -> None:
        """Wake all streams, from any thread."""
        for stream in tuple(self._open):
            stream.wake()

    def close(self) -> None:
        """End all streams, from any thread: the server is stopping."""
        self._closing = True
        self.notify()

    async def serve(self, receive: Receive, send: Send, headers: Headers, known: str | None, address: str = "") -> None:
        """Serve one stream until its client is gone.

        Args:
            receive: ASGI's.
            send: ASGI's.
            headers: the headers of the answer.
            known: the tag that the client knows; None if it knows none.
            address: where the client is.
        """
        stream = _Stream(asyncio.get_running_loop())
        self._addresses[address] += 1
        self._open.add(stream)  # before anything is awaited, or many could come through `is_full` at once
        leaving = asyncio.ensure_future(_gone(receive, stream))
        try:
            await self._run(stream, send, headers, known)
        except (TimeoutError, OSError):
            pass  # the client doesn't read, or the connection is lost
        finally:
            self._open.discard(stream)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
            leaving.cancel()
            with suppress(asyncio.CancelledError):
                await leaving

    async def _run(self, stream: _Stream, send: Send, headers: Headers, known: str | None) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        loop = asyncio.get_running_loop()
        tag, repeat_at = known, math.inf
        if tag == self._tag():
            # An id without data is remembered by the client, and is no event.
            await _send(send, f"retry: {RETRY_MS}\nid: {tag}\n\n".encode("ascii"))
        while not stream.gone and not self._closing:
            stream.news.clear()
            current = self._tag()
            if current != tag or loop.time() >= repeat_at:
                repeat_at = loop.time() + self._repeat_s if current != tag else math.inf
                tag = current
                await _send(send, _event(tag))
            if self._by_clock():
                repeat_at = min(repeat_at, loop.time() + CLOCK_S)
            try:
                async with asyncio.timeout(min(self._heartbeat_s, repeat_at - loop.time())):
                    await stream.news.wait()
            except TimeoutError:
                if loop.time() < repeat_at:
                    await _send(send, _HEARTBEAT)
        if not stream.gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Stream:
    """One open stream."""

    __slots__ = ("_loop", "gone", "news")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.news = asyncio.Event()
        self.gone = False

    def wake(self) -> None:
        with suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self.news.set)


async def _gone(receive: Receive, stream: _Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.gone = True
    stream.news.set()


async def _send(send: Send, body: bytes) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(tag: str) -> bytes:
    text = f'retry: {RETRY_MS}\nid: {tag}\nevent: message\ndata: {{"type":"refetchEvaluation","etag":"{tag}"}}\n\n'
    return text.encode("ascii")
