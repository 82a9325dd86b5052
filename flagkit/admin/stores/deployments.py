"""Bringing saved versions to clients: start, wait, replace, follow, stop, revert. One at a time in an environment.

A deployment is started under AWS's own lock (`LatestDeploymentNumber`), so a lost answer never starts a second one.
AWS's AllAtOnce bakes for ten minutes, in which the next change would have to wait, so flagkit has a strategy without a
bake for kill switches, and one that alarms monitor for everything else (appconfig.md §7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from flagkit.admin.stores.base import (
    Deployment,
    DeploymentEvent,
    DeploymentStatus,
    OnDeployment,
    Pace,
    WhenBusy,
)
from flagkit.admin.stores.control import TRIES, Control
from flagkit.errors import (
    DeploymentBusyError,
    DeploymentError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)

POLL_S = 5.0
ROLLBACK_POLL_S = 1.0  # a stopped deployment rolls back in seconds
_POLL_S = {"DEPLOYING": POLL_S, "BAKING": 20.0}  # a bake takes minutes
_REMEMBERED = 50  # one page
WAIT_LIMIT_S = 1200.0  # twice the bake of AWS's AllAtOnce and of flagkit's own strategy


@dataclass(frozen=True, slots=True)
class Strategy:
    """A deployment strategy of flagkit's own: all clients at once, then a bake under the environment's alarms."""

    name: str
    description: str
    bake_minutes: int


IMMEDIATE = Strategy("flagkit-immediate", "flagkit: all clients at once, no bake. For kill switches.", 0)
GUARDED = Strategy("flagkit-guarded", "flagkit: all clients at once, then monitored by the environment's alarms.", 10)
BY_PACE = {"immediate": IMMEDIATE, "guarded": GUARDED}

# 0 minutes and 10 minutes of bake: what `guarded` means, and better than nothing for a kill switch.
STAND_IN = "AppConfig.AllAtOnce"


def strategy_id(control: Control, pace: Pace) -> str:
    """Return the id of a strategy: flagkit's own by pace, AWS's if `flagkit init` never ran; anything else is an id."""
    wanted = BY_PACE.get(pace)
    if wanted is None:
        return pace
    return found_strategies(control).get(wanted.name, STAND_IN)


def found_strategies(control: Control) -> dict[str, str]:
    """Return the ids of flagkit's strategies that exist, by name. Names aren't unique: the first one counts."""
    ids: dict[str, str] = {}
    for item in control.pages("ListDeploymentStrategies"):
        # Somebody else's strategy of this name could do anything; only one that does what the name says counts.
        instant = item.get("DeploymentDurationInMinutes") == 0 and item.get("GrowthFactor") == 100
        baked = item.get("FinalBakeTimeInMinutes", 0)
        for known in BY_PACE.values():
            fits = instant and (baked == 0 if known is IMMEDIATE else baked > 0)
            if item["Name"] == known.name and fits:
                ids.setdefault(known.name, item["Id"])
    return ids


def _ignore(_: Deployment) -> None:
    """Take no notice."""


@dataclass(frozen=True, slots=True)
class _Busy:
    """What to do while another deployment runs."""

    pace: Pace
    when_busy: WhenBusy
    until_s: float
    on_wait: OnDeployment
    on_stop: OnDeployment

    def overtakes(self, holding: Deployment) -> bool:
        """Tell whether a deployment that brings the version, but slowly, is too slow: for a kill switch it is."""
        replaces = self.when_busy in {"replace", "replace_any"}
        return self.pace == "immediate" and replaces and holding.state == "DEPLOYING"

    def stops(self, running: Deployment, *, is_own: bool) -> bool:
        """Tell whether a deployment is stopped: ours if it may be, another profile's only if that is said."""
        if running.state not in _POLL_S:
            return False
        # A bake watches what is live already: who deploys without one doesn't wait for it.
        skips_bake = self.when_busy == "wait" and self.pace == "immediate" and running.state == "BAKING"
        return self.when_busy == "replace_any" or (is_own and (self.when_busy == "replace" or skips_bake))

    def refuses(self, running: Deployment) -> bool:
        """Tell whether not even to wait."""
        return self.when_busy == "refuse" or (self.when_busy == "replace" and running.state in _POLL_S)


