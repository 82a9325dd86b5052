"""Which flags differ between two snapshots. Pure."""

from __future__ import annotations

from flagkit.core.definitions import FlagDefinition
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError


def changed_flags(before: Snapshot | None, after: Snapshot) -> frozenset[str]:
    """Keys of the flags that were added, removed or defined otherwise; all of them when there was nothing before."""
    if before is None:
        return frozenset(after.flags)
    keys = before.flags.keys() | after.flags.keys()
    return frozenset(key for key in keys if _definition(before, key) != _definition(after, key))


def _definition(snapshot: Snapshot, key: str) -> FlagDefinition | str:
    try:
        return snapshot.definition(key)
    except KeyError:
        return "missing"
    except DocumentError as error:
        return error.message
