"""A store whose changes are noticed: one notice for each change that is saved, deployed, stopped or rolled back.

The change is made first, as without notices, and nothing waits for a notice but `close`. On AppConfig a saved version
is noticed when its deployment starts; if none follows, as saved but not deployed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.identity import local_user
from flagkit.admin.notices.delivery import Delivery, Outbox
from flagkit.admin.notices.notice import Action, Notice, message_id, undo_command
from flagkit.admin.settings import SourceSettings
from flagkit.admin.settings_file import name_of_source
from flagkit.admin.stores.base import (
    Deployment,
    Deployments,
    DeploymentStatus,
    FlagStore,
    Note,
    OnDeployment,
    Pace,
    Receipt,
    Stored,
    Version,
    WhenBusy,
)
from flagkit.core.documents import FlagDocument
from flagkit.runtime.clock import Clock

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.stores.appconfig import AppConfigStore
    from flagkit.admin.stores.deployments import AppConfigDeployments

GRACE_S: Final = 2.0
"""How long a saved version waits for its deployment, before it is noticed as saved but not deployed."""


@dataclass(frozen=True, slots=True)
class _Saved:
    """A change that is saved."""

    base: Stored
    document: FlagDocument
    receipt: Receipt
    edit_id: str


class NoticedStore:
    """A store that sends notices of what is changed through it.

    Args:
        store: keeps the flags.
        outbox: sends.
        clock: dates what the store doesn't date.
    """

    def __init__(self, store: FlagStore, outbox: Outbox, clock: Clock) -> None:
        self.url = store.url
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._noticed: set[str] = set()
        self._waiting: _Saved | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._deployments = None if store.deployments is None else _NoticedDeployments(store.deployments, self)

    @property
    def deployments(self) -> Deployments | None:
        """How versions reach clients; None where saving is serving."""
        return self._deployments

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one."""
        return self._store.read(version, missing_ok=missing_ok)

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        return self._store.versions()

    def save(self, base: Stored, document: FlagDocument, note: Note) -> Receipt:
        """Save a document that was made from `base`; what others saved since is merged in."""
        receipt = self._store.save(base, document, note)
        if not receipt.is_new or note.edit_id in self._noticed:
            return receipt
        self._noticed.add(note.edit_id)
        saved = _Saved(base, document, receipt, note.edit_id)
        if self._deployments is None:
            self.notice_saved(saved, "live")
            return receipt
        earlier = self.take()
        if earlier is not None:
            self.notice_saved(earlier, "saved")
        with self._lock:
            self._waiting = saved
            # Not a daemon: a program that ends without `close` still sends it.
            self._timer = threading.Timer(GRACE_S, self._expire, (saved,))
            self._timer.start()
        return receipt

    def close(self) -> None:
        """Send what waits, wait for its delivery (some seconds at most), and let go of connections."""
        saved = self.take()
        if saved is not None:
            self.notice_saved(saved, "saved")
        try:
            self._outbox.wait()
        finally:
            self._store.close()

    def take(self) -> _Saved | None:
        """Take the change that waits for its deployment, if there is one."""
        with self._lock:
            saved, self._waiting = self._waiting, None
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return saved

    def notice_saved(self, saved: _Saved, action: Action, deployment: int | None = None) -> None:
        """Send the notice of a saved change; what changed is computed in the background."""
        version = saved.receipt.version

        def compose() -> Notice:
            at = version.at or self._clock.now()
            diff = compare(saved.base.document, saved.document, now=at)
            name, environment = shown(self._store)
            return Notice(
                message_id(saved.edit_id),
                action,
                at,
                name,
                environment,
                version.author,
                version.reason or "",
                version.number,
                deployment,
                diff=diff,
                undo=undo_command(self.url, diff, version.number - 1),
                names=names_of(self._store),
            )

        self._outbox.send(compose)

    def notice_proposed(self, number: str, base: Stored, document: FlagDocument, author: str, reason: str) -> None:
        """Send the notice of a change that waits for approval."""

        def compose() -> Notice:
            at = self._clock.now()
            diff = compare(base.document, document, now=at)
            name, environment = shown(self._store)
            number_of = message_id("proposal", number)
            names = names_of(self._store)
            return Notice(
                number_of, "proposed", at, name, environment, author, reason, diff=diff, names=names, proposal=number
            )

        self._outbox.send(compose)

    def notice_deployment(self, deployment: Deployment, action: Action, *, by_us: bool, reason: str = "") -> None:
        """Send the notice of a deployment that saves nothing; it is read from AWS in the background."""
        store = cast("AppConfigStore", self._store)  # only AppConfig has deployments

        def compose() -> Notice | None:
            own = store.control.profile()["ConfigurationProfileId"]
            if deployment.profile_id not in {"", own}:
                return None  # stopped for another profile: these flags are as they were
            before = store.deployments.before(deployment.number)
            name, environment = shown(store)
            old, new = (None if it is None else it.version for it in (before, deployment))
            live = new
            if action != "deploying":
                old, new, live = new, old, old
            diff = DocumentDiff()
            if old is not None and new is not None and old != new:
                diff = compare(store.read(old).document, store.read(new).document, now=self._clock.now())
            at = f"--source {self.url}"
            undo = f"flagkit deploy --version {old} {at}" if action != "deploying" and old else ""
            return Notice(
                message_id(name, "deployment", deployment.number, action),
                action,
                self._clock.now(),
                name,
                environment,
                store.control.caller().arn if by_us else None,
                reason,
                deployment.version,
                deployment.number,
                None if action == "deploying" else live,
                diff,
                undo_command(self.url, diff, old or 0) if action == "deploying" and old else undo,
                names_of(store),
            )

        self._outbox.send(compose)

    def _expire(self, saved: _Saved) -> None:
        with self._lock:
            if self._waiting is not saved:
                return
            self._waiting = None
        self.notice_saved(saved, "saved")


