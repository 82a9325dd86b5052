"""Refuses requests that another site's page makes a browser send, and host names that aren't the console's.

Both are checked before anything else looks at a request. There is no token in forms: browsers say where a request
comes from (`Sec-Fetch-Site`, `Origin`), and a page can't change what they say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; handlers must keep to it."""

LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

HEALTH_PATH: Final = "/healthz"
"""Asked by load balancers under the address of the machine, so it takes any host name."""


class OwnRequestsOnly:
    """ASGI middleware that lets only the console's own pages change something.

    Args:
        app: the console.
        hosts: host names under which it is reached, without port; a browser that was led here under another name
            (DNS rebinding) is refused.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOCAL_HOSTS) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or 421, or pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the console has no web sockets, which no page is kept from opening
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        if scope["path"] != HEALTH_PATH and not self._is_ours(headers):
            response = PlainTextResponse("This is not a host name of the console.\n", 421)
        elif scope["method"] not in SAFE_METHODS and not came_from_here(headers):
            response = PlainTextResponse("This request does not come from a page of the console.\n", 403)
        else:
            await self._app(scope, receive, send)
            return
        await response(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and host_name(hosts[0]) in self._hosts


def host_name(host: str) -> str:
    """Return a Host header without its port."""
    text = host.lower()
    if text.startswith("["):
        return text[: text.find("]") + 1]
    return text.partition(":")[0]


def came_from_here(headers: Headers) -> bool:
    """Tell whether a browser says that a page of this origin sent a request.

    `Sec-Fetch-Site` counts where it is sent: `none` is a person's own doing. Older browsers, and pages that aren't
    encrypted, send `Origin` only. A request with neither is refused, as is a header that is sent twice.
    """
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    if sites:
        return len(sites) == 1 and sites[0] in {"same-origin", "none"}
    if len(origins) != 1:
        return False
    try:
        parts = urlsplit(origins[0])
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == headers.get("host", "").lower()
