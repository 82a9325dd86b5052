"""One at a time: a lock whose owner can lend its turn to threads that work for it. It knows nothing of AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class LentTurn:
    """A turn that its owner has lent; the owner ends it."""

    def __init__(self) -> None:
        self.inner = threading.RLock()
        self.is_open = True


class _Local(threading.local):
    def __init__(self) -> None:
        self.lent: LentTurn | None = None
        self.held: list[LentTurn | None] = []


class TurnLock:
    """A re-entrant lock for the whole stand-in.

    A handler that the stand-in runs may start threads that call AWS and wait for them, as flag clients do: they work
    within the turn of the call that runs the handler.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._local = _Local()

    def acquire(self) -> bool:
        """Waits for a turn: of its own, or the one that was lent to this thread."""
        lent = self._local.lent
        if lent is not None:
            lent.inner.acquire()
            if lent.is_open:
                self._local.held.append(lent)
                return True
            lent.inner.release()
            self._local.lent = None
        self._lock.acquire()
        self._local.held.append(None)
        return True

    def release(self) -> None:
        """Ends the turn."""
        lent = self._local.held.pop()
        (self._lock if lent is None else lent.inner).release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *problem: object) -> None:
        self.release()

    @contextmanager
    def lend(self) -> Iterator[LentTurn]:
        """Takes a turn and lends it while the block runs: to this thread, and to those that `adopt` it."""
        with self:
            before, turn = self._local.lent, LentTurn()
            self._local.lent = turn
            try:
                yield turn
            finally:
                with turn.inner:  # whoever is in the middle of a call finishes it
                    turn.is_open = False
                self._local.lent = before

    def adopt(self, turn: LentTurn) -> None:
        """Works in a lent turn from now on, in this thread, until it ends."""
        self._local.lent = turn