class _NoticedDeployments:
    """The deployments of a store that sends notices."""

    def __init__(self, deployments: Deployments, store: NoticedStore) -> None:
        self._deployments = cast("AppConfigDeployments", deployments)  # only AppConfig has any
        self._store = store
        self._started: set[int] = set()

    def status(self) -> DeploymentStatus:
        """Return what is saved against what is served."""
        return self._deployments.status()

    def check_pace(self, pace: Pace) -> None:
        """Check that a strategy exists, before something is saved for it."""
        self._deployments.check_pace(pace)

    def deploy(
        self,
        version: int,
        *,
        pace: Pace = "guarded",
        when_busy: WhenBusy = "wait",
        reason: str = "",
        on_wait: OnDeployment | None = None,
        on_stop: OnDeployment | None = None,
    ) -> Deployment | None:
        """Deploy a version, unless it or a newer one that contains it is deployed already."""
        return self._noticed(
            lambda: self._deployments.deploy(
                version, pace=pace, when_busy=when_busy, reason=reason, on_wait=on_wait, on_stop=on_stop
            ),
            reason,
        )

    def finish(
        self, *, pace: Pace = "guarded", when_busy: WhenBusy = "wait", again: bool = False, **calls: Any
    ) -> Deployment | None:
        """Deploy what is saved but not deployed; None if there is nothing to do."""
        return self._noticed(lambda: self._deployments.finish(pace=pace, when_busy=when_busy, again=again, **calls), "")

    def follow(self, number: int, *, interval_s: float = 5.0) -> Iterator[Deployment]:
        """Yield a deployment whenever it has moved, until it has ended; alarms may roll it back meanwhile."""
        for step in self._deployments.follow(number, interval_s=interval_s):
            if step.state in {"ROLLED_BACK", "REVERTED"} and number in self._started:
                self._started.discard(number)
                self._store.notice_deployment(step, "rolled_back", by_us=False)
            yield step

    def stop(self, number: int | None = None) -> Deployment:
        """Stop a running deployment (the running one where None): clients get what they had before."""
        return self._undone(self._deployments.stop(number), "stopped")

    def revert(self, number: int | None = None) -> Deployment:
        """Roll back a finished deployment within 72 hours (the last one where None)."""
        return self._undone(self._deployments.revert(number), "rolled_back")

    def _noticed(self, deploy: Callable[[], Deployment | None], reason: str) -> Deployment | None:
        saved = self._store.take()
        started: Deployment | None = None
        try:
            started = deploy()
        finally:
            if started is not None and started.is_new:
                self._started.add(started.number)
            if saved is not None:
                # A deployment that others started brings the version as well.
                is_live = started is not None and (started.version or 0) >= saved.receipt.version.number
                number = None if started is None else started.number
                self._store.notice_saved(saved, "deploying" if is_live else "saved", number if is_live else None)
            elif started is not None and started.is_new:
                self._store.notice_deployment(started, "deploying", by_us=True, reason=reason)
        return started

    def _undone(self, deployment: Deployment, action: Action) -> Deployment:
        self._started.discard(deployment.number)
        self._store.notice_deployment(deployment, action, by_us=True)
        return deployment


def noticed(
    store: FlagStore,
    settings: SourceSettings,
    clock: Clock,
    *,
    session: boto3.Session | None = None,
    warn: Callable[[str], object] | None = None,
) -> FlagStore:
    """Return a store that sends notices, or the store itself where nobody is notified."""
    if not settings.receivers:
        return store
    return NoticedStore(store, Outbox(Delivery(settings, session=session), warn), clock)


def make_test_notice(store: FlagStore, clock: Clock) -> Notice:
    """Return a notice that says nothing but that it arrives."""
    name, environment = shown(store)
    author = local_user() if store.deployments is None else cast("AppConfigStore", store).control.caller().arn
    at = clock.now()
    return Notice(
        message_id("test", secrets.token_hex(6)), "test", at, name, environment, author, names=names_of(store)
    )


def shown(store: FlagStore) -> tuple[str, str | None]:
    """The source with AppConfig's names, also where it was given by ids, and the environment."""
    if store.deployments is None:
        return store.url, None
    names = cast("AppConfigStore", store).control.known_names()
    return f"appconfig://{'/'.join(names)}", names[1]


def names_of(store: FlagStore) -> tuple[str, ...]:
    """Return a source as the settings may name it: as it was given, and with AppConfig's names."""
    return (name_of_source(store.url), *({shown(store)[0]} if store.deployments is not None else ()))
