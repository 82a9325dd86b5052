"""The command that shows proposals. Approving is the console's: only there people sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import cli_context
from flagkit.cli.output import echo, moment, print_json, show_changes
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.proposals.proposal import Proposal


def proposals(
    context: Context,
    number: Annotated[str | None, Argument(metavar="[ID]", help="The proposal. Default: all that are open.")] = None,
    withdraw: Annotated[bool, Option("--withdraw", help="Withdraw this proposal of your own.")] = False,
    source: options.Source = None,
    as_json: options.AsJson = False,
) -> int:
    """Show the changes that wait for approval.

    With an ID, show what goes live with it. They are approved and rejected in the console, where people sign in.

    Example: flagkit proposals
    """
    from flagkit.admin.proposals.guard import proposals_of

    if withdraw and number is None:
        raise UsageError("Missing argument ID.", hint="`flagkit proposals` lists them.")
    with cli_context(context).store(source) as store:
        known = proposals_of(store)
        if known is None:
            raise UsageError(f"changes of {store.url} need no approval", hint="flagkit.toml asks for approvals.")
        if number is None:
            _list(known.all("open"), as_json=as_json)
            return 0
        if withdraw:
            known.withdraw(known.caller(), number)
        review = known.review(number)
    if as_json:
        print_json({**_data(review.proposal), "problem": review.problem, "changes": review.diff.to_dict()})
        return 0
    echo(_line(review.proposal))
    show_changes(review.diff.to_text())
    if review.problem:
        echo(f"It can't be saved: {review.problem}.")
    return 0


def _list(found: list[Proposal], *, as_json: bool) -> None:
    if as_json:
        print_json([_data(item) for item in found])
        return
    for item in found:
        echo(_line(item))
    if not found:
        echo("No open proposals.")


def _line(item: Proposal) -> str:
    by = item.author.name.rsplit("/", 1)[-1]
    state = "" if item.status == "open" else f" ({item.status})"
    return f"{item.id}{state}  {moment(item.at)}  {by}: {item.reason}  [{', '.join(item.keys)}]"


def _data(item: Proposal) -> dict[str, object]:
    return {
        "id": item.id,
        "status": item.status,
        "author": item.author.name,
        "reason": item.reason,
        "at": item.at.isoformat(),
        "flags": list(item.keys),
        "approved_by": [approval.by.name for approval in item.approvals],
        "version": item.version,
    }
