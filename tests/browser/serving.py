"""An ASGI app on a port of this machine, in a thread, that can be stopped and started again on the same port."""

from __future__ import annotations

import socket
import threading
from typing import Any, Self

import uvicorn


class Served:
    """The app behind `url`, from `start()` (or `with`) until `stop()`. The app can be set after the port is known."""

    def __init__(self, app: Any = None) -> None:
        self.app = app
        self._port = 0
        self._listener: socket.socket | None = self._bind()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        listener = self._listener or self._bind()
        self._listener = None
        started = threading.Event()
        server = _Announced(uvicorn.Config(self.app, log_level="critical", ws="none", access_log=False), started)
        self._server = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        assert started.wait(20), "the server did not start"
        return self

    def stop(self) -> None:
        """End, event streams included: a browser keeps them open for ever."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        self._server = self._thread = None

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        return listener

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Announced(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()
