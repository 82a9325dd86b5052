"""Limits of a server: requests by caller, and bodies by size and time. It must not know what is asked."""

from __future__ import annotations

import math
from typing import Final

from cachetools import LRUCache

from flagkit.web.asgi import (
    BODY_LIMIT,
    BODY_TIMEOUT_S,
    App,
    DisconnectedError,
    Message,
    Receive,
    RefusedRequestError,
    Scope,
    Send,
    read_body,
    respond,
)

MOST_CALLERS: Final = 10_000
"""How many callers are counted; the one that has been silent for longest is forgotten first."""


class RateLimit:
    """A token bucket for each caller.

    Args:
        per_s: requests in a second, over a longer time.
        burst: requests that a caller can make at once.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(MOST_CALLERS)

    def wait_s(self, caller: str, now_s: float) -> int:
        """Count a request; return 0 if it may pass, otherwise after how many whole seconds to try again."""
        level, at_s = self._buckets.get(caller, (self._burst, now_s))
        level = min(self._burst, level + max(0.0, now_s - at_s) * self._per_s)
        if level < 1.0:
            self._buckets[caller] = level, now_s
            return max(1, math.ceil((1.0 - level) / self._per_s))
        self._buckets[caller] = level - 1.0, now_s
        return 0


class BodyLimit:
    """ASGI middleware that reads the body of each request first, so that the app gets all of it or nothing.

    Args:
        app: the app.
        limit: bytes at most, else 413.
        timeout_s: how long a body can take, else 408.
    """

    def __init__(self, app: App, *, limit: int = BODY_LIMIT, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, limit=self._limit, timeout_s=self._timeout_s)
        except DisconnectedError:
            return
        except RefusedRequestError as refusal:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *refusal.headers]
            await respond(send, refusal.status, refusal.details.encode(), headers)
            return
        waiting = [body]

        async def replay() -> Message:
            if waiting:
                return {"type": "http.request", "body": waiting.pop(), "more_body": False}
            return await receive()

        await self._app(scope, replay, send)
