"""The snapshot in force and the facts about its freshness. It must not fetch, wait or start threads.

One writer at a time (the refresher sees to that); readers take what they find and need no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, FlagkitError
from flagkit.runtime.clock import Clock
from flagkit.runtime.status import State, Status
from flagkit.sources.base import Document, DocumentKind

Listener = Callable[[frozenset[str]], object]


class Store:
    """What is served, since when, and what went wrong last.

    Args:
        source_url: for the status.
        clock: dates what happens.
        user_key: the context key that the positional user id stands for.
        stale_after_s: how long a good document counts as fresh without the source confirming it.
        publish: called with each new snapshot; makes it the one that is read.
    """

    def __init__(
        self,
        source_url: str,
        clock: Clock,
        *,
        user_key: str,
        stale_after_s: float,
        publish: Callable[[Snapshot], object],
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.stale = False
        self.failures = 0
        self.next_poll_s: float | None = None
        self._source_url = source_url
        self._clock = clock
        self._user_key = user_key
        self._stale_after_s = stale_after_s
        self._publish = publish
        self._document: Document | None = None
        self._origin = ""
        self._error: FlagkitError | None = None
        self._invalid: DocumentError | None = None
        self._loaded_at: datetime | None = None
        self._checked_at: datetime | None = None
        self._checked_s: float | None = None

    def accept(self, document: Document, origin: str = "source") -> Snapshot:
        """Puts a document in force.

        Raises:
            DocumentError: it can't be read; what was in force stays.
        """
        read = Snapshot.from_retrieved if document.kind is DocumentKind.FEATURE_FLAGS else self._read_whole
        snapshot = read(document.content, version=document.version, label=document.label)
        self._document, self._origin = document, origin
        self._loaded_at = self._clock.now()
        self.snapshot = snapshot
        if origin == "source":
            self._invalid = None
        self._publish(snapshot)
        return snapshot

    def confirm(self) -> None:
        """Notes that the source answered properly: what it delivered is in force, or nothing changed."""
        self.failures = 0
        self._error = None
        self._checked_at = self._clock.now()
        self._checked_s = self._clock.monotonic()
        self.stale = self._invalid is not None

    def fail(self, error: FlagkitError) -> None:
        """Notes that the source failed; what is in force stays."""
        self.failures += 1
        self._error = error
        self.stale = self._invalid is not None or self._too_old()

    def refuse(self, error: DocumentError) -> None:
        """Notes that the newest document can't be read; it stays so until another one can."""
        self._invalid = error
        self.confirm()

    @property
    def ready(self) -> bool:
        """Whether a document is in force."""
        return self.snapshot is not None

    def status(self) -> Status:
        """The facts, summed up."""
        snapshot, document = self.snapshot, self._document
        age_s = None if self._checked_s is None else self._clock.monotonic() - self._checked_s
        return Status(
            state=self._state(),
            source=self._source_url,
            version=None if document is None else document.version,
            label=None if document is None else document.label,
            origin=self._origin,
            age_s=age_s,
            loaded_at=self._loaded_at,
            checked_at=self._checked_at,
            next_poll_at=self._next_poll_at(),
            failures=self.failures,
            error=self._invalid if self._error is None else self._error,
            warning="" if document is None else document.warning,
            problems={} if snapshot is None else dict(snapshot.problems),
        )

    def _state(self) -> State:
        error = self._error or self._invalid
        if self.snapshot is None:
            return State.INITIALISING if error is None else State.ERROR
        fresh = self._invalid is None and self._origin == "source" and not self._too_old()
        return State.READY if fresh else State.STALE

    def _too_old(self) -> bool:
        return self._checked_s is None or self._clock.monotonic() - self._checked_s > self._stale_after_s

    def _next_poll_at(self) -> datetime | None:
        if self.next_poll_s is None:
            return None
        from datetime import timedelta

        return self._clock.now() + timedelta(seconds=self.next_poll_s - self._clock.monotonic())

    def _read_whole(self, content: bytes, *, version: str | None, label: str | None) -> Snapshot:
        return Snapshot.from_json(content, version=version, label=label, user_key=self._user_key, now=self._clock.now)
