"""From a source to a store; a client library is imported only when its store is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.admin.stores.base import FlagStore
from flagkit.errors import SourceUrlError
from flagkit.runtime.clock import Clock
from flagkit.sources.urls import default_url, parse

if TYPE_CHECKING:
    import boto3


def open_store(
    url: str | None = None, *, session: boto3.Session | None = None, clock: Clock | None = None
) -> FlagStore:
    """Open a flag store; nothing is read yet.

    Args:
        url: `file:PATH` or `appconfig://APPLICATION/ENVIRONMENT/PROFILE[?region=…]`; `$FLAGKIT_SOURCE` where None.
        session: boto3 session; the usual chain of credentials and region where None.
        clock: the machine's where None.

    Raises:
        SourceUrlError: the source is not valid, or flags can't be changed there (e.g. an Agent).
    """
    address = parse(default_url() if url is None else url)
    if address.scheme == "file":
        from flagkit.admin.stores.file import FileStore

        return FileStore(
            address.rest.removeprefix("//") if address.rest.startswith("//") else address.rest, clock=clock
        )
    if address.scheme == "appconfig":
        from flagkit.admin.stores.appconfig import AppConfigStore

        application, environment, profile = address.names(3)
        region = address.options.get("region")
        return AppConfigStore(application, environment, profile, session=session, region=region, clock=clock)
    raise SourceUrlError(
        f"flags can't be changed in a source of the kind {address.scheme}:",
        hint="Use file:PATH or appconfig://APPLICATION/ENVIRONMENT/PROFILE.",
    )
