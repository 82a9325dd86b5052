"""A store that refuses changes which need an approval and have none, whoever makes them: commands, Python, the console.

It protects from mistakes and short cuts. Whoever may write to the file or profile with other tools needs no flagkit;
permissions keep them out (docs/approvals.md, decision 0037).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from flagkit.admin.proposals.review import SAVED, Proposals, is_exempt, live_or_empty
from flagkit.admin.stores.base import (
    Deployment,
    Deployments,
    DeploymentStatus,
    FlagStore,
    Note,
    Pace,
    Receipt,
    Stored,
    Version,
    WhenBusy,
)
from flagkit.core.documents import FlagDocument
from flagkit.errors import ApprovalRequiredError, EditError, SourceNotFoundError

if TYPE_CHECKING:
    from flagkit.admin.stores.base import OnDeployment


class GuardedStore:
    """A store whose changes need an approval.

    Args:
        store: keeps the flags.
        proposals: knows what is approved.
    """

    def __init__(self, store: FlagStore, proposals: Proposals) -> None:
        self.url = store.url
        self.proposals = proposals
        self._store = store
        self._deployments = None if store.deployments is None else _GuardedDeployments(store, proposals)

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
        """Save a document that was made from `base`, if its change is exempt from approvals (`is_exempt`).

        Raises:
            ApprovalRequiredError: it does more. Nothing is saved.
            EditError: the edit has the id of a proposal, which would count as saved then.
        """
        if note.edit_id.startswith(SAVED):
            raise EditError(f"{note.edit_id!r} is the id of a proposal", hint="Leave it out.")
        if not is_exempt(base.document, document) and self._asks(base.document, document):
            raise _required(self.url, self.proposals.required)
        return self._store.save(base, document, note)

    def _asks(self, before: FlagDocument, after: FlagDocument) -> bool:
        if not self.proposals.required:
            return False
        return not (self.proposals.frees_rollouts and is_exempt(before, after, rollouts=True))

    def close(self) -> None:
        """Let go of connections."""
        try:
            self.proposals.close()
        finally:
            self._store.close()


def proposals_of(store: FlagStore) -> Proposals | None:
    """Return the proposals of a store; None where its changes need no approval.

    Raises:
        SourceError: AWS doesn't say what the source is called, so nobody knows whether they do.
    """
    return store.proposals if isinstance(store, GuardedStore) and store.proposals.required else None


class _GuardedDeployments:
    """The deployments of a store whose changes need an approval; what users had before needs none."""

    def __init__(self, store: FlagStore, proposals: Proposals) -> None:
        assert store.deployments is not None
        self._store = store
        self._deployments = store.deployments
        self._proposals = proposals

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
        """Deploy a version that was approved, that is exempt from approvals, or whose own change is.

        Raises:
            ApprovalRequiredError: it was not approved. Nothing is deployed.
        """
        self._check(version)
        return self._deployments.deploy(
            version, pace=pace, when_busy=when_busy, reason=reason, on_wait=on_wait, on_stop=on_stop
        )

    def finish(
        self, *, pace: Pace = "guarded", when_busy: WhenBusy = "wait", again: bool = False, **calls: Any
    ) -> Deployment | None:
        """Deploy what is saved but not deployed; None if there is nothing to do."""
        status = self._deployments.status()
        if status.is_pending:
            self._check(status.newest)
        return self._deployments.finish(pace=pace, when_busy=when_busy, again=again, **calls)

    def follow(self, number: int, *, interval_s: float = 5.0) -> Iterator[Deployment]:
        """Yield a deployment whenever it has moved, until it has ended."""
        return self._deployments.follow(number, interval_s=interval_s)

    def stop(self, number: int | None = None) -> Deployment:
        """Stop a running deployment: clients get what they had before."""
        return self._deployments.stop(number)

    def revert(self, number: int | None = None) -> Deployment:
        """Roll back a deployment: clients get what they had before."""
        return self._deployments.revert(number)

    def _check(self, number: int) -> None:
        if not self._proposals.required:
            return
        stored = self._store.read(number)
        if self._proposals.was_approved(stored.version.edit_id):
            return
        changes = ((before(), stored.document) for before in (self._live, partial(self._before, number)))
        frees = self._proposals.frees_rollouts
        if not any(is_exempt(*change, rollouts=frees) for change in changes):
            raise _required(self._store.url, self._proposals.required, number)

    def _live(self) -> FlagDocument:
        return live_or_empty(self._store)

    def _before(self, number: int) -> FlagDocument:
        """Return what a version was made from, or where that is gone, what is live."""
        earlier = next((version.number for version in self._store.versions() if version.number < number), 0)
        try:
            return self._store.read(earlier, missing_ok=True).document
        except SourceNotFoundError:
            return self._live()


def approvals_of_rollouts(store: FlagStore) -> int:
    """Return how many people would have to approve each step of a guarded rollout; 0 where it needs none.

    Raises:
        SourceError: AWS doesn't say what the source is called, so nobody knows.
    """
    proposals = proposals_of(store)
    return 0 if proposals is None or proposals.frees_rollouts else proposals.required


def _required(url: str, count: int, version: int | None = None) -> ApprovalRequiredError:
    people = "another person" if count == 1 else f"{count} other people"
    what = f"changes of {url} need" if version is None else f"version {version} of {url} needs"
    return ApprovalRequiredError(f"{what} the approval of {people}")
