"""The current snapshot, how fresh it is, and which flags changed with it. It must not fetch, wait or start threads.

One writer at a time (the refresher ensures that); readers use what they find and need no lock.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from flagkit.core.definitions import FlagDefinition
from flagkit.core.evaluation import Attribute
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, FlagkitError
from flagkit.runtime.clock import Clock
from flagkit.runtime.status import State, Status
from flagkit.sources.base import Document, DocumentKind

logger = logging.getLogger("flagkit")
Listener = Callable[[frozenset[str]], object]
StateListener = Callable[[Status], object]
_AnyListener = TypeVar("_AnyListener", Listener, StateListener)


class Store:
    """The current snapshot, since when it is current, and the last failure.

    Args:
        source_url: for the status.
        clock: dates the changes.
        user_key: the context key that the positional user id stands for.
        stale_after_s: how long a good document counts as fresh without the source confirming it.
        publish: called with each new snapshot and its document; makes readers use it.
        defer: see `Snapshot`.
    """

    def __init__(
        self,
        source_url: str,
        clock: Clock,
        *,
        user_key: str,
        stale_after_s: float,
        publish: Callable[[Snapshot, Document], object],
        defer: Callable[[Callable[[], None]], object] | None = None,
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
        self._known_state = State.INITIALISING
        self._clock = clock
        self.user_key = user_key
        self._stale_after_s = stale_after_s
        self._publish = publish
        self._defer = defer
        self._error: FlagkitError | None = None
        # Why the newest document of the source is not the current one.
        self._unusable: FlagkitError | None = None
        self._loaded_at: datetime | None = None
        self._checked_at: datetime | None = None
        self._checked_s: float | None = None
        # The first document can come from the source and from the cache or fallback at the same moment.
        self._swap = threading.Lock()

    def accept(self, document: Document, origin: str = "source") -> bool:
        """Make a document the current one, and return whether it is; not one that knows less than the current one.

        A document of the source replaces those of the cache and the fallback, and one of the cache the fallback. But
        none that lacks its rules replaces one of the source or the cache that has them.

        Raises:
            DocumentError: it is not valid; the current document stays.
        """
        if origin == self.origin == "source" and document == self.document:  # every new session delivers it again
            self._unusable = None
            self._date_check()
            return True
        snapshot = self._read(document)
        snapshot.defer = self._defer
        if self.snapshot is not None:
            snapshot.prepare_like(self.snapshot)  # in the refreshing thread, or requests would compile after every swap
        with self._swap:
            if not self._replaced_by(snapshot, document, origin):
                if origin == "source":
                    self._unusable = document.shortfall
                return False
            before, self.snapshot = self.snapshot, snapshot
            self.document, self.origin = document, origin
            self._loaded_at = self._clock.now()
            if origin == "source":
                self._unusable = None
                self._date_check()
            else:
                self.stale = True
            self._publish(snapshot, document)
        if document.warning:
            logger.warning("flagkit: %s", document.warning)
        self._notify_change(before, snapshot)
        return True

    def confirm(self) -> None:
        """Record that the source answered properly: what it delivered is current, or nothing changed."""
        self.failures = 0
        self._error = None
        self._date_check()
        self.stale = self._unusable is not None

    def fail(self, error: FlagkitError) -> None:
        """Record that the source failed; the current document stays."""
        self.failures += 1
        self._error = error
        self.stale = self._unusable is not None or self._too_old()

    def refuse(self, error: DocumentError) -> None:
        """Record that the newest document can't be used, which holds until one that can be comes."""
        self._unusable = error
        self.confirm()

    @property
    def ready(self) -> bool:
        """Whether there is a current document."""
        return self.snapshot is not None

    @property
    def has_rules(self) -> bool:
        """Whether there is a current document, with the rules of all its flags."""
        return self.snapshot is not None and self.document is not None and _has_rules(self.snapshot, self.document)

    def after_fork(self) -> None:
        """Repair a forked child's copy: the lock may have been held by a thread that no longer exists."""
        self._swap = threading.Lock()

    def status(self) -> Status:
        """Return the status."""
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
            error=self._unusable if self._error is None else self._error,
            warning="" if document is None else document.warning,
            problems={} if snapshot is None else dict(snapshot.problems),
            uncompiled={} if snapshot is None else dict(snapshot.uncompiled),
        )

    def _state(self) -> State:
        error = self._error or self._unusable
        if self.snapshot is None:
            return State.INITIALISING if error is None else State.ERROR
        fresh = self._unusable is None and self.origin == "source" and not self._too_old()
        return State.READY if fresh else State.STALE

    def _replaced_by(self, snapshot: Snapshot, document: Document, origin: str) -> bool:
        if not self.ready or (self.origin == "fallback" != origin):
            return True
        if origin == "source":
            return _has_rules(snapshot, document) or not self.has_rules
        return origin == "cache" and _has_rules(snapshot, document) and not self.has_rules

    def _date_check(self) -> None:
        self._checked_at = self._clock.now()
        self._checked_s = self._clock.monotonic()

    def _too_old(self) -> bool:
        age_s = self._age_s()
        return age_s is None or age_s > self._stale_after_s

    def _age_s(self) -> float | None:
        if self._checked_s is None or self._checked_at is None:
            return None
        # The larger of two clocks: the monotonic one can stand still while a machine sleeps or a sandbox is frozen.
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
            user_key=self.user_key,
            now=self._clock.now,
        )

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Add a listener for changed flags; return the function that removes it."""
        self.listeners.append(listener)
        return partial(_remove, self.listeners, listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Add a listener for a changed state; return the function that removes it."""
        self.state_listeners.append(listener)
        return partial(_remove, self.state_listeners, listener)

    def notify_state(self) -> None:
        """Notify the listeners if the state has changed."""
        state = self._state()
        if state is self._known_state:
            return
        self._known_state = state
        status = self.status()
        for listener in tuple(self.state_listeners):
            try:
                listener(status)
            except Exception:
                logger.exception("flagkit: a state listener raised an exception")

    def _notify_change(self, before: Snapshot | None, after: Snapshot) -> None:
        changed = changed_flags(before, after) if self.listeners else frozenset()
        if not changed:
            return
        for listener in tuple(self.listeners):
            try:
                listener(changed)
            except Exception:
                logger.exception("flagkit: a change listener raised an exception")


