"""When the flags of a source were last evaluated, if flagkit.toml says where exposures are counted."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.runtime.clock import Clock
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.evaluations import Evaluations


def evaluations_of_source(
    url: str, keys: Collection[str], others: Collection[str] = (), *, clock: Clock, session: boto3.Session | None = None
) -> Evaluations | None:
    """Return when flags were last evaluated; None where nothing says where that is counted.

    Args:
        url: the source.
        keys: the flags.
        others: more flags to ask for if these have no counts; counts of any flag tell that counts are written.
        clock: says which day it is.
        session: boto3 session; the usual chain of credentials where None.

    Raises:
        FlagkitError: the settings are not valid, or CloudWatch doesn't answer.
        OSError: the settings can't be looked for.
    """
    if parse(url).scheme not in {"file", "appconfig"}:
        return None
    from flagkit.admin.settings_file import find_file, name_of_source

    path = find_file(url, os.environ, Path.cwd())
    if path is None:
        return None
    from flagkit.admin.settings import read_settings

    metrics = read_settings(path).metrics_of([name_of_source(url)])
    if metrics is None:
        return None
    from flagkit.admin.evaluations import read_evaluations

    read = partial(read_evaluations, namespace=metrics.namespace, region=metrics.region, clock=clock, session=session)
    found = read(keys)
    # Nobody asks for this flag, or counts are not written: the others tell.
    return read({*keys, *others}) if found.since is None and others else found
