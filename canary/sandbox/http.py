"""HTTP/1.1 on a socket: reads a request with its limits, writes an answer or breaks off. It knows nothing of AWS."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

BODY_LIMIT: Final = 80 * 1024 * 1024
"""Largest body of a request: Lambda's largest direct upload is 50 MB, a third more in base64."""
_IDLE_S: Final = 120.0
_HEADER_LIMIT: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case.

    Attributes:
        fields: the header fields one by one, for those that may be repeated.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The header fields by name; the last of a repeated one."""
        return dict(self.fields)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        cut_at: bytes of the body after which the connection breaks; None for the whole answer.
        pieces: what follows the body, as it comes, until the client goes away.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    pieces: Iterable[bytes] | None = None


def json_reply(document: Any, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(status, json.dumps(document, default=str).encode() + b"\n", {"Content-Type": "application/json"})


class BrokenOff(Exception):  # noqa: N818 - what happens, no failure of ours
    """The client gets no answer: the connection ends."""


Answer = Callable[[Request], Reply]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "canary-sandbox"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    server: HttpServer

    def handle_one_request(self) -> None:
        """Reads one request and answers it; a client that goes away ends the connection quietly."""
        try:
            self._handle()
        except (OSError, ValueError, BrokenOff):
            self.close_connection = True

    def _handle(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if len(self.raw_requestline) > 65536:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            return
        if not self.parse_request():
            return
        body = self._read_body()
        if body is None:
            return
        # Header fields arrive as ISO 8859-1; what AWS's clients send is UTF-8.
        fields = tuple((name.lower(), _text(value).strip(" \t")) for name, value in self.headers.items())
        reply = self.server.answer(Request(self.command, self.path, fields, body))
        self._write(reply)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what isn't HTTP, in JSON."""
        del explain
        self.close_connection = True
        self.requestline = getattr(self, "requestline", "")
        self.command = getattr(self, "command", None) or ""
        self._write(json_reply({"message": message or self.responses[code][0]}, code))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Requests are in the log of calls."""

    def _read_body(self) -> bytes | None:
        lengths = {text.strip() for text in self.headers.get_all("Content-Length", ())}
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            if not lengths:
                return self._read_chunks()
            lengths.add("chunked")
        if len(lengths) > 1:
            self.send_error(400, f"the request has several lengths: {', '.join(sorted(lengths))[:80]}")
            return None
        text = lengths.pop() if lengths else "0"
        if not (text.isascii() and text.isdigit()):
            self.send_error(400, f"Content-Length is not a number: {text[:40]!r}")
            return None
        if int(text) > BODY_LIMIT:
            self._refuse_size()
            return None
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise BrokenOff
        return body

    def _read_chunks(self) -> bytes | None:
        parts: list[bytes] = []
        left = BODY_LIMIT
        while True:
            line = self.rfile.readline(1025)
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                self.send_error(400, "the chunked body is malformed")
                return None
            if size == 0:
                while self.rfile.readline(65537) not in {b"\r\n", b"\n", b""}:
                    pass
                return b"".join(parts)
            left -= size
            if size < 0 or left < 0:
                self._refuse_size()
                return None
            parts.append(self.rfile.read(size))
            self.rfile.readline(3)

    def _refuse_size(self) -> None:
        message = f"Request must be smaller than {BODY_LIMIT} bytes"
        self.close_connection = True
        reply = json_reply({"__type": "RequestEntityTooLargeException", "message": message}, 413)
        reply.headers["x-amzn-ErrorType"] = "RequestEntityTooLargeException"
        self._write(reply)

    def _write(self, reply: Reply) -> None:
        phrase = self.responses.get(reply.status, ("",))[0]
        headers = {"Server": self.server_version, **reply.headers}
        headers.pop("Content-Length", None)
        if "Date" not in headers:
            headers["Date"] = self.server.date()
        if reply.pieces is not None:
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(reply.body))
        if self.close_connection:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {reply.status} {phrase}\r\n{lines}\r\n".encode()
        body = b"" if self.command == "HEAD" else reply.body
        if reply.cut_at is not None:
            self.wfile.write(head + body[: reply.cut_at])
            raise BrokenOff
        self.wfile.write(head + body)
        for piece in reply.pieces or ():
            self.wfile.write(piece)


class HttpServer(ThreadingHTTPServer):
    """Listens and hands requests on, one thread for a connection.

    Args:
        host: where to listen.
        port: 0 for any free one.
        answer: answers a request.
        date: the value of the `Date` header.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, answer: Answer, date: Callable[[], str]) -> None:
        self.answer = answer
        self.date = date
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="sandbox-http", daemon=True)
        self._open: set[socket.socket] = set()

    @property
    def netloc(self) -> str:
        """`host:port`."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Starts to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; connections that are open are closed."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        """Binds without the look-up of the host's name that http.server makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says what went wrong with a connection, on one line."""
        del request, client_address
        sys.__stderr__.write(f"sandbox: {sys.exc_info()[1]!r}\n") if sys.__stderr__ else None


def _text(value: str) -> str:
    try:
        return value.encode("iso-8859-1").decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return value


def _one_line(value: str) -> str:
    return str(value).replace("\r", " ").replace("\n", " ")