def _has_rules(snapshot: Snapshot, document: Document) -> bool:
    return document.remote is not None or not snapshot.rules_unseen


def _remove(listeners: list[_AnyListener], listener: _AnyListener) -> None:
    with suppress(ValueError):  # removed before
        listeners.remove(listener)


def changed_flags(before: Snapshot | None, after: Snapshot) -> frozenset[str]:
    """Return the keys of the flags that were added, removed or changed; all of them if there was no snapshot before."""
    if before is None:
        return frozenset(after.flags)
    keys = before.flags.keys() | after.flags.keys()
    return frozenset(
        key
        for key in keys
        if not before.says_the_same(key, after) and not _same(_definition(before, key), _definition(after, key))
    )


def _definition(snapshot: Snapshot, key: str) -> FlagDefinition | str:
    try:
        return snapshot.definition(key)
    except KeyError:
        return "missing"
    except DocumentError as error:
        return error.message


def _same(before: FlagDefinition | str, after: FlagDefinition | str) -> bool:
    if before != after or isinstance(before, str) or isinstance(after, str):
        return before == after
    variants = zip(before.variants, after.variants, strict=True)
    return _same_type(before.attributes, after.attributes) and all(
        _same_type(old.attributes, new.attributes) for old, new in variants
    )


def _same_type(before: Attribute, after: Attribute) -> bool:
    """Whether equal values have equal types: 1, 1.0 and True are equal in Python, but not for a typed read."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return all(_same_type(value, after[name]) for name, value in before.items())
    if isinstance(before, tuple) and isinstance(after, tuple):
        return all(map(_same_type, before, after))
    return type(before) is type(after)
