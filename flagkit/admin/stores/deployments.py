"""Bringing saved versions to clients: start, wait, replace, follow, stop, revert. One at a time in an environment.

A deployment is started under AWS's own lock (`LatestDeploymentNumber`), so a lost answer never starts a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flagkit.admin.stores.base import (
    Deployment,
    DeploymentEvent,
    DeploymentStatus,
    OnWait,
    Pace,
    WhenBusy,
)
from flagkit.admin.stores.control import TRIES, Control
from flagkit.admin.stores.strategies import strategy_id
from flagkit.errors import (
    DeploymentBusyError,
    DeploymentError,
    SourceBusyError,
    SourceError,
    SourceUnavailableError,
)

POLL_S = 5.0
WAIT_LIMIT_S = 7200.0  # twice the longest deployment of AWS's own strategies


class AppConfigDeployments:
    """The deployments of one profile to one environment."""

    def __init__(self, control: Control, *, wait_limit_s: float = WAIT_LIMIT_S) -> None:
        self._control = control
        self._wait_limit_s = wait_limit_s

    def status(self) -> DeploymentStatus:
        """Return what is saved against what is served."""
        profile = self._control.profile()
        newest = next(self._control.pages("ListHostedConfigurationVersions", **profile), None)
        listed = self._recent()
        own = [item for item in listed if self._is_own(item)]
        holding = next((item for item in own if item.holds), None)
        return DeploymentStatus(
            0 if newest is None else newest["VersionNumber"],
            None if holding is None else holding.version,
            next((item for item in listed if item.is_running), None),
            own[0] if own else None,
        )

    def deploy(
        self,
        version: int,
        *,
        pace: Pace = "guarded",
        when_busy: WhenBusy = "wait",
        reason: str = "",
        on_wait: OnWait | None = None,
    ) -> Deployment | None:
        """Deploy a version, unless it or a newer one that contains it is deployed already."""
        strategy = strategy_id(self._control, pace)
        until_s = self._control.clock.monotonic() + self._wait_limit_s
        failures = 0
        while True:
            listed = self._recent()
            holding = next((item for item in listed if self._is_own(item) and item.holds), None)
            if holding is not None and holding.version is not None and holding.version >= version:
                if not (pace == "immediate" and when_busy == "replace" and holding.state == "DEPLOYING"):
                    return self._get(holding.number)
                # On its way, but slowly: a kill switch doesn't wait for it.
                version = holding.version
            running = next((item for item in listed if item.is_running), None)
            if running is not None:
                if when_busy == "queue":
                    return None
                self._make_way(running, when_busy, until_s)
                if on_wait is not None:
                    on_wait(running)
                continue
            try:
                return self._start(version, strategy, listed[0].number if listed else 0, reason)
            except (SourceBusyError, SourceUnavailableError):
                # Lost, or overtaken by somebody: the list will tell.
                failures += 1
                if failures >= 2 * TRIES:
                    raise
                self._control.pause(failures)

    def finish(
        self,
        *,
        pace: Pace = "guarded",
        when_busy: WhenBusy = "wait",
        again: bool = False,
        on_wait: OnWait | None = None,
    ) -> Deployment | None:
        """Deploy what is saved but not deployed; None if there is nothing to do."""
        status = self.status()
        if not status.is_pending:
            return None
        if status.was_rolled_back and not again:
            message = f"version {status.newest} was deployed and rolled back; it is not deployed again automatically"
            raise DeploymentError(message, hint="Undo the edit (`flagkit revert`), or deploy it again explicitly.")
        return self.deploy(status.newest, pace=pace, when_busy=when_busy, on_wait=on_wait)

    def follow(self, number: int, *, interval_s: float = POLL_S) -> Iterator[Deployment]:
        """Yield a deployment whenever it has moved, until it has ended."""
        last: Deployment | None = None
        while True:
            current = self._get(number)
            if current != last:
                yield current
            if not current.is_running:
                return
            last = current
            self._control.clock.sleep(interval_s)

    def stop(self, number: int | None = None) -> Deployment:
        """Stop a running deployment (the running one where None): clients go back to what they had."""
        running = next((item for item in self._recent() if item.is_running and number in {None, item.number}), None)
        if running is None:
            raise DeploymentError(
                "no deployment runs that could be stopped" if number is None else f"{number} doesn't run"
            )
        return self._stop(running.number, allow_revert=running.state == "BAKING")

    def revert(self, number: int | None = None) -> Deployment:
        """Take a finished deployment back within 72 hours (the last one of this profile where None)."""
        own = (item for item in self._list() if self._is_own(item))
        found = next((item for item in own if item.state == "COMPLETE" and number in {None, item.number}), None)
        if found is None:
            message = "there is no finished deployment to roll back"
            raise DeploymentError(message, hint="`flagkit revert` undoes an edit instead, as a new version.")
        return self._stop(found.number, allow_revert=True)

    def _make_way(self, running: Deployment, when_busy: WhenBusy, until_s: float) -> None:
        where = self._control.names
        if when_busy == "refuse" or (when_busy == "replace" and not self._is_own(running)):
            whose = "" if self._is_own(running) else " of another profile"
            raise DeploymentBusyError(f"deployment {running.number}{whose} runs in {where} ({running.state})")
        if self._control.clock.monotonic() >= until_s:
            raise DeploymentBusyError(f"deployment {running.number} still runs in {where} ({running.state})")
        if when_busy == "replace" and running.state in {"DEPLOYING", "BAKING"}:
            self._stop(running.number, allow_revert=running.state == "BAKING")
        else:
            self._control.clock.sleep(POLL_S)

    def _start(self, version: int, strategy: str, latest: int, reason: str) -> Deployment:
        answer = self._control.locked(
            "StartDeployment",
            "LatestDeploymentNumber",
            latest,
            **(self._control.environment() | self._control.profile()),
            ConfigurationVersion=str(version),
            DeploymentStrategyId=strategy,
            Description=(reason or f"version {version}")[:1024],
        )
        return _deployment(answer)

    def _stop(self, number: int, *, allow_revert: bool) -> Deployment:
        try:
            params = {"AllowRevert": True} if allow_revert else {}
            environment = self._control.environment()
            answer = self._control.once("StopDeployment", **environment, DeploymentNumber=number, **params)
            return _deployment(answer)
        except (SourceUnavailableError, SourceBusyError):
            self._control.pause(1)
        except SourceError as error:
            # It may have ended in the meantime, or a lost call may have stopped it.
            current = self._get(number)
            if current.is_running or (current.state == "COMPLETE" and allow_revert):
                raise DeploymentError(f"deployment {number} can't be stopped: {error.message}") from error
            return current
        current = self._get(number)
        ended = not current.is_running and not (current.state == "COMPLETE" and allow_revert)
        return current if ended or current.state == "ROLLING_BACK" else self._stop(number, allow_revert=allow_revert)

    def _recent(self) -> list[Deployment]:
        """The newest deployments, down to the one that clients get; only the newest of all can run."""
        found: list[Deployment] = []
        for item in self._list():
            found.append(item)
            if self._is_own(item) and item.holds:
                break
        return found

    def _list(self) -> Iterator[Deployment]:
        for item in self._control.pages("ListDeployments", **self._control.environment()):
            yield _deployment(item)

    def _get(self, number: int) -> Deployment:
        params = {**self._control.environment(), "DeploymentNumber": number}
        return _deployment(self._control.call("GetDeployment", **params))

    def _is_own(self, deployment: Deployment) -> bool:
        return deployment.profile_id == self._control.profile()["ConfigurationProfileId"]


def _deployment(answer: Any) -> Deployment:
    version = str(answer.get("ConfigurationVersion") or "")
    events = [
        DeploymentEvent(
            item.get("EventType", ""), item.get("OccurredAt"), item.get("TriggeredBy", ""), item.get("Description", "")
        )
        for item in reversed(answer.get("EventLog") or ())
    ]
    return Deployment(
        answer["DeploymentNumber"],
        int(version) if version.isdigit() else None,
        str(answer.get("State", "")),
        float(answer.get("PercentageComplete") or 0),
        str(answer.get("ConfigurationProfileId", "")),
        answer.get("StartedAt"),
        answer.get("CompletedAt"),
        tuple(events),
    )
