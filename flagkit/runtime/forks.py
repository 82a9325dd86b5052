"""Tells what owns locks and threads that it lives in a forked child now."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that must be repaired in a forked child."""

    def after_fork(self) -> None:
        """Repairs it: new locks, new threads, nothing shared with the parent."""
        ...


_alive: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def register(thing: ForkAware) -> None:
    """From now on `after_fork` is called in each forked child, as long as the thing lives."""
    _alive.add(thing)


def _in_child() -> None:
    for thing in list(_alive):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
