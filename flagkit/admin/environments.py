"""Environments of sources: their names, which are protected, and the document that is live in one."""

from __future__ import annotations

import os
import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from flagkit.errors import NotDeployedError, UsageError
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


def refuse_shared(served: int | None, origin: str, target: str) -> None:
    """Two environments of one profile share its versions: there is nothing to copy, only to deploy.

    Args:
        served: the version that is live in the one that is copied from.
        origin: the source of that.
        target: the source that is changed.

    Raises:
        UsageError: they do; the hint deploys what is live in the one to the other.
    """
    first, second = parse(origin), parse(target)
    if first.scheme != "appconfig" or second.scheme != "appconfig":
        return
    (application, environment, profile), (other, _, same) = first.names(3), second.names(3)
    if (application, profile) != (other, same) or first.options != second.options:
        return
    command = f"flagkit deploy --version {served} --source {shlex.quote(target)}"
    first_there = f"Deploy a version in {environment} first: `flagkit deploy --source {shlex.quote(origin)}`"
    raise UsageError(
        f"both environments use the profile {profile}, and share its versions",
        hint=first_there if served is None else f"Deploy the version that is live in {environment}: `{command}`",
    )
