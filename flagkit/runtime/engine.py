"""Puts source, store, refresher and stand-bys together, and starts them. It must not evaluate flags."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

from flagkit.core.evaluation import Evaluation
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, FlagkitError, SourceUrlError
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.runtime.overrides import FlagTable, Overlay, Override, Watched, Watcher, fixed, tell
from flagkit.runtime.refresher import Refresher, RefreshMode, logger
from flagkit.runtime.store import Listener, StateListener, Store
from flagkit.sources.base import Document, Source

if TYPE_CHECKING:
    from flagkit.runtime.cache import DiskCache


_Listener = TypeVar("_Listener", Listener, StateListener)


class Options(TypedDict, total=False):
    """How a client behaves; everything has a default.

    Attributes:
        refresh: who asks for news: `background`, `on_demand` or `manual`; `auto` (default) takes `on_demand` in AWS
            Lambda, `manual` with a clock that isn't the machine's or a source that never changes by itself, and
            `background` otherwise.
        start_wait_s: how long the constructor may wait for the first document; 5 by default.
        stale_after_s: how long a document counts as fresh without being confirmed; three intervals by default.
        user_key: the context key that the positional user id stands for; `userId` by default.
        overrides: fixed answers that win over the document, `{"new_checkout": True}`; those of the environment
            variable FLAGKIT_OVERRIDES (a JSON object) win over these.
        fallback: what is served when neither the source nor the cache has a document: a file's path, or flags.
        cache_dir: directory that keeps the last good document for starts while the source is away.
        clock: time; the machine's by default.

    Since 0.1.
    """

    refresh: str
    start_wait_s: float
    stale_after_s: float
    user_key: str
    overrides: Mapping[str, object]
    fallback: str | os.PathLike[str] | Mapping[str, object]
    cache_dir: str | os.PathLike[str]
    clock: Clock


class Engine:
    """Everything behind a client that isn't a question about a flag.

    Args:
        source: where the document comes from.
        install: called with the table that questions are answered from, whenever it changes.
        **options: see `Options`.
    """

    def __init__(self, source: Source, install: Callable[[FlagTable], object], **options: Unpack[Options]) -> None:
        if unknown := options.keys() - Options.__optional_keys__:  # a slip must not pass for a default
            raise TypeError(
                f"Flags has no option {min(unknown)!r}; there are {', '.join(sorted(Options.__optional_keys__))}"
            )
        self.clock: Clock = options.get("clock") or SystemClock()
        self.mode = _mode(options.get("refresh", "auto"), self.clock, source)
        self._install = install
        self.unwatched: FlagTable = {}
        self._watchers: tuple[Watcher, ...] = ()
        self._overrides: tuple[Override, ...] = tuple(_overriding(options.get("overrides")))
        self._cache = _cache(options.get("cache_dir"), source)
        self._fallback = options.get("fallback")
        self.store = Store(
            source.url,
            self.clock,
            user_key=options.get("user_key", "userId"),
            stale_after_s=options.get("stale_after_s", 3 * source.poll_interval_s),
            publish=self._publish,
        )
        self.refresher = Refresher(source, self.store, self.clock)
        self._lay()
        self._start(options.get("start_wait_s", 5.0))

    def add_override(self, override: Override) -> None:
        """Lays answers over those of the document."""
        self._overrides = (*self._overrides, override)
        self._lay()

    def remove_override(self, override: Override) -> None:
        """Takes a override away."""
        self._overrides = tuple(other for other in self._overrides if other is not override)
        self._lay()

    def add_watcher(self, watcher: Watcher) -> Callable[[], None]:
        """Tells a watcher of each answer; returns what ends it."""
        self._watchers = (*self._watchers, watcher)
        self._lay()

        def stop() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)
            self._lay()

        return stop

    def watch_unknown(self, evaluation: Evaluation, user_id: object) -> None:
        """Tells the watchers of a flag that was asked for and isn't there."""
        tell(self._watchers, evaluation, user_id)

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Tells a listener of changed flags; returns what ends it."""
        self.store.listeners.append(listener)
        return partial(_leave, self.store.listeners, listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Tells a listener of a changed state; returns what ends it."""
        self.store.state_listeners.append(listener)
        return partial(_leave, self.store.state_listeners, listener)

    def refresh_if_due(self, budget_s: float | None) -> None:
        """Asks the source if it is time to, keeping the caller no longer than the budget."""
        if budget_s is None:
            self.refresher.refresh_if_due()
        else:
            self.refresher.run_within(budget_s)

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits until the source has answered properly once."""
        if self.mode is RefreshMode.BACKGROUND:
            return self.refresher.ready.wait(timeout_s)
        if not self.refresher.ready.is_set():
            self.refresher.run_within(timeout_s)
        return self.refresher.ready.is_set()

    def _start(self, wait_s: float) -> None:
        if self.mode is RefreshMode.BACKGROUND:
            self.refresher.start()
            self.refresher.first_attempt.wait(wait_s)
        elif self.mode is RefreshMode.ON_DEMAND:
            self.refresher.run_within(wait_s)
        else:
            self.refresher.refresh()
        if not self.store.ready:
            self._stand_by()

    def _stand_by(self) -> None:
        """Serves the last good document of the disk, else the fallback, until the source answers."""
        kept = None if self._cache is None else self._cache.load()
        if kept is not None and self._take(kept, "cache"):
            return
        if self._fallback is not None:
            try:
                document = _fallback_source(self._fallback).fetch()
            except FlagkitError as error:
                logger.warning("flagkit: the fallback can't be used: %s [%s]", error.message, error.code)
                return
            if document is not None:
                self._take(document, "fallback")

    def _take(self, document: Document, origin: str) -> bool:
        try:
            self.store.accept(document, origin)
        except DocumentError as error:
            logger.warning("flagkit: the document of the %s can't be read: %s", origin, error.message)
            return False
        logger.warning("flagkit: the source is away; serving version %s of the %s", document.version, origin)
        return True

    def _publish(self, _snapshot: Snapshot, document: Document) -> None:
        self._lay()
        if self._cache is not None and self.store.origin == "source":
            self._cache.save(document)

    def _lay(self) -> None:
        """Installs the table of what is in force; again if that changed meanwhile, since threads share no lock here."""
        laid: tuple[object, ...] | None = None
        while laid is None or any(old is not new for old, new in zip(laid, self._ingredients(), strict=True)):
            laid = snapshot, overrides, watchers = self._ingredients()
            table: FlagTable = {} if snapshot is None else snapshot.flags
            document = self.store.document
            if snapshot is not None and document is not None and document.remote is not None:
                flag = document.remote.flag
                table = Overlay({key: flag(key, snapshot.evaluate(key)) for key in snapshot.rules_unseen}, table)
            for override in overrides:
                table = override(table)
            self.unwatched = table
            self._install(Watched(table, watchers) if watchers else table)

    def _ingredients(self) -> tuple[Snapshot | None, tuple[Override, ...], tuple[Watcher, ...]]:
        return self.store.snapshot, self._overrides, self._watchers


def _leave(listeners: list[_Listener], listener: _Listener) -> None:
    with suppress(ValueError):  # it left before
        listeners.remove(listener)


def _cache(directory: str | os.PathLike[str] | None, source: Source) -> DiskCache | None:
    if directory is None:
        return None
    from flagkit.runtime.cache import DiskCache  # loads OpenSSL and tempfile: 10 ms that only its users pay

    return DiskCache(directory, source.url)


def _mode(wanted: str, clock: Clock, source: Source) -> RefreshMode:
    if wanted != "auto":
        return RefreshMode(wanted)
    if not isinstance(clock, SystemClock) or math.isinf(source.poll_interval_s):
        return RefreshMode.MANUAL
    return RefreshMode.ON_DEMAND if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else RefreshMode.BACKGROUND


def _overriding(given: Mapping[str, object] | None) -> list[Override]:
    overrides = []
    if given:
        overrides.append(fixed(given, version="override"))
    text = os.environ.get("FLAGKIT_OVERRIDES", "")
    if text:
        hint = 'Write a JSON object such as {"new_checkout": true}, or unset it.'
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SourceUrlError(f"FLAGKIT_OVERRIDES is not JSON: {error}", hint=hint) from None
        if not isinstance(values, dict):
            raise SourceUrlError("FLAGKIT_OVERRIDES is not a JSON object", hint=hint)
        try:
            overrides.append(fixed(values, version="override"))
        except DocumentError as error:
            raise SourceUrlError(f"FLAGKIT_OVERRIDES can't be used: {error.message}", hint=hint) from None
    return overrides


def _fallback_source(fallback: str | os.PathLike[str] | Mapping[str, object]) -> Source:
    if isinstance(fallback, Mapping):
        from flagkit.sources.static import StaticSource

        return StaticSource(fallback, url="fallback:")
    from flagkit.sources.file import FileSource

    return FileSource(fallback)
