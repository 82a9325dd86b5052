"""Signing in by a one-time address that the console prints, and the page that asks to sign in.

A session is a signed cookie. Which roles a person has is decided on every request, so nothing about them is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from itsdangerous import BadData, URLSafeSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from flagkit.console.access import needs
from flagkit.console.audit import AuditLog
from flagkit.console.csrf import SAFE_METHODS
from flagkit.console.identity import Identity, Role
from flagkit.console.rendering import render
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.web.token_settings import KeysUnavailableError

SESSION_S: Final = 12 * 3600.0
"""How long a session lasts, used or not."""

ADDRESS_S: Final = 3600.0
"""How long a one-time address waits for its use."""

SIGN_IN_PATH: Final = "/sign-in"
EVERYTHING: Final[Mapping[str, Role]] = {"*": Role.ADMIN}

_MAX_TARGET_CHARS = 2_000
_MAX_KEPT_FIELDS = 1_000


class SignIn(Protocol):
    """A way to sign in."""

    @property
    def sign_out(self) -> str | None:
        """The path that ends a session when a form is sent to it; None where sessions end elsewhere."""
        ...

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        """Return who sends a request; None if nobody is signed in."""
        ...

    async def ask(self, request: Request) -> Response:
        """Answer a request that needs somebody to be signed in; a form that was sent is kept."""
        ...

    def routes(self) -> Sequence[Route]:
        """Return the routes of the sign-in."""
        ...


class KnownPerson:
    """ASGI middleware that finds out who sends a request, for `needs` to decide on.

    Args:
        app: the console.
        sign_in: how people sign in.
        audit: where handlers write down what they change.
    """

    def __init__(self, app: ASGIApp, sign_in: SignIn, audit: AuditLog) -> None:
        self._app = app
        self._sign_in = sign_in
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with `state.identity`."""
        if scope["type"] == "http":
            known: dict[str, object] = {"identity": None, "sign_in": self._sign_in, "audit": self._audit}
            try:
                known["identity"] = await self._sign_in.identify(HTTPConnection(scope))
            except KeysUnavailableError:
                known["is_unknown"] = True
            scope = {**scope, "state": {**scope.get("state", {}), **known}}
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Session:
    """A session, as its cookie says.

    Attributes:
        id: no other session has it.
        name: the person's name.
        subject: see `Identity`.
        groups: the person's groups when the session began.
        expires_s: when it ends, in seconds since 1970.
    """

    id: str
    name: str
    subject: str
    groups: tuple[str, ...]
    expires_s: float


