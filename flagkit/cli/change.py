"""How every change is made: read, edit, show what changes and for whom, confirm, save, deploy. It decides no edit.

A command that changes something turns its arguments into a `Change`; the decorator `changes` adds the options that all
of them take, and carries the change out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from flagkit.cli import options
from flagkit.cli.arguments import Context
from flagkit.cli.context import CliContext, cli_context
from flagkit.cli.deploy import Deployed, DeployOptions, deploy_version, pending
from flagkit.cli.hints import NAMED_SOURCE
from flagkit.cli.output import echo, print_json, say, show_changes
from flagkit.errors import DocumentError, FlagkitError, RefusedError, UsageError

if TYPE_CHECKING:
    from flagkit.admin.diff import DocumentDiff
    from flagkit.admin.stores import FlagStore, Receipt, Stored
    from flagkit.core.documents import FlagDocument


@dataclass(slots=True)
class EditContext:
    """What an edit starts from.

    Attributes:
        store: the store of the flags.
        stored: the saved version; an edit may put another one in its place.
        now: the time.
        cli: what the command works with.
        source: the source that is changed, as it was given; the default one where None.
    """

    store: FlagStore
    stored: Stored
    now: datetime
    cli: CliContext
    source: str | None = None

    @property
    def document(self) -> FlagDocument:
        """The flags as they are."""
        return self.stored.document


@dataclass(frozen=True, slots=True)
class Change:
    """What a command wants changed.

    Attributes:
        edit: makes the new document.
        may_create: whether a missing file is created.
        remarks: what is said before the change.
        summary: whether the number of additions, changes and deletions is shown.
        source: from the source that is given, or the default one, to the source that is changed.
        emergency: deploy at once, and never wait behind another deployment.
        stop_running: stop a deployment that runs.
    """

    edit: Callable[[EditContext], FlagDocument]
    may_create: bool = False
    remarks: Callable[[EditContext], Iterable[str]] = lambda _: ()
    summary: bool = False
    source: Callable[[str | None], str] | None = None
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
    propose: bool
    deploying: DeployOptions


def changes(command: Callable[..., Change]) -> Callable[..., int]:
    """Make a command of a function that returns a `Change`: add the common options and carry the change out."""

    def run(  # noqa: PLR0913, PLR0917 - each is an option
        context: Context,
        source: options.Source = None,
        reason: options.Reason = "",
        yes: options.Yes = False,
        dry_run: options.DryRun = False,
        as_json: options.AsJson = False,
        save_only: options.SaveOnly = False,
        propose: options.Propose = False,
        pace: options.Pace = None,
        when_busy: options.WhenBusy = None,
        wait: options.Wait = False,
        **own: object,
    ) -> int:
        change = command(**own)
        how = DeployOptions(
            pace=pace or ("immediate" if change.emergency else "guarded"),
            when_busy="replace_any" if change.stop_running else when_busy,
            yes=yes,
            as_json=as_json,
            emergency=change.emergency,
            wait=wait,
        )
        return carry_out(
            cli_context(context), change, ChangeOptions(source, reason, yes, dry_run, as_json, save_only, propose, how)
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
    run.__signature__ = mine.replace(parameters=keyword, return_annotation=int)  # type: ignore[attr-defined] # read by arguments.py
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}
    return run


def carry_out(cli: CliContext, change: Change, chosen: ChangeOptions) -> int:
    """Carry a change out and return the exit code."""
    from flagkit.admin.diff import compare
    from flagkit.admin.edits.rollouts import conflicts
    from flagkit.admin.stores import Note

    source = chosen.source
    if change.source is not None:
        source = change.source(source)
        context = click.get_current_context(silent=True)
        if context is not None:
            context.meta[NAMED_SOURCE] = source
    with cli.store(source, may_create=change.may_create) as store:
        current = EditContext(store, store.read(missing_ok=change.may_create), cli.clock.now(), cli, source)
        if store.deployments is not None and not chosen.save_only:
            store.deployments.check_pace(chosen.deploying.pace)
        remarks = _remarks(change, current)
        if not chosen.as_json:
            for remark in remarks:
                say(remark)
        new = _edited(change, current)
        diff = compare(current.document, new, now=current.now)
        if not diff.flags:
            return _nothing_to_do(cli, store, diff, chosen, remarks)
        stopped = conflicts(current.document, new)
        warnings = [f"Warning: {text}" for text in stopped.values()]
        remarks += warnings
        if not chosen.as_json:
            _show(change, diff, warnings)
        if chosen.dry_run or chosen.propose:
            return _unsaved(store, current, new, chosen, diff, remarks)
        _confirm_deletions(cli, diff, assume_yes=chosen.yes)
        _confirm_conflicts(cli, stopped, chosen)
        cli.confirm(store.url, assume_yes=chosen.yes)
        receipt = store.save(current.stored, new, Note(chosen.reason))
        return _saved(cli, store, diff, receipt, chosen, remarks)


def _show(change: Change, diff: DocumentDiff, warnings: list[str]) -> None:
    show_changes(diff.to_text())
    if change.summary:
        echo(f"{diff.summary()}.")
    for warning in warnings:
        say(warning)


def _edited(change: Change, current: EditContext) -> FlagDocument:
    """Make the new document.

    Raises:
        DocumentError: AWS would refuse it; what is saved is valid, so the hint doesn't send people to look there.
    """
    try:
        return change.edit(current)
    except DocumentError as error:
        if error.hint == DocumentError.default_hint:
            error.hint = "Nothing was changed. Correct the named value and try again."
        raise


def _remarks(change: Change, current: EditContext) -> list[str]:
    remarks = [*change.remarks(current)]
    left = pending(current.store.deployments)
    if left is None:
        return remarks
    how = f"What this change keeps of version {left.newest} goes live with it."
    if not left.was_rolled_back:
        how = "It is deployed together with this change; to deploy it first, `flagkit deploy`."
    return [*remarks, f"Note: {left.to_text()} {how}"]


def _confirm_deletions(cli: CliContext, diff: DocumentDiff, *, assume_yes: bool) -> None:
    """Ask before flags are deleted that are on.

    Raises:
        RefusedError: the answer is no, or there is no terminal to ask on.
    """
    keys = diff.deleted_live
    if not keys or assume_yes:
        return
    what = f"{keys[0]}, which is on" if len(keys) == 1 else f"{len(keys)} flags that are on: {', '.join(keys)}"
    if cli.ask is None:
        raise RefusedError(f"this deletes {what}", hint="Nothing was changed. Confirm on a terminal, or use --yes.")
    if not cli.agrees(f"Delete {what}?", assume_yes=False):
        raise RefusedError(f"the deletion of {', '.join(keys)} was not confirmed", hint="Nothing was changed.")


def _confirm_conflicts(cli: CliContext, keys: Collection[str], chosen: ChangeOptions) -> None:
    """Ask before a guarded rollout is stopped or spoiled; an emergency isn't held up where nobody can answer.

    Raises:
        RefusedError: the answer is no, or there is no terminal to ask on.
    """
    if not keys or chosen.yes or (cli.ask is None and chosen.deploying.emergency):
        return
    names = ", ".join(keys)
    if cli.ask is None:
        what = f"this stops or spoils the guarded rollout of {names}"
        raise RefusedError(what, hint="Nothing was changed. Confirm on a terminal, or use --yes.")
    if not cli.agrees(f"Change {names} all the same?", assume_yes=False):
        raise RefusedError(f"the change of {names} was not confirmed", hint="Nothing was changed.")


def _unsaved(
    store: FlagStore,
    current: EditContext,
    new: FlagDocument,
    chosen: ChangeOptions,
    diff: DocumentDiff,
    remarks: list[str],
) -> int:
    """Propose a change, or nothing in a dry run, and return the exit code.

    Raises:
        UsageError: no approval is asked for.
    """
    if chosen.dry_run:
        return _answer(chosen, diff, remarks, text="Dry run: nothing was saved.")
    from flagkit.admin.proposals.guard import proposals_of

    proposals = proposals_of(store)
    if proposals is None:
        raise UsageError(
            f"changes of {store.url} need no approval",
            hint="Leave out --propose, or ask for approvals in flagkit.toml.",
        )
    made = proposals.propose(proposals.caller(), current.stored, new, chosen.reason)
    if chosen.as_json:
        print_json({"proposal": made.id, "summary": diff.summary(), "changes": diff.to_dict()})
    else:
        echo(f"Proposed as {made.id}. Another person approves it in the console.")
    return 0


def _nothing_to_do(
    cli: CliContext, store: FlagStore, diff: DocumentDiff, chosen: ChangeOptions, remarks: list[str]
) -> int:
    left = pending(store.deployments)
    if left is None or chosen.dry_run or chosen.save_only:
        return _answer(chosen, diff, remarks, text="No change: already up to date.")
    say(f"No change in the flags. {left.to_text()}")
    cli.confirm(store.url, assume_yes=chosen.yes)
    return _answer(chosen, diff, remarks, deployed=deploy_version(cli, store, None, chosen.deploying, chosen.reason))


def _saved(
    cli: CliContext,
    store: FlagStore,
    diff: DocumentDiff,
    receipt: Receipt,
    chosen: ChangeOptions,
    remarks: list[str],
) -> int:
    number = receipt.version.number
    if not chosen.as_json:
        echo(f"Saved as version {number}." if receipt.is_new else f"Already saved as version {number}.")
    deployed = Deployed(0)
    if store.deployments is not None and not chosen.save_only:
        try:
            deployed = deploy_version(cli, store, number, chosen.deploying, chosen.reason)
        except FlagkitError as error:
            error.add_note(f"Version {number} is saved but not deployed.")
            raise
    elif store.deployments is not None:
        say("Not deployed. Deploy it with `flagkit deploy`.")
    return _answer(chosen, diff, remarks, receipt, deployed)


def _answer(
    chosen: ChangeOptions,
    diff: DocumentDiff,
    remarks: list[str],
    receipt: Receipt | None = None,
    deployed: Deployed | None = None,
    text: str = "",
) -> int:
    """Write what was done, always in the same form, and return the exit code."""
    deployed = deployed or Deployed(0)
    if chosen.as_json:
        version = None if receipt is None else receipt.version
        data = {
            "changed": receipt is not None and receipt.is_new,
            "dry_run": chosen.dry_run,
            "version": None if version is None else version.number,
            "label": None if version is None else version.label,
            "summary": diff.summary(),
            "changes": diff.to_dict(),
            "remarks": remarks,
        }
        print_json(data | deployed.to_dict())
    elif text:
        echo(text)
    return deployed.code