class AppConfigDeployments:
    """The deployments of one profile to one environment."""

    def __init__(self, control: Control, *, wait_limit_s: float = WAIT_LIMIT_S) -> None:
        self._control = control
        self._wait_limit_s = wait_limit_s

    def check_pace(self, pace: Pace) -> None:
        """Check that a strategy exists, before something is saved for it."""
        if pace in BY_PACE:
            return
        known = {item["Id"]: item["Name"] for item in self._control.pages("ListDeploymentStrategies")}
        if pace not in known:
            there_are = ", ".join(key if key == name else f"{key} ({name})" for key, name in sorted(known.items()))
            message = f"there is no deployment strategy {pace!r}"
            raise SourceNotFoundError(message, hint=f"Use guarded, immediate, or one of: {there_are}.")

    def status(self) -> DeploymentStatus:
        """Return what is saved against what is served."""
        listed = self._recent()
        own = [item for item in listed if self._is_own(item)]
        holding = next((item for item in own if item.holds), None)
        status = DeploymentStatus(
            self._control.newest_version(),
            None if holding is None else holding.version,
            next((item for item in listed if item.is_running), None),
            own[0] if own else None,
        )
        return replace(status, reverted=self._reverted(status.served)) if status.is_pending else status

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
        strategy = strategy_id(self._control, pace)
        until_s = self._control.clock.monotonic() + self._wait_limit_s
        busy = _Busy(pace, when_busy, until_s, on_wait or _ignore, on_stop or _ignore)
        failures = 0
        newest: int | None = None
        while True:
            listed = self._recent()
            if newest is None:
                newest = listed[0].number if listed else 0
            holding = next((item for item in listed if self._is_own(item) and item.holds), None)
            if holding is not None and holding.version is not None and holding.version >= version:
                if not busy.overtakes(holding):
                    # A lost answer: what began since we looked, and brings this version, is ours.
                    is_ours = failures > 0 and holding.number > newest and holding.version == version
                    return replace(self._get(holding.number), is_new=is_ours)
                version = holding.version
            running = next((item for item in listed if item.is_running), None)
            if running is not None:
                if when_busy == "queue":
                    return None
                self._yield_to(running, version, busy)
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
        on_wait: OnDeployment | None = None,
        on_stop: OnDeployment | None = None,
    ) -> Deployment | None:
        """Deploy what is saved but not deployed; None if there is nothing to do."""
        status = self.status()
        if not status.is_pending:
            return None
        if status.was_rolled_back and not again:
            message = f"version {status.newest} was deployed and rolled back; it is not deployed again automatically"
            raise DeploymentError(
                message, hint="Undo the edit with `flagkit revert --last`, or deploy it with `flagkit deploy --again`."
            )
        return self.deploy(status.newest, pace=pace, when_busy=when_busy, on_wait=on_wait, on_stop=on_stop)

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
        """Stop a running deployment (the running one where None): clients get what they had before."""
        running = next((item for item in self._recent() if item.is_running and number in {None, item.number}), None)
        if running is not None and number is None and not self._is_own(running):
            message = f"deployment {running.number} is running, but of another profile ({running.profile_id})"
            raise DeploymentError(message, hint="Stop it with `flagkit stop` and the source of that profile.")
        if running is None:
            raise DeploymentError(
                "no deployment is running" if number is None else f"deployment {number} is not running"
            )
        return self._stop(running.number, allow_revert=running.state == "BAKING")

    def revert(self, number: int | None = None) -> Deployment:
        """Roll back a deployment within 72 hours (the last one of this profile where None), also a running one."""
        own = (item for item in self._list() if self._is_own(item))
        found = next((item for item in own if item.holds and number in {None, item.number}), None)
        if found is None:
            message = "there is no deployment to roll back"
            raise DeploymentError(message, hint="`flagkit revert --last` undoes an edit instead, as a new version.")
        return self._stop(found.number, allow_revert=found.state in {"BAKING", "COMPLETE"})

    def before(self, number: int) -> Deployment | None:
        """Return the deployment that users had before another one, as far as it still counts."""
        return next((item for item in self._list() if item.number < number and self._is_own(item) and item.holds), None)

    def _yield_to(self, running: Deployment, version: int, busy: _Busy) -> None:
        is_own = self._is_own(running)
        if busy.stops(running, is_own=is_own):
            self._stop(running.number, allow_revert=running.state == "BAKING")
            busy.on_stop(running)
            return
        whose = "" if is_own else f" of another profile ({running.profile_id})"
        what = f"deployment {running.number}{whose} is running in {self._control.names}: {running.state.lower()}"
        option = "--when-busy replace" if is_own else "--stop-running"
        if busy.refuses(running):
            raise DeploymentBusyError(what, hint=f"Wait for its end, or stop it with {option}.")
        if self._control.clock.monotonic() >= busy.until_s:
            hint = f"Deploy version {version} with `flagkit deploy` later, or stop that one with {option}."
            raise DeploymentBusyError(f"{what}, after {self._wait_limit_s / 60:.0f} min of waiting", hint=hint)
        self._control.clock.sleep(_POLL_S.get(running.state, ROLLBACK_POLL_S))
        busy.on_wait(running)

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
        return replace(_deployment(answer), is_new=True)

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

    def _reverted(self, served: int | None) -> int | None:
        own = (item.version for item in islice(self._list(), _REMEMBERED) if self._is_own(item))
        return max((version for version in own if version is not None and version > (served or 0)), default=None)

    def _list(self) -> Iterator[Deployment]:
        for item in self._control.pages("ListDeployments", **self._control.environment()):
            # Lists have no profile in older versions of botocore; the deployment itself has.
            yield _deployment(item) if item.get("ConfigurationProfileId") else self._get(item["DeploymentNumber"])

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
