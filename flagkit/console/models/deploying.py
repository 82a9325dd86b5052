"""Bringing what is saved to clients without keeping a request waiting: at once, or behind the deployment that runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from flagkit.admin.stores import Deployment, DeploymentStatus, FlagStore
from flagkit.console.workspace import Place, Workspace
from flagkit.errors import DeploymentError, FlagkitError, UsageError

PACE: Final = "guarded"


@dataclass(slots=True)
class Waiting:
    """A version that waits for the end of another deployment.

    Attributes:
        version: its number.
        problem: why it isn't deployed; empty while it waits.
    """

    version: int
    problem: str = ""
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still waits."""
        return self.thread is not None and self.thread.is_alive()


class Deployer:
    """Deploys the versions of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._waiting: dict[str, Waiting] = {}
        self._lock = threading.Lock()

    def deploy(
        self,
        place: Place,
        store: FlagStore,
        version: int,
        *,
        reason: str = "",
        emergency: bool = False,
        stop_running: bool = False,
    ) -> Deployment | None:
        """Deploy a saved version; None where saving is serving, or if it waits for another deployment.

        Raises:
            DeploymentBusyError: an emergency, but another profile's deployment runs.
            FlagkitError: AWS refused.
        """
        deployments = store.deployments
        if deployments is None:
            return None
        if emergency or stop_running:
            pace = "immediate" if emergency else PACE
            if stop_running:
                return deployments.deploy(version, pace=pace, when_busy="replace_any", reason=reason)
            return deployments.deploy(version, pace=pace, when_busy="replace", reason=reason)
        started = deployments.deploy(version, pace=PACE, when_busy="queue", reason=reason)
        if started is None:
            self._wait(place, version)
        return started

    def waiting(self, place: Place) -> Waiting | None:
        """Return the version that waits, or waited in vain."""
        found = self._waiting.get(place.name)
        return found if found is not None and (found.is_alive or found.problem) else None

    def forget(self, place: Place) -> None:
        """Forget why a version isn't deployed."""
        found = self._waiting.get(place.name)
        if found is not None and not found.is_alive:
            del self._waiting[place.name]

    def _wait(self, place: Place, version: int) -> None:
        with self._lock:
            found = self._waiting.get(place.name)
            if found is not None and found.is_alive:
                found.version = max(found.version, version)
                return
            waiting = Waiting(version)
            waiting.thread = threading.Thread(target=self._run, args=(place, waiting), daemon=True)
            self._waiting[place.name] = waiting
            waiting.thread.start()

    def _run(self, place: Place, waiting: Waiting) -> None:
        try:
            while True:
                number = waiting.version
                with self._workspace.store(place) as store:
                    assert store.deployments is not None
                    store.deployments.deploy(number, pace=PACE, when_busy="wait", reason=f"version {number}")
                with self._lock:
                    if waiting.version == number:
                        waiting.thread = None
                        return
        except FlagkitError as error:
            waiting.problem = error.message


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """What the deployment of an environment shows.

    Attributes:
        text: what is live and what isn't, in a sentence.
        status: the same as data; None for a file.
        state: `live`, `running`, `baking`, `waiting`, `pending`, `rolled_back` or `file`.
        waiting: the version that waits for another deployment.
    """

    text: str
    status: DeploymentStatus | None
    state: str
    waiting: Waiting | None = None

    @property
    def is_moving(self) -> bool:
        """Whether it changes by itself."""
        return self.state in {"running", "waiting", "baking"}


def deployment_view(workspace: Workspace, deployer: Deployer, place: Place) -> DeploymentView:
    """Return what the deployment of an environment shows."""
    standing = workspace.standing(place)
    status = standing.status
    if status is None:
        return DeploymentView(f"Version {standing.saved.version.number} is live.", None, "file")
    waiting = deployer.waiting(place)
    state = "live"
    if waiting is not None and waiting.is_alive:
        state = "waiting"
    elif status.running is not None and status.running.version == status.newest:
        state = "baking" if status.running.state == "BAKING" else "running"
    elif status.was_rolled_back:
        state = "rolled_back"
    elif status.is_pending:
        state = "pending"
    return DeploymentView(status.to_text(), status, state, waiting)


def steer(workspace: Workspace, deployer: Deployer, place: Place, action: str) -> Deployment | None:
    """Deploy what is saved, stop the running deployment, or roll back the last one.

    Raises:
        FlagkitError: there is nothing to do, or AWS refused.
    """
    with workspace.store(place) as store:
        deployments = store.deployments
        if deployments is None:
            raise UsageError("a file has no deployments", hint="Restore an earlier version in the history instead.")
        deployer.forget(place)
        match action:
            case "deploy":
                status = deployments.status()
                if not status.is_pending:
                    raise DeploymentError("the newest version is live: there is nothing to deploy")
                return deployer.deploy(place, store, status.newest)
            case "replace":
                status = deployments.status()
                return deployer.deploy(place, store, status.newest, stop_running=True)
            case "stop":
                return deployments.stop()
            case "rollback":
                return deployments.revert()
            case _:
                raise UsageError(f"there is no action {action!r}")
