"""HTTP at the edge: one request with a total deadline and a size limit, whose answer is a value, never an error.

httpx limits each read, so a body or a header that drips a byte a second would never end. The request therefore runs in
a thread of its own, which is given up when the time is over. Compressed bodies are asked not to be sent, and are
decompressed only up to the limit.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, TypeVar

import httpx

from flagkit.channels.text import printable

BODY_LIMIT: Final = 1_000_000
"""Bytes of an answer that are read at most; what health checks and webhooks answer is far shorter."""

_CHUNK: Final = 65_536

T = TypeVar("T")


class DeadlineError(Exception):
    """The time for a call is over."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` answers, or an error after so many seconds; the call itself is given up, not stopped.

    Raises:
        DeadlineError: no answer in time.
        Exception: what `call` raised.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((True, call()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            answers.put((False, error))

    threading.Thread(target=work, name="flagkit-call", daemon=True).start()
    try:
        fine, value = answers.get(timeout=seconds)
    except queue.Empty:
        raise DeadlineError(f"no answer within {seconds:g} s") from None
    if fine:
        answer: T = value
        return answer
    raise value


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, or why there is none.

    Attributes:
        status: None without an answer.
        fault: what went wrong, without the address; empty when the answer was read completely.
        connected: whether the fault came after the connection was made, so that the other side is part of it.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    connected: bool = False

    @property
    def text(self) -> str:
        """The body in its charset; UTF-8 where the charset is missing or odd. Never raises."""
        content_type = httpx.Headers(dict(self.headers)).get("content-type", "")
        _, _, rest = content_type.partition("charset=")
        charset = rest.split(";")[0].strip().strip("\"'") or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except (LookupError, ValueError):  # unknown, not a text encoding, or one that refuses the bytes
            return self.body.decode("utf-8", "replace")


class Http:
    """Makes requests.

    Args:
        transport: for tests; the network where None.
    """

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = transport
        self._ssl: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """One request, redirects not followed; every failure is in the answer."""
        begun = threading.Event()
        try:
            with httpx.Client(transport=self._transport, verify=self._context(), timeout=timeout_s) as client:
                sent = {"User-Agent": "flagkit-canary", "Accept-Encoding": "identity", **(headers or {})}
                request = client.build_request(method, url, content=content, headers=sent)
                # In a thread: the client is closed here when the time is over, which ends the reading there.
                return within(timeout_s, lambda: _read(client, request, limit, monotonic() + timeout_s, begun))
        except DeadlineError as error:
            return Answer(fault=str(error), connected=begun.is_set())
        except (httpx.HTTPError, httpx.StreamError) as error:
            early = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
            return Answer(fault=f"{type(error).__name__}: {printable(str(error))}", connected=not early)
        except (httpx.InvalidURL, ValueError, OverflowError) as error:  # the message may quote the address
            return Answer(fault=f"not a valid URL ({type(error).__name__})")
        except OSError as error:
            return Answer(
                fault=f"{type(error).__name__}: {error.strerror or 'network error'}", connected=begun.is_set()
            )

    def _context(self) -> ssl.SSLContext | bool:
        if self._transport is not None:
            return True
        if self._ssl is None:  # loading the certificates takes longer than most requests
            self._ssl = httpx.create_ssl_context()
        return self._ssl


def _read(client: httpx.Client, request: httpx.Request, limit: int, due: float, begun: threading.Event) -> Answer:
    response = client.send(request, stream=True)
    try:
        begun.set()
        raw = bytearray()
        # A transport that answers from memory has read the body already.
        for chunk in (response.content,) if response.is_stream_consumed else response.iter_raw(_CHUNK):
            raw += chunk
            if len(raw) > limit:
                return Answer(response.status_code, fault=f"the answer is larger than {limit:,} bytes", connected=True)
            if monotonic() > due:
                return Answer(response.status_code, fault="no complete answer in time", connected=True)
        body, fault = _plain(bytes(raw), response.headers.get("content-encoding", ""), limit)
        return Answer(response.status_code, body, dict(response.headers), fault, connected=True)
    finally:
        response.close()


def _plain(raw: bytes, encoding: str, limit: int) -> tuple[bytes, str]:
    """The body without its compression, and what is wrong with it."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return raw, ""
    if name not in {"gzip", "x-gzip", "deflate"}:
        return b"", f"the answer has the content encoding {printable(name)}, which was not asked for"
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header, found out by zlib
    try:
        body = stream.decompress(raw, limit + 1)
    except zlib.error:
        return b"", "the answer can't be decompressed"
    if len(body) > limit:
        return b"", f"the decompressed answer is larger than {limit:,} bytes"
    return body, ""


def parse_json(text: str) -> tuple[object, str]:
    """The value of a JSON text, and what is wrong with the text. Never raises."""
    try:
        return json.loads(text), ""
    except ValueError:  # numbers of thousands of digits, too
        return None, "not JSON"
    except RecursionError:
        return None, "JSON that is nested too deeply"
