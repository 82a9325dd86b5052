"""Runs handlers in the process, with the time, environment and standard output of a Lambda environment.

It knows nothing of aliases or metrics. Code that never sleeps and never returns hangs a test: there nothing interrupts
it, a breakpoint neither. A sandbox sets a limit in real time.
"""

from __future__ import annotations

import io
import os
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any, Final, TypeVar

from canary.testing.lambda_ import deadline
from canary.testing.lambda_.code import Code, HandlerNotFound, ImportModuleError, LoadedCode, own_modules
from canary.testing.lambda_.deadline import Deadlines, StillRunning
from flagkit.testing.turns import LentTurn, TurnLock

_REAL = {
    name: getattr(time, name)
    for name in ("sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
}
_real_select = selectors.DefaultSelector.select


class TimedOut(BaseException):
    """Ends a handler at its deadline; no `except Exception` of the handler can stop it."""


class Stopwatch:
    """The time of one invocation: it begins at a virtual moment and moves only when the handler sleeps."""

    __slots__ = ("began_monotonic_s", "began_s", "limit_s", "spent_s", "timed_out")

    def __init__(self, began_s: float, began_monotonic_s: float, limit_s: float) -> None:
        self.began_s = began_s
        self.began_monotonic_s = began_monotonic_s
        self.limit_s = limit_s
        self.spent_s = 0.0
        self.timed_out = False

    def spend(self, seconds: float) -> None:
        """Lets time pass for the handler only."""
        if seconds < 0:
            message = "sleep length must be non-negative"
            raise ValueError(message)
        self.spent_s += seconds
        if self.spent_s >= self.limit_s:
            self.spent_s = self.limit_s
            self.timed_out = True
            raise TimedOut


class _Running(threading.local):
    watch: Stopwatch | None = None
    turn: tuple[TurnLock, LentTurn] | None = None


_LEAST_REAL_S: Final = 5.0
"""A machine that is busy is no handler that hangs."""
_running = _Running()
_deadlines = Deadlines(TimedOut)
_one_at_a_time = threading.RLock()  # os.environ and sys.stdout belong to the whole process


def spend_if_inside(seconds: float) -> bool:
    """Lets time pass for the handler that runs in this thread; False if none does."""
    watch = _running.watch
    if watch is None:
        return False
    watch.spend(seconds)
    return True


def _sleep(seconds: float) -> None:
    if not spend_if_inside(seconds):
        _REAL["sleep"](seconds)


def _clock(name: str) -> Callable[[], float]:
    """A function of the module `time` that inside a handler tells the invocation's time."""
    real = _REAL[name]
    is_wall, in_ns = name.startswith("time"), name.endswith("_ns")

    def read() -> float:
        watch = _running.watch
        if watch is None:
            return float(real()) if not in_ns else int(real())
        began_s = watch.began_s if is_wall else watch.began_monotonic_s
        return int((began_s + watch.spent_s) * 1e9) if in_ns else began_s + watch.spent_s

    return read


def _select(self: selectors.DefaultSelector, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
    # An event loop waits for its next timer here; inside a handler that wait is the invocation's time, too.
    watch = _running.watch
    if watch is None or timeout is None or timeout <= 0:
        return _real_select(self, timeout)
    ready = _real_select(self, 0)
    if not ready:
        watch.spend(timeout)
    return ready


def _start(thread: threading.Thread) -> None:
    """A thread that a handler starts lives in the invocation's time, too."""
    watch, turn = _running.watch, _running.turn
    if watch is not None:
        run = thread.run

        def inside() -> None:
            _running.watch, _running.turn = watch, turn
            if turn is not None:
                turn[0].adopt(turn[1])
            run()

        thread.run = inside  # type: ignore[method-assign]
    _real_start(thread)


_real_start = threading.Thread.start
_VIRTUAL = {name: _sleep if name == "sleep" else _clock(name) for name in _REAL}
_installed = 0


def install_time() -> None:
    """Lets the clocks and pauses of `time` and of asyncio mean the invocation's time inside handlers."""
    global _installed  # noqa: PLW0603 - there is one `time` module
    _installed += 1
    if _installed == 1:
        for name, function in _VIRTUAL.items():
            setattr(time, name, function)
        selectors.DefaultSelector.select = _select  # type: ignore[method-assign]
        threading.Thread.start = _start  # type: ignore[method-assign,assignment]


def remove_time() -> None:
    """Takes `install_time` back."""
    global _installed  # noqa: PLW0603
    _installed -= 1
    if _installed == 0:
        for name, function in _REAL.items():
            setattr(time, name, function)
        selectors.DefaultSelector.select = _real_select  # type: ignore[method-assign]
        threading.Thread.start = _real_start  # type: ignore[method-assign]
        _deadlines.close()


class _PerThread:
    """One object for the thread of a handler, and another for all other threads."""

    def __init__(self, inside: Any, outside: Any) -> None:
        self._inside, self._outside = inside, outside

    def _its(self) -> Any:
        return self._outside if _running.watch is None else self._inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._its(), name)

    def __getitem__(self, key: Any) -> Any:
        return self._its()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._its()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._its()[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._its()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._its())

    def __len__(self) -> int:
        return len(self._its())

    def __bool__(self) -> bool:  # a stream has no length; `logging` asks whether there is one
        return bool(self._its())

    def __or__(self, other: Any) -> Any:
        return self._its() | other

    def __repr__(self) -> str:
        return repr(self._its())


class LogStream(io.TextIOBase):
    """Standard output and error of an environment."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keeps the text."""
        self.parts.append(text)
        return len(text)

    def take_lines(self) -> list[str]:
        """The lines written since the last call."""
        if not self.parts:
            return []
        lines = "".join(self.parts).splitlines()
        self.parts.clear()
        return lines


@dataclass(slots=True)
class Result:
    """What a handler did.

    Attributes:
        value: what it returned.
        error: AWS's error document, None on success.
        spent_s: virtual time it slept.
        timed_out: its time was over.
        hung: it was interrupted in real time, or goes on: its environment can't be used again.
    """

    value: Any = None
    error: dict[str, Any] | None = None
    spent_s: float = 0.0
    timed_out: bool = False
    hung: bool = False


T = TypeVar("T")


@dataclass(slots=True)
class Sandbox:
    """One imported copy of a version's code; it stands for all environments of the version.

    Attributes:
        code: what to import.
        handler: `module.function`.
        variables: the environment variables, Lambda's and the version's.
        lock: of the stand-in, whose turn the handler works in.
        stream: name of the log stream.
        ends_hangs: does a handler that takes longer than its timeout in real time, too, time out?
    """

    code: Code
    handler: str
    variables: dict[str, str]
    lock: TurnLock
    stream: str = ""
    ends_hangs: bool = False
    loaded: LoadedCode | None = None
    init_s: float = 0.0
    output: LogStream = field(default_factory=LogStream)
    environ: dict[str, str] = field(default_factory=dict)

    def initialise(self, began_s: float, began_monotonic_s: float) -> Result | None:
        """Imports the code, the Init phase; time it sleeps is the Init Duration.

        Returns:
            None if it worked, else what went wrong.
        """
        self.environ = dict(self.variables)
        # The Init phase is limited to 10 s (Lambda developer guide, "Lambda execution environment lifecycle").
        watch = Stopwatch(began_s, began_monotonic_s, 10.0)
        failure = None
        try:
            self.loaded = self._within(watch, lambda: self.code.load(self.handler))
            if self.loaded.folder is not None:
                self.environ["LAMBDA_TASK_ROOT"] = str(self.loaded.folder)
        except TimedOut:
            failure = Result(timed_out=True)
        except StillRunning:
            failure = Result(timed_out=True, hung=True)
        except (ImportModuleError, HandlerNotFound) as error:
            kind = f"Runtime.{type(error).__name__}"
            failure = Result(error={"errorMessage": str(error), "errorType": kind, "requestId": "", "stackTrace": []})
        except SyntaxError as error:
            failure = Result(error={**error_document(error, ""), "errorType": "Runtime.UserCodeSyntaxError"})
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever user code raises is its error
            failure = Result(error=error_document(error, ""))
        self.init_s = watch.spent_s
        return failure

    def run(self, event: Any, context: Any, watch: Stopwatch) -> Result:
        """Calls the handler; what isn't its own error (Ctrl-C, a test that fails inside it) goes on to the caller."""
        loaded = self.loaded
        if loaded is None:
            message = "the sandbox was not initialised"
            raise RuntimeError(message)
        result = Result()
        try:
            result.value = self._within(watch, lambda: loaded.handler(event, context), loaded)
        except TimedOut:
            pass
        except StillRunning:
            return Result(spent_s=watch.limit_s, timed_out=True, hung=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever user code raises is its error
            result.error = error_document(error, context.aws_request_id)
        result.spent_s, result.timed_out = watch.spent_s, watch.timed_out
        return result

    def close(self) -> None:
        """Forgets the imported code."""
        if self.loaded is not None:
            self.loaded.close()
            self.loaded = None

    def _within(self, watch: Stopwatch, work: Callable[[], T], loaded: LoadedCode | None = None) -> T:
        """Does the work with an environment's time, variables, output and modules."""
        modules = nullcontext() if loaded is None else own_modules(loaded)
        with self._surroundings() as turn, modules:
            if not self.ends_hangs:
                return _timed(watch, (self.lock, turn), work)

            def lent() -> T:
                self.lock.adopt(turn)
                return _timed(watch, (self.lock, turn), work)

            try:
                return _deadlines.run(lent, max(watch.limit_s, _LEAST_REAL_S))
            except StillRunning:
                watch.spent_s, watch.timed_out = watch.limit_s, True  # its next sleep ends it
                raise

    @contextmanager
    def _surroundings(self) -> Iterator[LentTurn]:
        # A handler that invokes another function waits for it, and has the process for itself already.
        alone = _one_at_a_time if _running.watch is None else nullcontext()
        with self.lock.lend() as turn, alone:
            stdout, stderr, environ = sys.stdout, sys.stderr, os.environ
            # Other threads keep theirs: a server writes and reads its environment while handlers run.
            sys.stdout = _PerThread(self.output, stdout)
            sys.stderr = _PerThread(self.output, stderr)
            os.environ = _PerThread(self.environ, environ)  # type: ignore[assignment] # noqa: B003
            try:
                yield turn
            finally:
                sys.stdout, sys.stderr, os.environ = stdout, stderr, environ


def _timed(watch: Stopwatch, turn: tuple[TurnLock, LentTurn], work: Callable[[], T]) -> T:
    """Does the work in the time of an invocation, in this thread."""
    before = _running.watch, _running.turn
    _running.watch, _running.turn = watch, turn
    try:
        return work()
    finally:
        _running.watch, _running.turn = before


_OWN_FILES: Final = frozenset({__file__, deadline.__file__})


def error_document(error: BaseException, request_id: str) -> dict[str, Any]:
    """The payload with which Python's Lambda runtime reports an exception."""
    if isinstance(error, SystemExit):
        text = f"RequestId: {request_id} Error: Runtime exited with error: exit status {error.code or 0}"
        return {"errorType": "Runtime.ExitError", "errorMessage": text}
    frames = [
        f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n    {frame.line}\n'
        for frame in dropwhile(lambda frame: frame.filename in _OWN_FILES, traceback.extract_tb(error.__traceback__))
    ]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": frames,
    }
