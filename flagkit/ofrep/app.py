"""The OFREP server as an ASGI app: who may ask, what is asked, and the answer. Flags are evaluated in `answers`.

It is bare ASGI: it has four paths, mounts in any framework, and needs none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Final, NoReturn, ParamSpec, TypeVar

from flagkit.client import Flags
from flagkit.core.context import Context
from flagkit.ofrep.answers import TARGETING_KEY, Caller, View, etag_of
from flagkit.ofrep.callers import Callers, Identity, Verifier
from flagkit.ofrep.settings import OfrepSettings
from flagkit.ofrep.streams import Streams
from flagkit.runtime.engine import engine_of
from flagkit.web.asgi import (
    DisconnectedError,
    Headers,
    Receive,
    RefusedRequestError,
    Scope,
    Send,
    caller_address,
    header,
    path_of,
    read_body,
    respond,
)
from flagkit.web.limits import RateLimit

logger = logging.getLogger("flagkit")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

BULK: Final = "/ofrep/v1/evaluate/flags"
SINGLE: Final = "/ofrep/v1/evaluate/flags/"
EVENTS: Final = "/ofrep/v1/events"
HEALTH: Final = "/health"

MAX_DEPTH: Final = 16
"""How deep a context can nest."""
MAX_ELEMENTS: Final = 1_000
"""How many elements its lists can have: each is converted to text, which a body of 30,000 would make slow."""
MAX_KEY_CHARS: Final = 512
_REPEAT_INTERVALS: Final = 1.25
"""After how many poll intervals every process of a fleet knows what one of them knows; with the jitter of polls."""
INACTIVITY_S: Final = 120
"""After how long in the background a client closes its stream; the default of OFREP."""

_COMMON: Final[Headers] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_JSON: Final[Headers] = [(b"content-type", b"application/json"), *_COMMON]
_EVENT_STREAM: Final[Headers] = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no"), *_COMMON]
_PREFLIGHT: Final[Headers] = [
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"Content-Type, If-None-Match, Authorization, X-API-Key, Last-Event-ID, Cache-Control",
    ),
    (b"access-control-max-age", b"7200"),
]


class OfrepApp:
    """An OFREP server: an ASGI app. Create it with `create_app`.

    Attributes:
        streams: the open event streams.
    """

    def __init__(self, flags: Flags, settings: OfrepSettings, verifier: Verifier | None = None) -> None:
        engine = engine_of(flags)
        self._flags = flags
        self._engine = engine
        self._settings = settings
        self._callers = Callers(settings, engine.store.user_key, engine.clock, verifier)
        self._origins = frozenset(origin.lower().encode("latin-1") for origin in settings.origins)
        self._limit = None if settings.rate_per_s is None else RateLimit(settings.rate_per_s, settings.burst)
        self._updating = threading.Lock()
        self._view = self._new_view()
        self._tails: dict[tuple[str, str], bytes] = {}
        self.streams = Streams(
            lambda: self._view.tag,
            most=settings.max_streams,
            most_each=settings.streams_per_address,
            heartbeat_s=settings.heartbeat_s,
            repeat_s=max(1.0, _REPEAT_INTERVALS * engine.poll_interval_s),
            by_clock=lambda: self._view.changes_with_time,
        )
        self._follow()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        cors = self._cors(scope)
        try:
            await self._answer(scope, receive, send, cors)
        except DisconnectedError:
            pass
        except RefusedRequestError as refusal:
            await respond(send, refusal.status, refusal.body, [*_JSON, *cors, *refusal.headers])
        except Exception as error:
            # The type only: an error's text can quote the request.
            logger.error("flagkit: an OFREP request failed (%s)", type(error).__name__)  # noqa: TRY400
            logger.debug("flagkit: an OFREP request failed", exc_info=True)
            await respond(send, 500, b'{"errorDetails":"internal error"}', [*_JSON, *cors])

    @property
    def visible(self) -> tuple[str, ...]:
        """The keys of the flags that clients can ask for."""
        return self._view.keys

    def bootstrap(self, user_id: str | None = None, context: Context | None = None) -> str:
        """Return the flags of a user as JSON, to write into a page, so that it starts with them.

        It is the same as a client's first answer, without the tag, and safe inside `<script type="application/json">`.

        Args:
            user_id: the user, the targeting key.
            context: the other attributes that rules can use.
        """
        known = {} if user_id is None else {TARGETING_KEY: user_id}
        flags = self._view.bulk(Caller(user_id, {**(context or {}), **known})).decode("ascii")
        return f'{{"flags":{flags}}}'.replace("<", "\\u003c").replace("&", "\\u0026")

    def close_streams(self) -> None:
        """End the event streams, from any thread: a server that stops waits for its open answers."""
        self.streams.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, cors: Headers) -> None:
        path, method = path_of(scope), scope["method"]
        if path == HEALTH:
            _allow(method, "GET, HEAD")
            await self._health(method, send, cors)
            return
        if self._limit is not None:
            self._count(self._limit, scope)
        key = path[len(SINGLE) :][:MAX_KEY_CHARS] if path.startswith(SINGLE) else None
        if key is None and path != BULK and not (path == EVENTS and self._settings.streams):
            _refuse(404, "There is nothing at this path.")
        if method == "OPTIONS":
            await self._preflight(send, cors)
        elif path == EVENTS:
            _allow(method, "GET")
            await self._stream(scope, receive, send, cors)
        else:
            _allow(method, "POST")
            identity = await self._callers.authenticate(scope["headers"])
            caller = self._callers.caller(identity, await self._context(scope, receive, key))
            if not self._view.is_ready:
                _refuse(500, "No flags have been loaded yet.", [(b"retry-after", b"5")])
            if key is None:
                await self._bulk(scope, send, cors, caller, identity)
            else:
                status, body = await self._evaluate(self._view.single, key, caller)
                await respond(send, status, body, [*_JSON, *cors])

    async def _bulk(self, scope: Scope, send: Send, cors: Headers, caller: Caller, identity: Identity) -> None:
        flags = await self._evaluate(self._view.bulk, caller)
        body = b"".join((b'{"flags":', flags, self._tail(scope, identity.stream_pass)))
        etag = etag_of(body).encode("ascii")
        if _matches(scope["headers"], etag):
            await respond(send, 304, b"", [(b"etag", etag), *_COMMON, *cors])
        else:
            await respond(send, 200, body, [(b"etag", etag), *_JSON, *cors])

    async def _evaluate(
        self, evaluate: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        # Evaluation takes microseconds; only the Agent as evaluator makes it wait.
        if self._flags.may_wait:
            return await asyncio.to_thread(evaluate, *args, **kwargs)
        return evaluate(*args, **kwargs)

    async def _context(self, scope: Scope, receive: Receive, key: str | None) -> dict[str, object]:
        settings = self._settings
        try:
            body = await read_body(scope, receive, limit=settings.body_limit, timeout_s=settings.body_timeout_s)
            return _read_context(body)
        except RefusedRequestError as refusal:
            named = {} if key is None else {"key": key}
            refusal.members = {**named, "errorCode": "INVALID_CONTEXT"}
            raise

    def _count(self, limit: RateLimit, scope: Scope) -> None:
        address = caller_address(scope, self._settings.trusted_proxies)
        wait_s = limit.wait_s(address, self._engine.clock.monotonic())
        if wait_s:
            _refuse(429, "Too many requests.", [(b"retry-after", str(wait_s).encode("ascii"))])

    async def _stream(self, scope: Scope, receive: Receive, send: Send, cors: Headers) -> None:
        self._callers.check_pass(scope.get("query_string", b""))
        address = caller_address(scope, self._settings.trusted_proxies)
        if self.streams.is_full(address):
            _refuse(429, "Too many streams are open.", [(b"retry-after", b"30")])
        known = header(scope["headers"], b"last-event-id")
        known_tag = None if known is None else known.decode("latin-1")
        await self.streams.serve(receive, send, [*_EVENT_STREAM, *cors], known_tag, address)

    def _tail(self, scope: Scope, stream_pass: str) -> bytes:
        """The end of a bulk answer: where to listen to changes."""
        if not self._settings.streams:
            return b"}"
        place = str(scope.get("root_path", "")), stream_pass
        tail = self._tails.get(place)
        if tail is None:
            url = self._settings.stream_url
            query = f"{'?' if url is None or '?' not in url else '&'}pass={stream_pass}" if stream_pass else ""
            stream: dict[str, object] = {"type": "sse", "inactivityDelaySec": INACTIVITY_S}
            if url is None:
                stream["endpoint"] = {"requestUri": f"{place[0]}{EVENTS}{query}"}
            else:
                stream["url"] = f"{url}{query}"
            tail = f',"eventStreams":{json.dumps([stream], separators=(",", ":"))}}}'.encode("ascii")
            if len(self._tails) < 1000:
                self._tails[place] = tail
        return tail

    async def _health(self, method: str, send: Send, cors: Headers) -> None:
        ready = self._view.is_ready
        body = b'{"status":"ok"}' if ready else b'{"status":"no flags"}'
        await respond(send, 200 if ready else 503, body if method == "GET" else b"", [*_JSON, *cors])

    def _cors(self, scope: Scope) -> Headers:
        """The headers that let a page of another origin read the answer, if it may."""
        if not self._origins:
            return []
        allowed = b"*"
        if b"*" not in self._origins:
            allowed = header(scope["headers"], b"origin") or b""
            if allowed.lower() not in self._origins:
                return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", b"ETag, Retry-After"),
            (b"vary", b"Origin"),
        ]

    async def _preflight(self, send: Send, cors: Headers) -> None:
        if len(cors) < 2:
            _refuse(403, "Pages of this origin may not ask.")
        await respond(send, 204, b"", [*cors, *_PREFLIGHT])

    def _new_view(self) -> View:
        engine = self._engine
        store = engine.store
        return View(store.snapshot, store.document, engine.unwatched, engine.watched, self._settings.visible)

    def _follow(self) -> None:
        """Use each new document as soon as it is there, without keeping a dropped app alive."""
        update = weakref.WeakMethod(self._update)

        def changed() -> None:
            method = update()
            if method is not None:
                method()

        weakref.finalize(self, self._engine.on_table(changed)).atexit = False
        self._update()  # what came since the first view

    def _update(self) -> None:
        with self._updating:
            before, self._view = self._view, self._new_view()
        if before.tag != self._view.tag:
            self.streams.notify()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.close_streams()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_app(flags: Flags, settings: OfrepSettings | None = None, *, verifier: Verifier | None = None) -> OfrepApp:
    """Create an OFREP server: an ASGI app, to serve or to mount.

    ```python
    flags = Flags.connect("appconfig://shop/production/flags")
    app = create_app(flags, OfrepSettings(origins=["https://shop.example"]))
    ```

    It answers only flags that are marked as client-visible (`flagkit describe KEY --client-visible`).

    Args:
        flags: the client that evaluates; it stays the caller's to close.
        settings: how the server behaves.
        verifier: verifies tokens in place of `settings.tokens`: an async method `verify(token)` that returns claims.
    """
    return OfrepApp(flags, OfrepSettings() if settings is None else settings, verifier)


def _read_context(body: bytes) -> dict[str, object]:
    if not body.strip():
        _refuse(400, "The body is empty: send a JSON object with a context.")
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        _refuse(400, f"The body nests deeper than {MAX_DEPTH}.")
    except ValueError:  # not UTF-8, or a number of thousands of digits, too
        _refuse(400, "The body is not valid JSON.")
    context = content.get("context") if isinstance(content, dict) else None
    if not isinstance(context, dict):
        _refuse(400, "The body must be a JSON object with an object `context`.")
    if not isinstance(context.get(TARGETING_KEY, ""), str):
        _refuse(400, f"{TARGETING_KEY} must be a string.")
    if _elements(context, MAX_DEPTH) > MAX_ELEMENTS:
        _refuse(400, f"The lists of the context have more than {MAX_ELEMENTS:,} elements.")
    return context


def _elements(value: dict[str, object] | list[object], depth: int) -> int:
    """How many elements the lists of a value have, together."""
    if depth == 0:
        _refuse(400, f"The context nests deeper than {MAX_DEPTH}.")
    items = value.values() if isinstance(value, dict) else value
    inside = sum(_elements(item, depth - 1) for item in items if isinstance(item, dict | list))
    return inside + (len(value) if isinstance(value, list) else 0)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _matches(headers: Headers, etag: bytes) -> bool:
    """Whether the client has this answer. A proxy that compresses marks the tag as weak (`W/`)."""
    given = [value for name, value in headers if name == b"if-none-match"]
    return any(tag.strip().removeprefix(b"W/") in {etag, b"*"} for value in given for tag in value.split(b","))


def _allow(method: str, allowed: str) -> None:
    if method not in allowed.split(", "):
        _refuse(405, f"Use {allowed}.", [(b"allow", allowed.encode("ascii"))])


def _refuse(status: int, details: str, headers: Headers | None = None) -> NoReturn:
    raise RefusedRequestError(status, details, headers)
