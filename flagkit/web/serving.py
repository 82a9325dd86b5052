"""Serves an ASGI app by uvicorn until a signal ends it. It must not know what is served."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from flagkit.errors import UsageError
from flagkit.web.asgi import App

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
"""Longer than the 60 s of AWS's load balancers: who closes first must not be the server, or requests are lost."""
_STOP_S = 5
_MOST_FILES = 65_536


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    Raises:
        UsageError: the address can't be listened on.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"can't listen on {host}, port {port}: {why}", hint="Choose another --port, or an address of this machine."
        ) from None
    # Connections inherit it. Head and body of an answer are two packets, and the second would wait 40 ms for the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: App, listening: socket.socket, *, stopping: Callable[[], object] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: the app.
        listening: the socket.
        stopping: called when the signal comes, for example to end answers that would never end by themselves.
    """
    _allow_many_files()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses of streams are not written down
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_STOP_S,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again after the end
        _Server(config, stopping).run([listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: Callable[[], object] | None) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stopping is not None:
            self._stopping()
        super().handle_exit(sig, frame)


def _allow_many_files() -> None:
    """Each stream is an open file, and the usual limit is 1,024."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits: Any = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if limits[1] == resource.RLIM_INFINITY else min(limits[1], _MOST_FILES)
    if limits[0] < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, limits[1]))
