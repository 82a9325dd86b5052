"""Deployments: status, deploy, stop, rollback, and the deployment that follows a change. It saves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from flagkit.cli import options
from flagkit.cli.arguments import Context, Option
from flagkit.cli.context import CliContext, cli_context
from flagkit.cli.errors import NOT_DEPLOYED
from flagkit.cli.output import echo, print_json, say
from flagkit.errors import FlagkitError, UsageError

if TYPE_CHECKING:
    from flagkit.admin.stores import Deployment, Deployments, DeploymentStatus, FlagStore, WhenBusy


def status(
    context: Context, source: options.Source = None, yes: options.Yes = False, as_json: options.AsJson = False
) -> int:
    """Show which version is saved and which is live.

    Offers to deploy what is saved but not deployed.

    Example: flagkit status
    """
    from flagkit.admin.stores import DeploymentStatus

    cli = cli_context(context)
    with cli.store(source) as store:
        if store.deployments is None:
            number = store.read().version.number
            found = DeploymentStatus(number, number, None, None)
        else:
            found = store.deployments.status()
        if as_json:
            print_json(_status_data(found))
            return NOT_DEPLOYED if found.is_pending else 0
        echo(found.to_text())
        if found.running is not None:
            running = found.running
            echo(f"Deployment {running.number} is running: {line(running)}.")
        if not found.is_pending:
            return 0
        if found.was_rolled_back:
            say("Deploy it with `flagkit deploy --again`, or undo the edit with `flagkit revert --last`.")
            return NOT_DEPLOYED
        if not cli.agrees("Deploy it now?", assume_yes=yes):
            say("Deploy it with `flagkit deploy`.")
            return NOT_DEPLOYED
        cli.confirm(store.url, assume_yes=yes)
        return deploy_version(cli, store, None, DeployOptions(yes=yes), "").code


def deploy(  # noqa: PLR0913, PLR0917 - each is an option
    context: Context,
    number: Annotated[
        int | None, Option("--version", metavar="N", min=1, help="The version. Default: the newest.")
    ] = None,
    again: Annotated[bool, Option("--again", help="Also deploy a version that was rolled back.")] = False,
    source: options.Source = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
    pace: options.Pace = None,
    when_busy: options.WhenBusy = None,
    wait: options.Wait = False,
) -> int:
    """Deploy the newest saved version.

    Example: flagkit deploy --pace immediate
    """
    cli = cli_context(context)
    how = DeployOptions(pace=pace or "guarded", when_busy=when_busy, yes=yes, as_json=as_json, wait=wait)
    with cli.store(source) as store:
        if number is None and pending(store.deployments) is None:
            _echo(how, "Nothing to deploy: the newest version is live.")
            done = Deployed(0)
        elif store.deployments is None:
            raise UsageError(
                "a file has no deployments", hint=f"`flagkit revert --to {number}` restores version {number}."
            )
        else:
            cli.confirm(store.url, assume_yes=yes)
            done = deploy_version(cli, store, number, how, reason, again)
        if as_json:
            print_json(done.to_dict())
        return done.code


def stop(
    context: Context, source: options.Source = None, yes: options.Yes = False, as_json: options.AsJson = False
) -> int:
    """Stop the running deployment.

    All users get the version that was live before.

    Example: flagkit stop
    """
    return _undo(cli_context(context), source, yes=yes, finished=False, as_json=as_json)


def rollback(
    context: Context, source: options.Source = None, yes: options.Yes = False, as_json: options.AsJson = False
) -> int:
    """Roll back the last deployment.

    All users get the version that was live before. Possible within 72 hours, and while it is still running. The saved
    versions stay.

    Example: flagkit rollback
    """
    return _undo(cli_context(context), source, yes=yes, finished=True, as_json=as_json)


def _undo(cli: CliContext, source: str | None, *, yes: bool, finished: bool, as_json: bool) -> int:
    with cli.store(source) as store:
        deployments = store.deployments
        if deployments is None:
            raise UsageError("a file has no deployments", hint="`flagkit revert --last` undoes the last change.")
        if not as_json:
            _say_what_stops(store)
        cli.confirm(store.url, assume_yes=yes)
        taken = deployments.revert() if finished else deployments.stop()
        if taken.is_running:
            *_, taken = deployments.follow(taken.number)
        found = deployments.status()
        if as_json:
            print_json({"deployment": _deployment_data(taken), **_status_data(found)})
        else:
            echo(f"Deployment {taken.number}: {state_of(taken)}.")
            echo(found.to_text())
    return 0


def _say_what_stops(store: FlagStore) -> None:
    """Say which guarded rollouts stop if users lose a step of theirs; harm is stopped without asking."""
    from flagkit.admin.edits.rollouts import rollouts_under_way

    keys: tuple[str, ...] = ()
    with suppress(FlagkitError):  # a document that can't be read is no reason to keep it live
        keys = rollouts_under_way(store.read().document)
    if keys:
        say(f"Warning: {', '.join(keys)} in a guarded rollout: canary stops where this takes a step of it from users.")


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How to deploy.

    Attributes:
        pace: guarded, immediate or the id of a strategy.
        when_busy: what to do while another deployment runs; None: wait, in an emergency replace one of this profile.
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

    def busy(self) -> WhenBusy:
        """What to do while another deployment runs."""
        return self.when_busy or ("replace" if self.emergency else "wait")


@dataclass(frozen=True, slots=True)
class Deployed:
    """How a deployment went.

    Attributes:
        code: the exit code.
        deployment: the deployment as it was last seen; None if there was none to make.
    """

    code: int
    deployment: Deployment | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {"deployment": _deployment_data(self.deployment), "exit_code": self.code}


def pending(deployments: Deployments | None) -> DeploymentStatus | None:
    """What is saved but not deployed; None if everything is."""
    if deployments is None:
        return None
    status = deployments.status()
    return status if status.is_pending else None


def deploy_version(
    cli: CliContext, store: FlagStore, version: int | None, how: DeployOptions, reason: str, again: bool = False
) -> Deployed:
    """Deploys a version (what is left where None), and shows the progress."""
    deployments = store.deployments
    assert deployments is not None
    said: set[int] = set()

    def on_wait(running: Deployment) -> None:
        if running.number not in said:
            said.add(running.number)
            say(f"Waiting for deployment {running.number} ({line(running)}); --when-busy changes this.")

    def on_stop(running: Deployment) -> None:
        said.add(running.number)
        say(f"Stopped deployment {running.number} ({line(running)}).")

    calls: dict[str, Any] = {"pace": how.pace, "when_busy": how.busy(), "on_wait": on_wait, "on_stop": on_stop}
    if version is None:
        started = deployments.finish(again=again or how.emergency, **calls)
    else:
        started = deployments.deploy(version, reason=reason, **calls)
    if started is None:
        left = pending(deployments) if version is None else None
        if version is None and left is None:
            _echo(how, "Nothing to deploy. " + deployments.status().to_text())
            return Deployed(0)
        number = version if left is None else left.newest
        say(f"Version {number} is saved. Deploy it with `flagkit deploy` when the running deployment has ended.")
        return Deployed(NOT_DEPLOYED)
    return follow(cli, deployments, started, how)


def follow(cli: CliContext, deployments: Deployments, started: Deployment, how: DeployOptions) -> Deployed:
    """Shows a deployment until it has ended."""
    last = started
    if started.is_running:
        steps = _until_served(deployments.follow(started.number), wait=how.wait)
        last = watch(steps, started, is_terminal=cli.is_terminal and not how.as_json)
    if last.state in {"COMPLETE", "BAKING"}:
        _echo(how, f"Version {last.version} is live.")
        if last.state == "BAKING":
            say("Alarms monitor it during the bake time and can roll it back. --wait waits for the end.")
        return Deployed(0, last)
    why = next((event.description for event in reversed(last.events) if event.description), "")
    say(f"warning: deployment {last.number} ended: {state_of(last)}{f' ({why})' if why else ''}")
    say(f"Version {last.version} is saved but not live; `flagkit status` shows the live version.")
    return Deployed(NOT_DEPLOYED, last)


def _until_served(steps: Iterator[Deployment], *, wait: bool) -> Iterator[Deployment]:
    for step in steps:
        yield step
        if step.state == "BAKING" and not wait:
            return


def _echo(how: DeployOptions, text: str) -> None:
    if how.as_json:
        say(text)
    else:
        echo(text)


def watch(steps: Iterable[Deployment], started: Deployment, *, is_terminal: bool) -> Deployment:
    """Shows every step and returns the last one."""
    return _bar(steps, started) if is_terminal else _lines(steps, started)


def state_of(deployment: Deployment) -> str:
    """Return the state of a deployment for people, e.g. `rolled back`."""
    return deployment.state.lower().replace("_", " ")


def line(deployment: Deployment) -> str:
    """Return state and percentage of a deployment."""
    return f"{state_of(deployment)}, {deployment.percent:.0f} %"


def _lines(steps: Iterable[Deployment], started: Deployment) -> Deployment:
    last = started
    shown = line(started)
    say(f"Deployment {started.number}: {shown}")
    for last in steps:
        if line(last) != shown:
            shown = line(last)
            say(f"Deployment {last.number}: {shown}")
    return last


def _bar(steps: Iterable[Deployment], started: Deployment) -> Deployment:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    columns = (TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.percentage:>3.0f} %"))
    last = started
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(f"Deployment {started.number}: {state_of(started)}", total=100)
        for last in steps:
            about = f"Deployment {last.number}: {state_of(last)}"
            progress.update(task, completed=last.percent, description=about)
    return last


def _status_data(found: DeploymentStatus) -> dict[str, object]:
    return {
        "newest": found.newest,
        "served": found.served,
        "pending": found.is_pending,
        "text": found.to_text(),
        "running": _deployment_data(found.running),
    }


def _deployment_data(deployment: Deployment | None) -> dict[str, object] | None:
    if deployment is None:
        return None
    return {
        "number": deployment.number,
        "version": deployment.version,
        "state": deployment.state,
        "percent": deployment.percent,
    }
