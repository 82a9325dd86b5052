"""Reads that may be slow, each in a thread of its own: pages wait for them only so long, and never start one twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from canary.errors import CanaryError, UnavailableError

FRESH_S: Final = 1.0
"""Pages that ask within so long share an answer."""


@dataclass(frozen=True, slots=True)
class Read:
    """Something to read.

    Attributes:
        call: reads it.
        fresh_s: for how long an answer is used again.
    """

    call: Callable[[], Any]
    fresh_s: float = FRESH_S


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read has answered.

    Attributes:
        value: the newest value; None where there has been none yet.
        age_s: how old it is.
        problem: why there is nothing newer; None where the value is fresh.
    """

    value: Any
    age_s: float = 0.0
    problem: CanaryError | None = None


@dataclass(slots=True)
class _Flight:
    """A call that is under way, or has ended."""

    began_s: float
    ended: threading.Event = field(default_factory=threading.Event)
    ended_s: float = 0.0
    value: Any = None
    problem: CanaryError | None = None


class Reads:
    """Keeps the last answers.

    Args:
        deadline_s: how long an answer is waited for.
        monotonic: real seconds.
    """

    def __init__(self, deadline_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Flight] = {}
        self._latest: dict[Hashable, _Flight] = {}
        self._good: dict[Hashable, _Flight] = {}

    def all(self, reads: Mapping[Hashable, Read]) -> dict[Hashable, Answer]:
        """Answers of all; each has a deadline from when it was first asked for, so a slow one is waited for once."""
        flights = {key: self._flight(key, read) for key, read in reads.items()}
        return {key: self._answer(key, flight) for key, flight in flights.items()}

    def one(self, key: Hashable, read: Read) -> Answer:
        """The answer of one."""
        return self.all({key: read})[key]

    def forget(self, key: Hashable) -> None:
        """Takes no answer for fresh that was asked for before now: something was changed."""
        with self._lock:
            self._running.pop(key, None)
            self._latest.pop(key, None)

    def _flight(self, key: Hashable, read: Read) -> _Flight:
        with self._lock:
            running, latest = self._running.get(key), self._latest.get(key)
            if running is not None:
                return running
            if latest is not None and self._monotonic() - latest.ended_s < read.fresh_s:
                return latest
            flight = self._running[key] = _Flight(self._monotonic())
        threading.Thread(target=self._run, args=(key, flight, read.call), name=f"read {key}", daemon=True).start()
        return flight

    def _run(self, key: Hashable, flight: _Flight, call: Callable[[], Any]) -> None:
        try:
            flight.value = call()
        except CanaryError as error:
            flight.problem = error
        except Exception as error:  # noqa: BLE001 - one stage that can't be shown must not hide the others
            flight.problem = CanaryError(f"it can't be shown ({type(error).__name__}: {error})")
        with self._lock:
            flight.ended_s = self._monotonic()
            if self._running.get(key) is flight:
                del self._running[key]
                self._latest[key] = flight
                if flight.problem is None:
                    self._good[key] = flight
        flight.ended.set()

    def _answer(self, key: Hashable, flight: _Flight) -> Answer:
        if flight.ended.wait(max(0.0, flight.began_s + self._deadline_s - self._monotonic())):
            if flight.problem is None:
                return Answer(flight.value)
            problem = flight.problem
        else:
            problem = UnavailableError(
                f"no answer within {self._deadline_s:g} s", hint="The page asks again by itself."
            )
        with self._lock:
            good = self._good.get(key)
        if good is None:
            return Answer(None, problem=problem)
        return Answer(good.value, self._monotonic() - good.ended_s, problem)
