"""What is in force and the facts about its freshness. It must not fetch, wait or start threads.

One writer at a time (the refresher sees to that); readers take what they find and need no lock.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, FlagkitError
from flagkit.runtime.changes import changed_flags
from flagkit.runtime.clock import Clock
from flagkit.runtime.status import State, Status
from flagkit.sources.base import Document, DocumentKind

logger = logging.getLogger("flagkit")
Listener = Callable[[frozenset[str]], object]
StateListener = Callable[[Status], object]


class Store:
    """What is served, since when, and what went wrong last.

    Args:
        source_url: for the status.
        clock: dates what happens.
        user_key: the context key that the positional user id stands for.
        stale_after_s: how long a good document counts as fresh without the source confirming it.
        publish: called with each new snapshot and its document; makes it the one that is read.
    """

    def __init__(
        self,
        source_url: str,
        clock: Clock,
        *,
        user_key: str,
        stale_after_s: float,
        publish: Callable[[Snapshot, Document], object],
    ) -> None:
        self.source_url = source_url
        self.snapshot: Snapshot | None = None
        self.document: Document | None = None
        self.origin = ""
        self.stale = False
        self.failures = 0
        self.next_poll_s: float | None = None
        self.listeners: list[Listener] = []
        self.state_listeners: list[StateListener] = []
        self._told_state = State.INITIALISING
        self._clock = clock
        self._user_key = user_key
        self._stale_after_s = stale_after_s
        self._publish = publish
        self._error: FlagkitError | None = None
        self._invalid: DocumentError | None = None
        self._loaded_at: datetime | None = None
        self._checked_at: datetime | None = None
        self._checked_s: float | None = None
        # The first document may come from the source and from a stand-by for it at the same moment.
        self._swap = threading.Lock()

    def accept(self, document: Document, origin: str = "source") -> None:
        """Puts a document in force; a stand-by for the source (cache, fallback) only if nothing is yet.

        Raises:
            DocumentError: it can't be read; what was in force stays.
        """
        snapshot = self._read(document)
        if self.snapshot is not None:
            snapshot.prepare(self.snapshot)  # here in the background, or requests would compile after every swap
        with self._swap:
            if origin != "source" and self.ready:
                return
            before, self.snapshot = self.snapshot, snapshot
            self.document, self.origin = document, origin
            self._loaded_at = self._clock.now()
            if origin == "source":
                self._invalid = None
            else:
                self.stale = True
            self._publish(snapshot, document)
        if document.warning:
            logger.warning("flagkit: %s", document.warning)
        self._tell(before, snapshot)

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

    def after_fork(self) -> None:
        """Makes a forked child's copy usable: the lock may have been held by a thread that isn't there any more."""
        self._swap = threading.Lock()

    def status(self) -> Status:
        """The facts, summed up."""
        snapshot, document = self.snapshot, self.document
        return Status(
            state=self._state(),
            source=self.source_url,
            version=None if document is None else document.version,
            label=None if document is None else document.label,
            origin=self.origin,
            age_s=self._age_s(),
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
        fresh = self._invalid is None and self.origin == "source" and not self._too_old()
        return State.READY if fresh else State.STALE

    def _too_old(self) -> bool:
        age_s = self._age_s()
        return age_s is None or age_s > self._stale_after_s

    def _age_s(self) -> float | None:
        if self._checked_s is None or self._checked_at is None:
            return None
        # By the clock that saw more: the monotonic one may stand still while a machine sleeps or a sandbox is frozen.
        by_date_s = (self._clock.now() - self._checked_at).total_seconds()
        return max(self._clock.monotonic() - self._checked_s, by_date_s)

    def _next_poll_at(self) -> datetime | None:
        if self.next_poll_s is None or math.isinf(self.next_poll_s):
            return None
        return self._clock.now() + timedelta(seconds=self.next_poll_s - self._clock.monotonic())

    def _read(self, document: Document) -> Snapshot:
        if document.kind == DocumentKind.FEATURE_FLAGS:
            return Snapshot.from_retrieved(document.content, version=document.version, label=document.label)
        return Snapshot.from_json(
            document.content,
            version=document.version,
            label=document.label,
            user_key=self._user_key,
            now=self._clock.now,
        )

    def tell_state(self) -> None:
        """Tells the listeners if the state is another one than they know."""
        state = self._state()
        if state is self._told_state:
            return
        self._told_state = state
        status = self.status()
        for listener in tuple(self.state_listeners):
            try:
                listener(status)
            except Exception:
                logger.exception("flagkit: a state listener failed")

    def _tell(self, before: Snapshot | None, after: Snapshot) -> None:
        changed = changed_flags(before, after) if self.listeners else frozenset()
        if not changed:
            return
        for listener in tuple(self.listeners):
            try:
                listener(changed)
            except Exception:
                logger.exception("flagkit: a change listener failed")
