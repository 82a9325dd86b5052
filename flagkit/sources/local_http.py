"""HTTP GET to a process on this machine, over kept connections. It must not know flags.

The standard library's client, because httpx costs 197 ms of CPU at a cold start (DESIGN.md D4) and this one 15 ms.
"""

from __future__ import annotations

import threading
from http.client import HTTPConnection, HTTPException

from flagkit.sources.agent import Headers, Reply


class LocalHttp:
    """Asks by GET; one connection per thread, opened again when the other side has closed it.

    Args:
        host: where.
        port: where.
        token: sent as `Authorization: Bearer`, if given.
    """

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self._host = host
        self._port = port
        self._token = token
        self._kept = threading.local()

    def __call__(self, path: str, headers: Headers, timeout_s: float) -> Reply:
        """One GET.

        Raises:
            OSError: there is no answer.
        """
        kept: HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return self._get(kept, path, headers, timeout_s)
            except (ConnectionError, HTTPException):
                kept.close()  # closed by the other side in the meantime: once more, on a new one
        self._kept.connection = connection = HTTPConnection(self._host, self._port)
        try:
            return self._get(connection, path, headers, timeout_s)
        except HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Closes this thread's connection; those of other threads end with them."""
        kept: HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            kept.close()

    def _get(self, connection: HTTPConnection, path: str, headers: Headers, timeout_s: float) -> Reply:
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.putrequest("GET", path, skip_accept_encoding=True)
            if self._token is not None:
                connection.putheader("Authorization", f"Bearer {self._token}")
            for name, value in headers:
                connection.putheader(name, value.encode())
            connection.endheaders()
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            connection.close()
            raise
        return Reply(response.status, body, {name.lower(): value for name, value in response.getheaders()})
