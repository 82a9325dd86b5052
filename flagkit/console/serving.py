"""Serves the console until somebody ends it: the port is taken first, so that its address is known to the app."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from flagkit.web.serving import listen, run
from flagkit.web.serving import url_of as address_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["GRACE_S", "address_of", "listen", "serve", "serving"]

GRACE_S: Final = 3
"""How long an answer that is under way may take when the console ends."""


def serve(app: ASGIApp, taken: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    run(app, taken)


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
