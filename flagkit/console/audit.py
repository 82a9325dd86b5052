"""The audit log: one line of JSON for each attempt to change something, done or refused. Attribute values never.

Lines go to the logger `flagkit.audit`, and to a file if one is named. A change that can't be written down isn't made.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Final, Literal

from starlette.requests import Request

from flagkit.runtime.clock import Clock, SystemClock
from flagkit.web.asgi import caller_address

logger = logging.getLogger("flagkit.audit")

Outcome = Literal["done", "refused", "failed"]
"""`refused`: the person lacks the role. `failed`: the request was not valid, or the change was not made."""

_MAX_CHARS: Final = 1_000
_STDOUT: Final = Path("-")


class AuditLog:
    """Writes the lines.

    Args:
        path: a file that lines are added to, also by several processes; `-` for stdout, None for the logger alone.
        clock: dates them.
        trusted_proxies: how many proxies of one's own a request passed.
    """

    def __init__(self, path: Path | None = None, clock: Clock | None = None, *, trusted_proxies: int = 0) -> None:
        self.trusted_proxies = trusted_proxies
        self._path = path
        self._clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()

    def check(self) -> None:
        """Make sure that the file can be written.

        Raises:
            OSError: it can't.
        """
        if self._path is not None and self._path != _STDOUT:
            os.close(self._open(self._path))

    def write(self, **facts: object) -> None:
        """Write a line; what is None or empty is left out, and long texts are cut.

        Raises:
            OSError: the file can't be written; the logger has the line.
        """
        entry = {"at": self._clock.now().isoformat(timespec="milliseconds")} | {
            name: fact[:_MAX_CHARS] if isinstance(fact, str) else fact
            for name, fact in facts.items()
            if fact is not None and fact != ""
        }
        line = json.dumps(entry)  # in ASCII, so nothing in a fact ends the line
        logger.info("%s", line)
        if self._path is None:
            return
        if self._path == _STDOUT:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            return
        with self._lock:
            file = self._open(self._path)
            try:
                os.write(file, line.encode() + b"\n")
            finally:
                os.close(file)

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def only_looks(request: Request) -> None:
    """Say that a request changes nothing, although it could: a preview of a change isn't written down."""
    request.state.is_recorded = True


def record(
    request: Request,
    action: str,
    flag: str | None = None,
    environment: str | None = None,
    *,
    outcome: Outcome = "done",
    **facts: object,
) -> None:
    """Write down what the signed-in person did; for handlers, as soon as it is done.

    Args:
        request: the request.
        action: e.g. `switch on`.
        flag: its key; that of the path where None.
        environment: its name; that of the path where None.
        outcome: what became of it.
        facts: e.g. `version`, `deployment`, `proposal`, `reason`; never values of flags, rules or users.
    """
    identity = getattr(request.state, "identity", None)
    audit: AuditLog = request.state.audit
    request.state.is_recorded = True
    audit.write(
        who=None if identity is None else identity.name,
        subject=None if identity is None or identity.subject == identity.name else identity.subject,
        action=action,
        flag=request.path_params.get("key") if flag is None else flag,
        environment=request.path_params.get("environment") if environment is None else environment,
        outcome=outcome,
        client=caller_address(request.scope, audit.trusted_proxies),
        **facts,
    )
