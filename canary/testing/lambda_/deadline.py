"""Runs a handler in a thread that can be left behind, so that one that never returns ends at its real deadline.

It knows nothing of Lambda. Python code is interrupted; a thread that waits in C code, or that ignores every
interruption, is left behind and goes on; C code that keeps Python's lock stops everything, and nothing here helps.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")

_TRIES: Final = 5
_PAUSE_S: Final = 0.1
_start = threading.Thread.start
_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc


class StillRunning(Exception):  # noqa: N818 - what happened, no failure of ours
    """The work hadn't ended at its deadline."""


class _Worker:
    """A thread that does one piece of work after another."""

    def __init__(self, interruption: type[BaseException]) -> None:
        self.work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.done: SimpleQueue[tuple[object, BaseException | None]] = SimpleQueue()
        self._interruption = interruption
        self._thread = threading.Thread(target=self._run, name="handler", daemon=True)
        _start(self._thread)  # not as a thread that a handler starts

    def interrupt(self) -> None:
        """Raises the interruption in whatever Python code the thread is at.

        Under a tracer (a debugger, coverage) CPython 3.11 would spin for ever at the next call here if the thread waits
        in C code: DO_TRACING of a RESUME is repeated while an interruption is pending anywhere (Python/ceval.c). There
        the thread is left behind.
        """
        if sys.version_info < (3, 12) and sys.gettrace() is not None:
            return
        _set_exception(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(self._interruption))

    def _run(self) -> None:
        try:
            while (work := self.work.get()) is not None:
                try:
                    answer: tuple[object, BaseException | None] = work(), None
                except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
                    answer = None, error
                self.done.put(answer)
                del work, answer
        except self._interruption:
            return  # it came when the work had ended


class Deadlines:
    """Does work that has a deadline in real time, each piece in a thread that is kept for the next one.

    Args:
        interruption: is raised in work that doesn't end.
    """

    def __init__(self, interruption: type[BaseException]) -> None:
        self._interruption = interruption
        self._idle: list[_Worker] = []

    def run(self, work: Callable[[], T], limit_s: float) -> T:
        """Does the work and returns its result, or raises what it raises.

        Raises:
            StillRunning: it took longer, and was interrupted or left behind.
        """
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._interruption)
        worker.work.put(work)
        try:
            result, error = worker.done.get(timeout=limit_s)
        except Empty:
            self._end(worker)
            raise StillRunning from None
        self._idle.append(worker)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # the queue holds results of every type

    def close(self) -> None:
        """Ends the threads that have no work."""
        while self._idle:
            self._idle.pop().work.put(None)

    def _end(self, worker: _Worker) -> None:
        for _ in range(_TRIES):
            worker.interrupt()
            try:
                worker.done.get(timeout=_PAUSE_S)
                break
            except Empty:
                continue
        worker.work.put(None)
