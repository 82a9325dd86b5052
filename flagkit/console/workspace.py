"""The sources that a console works on: opened once, read under a lock, and never read twice for the same version."""

from __future__ import annotations

import copy
import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from flagkit.admin.changes import FlagChanges, flag_changes, up_to
from flagkit.admin.environments import environment, is_protected
from flagkit.admin.evaluated import evaluations_of_source
from flagkit.admin.evaluations import Evaluations
from flagkit.admin.flag_view import FlagView, snapshot_of, view_of, views
from flagkit.admin.proposals.guard import proposals_of
from flagkit.admin.stores import DeploymentStatus, FlagStore, Stored, Version, open_store
from flagkit.admin.stores.base import VersionReader
from flagkit.admin.stores.opening import open_plain_store
from flagkit.console.settings import ConsoleSettings
from flagkit.core.snapshot import Snapshot
from flagkit.errors import FlagkitError, NotDeployedError, SourceNotFoundError, UsageError
from flagkit.runtime.clock import Clock, SystemClock
from flagkit.sources import Document
from flagkit.sources.urls import parse

logger = logging.getLogger("flagkit.console")

_KEPT = 64
_EVALUATED_S = 900.0
"""How long it is taken for known when flags were last evaluated."""
_CONTEXT_KEY = re.compile(r"\$([A-Za-z_][\w.-]*)")
_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)
_TONES = (
    ("production", re.compile(r"prod|live")),
    ("staging", re.compile(r"stag|pre|uat|qa|test")),
    ("development", re.compile(r"dev|local|sandbox")),
)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Place:
    """One environment of the console.

    Attributes:
        name: its name in paths and on the page.
        url: its source.
        is_protected: whether a change asks for its name first.
        tone: the color of its pages: `production`, `staging`, `development`, or `other-1` to `other-4`.
    """

    name: str
    url: str
    is_protected: bool
    tone: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is saved in an environment, and what is live there.

    Attributes:
        saved: the newest version.
        live: the version that clients get; None if there is none.
        status: saved against live, with the deployment that runs; None for a file, where saving is serving.
    """

    saved: Stored
    live: Stored | None
    status: DeploymentStatus | None

    @property
    def is_pending(self) -> bool:
        """Whether something is saved but not live."""
        return self.status is not None and self.status.is_pending


class Workspace:
    """The environments of a console.

    Args:
        settings: which sources, and with what credentials and clock.

    Raises:
        UsageError: there is no source, or two have the same name.
        SourceUrlError: a source is not valid.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self._session = settings.session
        self.clock: Clock = SystemClock() if settings.clock is None else settings.clock
        self.environments = tuple(_places(settings.sources))
        self._asking: dict[str, bool] = {}
        self._readers = {place.name: _Reader(place, settings, self.clock) for place in self.environments}

    def only(self, may: Callable[[str], bool]) -> Workspace:
        """Return the same, without the environments for which `may` says no; there is no sign of them."""
        found = copy.copy(self)
        found.environments = tuple(place for place in self.environments if may(place.name))
        return found

    def place(self, name: str) -> Place:
        """Return an environment.

        Raises:
            SourceNotFoundError: there is none with this name.
        """
        for found in self.environments:
            if found.name == name:
                return found
        known = ", ".join(found.name for found in self.environments)
        raise SourceNotFoundError(f"there is no environment {name}", hint=f"This console shows {known}.")

    def standing(self, place: Place) -> Standing:
        """Return what is saved, and what is live."""
        return self._readers[place.name].standing()

    def newest(self, place: Place) -> Stored:
        """Return what is saved, to be changed; an empty document where nothing is saved yet."""
        return self._readers[place.name].newest()

    def version(self, place: Place, number: int) -> Stored:
        """Return a version."""
        return self._readers[place.name].version(number)

    def snapshot(self, place: Place, stored: Stored) -> Snapshot:
        """Return all flags of a version, ready to be evaluated."""
        return self._readers[place.name].snapshot(stored)

    def views(self, place: Place, stored: Stored) -> Mapping[str, FlagView]:
        """Return what is shown of each flag of a version."""
        return self._readers[place.name].views(stored)

    def view(self, place: Place, stored: Stored, key: str) -> FlagView:
        """Return what is shown of one flag of a version."""
        return self._readers[place.name].view(stored, key)

    def context_keys(self, place: Place) -> tuple[str, ...]:
        """Return the context keys that the rules of the newest version look at."""
        return self._readers[place.name].context_keys()

    @contextmanager
    def history(self, place: Place) -> Iterator[VersionReader]:
        """Lend the versions of an environment; each is read from the source once."""
        reader = self._readers[place.name]
        with reader.opened() as store:
            yield _CachedVersions(store, reader)

    @contextmanager
    def reading(self, place: Place) -> Iterator[FlagStore]:
        """Lend the store of an environment to read from; nobody else reads it meanwhile."""
        with self._readers[place.name].opened() as store:
            yield store

    @contextmanager
    def store(self, place: Place) -> Iterator[FlagStore]:
        """Open the store of an environment to change it; who is to be notified of changes is."""
        store = open_store(place.url, session=self._session, clock=self.clock)
        try:
            yield store
        finally:
            store.close()

    def asks_approval(self, place: Place) -> bool:
        """Tell whether changes of an environment need another person's approval; asked once."""
        if place.name not in self._asking:
            with self.store(place) as store:
                self._asking[place.name] = proposals_of(store) is not None
        return self._asking[place.name]

    def others(self, place: Place) -> Workspace:
        """Return the same without one environment."""
        return self.only(lambda name: name != place.name)

    def each(self, ask: Callable[[Place], _Answer]) -> dict[str, _Answer | FlagkitError]:
        """Ask something of each environment at the same time; an error is an answer."""

        def asked(place: Place) -> _Answer | FlagkitError:
            try:
                return ask(place)
            except FlagkitError as error:
                return error

        if len(self.environments) <= 1:
            return {place.name: asked(place) for place in self.environments}
        with ThreadPoolExecutor(len(self.environments)) as pool:
            answers = pool.map(asked, self.environments)
        return {place.name: answer for place, answer in zip(self.environments, answers, strict=True)}

    def close(self) -> None:
        """Close the connections."""
        for reader in self._readers.values():
            reader.close()


