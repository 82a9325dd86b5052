"""The status of a running client; values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flagkit.errors import FlagkitError


class State(StrEnum):
    """The state of a client."""

    INITIALISING = "initialising"
    """Nothing has been fetched yet; reads return the code's defaults."""
    READY = "ready"
    """The document is fresh."""
    STALE = "stale"
    """The last good document is served, but it could not be refreshed, or the newest one is not valid."""
    ERROR = "error"
    """The source failed and there is no document; reads return the code's defaults."""


@dataclass(frozen=True, slots=True)
class Status:
    """Which document a client serves and how fresh it is.

    Attributes:
        state: the summary.
        source: the URL of the source.
        version: the version of the document that is served.
        label: its label, if it has one.
        origin: where the document came from: `source`, `cache` or `fallback`; empty if there is none.
        age_s: seconds since the source last confirmed what is served; None if it never did.
        loaded_at: when the served document was loaded.
        checked_at: when the source last answered properly.
        next_poll_at: when the source is polled next; None if only `refresh()` polls it.
        failures: the number of consecutive failures of the source.
        error: the last failure; None if the last fetch succeeded.
        warning: a warning of the source about the document; otherwise empty.
        problems: the flags that can't be evaluated, and why.
        uncompiled: the flags in use that could not be compiled, and why; they answer, but slower.
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
    uncompiled: Mapping[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether a health check should pass: a document is served, fresh or not."""
        return self.version is not None or self.state is State.READY

    @property
    def flag_set(self) -> str | None:
        """The flag set in telemetry: `application/environment/profile`; None for files and memory."""
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
            "uncompiled": dict(self.uncompiled),
        }
