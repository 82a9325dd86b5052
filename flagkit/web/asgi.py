"""ASGI in types, and the reading of a request: its path, its headers, its body. It must not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from ipaddress import ip_address, ip_network
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

BODY_LIMIT: Final = 65_536
BODY_TIMEOUT_S: Final = 10.0
_CLOSE: Final[Headers] = [(b"connection", b"close")]
"""What is left of the body is not read, so the connection can't be used again."""


class RefusedRequestError(Exception):
    """A request that gets no answer but this.

    Attributes:
        status: the HTTP status.
        details: one sentence; the answer has no body if it is empty.
        headers: further headers of the answer.
        members: further members of the body.
    """

    def __init__(self, status: int, details: str = "", headers: Headers | None = None) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.headers: Headers = headers or []
        self.members: Mapping[str, str] = {}

    @property
    def body(self) -> bytes:
        """The answer as JSON."""
        if not self.details:
            return b""
        return json.dumps({**self.members, "errorDetails": self.details}, separators=(",", ":")).encode("ascii")


class DisconnectedError(Exception):
    """The client is gone; nobody reads an answer."""


def path_of(scope: Scope) -> str:
    """Return the path below the place where an app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the first header of a name, which is in lower case."""
    return next((value for found, value in headers if found == name), None)


def caller_address(scope: Scope, trusted_proxies: int = 0) -> str:
    """Return the address that a request came from; an IPv6 address stands for its network of 64 bits.

    Args:
        scope: the request.
        trusted_proxies: how many proxies of one's own the request passed. Each adds the address that it saw to the end
            of X-Forwarded-For; what is before that is written by the client, and is not read.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if trusted_proxies:
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in ",".join(lines).split(",")]
        if len(hops) >= trusted_proxies:
            address = hops[-trusted_proxies] or address
    return _network(address)


def _network(address: str) -> str:
    """An address without the port that some proxies write; of IPv6 the network that one customer has."""
    bare = address[1:].partition("]")[0] if address.startswith("[") else address
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return bare[:64]
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(ip_network((found, 64), strict=False)) if mapped is None else str(mapped)


async def read_body(
    scope: Scope, receive: Receive, *, limit: int = BODY_LIMIT, timeout_s: float = BODY_TIMEOUT_S
) -> bytes:
    """Return the body of a request.

    Raises:
        RefusedRequestError: it is larger than `limit` bytes (413), or not complete in time (408).
        DisconnectedError: the client is gone.
    """
    length = header(scope["headers"], b"content-length")
    if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > limit):
        raise RefusedRequestError(413, f"The body is larger than {limit} bytes.", _CLOSE)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit)
    except TimeoutError:
        raise RefusedRequestError(408, f"The body was not complete within {timeout_s:g} s.", _CLOSE) from None


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise RefusedRequestError(413, f"The body is larger than {limit} bytes.", _CLOSE)
        if part:
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole answer."""
    if status not in {204, 304}:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
