"""What a flag store does: the types shared by files and AppConfig. Values and Protocols only."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from flagkit.core.documents import FlagDocument

Pace: TypeAlias = str
"""`guarded` (all clients, then monitored by alarms), `immediate` (no bake; for kill switches), or a strategy id."""

WhenBusy = Literal["wait", "replace", "replace_any", "queue", "refuse"]
"""What to do while another deployment runs: wait for it; stop it, if it is this profile's (`replace`) or any profile's
(`replace_any`), and go on; leave ours for `finish` (`queue`); or refuse."""


ChangeKind = Literal["created", "changed", "deleted"]
"""What a version did to a flag."""


def new_edit_id() -> str:
    """Return an id that no other edit has."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Note:
    """What is written down about an edit.

    Attributes:
        reason: why, in one sentence.
        author: who; the caller's identity where None.
        edit_id: makes saving repeatable: what was saved under this id isn't saved again.
    """

    reason: str = ""
    author: str | None = None
    edit_id: str = field(default_factory=new_edit_id)


@dataclass(frozen=True, slots=True)
class Version:
    """One saved version; what isn't known is None (it was saved by another tool).

    Attributes:
        number: 0 for the empty document before the first version.
        label: the version's label, as evaluations show it.
        author: who saved it.
        reason: why.
        at: when.
        edit_id: the edit that made it.
        remark: AWS's description where another tool wrote it.
        changes: what it did to which flags; None where that isn't written down.
    """

    number: int
    label: str | None = None
    author: str | None = None
    reason: str | None = None
    at: datetime | None = None
    edit_id: str | None = None
    remark: str | None = None
    changes: Mapping[str, ChangeKind] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """A version with its document.

    Attributes:
        version: which one.
        document: what it says.
        content: its exact bytes; None for the empty document before the first version.
    """

    version: Version
    document: FlagDocument
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that an edit is saved.

    Attributes:
        version: the version that holds it.
        is_new: False if there was nothing to change, so no version was made.
        document: what that version says, other people's edits included.
    """

    version: Version
    is_new: bool
    document: FlagDocument


@dataclass(frozen=True, slots=True)
class DeploymentEvent:
    """One entry of a deployment's event log."""

    kind: str
    at: datetime | None
    triggered_by: str
    description: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment, as it stands.

    Attributes:
        number: AWS's number.
        version: the version's number.
        state: AWS's state, e.g. DEPLOYING, BAKING, COMPLETE, ROLLED_BACK, REVERTED.
        percent: how many percent of the clients have it.
        profile_id: whose version it is; an environment deploys one profile at a time.
        started_at: when it started.
        completed_at: when it ended.
        events: the log, oldest first; empty in lists.
        is_new: whether the call that returns it started it.
    """

    number: int
    version: int | None
    state: str
    percent: float
    profile_id: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    events: tuple[DeploymentEvent, ...] = ()
    is_new: bool = field(default=False, compare=False)

    @property
    def is_running(self) -> bool:
        """Whether it still blocks its environment; baking does (appconfig.md §7)."""
        return self.state in {"DEPLOYING", "BAKING", "VALIDATING", "ROLLING_BACK"}

    @property
    def holds(self) -> bool:
        """Whether clients get it, or will."""
        return self.state in {"DEPLOYING", "BAKING", "VALIDATING", "COMPLETE"}


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What is saved against what is served.

    Attributes:
        newest: number of the newest version; 0 if there is none.
        served: number of the version that clients get, or will; None if nothing was deployed, or it can't be told.
        running: the deployment that blocks the environment, of this profile or another.
        last: the newest deployment of this profile.
        reverted: number of the newest version that clients had and have no longer: its deployment was rolled back, or
            an older version was deployed over it; None if there is none among the last fifty deployments.
    """

    newest: int
    served: int | None
    running: Deployment | None
    last: Deployment | None
    reverted: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether something is saved but not deployed."""
        return self.newest > 0 and self.newest != self.served

    @property
    def was_rolled_back(self) -> bool:
        """Whether the newest version was deployed and rolled back or reverted."""
        return self.last is not None and self.last.version == self.newest and not self.last.holds

    def to_text(self) -> str:
        """Return what is live and what isn't, for people."""
        if self.newest == 0:
            return "No version is saved."
        if not self.is_pending:
            if self.running is not None and self.running.version == self.newest and self.running.state != "BAKING":
                return f"Version {self.newest} is being deployed ({self.running.percent:.0f} %)."
            return f"Version {self.newest} is live."
        live = "No version is live." if self.served is None else f"Version {self.served} is live."
        if self.was_rolled_back:
            return f"Version {self.newest} was deployed and rolled back. {live}"
        return f"Version {self.newest} is saved but not deployed. {live}"