class _Reader:
    """Reads one source, for all requests."""

    def __init__(self, place: Place, settings: ConsoleSettings, clock: Clock) -> None:
        self._place, self._session, self._clock = place, settings.session, clock
        self._lock = threading.RLock()
        self._store: FlagStore | None = None
        self._versions: OrderedDict[int, Stored] = OrderedDict()
        self._snapshots: OrderedDict[bytes, Snapshot] = OrderedDict()
        self._evaluated = _Evaluated(place.url, settings, clock, self._forget_views)
        self._views: OrderedDict[bytes, tuple[datetime, Mapping[str, FlagView]]] = OrderedDict()
        self._changes: tuple[bytes, Mapping[str, FlagChanges]] | None = None
        self._keys: tuple[bytes, tuple[str, ...]] | None = None

    @contextmanager
    def opened(self) -> Iterator[FlagStore]:
        with self._lock:
            if self._store is None:
                # A page doesn't wait as long for an answer as a change does.
                self._store = open_plain_store(self._place.url, session=self._session, clock=self._clock, tries=2)
            yield self._store

    def standing(self) -> Standing:
        with self.opened() as store:
            if store.deployments is None:
                saved = store.read()
                return Standing(saved, saved, None)
            status = store.deployments.status()
            if status.newest == 0:
                raise SourceNotFoundError(f"{store.url} has no version", hint="`flagkit create my_flag` creates one.")
            saved = self.version(status.newest)
            live = None if status.served is None else self.version(status.served)
            return Standing(saved, live, status)

    def newest(self) -> Stored:
        with self.opened() as store:
            return store.read(missing_ok=True)

    def version(self, number: int) -> Stored:
        with self.opened() as store:
            if store.deployments is None:
                return store.read(number)
            if number not in self._versions:
                # A hosted version never changes.
                _keep(self._versions, number, store.read(number))
            return self._versions[number]

    def snapshot(self, stored: Stored) -> Snapshot:
        with self._lock:
            digest = _digest(stored)
            if digest not in self._snapshots:
                _keep(self._snapshots, digest, snapshot_of(_document(stored), self._clock.now))
            return self._snapshots[digest]

    def views(self, stored: Stored) -> Mapping[str, FlagView]:
        """Return the flags of a version; read again when a schedule, or the day, changes what is said of one."""
        now, digest = self._clock.now(), _digest(stored)
        with self._lock:
            until, kept = self._views.get(digest, (now, {}))
            if until > now:
                return kept
            snapshot = self.snapshot(stored)
            found = views(_document(stored), snapshot, now, self._changed(stored, snapshot))
            evaluated = self._evaluated.of(snapshot.flags)
            if evaluated is not None:
                found = {key: replace(flag, evaluated=evaluated.last(key)) for key, flag in found.items()}
            _keep(self._views, digest, (_valid_until(found.values(), now), found))
            return found

    def view(self, stored: Stored, key: str) -> FlagView:
        snapshot = self.snapshot(stored)
        changes = self._changed(stored, snapshot).get(key)
        view = view_of(_document(stored), snapshot, key, self._clock.now(), changes)
        evaluated = self._evaluated.of(snapshot.flags)
        return view if evaluated is None else replace(view, evaluated=evaluated.last(key))

    def _forget_views(self) -> None:
        with self._lock:
            self._views.clear()

    def context_keys(self) -> tuple[str, ...]:
        with self.opened() as store:
            stored = store.read(missing_ok=True)
        digest = _digest(stored)
        with self._lock:
            if self._keys is None or self._keys[0] != digest:
                rules = {variant.rule for value in stored.document.values.values() for variant in value.variants}
                found = {name for rule in rules if rule for name in _CONTEXT_KEY.findall(rule)}
                self._keys = digest, tuple(sorted(found))
            return self._keys[1]

    def _changed(self, stored: Stored, snapshot: Snapshot) -> Mapping[str, FlagChanges]:
        digest = _digest(stored)
        with self.opened() as store:
            if self._changes is None or self._changes[0] != digest:
                try:
                    found = flag_changes(up_to(_document(stored), store.versions()), snapshot.flags)
                except FlagkitError:
                    return {}  # the flags are shown; who changed them isn't known
                self._changes = digest, found
            return self._changes[1]

    def close(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


class _Evaluated:
    """When flags were last evaluated. CloudWatch is asked beside the requests: a page doesn't wait for it."""

    def __init__(self, url: str, settings: ConsoleSettings, clock: Clock, on_change: Callable[[], None]) -> None:
        self._url, self._session, self._clock, self._on_change = url, settings.session, clock, on_change
        self._lock = threading.Lock()
        self._known: Evaluations | None = None
        self._until_s = clock.monotonic()
        self._keys: frozenset[str] = frozenset()

    def of(self, keys: Iterable[str]) -> Evaluations | None:
        """Return what is known; None where nothing is, or not yet."""
        wanted = frozenset(keys)
        with self._lock:
            now_s = self._clock.monotonic()
            if now_s >= self._until_s or not wanted <= self._keys:
                self._until_s, self._keys = now_s + _EVALUATED_S, wanted
                threading.Thread(target=self._read, args=(wanted,), daemon=True).start()
            return self._known

    def _read(self, keys: frozenset[str]) -> None:
        try:
            found = evaluations_of_source(self._url, keys, clock=self._clock, session=self._session)
        except (FlagkitError, OSError) as error:
            logger.warning("flagkit: when flags were last evaluated is not known: %s", getattr(error, "message", error))
            return
        with self._lock:
            changed, self._known = found != self._known, found
        if changed:
            self._on_change()


class _CachedVersions:
    """The versions of a source, each read once if it never changes."""

    def __init__(self, store: FlagStore, reader: _Reader) -> None:
        self._store, self._reader = store, reader

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one."""
        return self._store.read(missing_ok=missing_ok) if version is None else self._reader.version(version)

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        return self._store.versions()


def live_of(standing: Standing, place: Place) -> Stored:
    """Return what is live.

    Raises:
        NotDeployedError: nothing is.
    """
    if standing.live is None:
        raise NotDeployedError(f"{place.url} has no live version", hint="Deploy a version there first.")
    return standing.live


def named(source: str) -> tuple[str | None, str]:
    """Return the name that `NAME=SOURCE` gives an environment, None where it gives none, and its source."""
    given = _NAMED.fullmatch(source)
    name, url = (None, source) if given is None else (given[1], given[2])
    return name, url if ":" in url else f"file:{url}"


def _places(sources: Sequence[str]) -> Iterator[Place]:
    if not sources:
        raise UsageError("no flag source is given", hint="Give --source or set FLAGKIT_SOURCE.")
    seen: set[str] = set()
    others = 0
    for word in sources:
        name, url = named(word)
        address = parse(url)
        if name is None:
            name = environment(url)
        if name is None:
            stem = re.split(r"[/\\]", address.rest)[-1].removesuffix(".json")
            name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "flags"
        if name in seen:
            raise UsageError(f"two sources are named {name}", hint=f"Name them, e.g. {name}-2={url}.")
        seen.add(name)
        tone = tone_of(name, others)
        others += tone.startswith("other")
        yield Place(name, url, is_protected(name), tone)


def tone_of(name: str, others: int = 0) -> str:
    """Return the color of an environment by its name; of one that says nothing, by how many such there are before."""
    return next((tone for tone, pattern in _TONES if pattern.search(name.lower())), f"other-{others % 4 + 1}")


def _valid_until(found: Iterable[FlagView], now: datetime) -> datetime:
    """Return when something that is said of these flags changes by itself."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    times = [at for flag in found if flag.status is not None for at in (flag.status.opens, flag.status.closes)]
    return min([midnight, *(at for at in times if at is not None and at > now)])


def _document(stored: Stored) -> Document:
    return Document(stored.content or b'{"version":"1"}', str(stored.version.number), stored.version.label)


def _digest(stored: Stored) -> bytes:
    return hashlib.sha256(str(stored.version.number).encode() + b"\0" + (stored.content or b"")).digest()


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    while len(kept) > _KEPT:
        kept.popitem(last=False)
