"""Environments of sources: their names, which are protected, and the document that is live in one."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from flagkit.errors import NotDeployedError
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    from flagkit.admin.stores import FlagStore
    from flagkit.core.documents import FlagDocument

PROTECTED = "prod*,live*"
"""Environments that ask for their name; `$FLAGKIT_PROTECTED` replaces the patterns, empty for none."""


def environment(url: str) -> str | None:
    """The name of the environment of an address; None for a file."""
    address = parse(url)
    return None if address.scheme == "file" else address.names(3)[1]


def is_protected(name: str) -> bool:
    """Whether changes to an environment ask for its name first."""
    patterns = os.environ.get("FLAGKIT_PROTECTED", PROTECTED).split(",")
    return any(fnmatchcase(name.lower(), pattern.strip().lower()) for pattern in patterns)


def live_document(store: FlagStore) -> FlagDocument:
    """Return the document that is live: of a file the newest, on AppConfig the deployed one.

    Raises:
        NotDeployedError: none is.
    """
    if store.deployments is None:
        return store.read().document
    served = store.deployments.status().served
    if served is None:
        raise NotDeployedError(f"{store.url} has no live version", hint="Deploy a version there first.")
    return store.read(served).document
