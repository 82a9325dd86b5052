"""Repairs the owners of locks and threads in a forked child."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """An object that must be repaired in a forked child."""

    def after_fork(self) -> None:
        """Repair it: new locks, new threads, nothing shared with the parent."""
        ...


_alive: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def register(owner: ForkAware) -> None:
    """Call `after_fork` of an object in each forked child, as long as the object lives."""
    _alive.add(owner)


def _in_child() -> None:
    for owner in list(_alive):
        owner.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
