"""HTTP GET to a process on this machine, one connection per request. It must not know flags.

Over a plain socket: httpx costs 197 ms of CPU at a cold start (decision 0004), and `http.client`, which loads `email`
and `ssl`, 14 ms, a third of what all of flagkit needs. HTTP/1.0 keeps it small: the answer ends with the connection,
and can't be chunked (RFC 9112 §6.1).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Ask = Callable[[str, Headers, float], Reply]
"""One GET: `(path, headers, timeout_s) -> Reply`; raises OSError if there is no answer."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 262_144


class LocalHttp:
    """Sends GET requests.

    Args:
        host: the server's name.
        port: the server's port.
        token: sent as `Authorization: Bearer`, if given.
    """

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self._host = host
        self._port = port
        self._own: Headers = (("Host", f"{host}:{port}"), ("Connection", "close"))
        if token is not None:
            self._own += (("Authorization", f"Bearer {token}"),)

    def __call__(self, path: str, headers: Headers, timeout_s: float) -> Reply:
        """Send one GET; `timeout_s` is the limit for the connection, and again for the whole answer.

        Raises:
            OSError: there is no answer, or it is not valid HTTP.
            ValueError: a header has a line break.
        """
        request = _request(path, (*self._own, *headers))
        with socket.create_connection((self._host, self._port), timeout_s) as connection:
            connection.sendall(request)
            return _reply(_received(connection, monotonic() + timeout_s))


def _request(path: str, headers: Headers) -> bytes:
    lines = (f"GET {path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers))
    if any(mark in line for line in lines for mark in "\r\n\0"):
        raise ValueError("a request line or header has a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _received(connection: socket.socket, until_s: float) -> bytes:
    content = bytearray()
    expected = MAX_REPLY_BYTES
    while len(content) < expected:
        # The rest of the time, for each piece: a slow trickle must not hold a read for ever.
        left_s = until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer takes too long")
        connection.settimeout(left_s)
        piece = connection.recv(_PIECE_BYTES)
        if not piece:
            break
        content += piece
        if expected == MAX_REPLY_BYTES:
            expected = _expected_bytes(content)
    if len(content) > MAX_REPLY_BYTES:
        raise OSError(f"the answer is longer than {MAX_REPLY_BYTES} bytes")
    return bytes(content)


def _expected_bytes(content: bytes | bytearray) -> int:
    """Return the length of the whole answer, if it says so: a server can keep the connection open all the same."""
    head, gap, _ = content.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n") if gap else ():
        name, _, value = line.partition(b":")
        if name.strip() == b"content-length" and value.strip().isdigit():
            return min(len(head) + len(gap) + int(value), MAX_REPLY_BYTES + 1)
    return MAX_REPLY_BYTES


def _reply(content: bytes) -> Reply:
    head, gap, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    status = rest[:3]
    if not (gap and protocol.startswith("HTTP/1.") and status.isascii() and status.isdigit()):
        raise OSError("the answer is not HTTP, or was cut off")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    if "transfer-encoding" in headers:
        raise OSError("the answer is chunked, which HTTP/1.0 does not allow")
    return Reply(int(status), _whole(body, headers), headers)


def _whole(body: bytes, headers: Mapping[str, str]) -> bytes:
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) != len(body):
        raise OSError(f"the answer was cut off: {len(body)} of {length} bytes")
    return body