OnDeployment: TypeAlias = Callable[[Deployment], object]


class Deployments(Protocol):
    """How saved versions reach the clients of one environment."""

    def status(self) -> DeploymentStatus:
        """Return what is saved against what is served."""
        ...

    def check_pace(self, pace: Pace) -> None:
        """Check that a strategy exists, before something is saved for it.

        Raises:
            SourceNotFoundError: it doesn't.
        """
        ...

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
        """Deploy a version, unless it or a newer one that contains it is deployed already.

        Args:
            version: its number.
            pace: how fast.
            when_busy: what to do while another deployment runs.
            reason: the deployment's description.
            on_wait: called with the deployment that is waited for, each time it was looked at.
            on_stop: called with a deployment that was stopped to make way.

        Returns:
            The deployment that brings the version, or None if it was queued.

        Raises:
            DeploymentBusyError: another deployment runs, and `when_busy` is `refuse` or it took too long.
            SourceError: AWS refused.
        """
        ...

    def finish(self, *, pace: Pace = "guarded", when_busy: WhenBusy = "wait", again: bool = False) -> Deployment | None:
        """Deploy what is saved but not deployed; None if there is nothing to do.

        A version that was rolled back or reverted isn't deployed again unless `again`.
        """
        ...

    def follow(self, number: int, *, interval_s: float = 5.0) -> Iterator[Deployment]:
        """Yield a deployment whenever it has moved, until it has ended."""
        ...

    def stop(self, number: int | None = None) -> Deployment:
        """Stop a running deployment (the running one where None): clients get what they had before."""
        ...

    def revert(self, number: int | None = None) -> Deployment:
        """Roll back a deployment within 72 hours (the last one where None), also a running one."""
        ...


class VersionReader(Protocol):
    """What history is read from: versions with their documents, as every store has them."""

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one."""
        ...

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        ...


class FlagStore(Protocol):
    """A store of a flag document with its history.

    Attributes:
        url: its address.
        deployments: how versions reach clients; None where saving is serving (a file).
    """

    url: str

    @property
    def deployments(self) -> Deployments | None:
        """How versions reach clients; None where saving is serving."""
        ...

    def read(self, version: int | None = None, *, missing_ok: bool = False) -> Stored:
        """Read the newest version, or that one.

        Args:
            version: its number.
            missing_ok: return an empty document, version 0, where there is no file or no version yet.

        Raises:
            SourceNotFoundError: there is nothing.
            DocumentError: what is there isn't a flag document.
            SourceError: it can't be read.
        """
        ...

    def save(self, base: Stored, document: FlagDocument, note: Note) -> Receipt:
        """Save a document that was made from `base`; what others saved since is merged in.

        Saying the same as the newest version makes no version. An edit id is never saved twice, so a call that
        failed without an answer may be repeated with the same note.

        Raises:
            ConflictError: somebody else changed the same flag since `base`. Nothing is saved.
            DocumentError: it breaks AWS's format. Nothing is saved.
            SourceError: it can't be saved.
        """
        ...

    def versions(self) -> Iterator[Version]:
        """Yield all versions, newest first."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
