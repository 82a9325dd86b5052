"""The commands that show and undo changes: history, revert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from flagkit import admin
from flagkit.cli import options
from flagkit.cli.arguments import Context, Option
from flagkit.cli.change import Change, EditContext, changes
from flagkit.cli.context import cli_context
from flagkit.cli.output import echo, moment, print_json, show_changes
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.history import Entry
    from flagkit.admin.stores import Version
    from flagkit.core.documents import FlagDocument

Limit = Annotated[int, Option("--limit", "-n", metavar="N", min=1, max=100_000, help="The number of changes to show.")]


def history(
    context: Context,
    key: options.AnyKey = None,
    limit: Limit = 20,
    source: options.Source = None,
    as_json: options.AsJson = False,
) -> int:
    """Show who changed what, when and why, newest first.

    Example: flagkit history new_checkout
    """
    from flagkit.admin.history import history as entries

    with cli_context(context).store(source) as store:
        found = list(entries(store, key, limit=limit))
        if key is not None and not any(entry.diff or entry.rollouts for entry in found):
            admin.history.known(store, key)
    if as_json:
        print_json(
            [
                {
                    **_version_data(entry.version),
                    "changes": entry.diff.to_dict(),
                    "rollouts": list(entry.rollouts),
                    "problem": entry.problem,
                }
                for entry in found
            ]
        )
        return 0
    for entry in found:
        echo(_headline(entry))
        steps = bool(entry.rollouts and not entry.diff)
        shown = entry.problem or ("No user's answer changes." if steps else entry.diff.to_text())
        show_changes("\n".join(f"  {line}" for line in shown.splitlines()))
    if not found:
        echo("No changes.")
    return 0


@changes
def revert(
    key: options.AnyKey = None,
    to: Annotated[int | None, Option("--to", metavar="N", min=1, help="Restore the state of this version.")] = None,
    last: Annotated[bool, Option("--last", help="Undo the last change.")] = False,
) -> Change:
    """Undo changes by saving a new version.

    Undoes the last change, or everything since a version; of one flag or of all.

    Example: flagkit revert new_checkout --last
    """
    if (to is None) != last:
        raise UsageError(
            "Missing option --last or --to N.", hint="Give one of them; `flagkit history` lists the versions."
        )

    def edit(current: EditContext) -> FlagDocument:
        from flagkit.admin.history import revert_document

        current.stored, document = revert_document(current.store, key, to=to)
        return document

    return Change(edit)


def _headline(entry: Entry) -> str:
    version = entry.version
    when = "" if version.at is None else f"  {moment(version.at)}"
    who = version.author.rsplit("/", 1)[-1] if version.author else "unknown author"
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
