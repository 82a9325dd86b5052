"""Keeps the store fresh: fetches when due, one fetch at a time, whatever the source does. It must not evaluate."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum

from flagkit.errors import DocumentError, FlagkitError, SourceError, SourceUnavailableError
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock, wait_by
from flagkit.runtime.store import Store
from flagkit.sources.base import Document, Source

logger = logging.getLogger("flagkit")
_LONGEST_WAIT_S = 3600.0
_CLOSE_WAIT_S = 2.0
FETCH_LIMIT_S = 90.0
"""How long one fetch can take before another one is started in its place: timeouts of sockets are for each piece."""

JITTER_RATIO = 0.1
BACKOFF_BASE_S = 1.0


class RefreshMode(StrEnum):
    """Who polls the source."""

    BACKGROUND = "background"
    """A daemon thread: servers and workers."""
    ON_DEMAND = "on_demand"
    """The start of an invocation, if a poll is due: AWS Lambda, where threads freeze."""
    MANUAL = "manual"
    """Only `refresh()` and `refresh_if_due()`."""


class Refresher:
    """Fetches the documents of one store.

    Args:
        source: used by one thread at a time.
        store: records the results.
        clock: tells when a poll is due.
        chance: source of random numbers, 0 to below 1; for jitter.
    """

    def __init__(self, source: Source, store: Store, clock: Clock, *, chance: random.Random | None = None) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._random = random.Random() if chance is None else chance  # noqa: S311  (jitter, not secrets)
        self._flight = threading.Lock()
        self._wake = threading.Event()
        self._began_s: float | None = None
        self._thread: threading.Thread | None = None
        self.closed = False
        self._abandoned = False
        self._refused: str | None = None
        self._due_at: datetime | None = None
        self.first_attempt = threading.Event()
        self.ready = threading.Event()
        forks.register(self)

    def refresh(self) -> bool:
        """Fetch now, after a fetch that is in progress; return whether the source answered properly."""
        flight = self._flight
        with flight:
            fetched = self._fetch(flight)
        self._store.notify_state()
        return fetched

    def refresh_if_due(self, budget_s: float | None = None) -> None:
        """Fetch if due and no fetch is in progress; return after `budget_s` at the latest. A late answer is used."""
        if self._began_s is not None and self._clock.monotonic() - self._began_s > FETCH_LIMIT_S:
            self._give_up()
        if budget_s is None:
            self._fetch_if_due()
        elif self.due() and not self._flight.locked():
            worker = threading.Thread(target=self._fetch_if_due, name="flagkit-refresh", daemon=True)
            worker.start()
            worker.join(budget_s)

    def _fetch_if_due(self) -> bool:
        flight = self._flight
        if not self.due() or not flight.acquire(blocking=False):
            return False
        try:
            if not self.due():  # another thread was faster
                return False
            self._fetch(flight)
        finally:
            flight.release()
        self._store.notify_state()
        return True

    def due(self) -> bool:
        """Whether a fetch is due."""
        if self.closed:
            return False
        due_s, due_at = self._store.next_poll_s, self._due_at
        # By either clock: the monotonic one can stand still while a machine sleeps or a sandbox is frozen, and the
        # other one can be set back.
        return due_s is None or self._clock.monotonic() >= due_s or (due_at is not None and self._clock.now() >= due_at)

    def start(self) -> None:
        """Start the background thread."""
        self._wake.clear()
        self._thread = threading.Thread(target=self._loop, name="flagkit-refresher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the source; the current document stays."""
        self.closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        taken = self._flight.acquire(timeout=_CLOSE_WAIT_S)
        self._source.close()
        if taken:
            self._flight.release()

    def abandon(self) -> None:
        """Let the thread end, and close the source; for a client that nobody holds any more. Waits for nothing."""
        self._abandoned = True
        self.closed = True
        self._wake.set()

    def _loop(self) -> None:
        try:
            self._poll()
        finally:
            if self._abandoned:
                self._source.close()

    def _poll(self) -> None:
        while not self.closed:
            self.refresh_if_due(FETCH_LIMIT_S)
            due_s = self._store.next_poll_s
            wait_s = 1.0 if due_s is None else due_s - self._clock.monotonic()
            wait_by(self._clock, self._wake, min(max(0.05, wait_s), _LONGEST_WAIT_S))

    def _give_up(self) -> None:
        """Leave a fetch that hangs to its thread, and go on without it; what it brings in the end is not used."""
        self._flight = threading.Lock()
        self._began_s = None
        with suppress(SourceError):
            self._source.reset()
        self._failed(SourceUnavailableError(f"the source has not answered within {FETCH_LIMIT_S:.0f} s"))
        self._store.notify_state()

    def _fetched(self, flight: threading.Lock) -> Document | None:
        self._began_s = self._clock.monotonic()
        try:
            return self._source.fetch()
        finally:
            if flight is not self._flight:
                raise _GivenUpError
            self._began_s = None

    def _fetch(self, flight: threading.Lock) -> bool:
        document = None
        try:
            document = self._fetched(flight)
            if document is not None:
                self._accept(document)
            self._recovered()
        except _GivenUpError:
            return False
        except DocumentError as error:
            self._store.refuse(error)
            self._log_refused(document, error)
        except SourceError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001  (whatever a source does, reads go on: decision 0006)
            self._failed(SourceError(f"the source raised {type(error).__name__}: {error}"))
        else:
            self._schedule(delay_after_success(self._source.poll_interval_s, self._random.random()))
            self.ready.set()
            self.first_attempt.set()
            return True
        if self._store.failures == 0:  # the document was refused; the next poll is as usual
            self._schedule(delay_after_success(self._source.poll_interval_s, self._random.random()))
        self.first_attempt.set()
        return False

    def _accept(self, document: Document) -> None:
        """Use a document; raise what is missing in it, if asking again can help or the current one stays."""
        taken = self._store.accept(document)
        missing = document.shortfall
        if missing is not None and (isinstance(missing, SourceError) or not taken):
            raise missing

    def _log_refused(self, document: Document | None, error: DocumentError) -> None:
        version = None if document is None else document.version
        if version != self._refused:  # every new session delivers the same bad document again
            self._refused = version
            logger.warning("flagkit: flag document %s is not valid and was not loaded: %s", version, error.message)

    def _recovered(self) -> None:
        if self._store.failures:
            logger.info("flagkit: the source answers again after %d failures", self._store.failures)
        self._store.confirm()

    def _failed(self, error: FlagkitError) -> None:
        self._store.fail(error)
        failures = self._store.failures
        # The first failure is logged, then each time their number doubles: an outage must not flood the log.
        if failures & (failures - 1) == 0:
            served = "the last good document" if self._store.has_rules else "the code's defaults"
            if self._store.ready and not self._store.has_rules:
                served = "default variants"
            logger.warning(
                "flagkit: %s [%s] (%d consecutive failures; serving %s)", error.message, error.code, failures, served
            )
        retry_after_s = error.retry_after_s if isinstance(error, SourceUnavailableError) else None
        interval_s, chance = self._source.poll_interval_s, self._random.random()
        self._schedule(delay_after_failure(failures, interval_s, chance, retry_after_s=retry_after_s))

    def _schedule(self, delay_s: float) -> None:
        self._store.next_poll_s = self._clock.monotonic() + delay_s
        # A source that never changes has an infinite delay, which can't be a date.
        self._due_at = None if math.isinf(delay_s) else self._clock.now() + timedelta(seconds=delay_s)

    def after_fork(self) -> None:
        """Repair a forked child's copy: new locks, a new session, its own thread and random numbers."""
        had_thread = self._thread is not None and not self.closed
        self._flight = threading.Lock()
        self._began_s = None
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


