"""The health endpoint: for load balancers and monitors, without sign-in. It names no source, host or error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flagkit.console.access import needs
from flagkit.console.csrf import HEALTH_PATH
from flagkit.runtime.clock import Clock, SystemClock

KEEP_S: Final = 15.0
"""How long an answer is repeated before the sources are asked again, however many ask."""

LIMIT_S: Final = 3.0
"""How long the sources have to answer."""


class Health:
    """Whether the console runs, and how many of its sources answer.

    The status is 200 as long as the console runs: a restart mends no source. A monitor that asks `/healthz?sources`
    gets 503 if a source doesn't answer, or it isn't known yet whether it does.

    Args:
        probes: one for each source; it raises an error where the source doesn't answer.
        clock: the machine's where None.
    """

    def __init__(self, probes: Sequence[Callable[[], object]], clock: Clock | None = None) -> None:
        self._probes = tuple(probes)
        self._clock = SystemClock() if clock is None else clock
        self._answering: int | None = None
        self._asked_s: float | None = None
        self._asking = threading.Lock()

    def route(self) -> Route:
        """Return the route of the endpoint."""
        return Route(HEALTH_PATH, needs(None)(self._answer), methods=["GET"])

    def _answer(self, request: Request) -> Response:
        if self._asking.acquire(blocking=False):  # whoever comes meanwhile gets what was known before
            try:
                if self._asked_s is None or self._clock.monotonic() - self._asked_s >= KEEP_S:
                    self._answering, self._asked_s = self._ask(), self._clock.monotonic()
            finally:
                self._asking.release()
        count, total = self._answering, len(self._probes)
        status = "starting" if count is None else "ok" if count == total else "degraded"
        code = 503 if "sources" in request.query_params and status != "ok" else 200
        headers = {"cache-control": "no-store"}
        return JSONResponse({"status": status, "sources": total, "answering": count}, code, headers)

    def _ask(self) -> int:
        from flagkit.channels.http import DeadlineError, within

        answered: list[bool] = []

        def probe(one: Callable[[], object]) -> None:
            try:
                one()
            except Exception:  # noqa: BLE001 - whatever a source raises, it doesn't answer
                return
            answered.append(True)

        def probe_all() -> None:
            threads = [threading.Thread(target=probe, args=(one,), daemon=True) for one in self._probes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        with suppress(DeadlineError):
            within(LIMIT_S, probe_all)
        return len(answered)
