"""Serves the console until somebody ends it: the port is taken first, so that its address is known to the app."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import uvicorn

from flagkit.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_S: Final = 3
"""How long an answer that is under way may take when the console ends."""


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes any free one.

    Raises:
        UsageError: it is in use, or the address isn't one of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((host, port))
        except BaseException:
            taken.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port} can't be used: {reason}", hint="Give another --port; 0 takes any free one."
        ) from error
    return taken


def address_of(taken: socket.socket) -> str:
    """Return the address that people open, e.g. `http://127.0.0.1:8765`."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, taken: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    with suppress(KeyboardInterrupt):  # raised again by uvicorn after its end
        uvicorn.Server(_config(app)).run(sockets=[taken])


@contextmanager
def serving(app: ASGIApp, taken: socket.socket) -> Iterator[None]:
    """Serve while the block runs; no signal is handled here."""
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, name="console", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        taken.close()


def _config(app: ASGIApp) -> uvicorn.Config:
    # What a proxy says about the client is read where it is needed, and only as far as the settings trust it.
    return uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_S
    )
