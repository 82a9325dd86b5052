"""Looking back, undoing and deploying: history, revert, status, deploy, stop, rollback. It decides nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagkit.admin.stores import Deployment, Version
from flagkit.cli import words
from flagkit.cli.changing import Change, EditContext
from flagkit.cli.deploying import DeployOptions, pending, read_when_busy
from flagkit.cli.deploying import deploy as deploy_version
from flagkit.cli.failures import NOT_SERVED
from flagkit.cli.screen import changes as show_changes
from flagkit.cli.screen import print_json, say
from flagkit.cli.summary import moment
from flagkit.cli.world import World, world_of
from flagkit.core.documents import FlagDocument
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.history import Entry

Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=100_000, help="How many changes at most.")]


def history(
    context: typer.Context,
    key: words.AnyKey = None,
    limit: Limit = 20,
    source: words.Source = None,
    as_json: words.AsJson = False,
) -> int:
    """Show who changed what, when and why, newest first.

    Example: flagkit history new_checkout
    """
    from flagkit.admin.history import history as entries

    with world_of(context).store(source) as store:
        found = list(entries(store, key, limit=limit))
    if as_json:
        print_json(
            [
                {**_version_data(entry.version), "changes": entry.diff.to_dict(), "problem": entry.problem}
                for entry in found
            ]
        )
        return 0
    for entry in found:
        typer.echo(_headline(entry))
        shown = entry.problem or entry.diff.to_text()
        show_changes("\n".join(f"  {line}" for line in shown.splitlines()))
    if not found:
        typer.echo("no changes yet")
    return 0


def revert(
    key: words.AnyKey = None,
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", min=1, help="Back to what it was in this version.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Undo the last change.")] = False,
) -> Change:
    """Undo, as a new version: the last change, or everything since a version; of one flag or of all.

    Example: flagkit revert new_checkout --last
    """
    if (to is None) != last:
        raise UsageError("back to what?", hint="Give --last or --to N; `flagkit history` shows the versions.")

    def edit(current: EditContext) -> FlagDocument:
        from flagkit.admin.history import revert_document

        current.stored, document = revert_document(current.store, key, to=to)
        return document

    return Change(edit)


def status(
    context: typer.Context, source: words.Source = None, yes: words.Yes = False, as_json: words.AsJson = False
) -> int:
    """Say what is saved and what is served; offer to deploy what is saved but not deployed.

    Example: flagkit status
    """
    world = world_of(context)
    with world.store(source) as store:
        if store.deployments is None:
            newest = store.read().version
            text = f"version {newest.number} is served: in a file, saved is served"
            if as_json:
                print_json({"newest": newest.number, "served": newest.number, "pending": False, "text": text})
            else:
                typer.echo(text)
            return 0
        found = store.deployments.status()
        if as_json:
            data = {
                "newest": found.newest,
                "served": found.served,
                "pending": found.is_pending,
                "text": found.to_text(),
            }
            print_json({**data, "running": None if found.running is None else _deployment_data(found.running)})
            return NOT_SERVED if found.is_pending else 0
        typer.echo(found.to_text())
        if found.running is not None:
            running = found.running
            typer.echo(f"deployment {running.number} is running: {running.state.lower()}, {running.percent:.0f} %")
        if not found.is_pending:
            return 0
        if found.was_taken_back or not world.agrees("Deploy it now?", assume_yes=yes):
            say("`flagkit deploy` deploys it")
            return NOT_SERVED
        world.confirm(store.url, assume_yes=yes)
        return deploy_version(world, store, None, DeployOptions(yes=yes), "")


def deploy(  # noqa: PLR0913, PLR0917 - each is an option
    context: typer.Context,
    number: Annotated[
        int | None, typer.Option("--version", metavar="N", min=1, help="This version; the newest where left out.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was deployed and taken back.")] = False,
    source: words.Source = None,
    reason: words.Reason = "",
    yes: words.Yes = False,
    pace: words.Pace = None,
    when_busy: words.WhenBusy = None,
    wait: words.Wait = False,
) -> int:
    """Deploy what is saved.

    Example: flagkit deploy --pace immediate
    """
    world = world_of(context)
    how = DeployOptions(pace=pace or "guarded", when_busy=read_when_busy(when_busy), yes=yes, wait=wait)
    with world.store(source) as store:
        if number is None and pending(store.deployments) is None:
            typer.echo("nothing to deploy: what is saved is served")
            return 0
        world.confirm(store.url, assume_yes=yes)
        return deploy_version(world, store, number, how, reason, again)


def stop(context: typer.Context, source: words.Source = None, yes: words.Yes = False) -> int:
    """Stop the running deployment: everybody goes back to what was served before.

    Example: flagkit stop
    """
    return _take_back(world_of(context), source, yes=yes, finished=False)


def rollback(context: typer.Context, source: words.Source = None, yes: words.Yes = False) -> int:
    """Take the last finished deployment back (within 72 hours); what is saved stays saved.

    Example: flagkit rollback
    """
    return _take_back(world_of(context), source, yes=yes, finished=True)


def _take_back(world: World, source: str | None, *, yes: bool, finished: bool) -> int:
    with world.store(source) as store:
        deployments = store.deployments
        if deployments is None:
            raise UsageError("a file has no deployments", hint="`flagkit revert --last` undoes the last change.")
        world.confirm(store.url, assume_yes=yes)
        taken = deployments.revert() if finished else deployments.stop()
        if taken.is_running:
            *_, taken = deployments.follow(taken.number)
        typer.echo(f"deployment {taken.number}: {taken.state.lower().replace('_', ' ')}")
        typer.echo(deployments.status().to_text())
    return 0


def _headline(entry: Entry) -> str:
    version = entry.version
    when = "" if version.at is None else f"  {moment(version.at)}"
    who = version.author.rsplit("/", 1)[-1] if version.author else "somebody"
    why = version.reason or version.remark or ""
    return f"version {version.number}{when}  {who}{f': {why}' if why else ''}"


def _version_data(version: Version) -> dict[str, object]:
    return {
        "version": version.number,
        "label": version.label,
        "author": version.author,
        "reason": version.reason,
        "at": None if version.at is None else version.at.isoformat(),
        "remark": version.remark,
    }


def _deployment_data(deployment: Deployment) -> dict[str, object]:
    return {
        "number": deployment.number,
        "version": deployment.version,
        "state": deployment.state,
        "percent": deployment.percent,
    }
