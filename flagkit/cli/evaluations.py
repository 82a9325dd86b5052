"""When the flags of a source were last evaluated, for commands that show flags."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from flagkit.admin.evaluated import evaluations_of_source
from flagkit.cli.context import CliContext, source_url
from flagkit.cli.output import say
from flagkit.errors import FlagkitError

if TYPE_CHECKING:
    from flagkit.admin.evaluations import Evaluations


def evaluations_of(
    cli: CliContext, source: str | None, keys: Collection[str], others: Collection[str] = ()
) -> Evaluations | None:
    """When flags were last evaluated; None where that isn't known. The flags are shown whatever goes wrong here."""
    url = source_url(source)
    try:
        return evaluations_of_source(url, keys, others, clock=cli.clock, session=cli.session)
    except (FlagkitError, OSError) as error:
        say(f"warning: when flags were last evaluated is not known: {getattr(error, 'message', error)}")
        return None