class _GivenUpError(Exception):
    """Another fetch was started in place of this one."""


class Worker:
    """Runs functions one after the other in a daemon thread, which ends when there is nothing to run."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._running = False
        forks.register(self)

    def __call__(self, function: Callable[[], object]) -> None:
        """Run a function soon; never raises and never waits for a function."""
        self._waiting.append(function)
        with self._lock:
            if not self._running:
                # A dying interpreter starts no thread; then the next call tries again.
                with suppress(RuntimeError):
                    threading.Thread(target=self._run, name="flagkit-worker", daemon=True).start()
                    self._running = True

    def after_fork(self) -> None:
        """Repair a forked child's copy, which has no thread."""
        self._lock = threading.Lock()
        self._running = False

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                function = self._waiting.popleft()
            try:
                function()
            except Exception:
                logger.exception("flagkit: a background task raised an exception")


def delay_after_success(interval_s: float, chance_ratio: float) -> float:
    """Return the seconds until the next fetch after a success: the interval and up to a tenth more.

    The spread keeps a fleet that started together from polling together. AppConfig refuses a poll that comes early
    (appconfig.md §4), so the jitter only adds.

    Args:
        interval_s: what the source asks for.
        chance_ratio: a random number, 0 to below 1.
    """
    return interval_s * (1 + JITTER_RATIO * chance_ratio)


def delay_after_failure(
    failures: int, interval_s: float, chance_ratio: float, *, retry_after_s: float | None = None
) -> float:
    """Return the seconds until the next try after consecutive failures: exponential backoff with full jitter.

    Args:
        failures: 1 for the first.
        interval_s: the usual interval; half of it caps the backoff, so that a client recovers soon after an outage. An
            outage costs about four times the usual requests.
        chance_ratio: a random number, 0 to below 1.
        retry_after_s: what the server asked for, if it did.
    """
    if retry_after_s is not None:
        return delay_after_success(retry_after_s, chance_ratio)
    ceiling_s = min(interval_s / 2, BACKOFF_BASE_S * 2.0 ** min(failures - 1, 30))
    return ceiling_s * chance_ratio
