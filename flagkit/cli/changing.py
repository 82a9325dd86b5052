"""How every change happens: read, edit, show what changes and for whom, ask, save, deploy. It decides no edit.

A command that changes something only turns its words into a `Change`; the decorator `changes` gives it the options that
all of them take, and does the rest.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import typer

from flagkit.admin.diff import DocumentDiff, compare
from flagkit.admin.stores import FlagStore, Note, Receipt, Stored
from flagkit.cli import words
from flagkit.cli.deploying import DeployOptions, deploy, pending, read_when_busy
from flagkit.cli.screen import changes as show_changes
from flagkit.cli.screen import print_json, say
from flagkit.cli.world import World, world_of
from flagkit.core.documents import FlagDocument


@dataclass(slots=True)
class EditContext:
    """What an edit works on.

    Attributes:
        store: the place that keeps the flags.
        stored: what is there now; an edit may put another base in its place.
        now: the time.
    """

    store: FlagStore
    stored: Stored
    now: datetime

    @property
    def document(self) -> FlagDocument:
        """The flags as they are."""
        return self.stored.document


@dataclass(frozen=True, slots=True)
class Change:
    """What a command wants changed.

    Attributes:
        edit: makes the new document.
        may_create: whether a file that doesn't exist yet is made.
        remarks: lines shown before the change.
        emergency: deploy at once, and never wait behind another deployment.
        stop_running: stop a deployment that runs.
    """

    edit: Callable[[EditContext], FlagDocument]
    may_create: bool = False
    remarks: tuple[str, ...] = ()
    emergency: bool = False
    stop_running: bool = False


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    """How a change is made: the options that all changing commands take."""

    source: str | None
    reason: str
    yes: bool
    dry_run: bool
    as_json: bool
    save_only: bool
    deployment: DeployOptions


def changes(command: Callable[..., Change]) -> Callable[..., int]:
    """Makes a command of a function from words to a `Change`: adds the common options and carries the change out."""

    def run(  # noqa: PLR0913, PLR0917 - each is an option
        context: typer.Context,
        source: words.Source = None,
        reason: words.Reason = "",
        yes: words.Yes = False,
        dry_run: words.DryRun = False,
        as_json: words.AsJson = False,
        save_only: words.SaveOnly = False,
        pace: words.Pace = None,
        when_busy: words.WhenBusy = None,
        wait: words.Wait = False,
        **own: object,
    ) -> int:
        change = command(**own)
        how = DeployOptions(
            pace=pace or ("immediate" if change.emergency else "guarded"),
            when_busy="replace" if change.stop_running else read_when_busy(when_busy),
            yes=yes,
            as_json=as_json,
            emergency=change.emergency,
            wait=wait,
        )
        return carry_out(
            world_of(context), change, ChangeOptions(source, reason, yes, dry_run, as_json, save_only, how)
        )

    # Not functools.wraps: it would put the command's annotations in place of the common ones.
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    common = inspect.signature(run, eval_str=True)
    mine = inspect.signature(command, eval_str=True)
    added = [parameter for parameter in common.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    keyword = [
        parameter.replace(kind=parameter.KEYWORD_ONLY)
        for parameter in (*added[:1], *mine.parameters.values(), *added[1:])
    ]
    run.__signature__ = mine.replace(parameters=keyword, return_annotation=int)  # type: ignore[attr-defined] # read by typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}
    return run


def carry_out(world: World, change: Change, options: ChangeOptions) -> int:
    """Carries a change out, and answers the exit code."""
    with world.store(options.source, may_create=change.may_create) as store:
        current = EditContext(store, store.read(missing_ok=change.may_create), world.clock.now())
        if not options.as_json:
            _show_remarks(change, store)
        new = change.edit(current)
        diff = compare(current.document, new)
        if not diff.flags:
            return _nothing_to_do(world, store, options)
        if not options.as_json:
            show_changes(diff.to_text())
        if options.dry_run:
            return _dry(diff, options)
        options.deployment.check(world, store.deployments, save_only=options.save_only)
        world.confirm(store.url, assume_yes=options.yes)
        receipt = store.save(current.stored, new, Note(options.reason))
        return _saved(world, store, diff, receipt, options)


def _show_remarks(change: Change, store: FlagStore) -> None:
    for remark in change.remarks:
        say(remark)
    left = pending(store.deployments)
    if left is not None:
        say(f"note: {left}; this change will be deployed with it, or deploy it first: flagkit deploy")


def _nothing_to_do(world: World, store: FlagStore, options: ChangeOptions) -> int:
    left = pending(store.deployments)
    if left is None or options.dry_run or options.save_only:
        if options.as_json:
            print_json({"changed": False})
        else:
            typer.echo("nothing to change: it is so already")
        return 0
    say(f"nothing to change in the flags, but {left}")
    world.confirm(store.url, assume_yes=options.yes)
    return deploy(world, store, None, options.deployment, options.reason)


def _dry(diff: DocumentDiff, options: ChangeOptions) -> int:
    if options.as_json:
        print_json({"changed": False, "dry_run": True, "changes": diff.to_dict()})
    else:
        typer.echo("dry run: nothing was changed")
    return 0


def _saved(world: World, store: FlagStore, diff: DocumentDiff, receipt: Receipt, options: ChangeOptions) -> int:
    number = receipt.version.number
    if not options.as_json:
        typer.echo(f"saved as version {number}" if receipt.is_new else f"version {number} says so already")
    code = 0
    if store.deployments is not None and not options.save_only:
        code = deploy(world, store, number, options.deployment, options.reason)
    elif store.deployments is not None:
        say("not deployed yet; `flagkit deploy` does it")
    if options.as_json:
        data = {"changed": receipt.is_new, "version": number, "label": receipt.version.label}
        print_json({**data, "changes": diff.to_dict(), "exit_code": code})
    return code
