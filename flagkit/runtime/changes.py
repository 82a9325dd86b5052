"""Which flags differ between two snapshots. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from flagkit.core.definitions import FlagDefinition
from flagkit.core.evaluation import Attribute
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError


def changed_flags(before: Snapshot | None, after: Snapshot) -> frozenset[str]:
    """Keys of the flags that were added, removed or defined otherwise; all of them when there was nothing before."""
    if before is None:
        return frozenset(after.flags)
    keys = before.flags.keys() | after.flags.keys()
    return frozenset(key for key in keys if not _same(_definition(before, key), _definition(after, key)))


def _definition(snapshot: Snapshot, key: str) -> FlagDefinition | str:
    try:
        return snapshot.definition(key)
    except KeyError:
        return "missing"
    except DocumentError as error:
        return error.message


def _same(before: FlagDefinition | str, after: FlagDefinition | str) -> bool:
    if before != after or isinstance(before, str) or isinstance(after, str):
        return before == after
    variants = zip(before.variants, after.variants, strict=True)
    return _same_type(before.attributes, after.attributes) and all(
        _same_type(old.attributes, new.attributes) for old, new in variants
    )


def _same_type(before: Attribute, after: Attribute) -> bool:
    """Whether equal values are of equal types: 1, 1.0 and true are equal to Python, and not to who asks for a type."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return all(_same_type(value, after[name]) for name, value in before.items())
    if isinstance(before, tuple) and isinstance(after, tuple):
        return all(map(_same_type, before, after))
    return type(before) is type(after)
