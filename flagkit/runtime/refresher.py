"""Keeps the store fresh: fetches when due, one fetch at a time, and survives whatever the source does.

Threads of flagkit live here. It must not evaluate flags.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from datetime import datetime, timedelta
from enum import StrEnum

from flagkit.errors import DocumentError, FlagkitError, SourceError, SourceUnavailableError
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock
from flagkit.runtime.schedule import delay_after_failure, delay_after_success
from flagkit.runtime.store import Store
from flagkit.sources.base import Document, Source

logger = logging.getLogger("flagkit")
_LONGEST_WAIT_S = 3600.0


class RefreshMode(StrEnum):
    """Who asks the source for news. Since 0.1."""

    BACKGROUND = "background"
    """A daemon thread: servers and workers."""
    ON_DEMAND = "on_demand"
    """The start of an invocation, when it is due: AWS Lambda, where threads freeze."""
    MANUAL = "manual"
    """Only `refresh()` and `refresh_if_due()`."""


class Refresher:
    """Fetches for one store.

    Args:
        source: asked by one thread at a time.
        store: told what happened.
        clock: decides what is due.
        chance: source of random numbers, 0 to below 1; for jitter.
    """

    def __init__(self, source: Source, store: Store, clock: Clock, *, chance: random.Random | None = None) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._random = random.Random() if chance is None else chance  # noqa: S311  (jitter, not secrets)
        self._flight = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.closed = False
        self._refused: str | None = None
        self._due_at: datetime | None = None
        self.first_attempt = threading.Event()
        self.ready = threading.Event()
        forks.register(self)

    def refresh(self) -> bool:
        """Fetches now, waiting for a fetch that is under way; tells whether the source answered properly."""
        with self._flight:
            fetched = self._fetch()
        self._store.tell_state()
        return fetched

    def refresh_if_due(self) -> bool:
        """Fetches if it is time and nobody else is at it; tells whether it fetched."""
        if not self.due() or not self._flight.acquire(blocking=False):
            return False
        try:
            if not self.due():  # somebody else was faster
                return False
            self._fetch()
        finally:
            self._flight.release()
        self._store.tell_state()
        return True

    def due(self) -> bool:
        """Whether it is time to fetch."""
        if self.closed:
            return False
        due_s, due_at = self._store.next_poll_s, self._due_at
        # By either clock: the monotonic one may stand still while a machine sleeps or a sandbox is frozen, and the
        # other one may be set back.
        return due_s is None or self._clock.monotonic() >= due_s or (due_at is not None and self._clock.now() >= due_at)

    def run_within(self, budget_s: float) -> None:
        """Fetches if due, but keeps the caller no longer than the budget; a late answer is still taken."""
        if self.due() and not self._flight.locked():
            worker = threading.Thread(target=self.refresh_if_due, name="flagkit-refresh", daemon=True)
            worker.start()
            worker.join(budget_s)

    def start(self) -> None:
        """Starts the background thread."""
        self._wake.clear()
        self._thread = threading.Thread(target=self._loop, name="flagkit-refresher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and lets go of the source; what is in force stays."""
        self.closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        with self._flight:
            self._source.close()

    def _loop(self) -> None:
        while not self.closed:
            self.refresh_if_due()
            due_s = self._store.next_poll_s
            wait_s = 1.0 if due_s is None else due_s - self._clock.monotonic()
            self._wake.wait(min(max(0.05, wait_s), _LONGEST_WAIT_S))

    def _fetch(self) -> bool:
        document = None
        try:
            document = self._source.fetch()
            if document is not None:
                self._store.accept(document)
            self._recovered()
        except DocumentError as error:
            self._store.refuse(error)
            self._tell_refused(document, error)
        except SourceError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001  (whatever a source does, flags go on being served: D6)
            self._failed(SourceError(f"the source failed unexpectedly: {type(error).__name__}: {error}"))
        else:
            self._schedule(delay_after_success(self._source.poll_interval_s, self._random.random()))
            self.ready.set()
            self.first_attempt.set()
            return True
        if self._store.failures == 0:  # the document was refused; the next poll is as usual
            self._schedule(delay_after_success(self._source.poll_interval_s, self._random.random()))
        self.first_attempt.set()
        return False

    def _tell_refused(self, document: Document | None, error: DocumentError) -> None:
        version = None if document is None else document.version
        if version != self._refused:  # every new session delivers the same bad document again
            self._refused = version
            logger.warning("flagkit: flag document %s can't be read and was not taken: %s", version, error.message)

    def _recovered(self) -> None:
        if self._store.failures:
            logger.info("flagkit: the source answers again after %d failures", self._store.failures)
        self._store.confirm()

    def _failed(self, error: FlagkitError) -> None:
        self._store.fail(error)
        failures = self._store.failures
        # The first failure is told, then each time their number doubles: an outage must not flood the log.
        if failures & (failures - 1) == 0:
            served = "the last good document" if self._store.ready else "the code's defaults"
            logger.warning(
                "flagkit: %s [%s] (failure %d in a row; serving %s)", error.message, error.code, failures, served
            )
        retry_after_s = error.retry_after_s if isinstance(error, SourceUnavailableError) else None
        interval_s, chance = self._source.poll_interval_s, self._random.random()
        self._schedule(delay_after_failure(failures, interval_s, chance, retry_after_s=retry_after_s))

    def _schedule(self, delay_s: float) -> None:
        self._store.next_poll_s = self._clock.monotonic() + delay_s
        # An infinite delay, of a source that never changes, is no date.
        self._due_at = None if math.isinf(delay_s) else self._clock.now() + timedelta(seconds=delay_s)

    def after_fork(self) -> None:
        """Makes a forked child's copy usable: fresh locks, fresh session, its own thread and random numbers."""
        had_thread = self._thread is not None and not self.closed
        self._flight = threading.Lock()
        self._wake = threading.Event()
        self._random = random.Random()  # noqa: S311  (jitter; the parent's state would make twins)
        self._store.after_fork()
        try:
            self._source.reset()
        except SourceError as error:
            self._store.fail(error)
        self._store.next_poll_s = self._due_at = None
        if had_thread:
            self.start()
