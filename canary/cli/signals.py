"""SIGINT, SIGTERM and SIGHUP while a canary is driven: the first requests a stop, a second one changes nothing.

The runner finishes what it has begun before it looks here, so no alias is ever left half written.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Literal, ParamSpec, Self, TypeVar

from canary.adapters.clock import SystemClock
from canary.core.plan import StagePlan

P = ParamSpec("P")
T = TypeVar("T")

Answer = Literal["rollback", "leave"]
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopFlag:
    """A flag that a signal handler may set while the main thread waits for it.

    `threading.Event` can't: a handler that runs inside `wait` waits for the lock that its own thread holds. `put` of
    `queue.SimpleQueue` is re-entrant (docs.python.org/3/library/queue.html).
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wakeups: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        """True once it was set."""
        return self._is_set

    def set(self) -> None:
        """Sets it, and ends a wait."""
        self._is_set = True
        self._wakeups.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until it is set or the time is over; True if it is set."""
        if not self._is_set:
            with suppress(Empty):
                self._wakeups.get(timeout=timeout_s)
        return self._is_set


class StoppableClock(SystemClock):
    """The system clock, whose wait ends at once when a stop is requested.

    Only the first wait is cut short: the waits between attempts of a rollback are kept.
    """

    def __init__(self, stop: StopFlag) -> None:
        super().__init__()
        self._stop = stop

    def pause(self, real_s: float) -> bool:
        """Waits until the time is over or a signal arrives."""
        return super().pause(real_s) if self._stop.is_set() else self._stop.wait(real_s)


class StopRequest:
    """Records signals while it is entered; outside the main thread it records none."""

    def __init__(self) -> None:
        self.event = StopFlag()
        self._may_interrupt = False
        self._is_over = False
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def is_set(self) -> bool:
        """True after a signal."""
        return self.event.is_set()

    def over(self) -> None:
        """The canary is over: there is nothing left to stop."""
        self._is_over = True

    def interruptible(self, call: Callable[P, T]) -> Callable[P, T]:
        """`call`, which a signal ends with KeyboardInterrupt: nothing is written during a prompt, or after the end."""

        def called(*arguments: P.args, **more: P.kwargs) -> T:
            self._may_interrupt = True
            try:
                return call(*arguments, **more)
            finally:
                self._may_interrupt = False

        return called

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._may_interrupt:
            raise KeyboardInterrupt
        text = "already stopping" if self.event.is_set() else "stopping after the current write"
        self.event.set()
        if self._is_over:
            text = "the canary is over"
        with suppress(OSError, ValueError, AttributeError):  # a handler must not raise where the terminal is gone
            sys.stderr.write(f"\n{signal.Signals(number).name}: {text}\n")


def interrupt_policy(stage: StagePlan, ask: Callable[[str], str] | None) -> Callable[[], Answer]:
    """What to do when stopped: what the plan says; "ask" prompts on a terminal and rolls back elsewhere.

    Args:
        stage: the plan (`on_interrupt`).
        ask: prompts a person; None where there is no terminal.
    """

    def decide() -> Answer:
        if stage.on_interrupt != "ask":
            return stage.on_interrupt
        if ask is None:
            return "rollback"
        try:
            answer = ask("Stop: [r]oll back, or [l]eave the canary at its weight, to be resumed later? [R/l] ")
        except (EOFError, KeyboardInterrupt, OSError):
            return "rollback"
        return "leave" if answer.strip().lower().startswith("l") else "rollback"

    return decide
