"""Security headers of pages and answers, as ASGI middleware. It must not know any page."""

from __future__ import annotations

from typing import Final

from flagkit.web.asgi import App, Headers, Message, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""A page's own files only: no inline script or style, no frame around it, no form to another site."""

ALWAYS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


class SecurityHeaders:
    """Adds to each answer the headers that it lacks.

    Args:
        app: the app.
        policy: the Content-Security-Policy.
    """

    def __init__(self, app: App, policy: str = PAGE_POLICY) -> None:
        self._app = app
        self._headers: Headers = [*ALWAYS, (b"content-security-policy", policy.encode("ascii"))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [item for item in self._headers if item[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with)
