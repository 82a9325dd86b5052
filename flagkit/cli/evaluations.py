"""When the flags of a source were last evaluated, if flagkit.toml says where exposures are counted."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.cli.context import CliContext, source_url
from flagkit.cli.output import say
from flagkit.errors import FlagkitError
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    from flagkit.admin.evaluations import Evaluations


def evaluations_of(
    cli: CliContext, source: str | None, keys: Collection[str], others: Collection[str] = ()
) -> Evaluations | None:
    """When flags were last evaluated; None where that isn't known. The flags are shown whatever goes wrong here."""
    url = source_url(source)
    if parse(url).scheme not in {"file", "appconfig"}:
        return None
    from flagkit.admin.settings_file import find_file, name_of_source

    try:
        path = find_file(url, os.environ, Path.cwd())
        if path is None:
            return None
        from flagkit.admin.settings import read_settings

        metrics = read_settings(path).metrics_of([name_of_source(url)])
        if metrics is None:
            return None
        from flagkit.admin.evaluations import read_evaluations

        read = partial(
            read_evaluations,
            namespace=metrics.namespace,
            region=metrics.region,
            clock=cli.clock,
            session=cli.session,
        )
        found = read(keys)
        # Nobody asks for this flag, or counts are not written: the others tell.
        return read({*keys, *others}) if found.since is None and others else found
    except (FlagkitError, OSError) as error:
        say(f"warning: when flags were last evaluated is not known: {getattr(error, 'message', error)}")
        return None
