"""What an operator wants to know about a running client; values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flagkit.errors import FlagkitError


class State(StrEnum):
    """How the client stands. Since 0.1."""

    INITIALISING = "initialising"
    """Nothing was fetched yet; the code's defaults are served."""
    READY = "ready"
    """The document is fresh."""
    STALE = "stale"
    """The last good document is served, but it couldn't be refreshed, or the newest one can't be read."""
    ERROR = "error"
    """No document could be had so far; the code's defaults are served."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a client serves and how fresh it is.

    Attributes:
        state: the summary.
        source: the address of the source.
        version: the version of the document that is served.
        label: its label, if it has one.
        origin: where the document came from: `source`, `cache` or `fallback`; empty when there is none.
        age_s: seconds since the source last confirmed what is served; None if it never did.
        loaded_at: when the served document was loaded.
        checked_at: when the source last answered properly.
        next_poll_at: when the source is asked next; None when only `refresh()` asks it.
        failures: how often in a row the source failed.
        error: the last failure, None when the last fetch was good.
        warning: what the source wants known about the document; else empty.
        problems: flags that can't be evaluated, and why.

    Since 0.1.
    """

    state: State
    source: str
    version: str | None
    label: str | None
    origin: str
    age_s: float | None
    loaded_at: datetime | None
    checked_at: datetime | None
    next_poll_at: datetime | None
    failures: int
    error: FlagkitError | None
    warning: str
    problems: Mapping[str, str]

    @property
    def healthy(self) -> bool:
        """Whether a health check should pass: some document is served, fresh or not."""
        return self.version is not None or self.state is State.READY

    @property
    def flag_set(self) -> str | None:
        """What telemetry calls the flag set: `application/environment/profile`; None for files and memory."""
        scheme, _, names = self.source.partition("://")
        return names if scheme in {"appconfig", "agent", "hosted"} else None

    def to_dict(self) -> dict[str, object]:
        """The status as JSON-ready data, for a health endpoint."""
        times = {"loaded_at": self.loaded_at, "checked_at": self.checked_at, "next_poll_at": self.next_poll_at}
        return {
            "state": str(self.state),
            "source": self.source,
            "version": self.version,
            "label": self.label,
            "origin": self.origin,
            "age_s": self.age_s,
            **{name: None if at is None else at.isoformat() for name, at in times.items()},
            "failures": self.failures,
            "error": None if self.error is None else {"code": self.error.code, "message": self.error.message},
            "warning": self.warning,
            "problems": dict(self.problems),
        }
