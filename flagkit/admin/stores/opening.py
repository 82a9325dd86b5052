"""From a source to a store; a client library is imported only when its store is opened."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flagkit.admin.stores.base import FlagStore
from flagkit.errors import SourceUrlError, UsageError
from flagkit.runtime.clock import Clock, machine_clock
from flagkit.sources.urls import default_url, parse

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.settings import SourceSettings

logger = logging.getLogger("flagkit.notices")


def open_store(
    url: str | None = None,
    *,
    session: boto3.Session | None = None,
    clock: Clock | None = None,
    warn: Callable[[str], object] | None = None,
) -> FlagStore:
    """Open a flag store; nothing is read yet.

    If `flagkit.toml` names receivers of its changes, each change is noticed. Close the store to wait for that. If it
    asks for approvals, changes without them are refused.

    Args:
        url: `file:PATH` or `appconfig://APPLICATION/ENVIRONMENT/PROFILE[?region=…]`; `$FLAGKIT_SOURCE` where None.
        session: boto3 session; the usual chain of credentials and region where None.
        clock: the machine's where None.
        warn: called by `close` with each notice that could not be delivered; where None, that is logged.

    Raises:
        SourceUrlError: the source is not valid, or flags can't be changed there (e.g. an Agent).
    """
    url = default_url() if url is None else url
    store = open_plain_store(url, session=session, clock=clock)
    settings = _settings(url, warn)
    if settings is None:
        return store
    from flagkit.admin.notices.store import noticed

    time = machine_clock() if clock is None else clock
    found = noticed(store, settings, time, session=session, warn=warn)
    if not settings.approvals:
        return found
    from flagkit.admin.proposals.opening import guarded

    return guarded(found, store, url, settings, time, session=session)


def _settings(url: str, warn: Callable[[str], object] | None) -> SourceSettings | None:
    """Who is notified. Settings that can't be read stop no change: a flag can be killed all the same."""
    from flagkit.admin.settings import read_settings
    from flagkit.admin.settings_file import find_file

    try:
        path = find_file(url, os.environ, Path.cwd())
        return None if path is None else read_settings(path)
    except (UsageError, OSError) as error:
        problem = error.message if isinstance(error, UsageError) else str(error.strerror)
        text = f"nobody is notified of changes or asked to approve them: {problem}"
        if warn is None:
            logger.warning("flagkit: %s", text)
        else:
            warn(f"warning: {text}")
        return None


def open_plain_store(
    url: str, *, session: boto3.Session | None, clock: Clock | None, tries: int | None = None
) -> FlagStore:
    """Open a store that notifies nobody; a call to AWS without an answer is made so often."""
    address = parse(url)
    if address.scheme == "file":
        from flagkit.admin.stores.file import FileStore

        return FileStore(
            address.rest.removeprefix("//") if address.rest.startswith("//") else address.rest, clock=clock
        )
    if address.scheme == "appconfig":
        from flagkit.admin.stores.appconfig import AppConfigStore

        application, environment, profile = address.names(3)
        region = address.options.get("region")
        return AppConfigStore(
            application, environment, profile, session=session, region=region, clock=clock, tries=tries
        )
    raise SourceUrlError(
        f"flags can't be changed in a source of the kind {address.scheme}:",
        hint="Use file:PATH or appconfig://APPLICATION/ENVIRONMENT/PROFILE.",
    )
