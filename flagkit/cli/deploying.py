"""From saved to served: starting deployments, following them, and what is left to do. It saves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import typer

from flagkit.admin.stores import Deployment, Deployments, FlagStore, WhenBusy
from flagkit.cli.failures import NOT_SERVED
from flagkit.cli.progress import watch
from flagkit.cli.screen import say
from flagkit.cli.world import World
from flagkit.errors import DeploymentBusyError, FlagkitError, UsageError


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How to deploy.

    Attributes:
        pace: guarded, immediate or the id of a strategy.
        when_busy: what to do while another deployment runs; None: wait, in an emergency ask whether to stop it.
        yes: ask nothing.
        as_json: say nothing on stdout.
        emergency: never wait behind another deployment.
        wait: stay until the watch by alarms is over, too.
    """

    pace: str = "guarded"
    when_busy: WhenBusy | None = None
    yes: bool = False
    as_json: bool = False
    emergency: bool = False
    wait: bool = False

    def check(self, world: World, deployments: Deployments | None, *, save_only: bool) -> None:
        """Refuses an emergency that would have to wait, before anything is saved.

        Raises:
            DeploymentBusyError: another deployment runs, and nobody said to stop it.
        """
        if not self.emergency or self.when_busy is not None or deployments is None or save_only:
            return
        running = deployments.status().running
        if running is None:
            return
        what = f"deployment {running.number} is running ({running.state.lower()}, {running.percent:.0f} %)"
        if self.yes or not world.agrees(f"{what}. Stop it?", assume_yes=False):
            raise DeploymentBusyError(what, hint="Nothing was changed. To stop it and go on: --stop-running.")

    def busy(self) -> WhenBusy:
        """What to do while another deployment runs."""
        # An emergency comes here only after somebody agreed to stop what runs, or nothing ran.
        return self.when_busy or ("replace" if self.emergency else "wait")


def read_when_busy(word: str | None) -> WhenBusy | None:
    """Reads the option.

    Raises:
        UsageError: another word.
    """
    for known in get_args(WhenBusy):
        if word == known:
            return known  # type: ignore[no-any-return] # one of the literals
    if word is None:
        return None
    raise UsageError(f"{word!r} is no way to wait", hint=f"One of {', '.join(get_args(WhenBusy))}.")


def pending(deployments: Deployments | None) -> str | None:
    """What is saved but not deployed, in a sentence; None if nothing is. Since 0.1."""
    if deployments is None:
        return None
    status = deployments.status()
    return status.to_text() if status.is_pending and status.newest > 0 else None


def deploy(
    world: World, store: FlagStore, version: int | None, how: DeployOptions, reason: str, again: bool = False
) -> int:
    """Deploys a version (what is left where None), shows the progress, and answers the exit code. Since 0.1."""
    deployments = store.deployments
    if deployments is None:
        say("a file has no deployments: saved is served")
        return 0
    running = deployments.status().running
    if running is not None and running.version != version and how.busy() == "wait":
        say(f"waiting for deployment {running.number}, which runs already ({running.state.lower()}; see --when-busy)")
    try:
        if version is None:
            started = deployments.finish(pace=how.pace, when_busy=how.busy(), again=again)
        else:
            started = deployments.deploy(version, pace=how.pace, when_busy=how.busy(), reason=reason)
    except FlagkitError:
        if version is not None:
            say(f"version {version} is saved but not deployed")
        raise
    if started is None:
        if version is None:
            _echo(how, "nothing to deploy: " + deployments.status().to_text())
            return 0
        _echo(how, f"version {version} is saved and waits; `flagkit deploy` deploys it when the other one is done")
        return NOT_SERVED
    return follow(world, deployments, started, how)


def follow(world: World, deployments: Deployments, started: Deployment, how: DeployOptions) -> int:
    """Shows a deployment until it has ended, and answers the exit code. Since 0.1."""
    last = started
    if started.is_running:
        steps = _until_served(deployments.follow(started.number), wait=how.wait)
        last = watch(steps, started, is_terminal=world.is_terminal and not how.as_json)
    if last.state in {"COMPLETE", "BAKING"}:
        watched = "; alarms watch it and may take it back (--wait stays until they are done)"
        _echo(how, f"deployed: version {last.version} is served{watched if last.state == 'BAKING' else ''}")
        return 0
    why = next((event.description for event in reversed(last.events) if event.description), "")
    say(f"warning: deployment {last.number} ended {last.state.lower().replace('_', ' ')}{f': {why}' if why else ''}")
    say(f"version {last.version} is saved but not served; `flagkit status` shows what is")
    return NOT_SERVED


def _until_served(steps: Iterator[Deployment], *, wait: bool) -> Iterator[Deployment]:
    for step in steps:
        yield step
        if step.state == "BAKING" and not wait:
            return


def _echo(how: DeployOptions, text: str) -> None:
    if how.as_json:
        say(text)
    else:
        typer.echo(text)
