"""The caller of ASGI requests: Starlette, FastAPI, Django under ASGI, Quart. It imports none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from flagkit.frameworks.caller import Caller, caller_is, current_caller
from flagkit.frameworks.observed import Request

if TYPE_CHECKING:
    from flagkit.outcomes.recorder import Outcomes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class FlagsASGIMiddleware:
    """Sets the caller of each request: `app.add_middleware(FlagsASGIMiddleware, read=my_caller)`.

    Args:
        app: the application.
        read: from the scope to the caller, called when a flag first needs it, so that what inner middleware has added
            to the scope (`scope["user"]`, `scope["state"]`) is available; `caller_from_scope` if None.
        outcomes: where HTTP requests that fail (status 500 and above) or are slow are recorded for their users; what
            waits is sent when the server shuts down.
    """

    def __init__(
        self, app: App, read: Callable[[Scope], Caller] | None = None, outcomes: Outcomes | None = None
    ) -> None:
        self._app = app
        self._outcomes = outcomes
        self._read = caller_from_scope if read is None else read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" and self._outcomes is not None:
            await self._app(scope, receive, _flushing(self._outcomes, send))
            return
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with caller_is(lambda: self._read(scope)):
            if self._outcomes is None or scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            request = Request(self._outcomes, lambda: current_caller().user_id)

            async def observe(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    request.status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, observe)
            except Exception:
                request.status = 500
                raise
            finally:
                request.end()


def _flushing(outcomes: Outcomes, send: Send) -> Send:
    """Send the outcomes that wait before the application says that it has shut down: servers end by a signal then."""

    async def flush(message: MutableMapping[str, Any]) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            await asyncio.to_thread(outcomes.flush)
        await send(message)

    return flush


def caller_from_scope(scope: Scope) -> Caller:
    """Return the user of Starlette's AuthenticationMiddleware, the path and the method; no headers."""
    user = scope.get("user")
    context: dict[str, object] = {"path": scope.get("path"), "method": scope.get("method")}
    if user is None or not getattr(user, "is_authenticated", False):
        return Caller(None, context)
    try:
        return Caller(str(user.identity), context)
    except NotImplementedError:  # Starlette's SimpleUser has a name, but no identity
        return Caller(None, context)
