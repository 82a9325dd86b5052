"""Flags between environments: copy some of them, promote all. The edit is made in `flagkit.admin.edits`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

from flagkit import admin
from flagkit.admin.environments import live_document, refuse_shared
from flagkit.cli import options
from flagkit.cli.arguments import Argument, Option
from flagkit.cli.change import Change, EditContext, changes
from flagkit.cli.context import other_url, source_url
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.errors import SourceUrlError, UnknownFlagError, UsageError

if TYPE_CHECKING:
    from flagkit.core.documents import FlagDocument

From = Annotated[str, Option("--from", metavar="SOURCE", help="The environment, file or source to copy from.")]
To = Annotated[
    str | None, Option("--to", metavar="SOURCE", help="The environment, file or source to change. Default: --source.")
]
WithState = Annotated[bool, Option("--with-state", help="Copy on and off, too.")]


@changes
def copy(
    keys: Annotated[list[str], Argument(metavar="KEY...", help="The flags.", complete=options.complete_key)],
    origin: From,
    target: To = None,
    with_state: WithState = False,
) -> Change:
    """Copy flags from another environment.

    Takes the live version there. Each flag stays on or off as it is here, and a new flag starts off.

    Example: flagkit copy new_checkout --from staging --to prod
    """
    return _change(keys, origin, target, with_state=with_state)


@changes
def promote(origin: From, target: To = None, with_state: WithState = False) -> Change:
    """Copy all flags from another environment.

    Takes the live version there. Flags that are only here stay. Each flag stays on or off as it is here, and a new
    flag starts off.

    Example: flagkit promote --from staging --to prod
    """
    return _change(None, origin, target, with_state=with_state)


def _change(keys: list[str] | None, origin: str, target: str | None, *, with_state: bool) -> Change:
    origins: dict[str, str] = {}  # of the source that is changed

    def changed(source: str | None) -> str:
        url = source_url(source, may_create=True) if target is None else other_url(target, source)
        origins[url] = _origin_url(origin, source, url)
        if origins[url] == url:
            raise UsageError(f"{url} cannot be copied to itself", hint="Give another --from or --to.")
        return url

    def edit(current: EditContext) -> FlagDocument:
        assert current.source is not None
        url = origins[current.source]
        with current.cli.store(url) as store:
            if store.deployments is not None:
                refuse_shared(store.deployments.status().served, url, current.source)
            other = live_document(store)
        chosen = keys if keys is not None else sorted({*other.flags, *other.values} - INTERNAL_FLAGS)
        try:
            return admin.edits.copy(current.document, chosen, other, with_state=with_state)
        except UnknownFlagError as error:  # of the source that is copied from
            hint = error.hint.replace("`flagkit list`", f"`flagkit list --source {shlex.quote(url)}`")
            raise UnknownFlagError(error.message, hint=hint) from None

    return Change(edit, may_create=True, summary=True, source=changed)


def _origin_url(origin: str, source: str | None, target: str) -> str:
    """Where to copy from: the name of an environment means one of the source, else one beside the target."""
    try:
        return other_url(origin, source)
    except SourceUrlError:
        return other_url(origin, target)
