"""Connects source, store, refresher, cache, fallback and overrides, and starts them. It must not evaluate flags."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from flagkit.core.evaluation import Evaluation
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, FlagkitError, SourceUrlError
from flagkit.runtime.clock import Clock, RunningClock, machine_clock
from flagkit.runtime.overrides import Chooser, FlagTable, Overlay, Override, Watched, Watcher, fixed, notify
from flagkit.runtime.refresher import Refresher, RefreshMode, Worker, logger
from flagkit.runtime.store import Store
from flagkit.sources.base import Document, Source, rules_are_hidden

if TYPE_CHECKING:
    from flagkit.runtime.cache import DiskCache


class Options(TypedDict, total=False):
    """The options of a client; each has a default.

    Attributes:
        refresh: who polls the source: `background`, `on_demand` or `manual`; `auto` (default) is `on_demand` in AWS
            Lambda, `manual` with a clock that doesn't go on by itself or a source that never changes by itself, and
            `background` otherwise.
        start_wait_s: how long the constructor waits for the first document at most; 5 by default.
        stale_after_s: how long a document counts as fresh without being confirmed; three intervals by default.
        user_key: the context key that the positional user id stands for; `userId` by default.
        overrides: fixed answers that take precedence over the document, `{"new_checkout": True}`; those of the
            environment variable FLAGKIT_OVERRIDES (a JSON object) take precedence over these.
        fallback: what is used when neither the source nor the cache has a document: a file's path, or flags.
        cache_dir: directory that keeps the last good document, for a start while the source is unavailable.
        clock: time; the machine's by default, or that of the sandbox which the environment names.
    """

    refresh: Literal["auto", "background", "on_demand", "manual"]
    start_wait_s: float
    stale_after_s: float
    user_key: str
    overrides: Mapping[str, object]
    fallback: str | os.PathLike[str] | Mapping[str, object]
    cache_dir: str | os.PathLike[str]
    clock: Clock


class Engine:
    """Everything behind a client except the reads.

    Args:
        source: where the document comes from.
        install: called with the table of flags that reads use, whenever it changes.
        **options: see `Options`.
    """

    def __init__(self, source: Source, install: Callable[[FlagTable], object], **options: Unpack[Options]) -> None:
        if unknown := options.keys() - Options.__optional_keys__:  # a typing error must not become a default
            raise TypeError(
                f"unknown option {min(unknown)!r} of Flags; valid: {', '.join(sorted(Options.__optional_keys__))}"
            )
        self.clock: Clock = options.get("clock") or machine_clock()
        self.mode = _mode(options.get("refresh", "auto"), self.clock, source)
        self._install = install
        self.unwatched: FlagTable = {}
        self.watched: FlagTable = {}
        self._table_listeners: tuple[Callable[[], object], ...] = ()
        self._watchers: tuple[Watcher, ...] = ()
        self._choosers: tuple[Chooser, ...] = ()
        self._overrides: tuple[Override, ...] = tuple(_overriding(options.get("overrides")))
        self._cache = _cache(options.get("cache_dir"), source)
        self._fallback = options.get("fallback")
        self.store = Store(
            source.url,
            self.clock,
            user_key=options.get("user_key", "userId"),
            stale_after_s=options.get("stale_after_s", 3 * source.poll_interval_s),
            publish=self._publish,
            defer=Worker() if self.mode is RefreshMode.BACKGROUND else None,
        )
        self.refresher = Refresher(source, self.store, self.clock)
        self._source = source
        self._rebuild_table()
        self._start(options.get("start_wait_s", 5.0))

    @property
    def poll_interval_s(self) -> float:
        """How long the source wants to be left alone between two polls; infinite for never."""
        return self._source.poll_interval_s

    def add_override(self, override: Override) -> None:
        """Place answers above those of the document."""
        self._overrides = (*self._overrides, override)
        self._rebuild_table()

    def remove_override(self, override: Override) -> None:
        """Remove an override."""
        self._overrides = tuple(other for other in self._overrides if other is not override)
        self._rebuild_table()

    def add_watcher(self, watcher: Watcher) -> Callable[[], None]:
        """Notify a watcher of each answer; return the function that removes it."""
        self._watchers = (*self._watchers, watcher)
        self._rebuild_table()

        def stop() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)
            self._rebuild_table()

        return stop

    def add_chooser(self, chooser: Chooser) -> Callable[[], None]:
        """Let answers be followed by what is chosen by snapshot and flag; return the function that ends it."""
        self._choosers = (*self._choosers, chooser)
        self._rebuild_table()

        def stop() -> None:
            self._choosers = tuple(other for other in self._choosers if other is not chooser)
            self._rebuild_table()

        return stop

    def on_table(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever another table is installed: a document, an override or a watcher came or went.

        Unlike a listener of changes it is also called for what is only written about flags. The thread that installs
        the table calls it; it must not raise.

        Returns:
            a function that removes the listener.
        """
        self._table_listeners = (*self._table_listeners, listener)

        def stop() -> None:
            self._table_listeners = tuple(other for other in self._table_listeners if other is not listener)

        return stop

    def watch_unknown(self, evaluation: Evaluation, user_id: object) -> None:
        """Notify the watchers of a read of an unknown flag."""
        notify(self._watchers, evaluation, user_id)

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the source has answered properly once."""
        if self.mode is RefreshMode.BACKGROUND:
            return self.refresher.ready.wait(timeout_s)
        if not self.refresher.ready.is_set():
            self.refresher.refresh_if_due(timeout_s)
        return self.refresher.ready.is_set()

    def _start(self, wait_s: float) -> None:
        if self.mode is RefreshMode.BACKGROUND:
            self.refresher.start()
            self.refresher.first_attempt.wait(wait_s)
        elif self.mode is RefreshMode.ON_DEMAND:
            self.refresher.refresh_if_due(wait_s)
        else:
            self.refresher.refresh()
        if not self.store.has_rules:
            self._serve_cache_or_fallback()

    def _serve_cache_or_fallback(self) -> None:
        """Use the last good document of the disk, else the fallback, until the source delivers one with its rules."""
        kept = None if self._cache is None else self._cache.load()
        if kept is not None and self._take(kept, "cache"):
            return
        if self._fallback is not None and not self.store.ready:
            try:
                document = _fallback_source(self._fallback).fetch()
            except FlagkitError as error:
                logger.warning("flagkit: the fallback is not usable: %s [%s]", error.message, error.code)
                return
            if document is not None:
                self._take(document, "fallback")

    def _take(self, document: Document, origin: str) -> bool:
        try:
            taken = self.store.accept(document, origin)
        except DocumentError as error:
            logger.warning("flagkit: the document of the %s is not valid: %s", origin, error.message)
            return False
        if taken:
            logger.warning("flagkit: the source is unavailable; serving version %s of the %s", document.version, origin)
        return taken

    def _publish(self, _snapshot: Snapshot, document: Document) -> None:
        self._rebuild_table()
        if self._cache is None or self.store.origin != "source":
            return
        # The disk keeps a document with its rules rather than a newer one without.
        kept = self._cache.load() if document.shortfall is not None else None
        if kept is None or rules_are_hidden(kept.content):
            self._cache.save(document)

    def _rebuild_table(self) -> None:
        """Install the table of flags; again if its parts changed meanwhile, because threads share no lock here."""
        used: tuple[object, ...] | None = None
        while used is None or any(old is not new for old, new in zip(used, self._parts(), strict=True)):
            used = snapshot, overrides, watchers, choosers = self._parts()
            table: FlagTable = {} if snapshot is None else snapshot.flags
            document = self.store.document
            if snapshot is not None and document is not None and document.remote is not None:
                flag = document.remote.flag
                table = Overlay({key: flag(key, snapshot.evaluate(key)) for key in snapshot.rules_unseen}, table)
            for override in overrides:
                table = override(table)
            self.unwatched = table
            choices = tuple(choose(snapshot) for choose in choosers)
            self.watched = Watched(table, watchers, choices) if watchers or choices else table
            self._install(self.watched)
        for listener in self._table_listeners:
            listener()

    def _parts(self) -> tuple[Snapshot | None, tuple[Override, ...], tuple[Watcher, ...], tuple[Chooser, ...]]:
        return self.store.snapshot, self._overrides, self._watchers, self._choosers


def _cache(directory: str | os.PathLike[str] | None, source: Source) -> DiskCache | None:
    if directory is None:
        return None
    from flagkit.runtime.cache import DiskCache  # loads OpenSSL and tempfile, 10 ms

    return DiskCache(directory, source.url)


def _mode(wanted: str, clock: Clock, source: Source) -> RefreshMode:
    if wanted != "auto":
        return RefreshMode(wanted)
    if not isinstance(clock, RunningClock) or math.isinf(source.poll_interval_s):
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
            raise SourceUrlError(f"FLAGKIT_OVERRIDES is not valid JSON: {error}", hint=hint) from None
        if not isinstance(values, dict):
            raise SourceUrlError("FLAGKIT_OVERRIDES is not a JSON object", hint=hint)
        try:
            overrides.append(fixed(values, version="override"))
        except DocumentError as error:
            raise SourceUrlError(f"FLAGKIT_OVERRIDES is not valid: {error.message}", hint=hint) from None
    return overrides


def _fallback_source(fallback: str | os.PathLike[str] | Mapping[str, object]) -> Source:
    if isinstance(fallback, Mapping):
        from flagkit.sources.static import StaticSource

        return StaticSource(fallback, url="fallback:")
    from flagkit.sources.file import FileSource

    return FileSource(fallback)


def engine_of(client: Any) -> Engine:
    """Return what is behind a client, for adapters of flagkit to other protocols."""
    engine: Engine = client._engine  # noqa: SLF001 - the one place
    return engine