class Sessions:
    """The signed cookies.

    Args:
        key: signs; a new one at each start where None, which ends all sessions.
        is_https: whether the console is reached over https only.
        port: tells the cookies of consoles on one host apart: browsers don't.
        lifetime_s: how long a session lasts.
        clock: the machine's where None.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        is_https: bool = False,
        port: int | None = None,
        lifetime_s: float = SESSION_S,
        clock: Clock | None = None,
    ) -> None:
        self.cookie = "__Host-flagkit-console" if is_https else f"flagkit-console-{port or 80}"
        self._is_https = is_https
        self._lifetime_s = lifetime_s
        self._clock = SystemClock() if clock is None else clock
        self._signer = URLSafeSerializer(
            secrets.token_urlsafe(32) if key is None else key,
            salt="flagkit.console.session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, response: Response, name: str, subject: str, groups: Iterable[str] = ()) -> None:
        """Begin a session under a new id."""
        expires_s = self._clock.now().timestamp() + self._lifetime_s
        value = self._signer.dumps([secrets.token_urlsafe(16), name, subject, [*groups], expires_s])
        response.set_cookie(
            self.cookie,
            str(value),
            max_age=int(self._lifetime_s),
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="strict",
        )

    def read(self, connection: HTTPConnection) -> Session | None:
        """Return the session of a request, unless it is over, ended, or not one of ours."""
        try:
            made: Any = self._signer.loads(connection.cookies.get(self.cookie, ""))
            session = Session(str(made[0]), str(made[1]), str(made[2]), tuple(made[3]), float(made[4]))
        except (BadData, ValueError, TypeError, LookupError, RecursionError):
            return None
        is_over = self._clock.now().timestamp() >= session.expires_s
        return None if is_over or session.id in self._ended else session

    def end(self, connection: HTTPConnection) -> None:
        """End the session of a request, also where its cookie was copied."""
        session = self.read(connection)
        if session is None:
            return
        now_s = self._clock.now().timestamp()
        with self._lock:
            self._ended = {key: at_s for key, at_s in self._ended.items() if at_s > now_s}
            self._ended[session.id] = session.expires_s

    async def sign_out(self, request: Request) -> Response:
        """End the session, and go to the sign-in."""
        self.end(request)
        response = RedirectResponse(SIGN_IN_PATH, 303)
        response.delete_cookie(self.cookie, path="/", secure=self._is_https, httponly=True, samesite="strict")
        return response


class FixedSignIn:
    """Everybody who reaches the console is one person: for tests, and for nothing that others can reach."""

    sign_out = None

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def identify(self, connection: HTTPConnection) -> Identity | None:  # noqa: ARG002 - whoever it is
        """Return that person."""
        return self._identity

    async def ask(self, request: Request) -> Response:
        """Never called: somebody is always signed in."""
        raise NotImplementedError

    def routes(self) -> Sequence[Route]:
        """Return no routes."""
        return []


class LocalSignIn:
    """One person on the machine that runs the console: whoever can read what it prints.

    Args:
        base_url: the console's address, e.g. `http://127.0.0.1:8321`.
        announce: shows a one-time address where the console was started.
        name: returns who that is; the history shows it.
        sessions: the cookies.
        roles: what that person may do.
        clock: the machine's where None.
    """

    sign_out = "/sign-out"

    def __init__(
        self,
        base_url: str,
        announce: Callable[[str], object],
        name: Callable[[], str],
        sessions: Sessions,
        *,
        roles: Mapping[str, Role] = EVERYTHING,
        clock: Clock | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._announce = announce
        self._name = name
        self._sessions = sessions
        self._roles = roles
        self._clock = SystemClock() if clock is None else clock
        self._token = ""
        self._until_s = 0.0
        self._lock = threading.Lock()

    def address(self) -> str:
        """Return an address that signs in once; the one that waits for its use, as long as it is not too old."""
        with self._lock:
            if not self._token or self._clock.monotonic() >= self._until_s:
                self._token = secrets.token_urlsafe(32)
                self._until_s = self._clock.monotonic() + ADDRESS_S
            return f"{self._base_url}{SIGN_IN_PATH}?token={self._token}"

    def announce(self) -> None:
        """Show an address that signs in once."""
        self._announce(self.address())

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        """Return who sends a request, by its cookie."""
        session = self._sessions.read(connection)
        return None if session is None else Identity(session.name, self._roles, session.subject)

    async def ask(self, request: Request) -> Response:
        """Show how to sign in."""
        return await sign_in_page(request, "local")

    def routes(self) -> Sequence[Route]:
        """Return the routes of the sign-in."""
        return [
            Route(SIGN_IN_PATH, needs(None)(self._sign_in), methods=["GET"]),
            Route(f"{SIGN_IN_PATH}/address", needs(None)(self._print_address), methods=["POST"]),
            Route("/sign-out", needs(None)(self._sessions.sign_out), methods=["POST"]),
        ]

    async def _sign_in(self, request: Request) -> Response:
        target = local_target(request.query_params.get("next"))
        token = request.query_params.get("token")
        if request.method == "GET" and token and self._takes(token):
            self._sessions.end(request)
            name = await run_in_threadpool(self._name)
            request.state.audit.write(who=name, action="sign in", outcome="done")
            response = RedirectResponse(target, 303)
            self._sessions.start(response, name, name)
            return response
        if token:
            request.state.audit.write(action="sign in", outcome="refused")
        return await sign_in_page(request, "local", problem="used" if token else "", target=target)

    async def _print_address(self, request: Request) -> Response:
        self.announce()
        return await sign_in_page(request, "local", problem="printed", target="/", status=200)

    def _takes(self, token: str) -> bool:
        """Take the token, if it is the one that waits; it works once."""
        with self._lock:
            is_right = hmac.compare_digest(token.encode(), self._token.encode())
            if not (self._token and is_right and self._clock.monotonic() < self._until_s):
                return False
            self._token = ""
            return True


def local_target(text: str | None) -> str:
    """Return where to go after signing in: a path of the console, whatever an address asks for."""
    if text is None or len(text) > _MAX_TARGET_CHARS or not text.startswith("/"):
        return "/"
    if text[1:2] in {"/", "\\"} or not text.isprintable() or "\\" in text:
        return "/"
    return text


async def sign_in_page(
    request: Request, kind: str, *, problem: str = "", target: str | None = None, status: int = 401
) -> Response:
    """Show how to sign in, and what was sent, to be sent again."""
    kept: list[tuple[str, str]] = []
    left_out = 0
    is_form = target is None and request.method not in SAFE_METHODS
    if is_form:
        async with request.form(max_fields=_MAX_KEPT_FIELDS, max_files=20) as form:
            kept = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
            left_out = len(form.multi_items()) - len(kept)
    if target is None:
        target = local_target(_own_target(request))
    if getattr(request.state, "is_unknown", False):
        problem, status = "unknown", 503
    context = {
        "kind": kind,
        "problem": problem,
        "target": target,
        "is_form": is_form,
        "kept": kept,
        "left_out": left_out,
    }
    response = render(request, "sign_in.html", context, status=status)
    response.headers["cache-control"] = "no-store"
    response.headers["hx-retarget"] = "body"  # a part of a page can't hold it
    response.headers["hx-reswap"] = "innerHTML"
    return response


def _own_target(request: Request) -> str:
    """The target of a request, as it was asked for; Starlette's URL has it decoded."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"], safe="/:@!$&'()*+,;=~-._") + (f"?{query}" if query else "")
