"""A store of outcomes in this process: for tests, the simulator and demonstrations. It keeps every user."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from flagkit.core.outcomes import WINDOW_S, Exposed, Outcome, Row, Unit, add_up, expose, report
from flagkit.runtime import forks


class MemoryStore:
    """Outcomes in memory, by the rules that every store has.

    Args:
        window_s: how long after the first exposure outcomes of a user count.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.window_s = window_s
        self._units: dict[tuple[str, str], Unit] = {}
        self._rows: dict[str, dict[tuple[int, str], Row]] = {}
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Count them; returns the outcomes of users whose exposure isn't known yet."""
        unknown: list[Outcome] = []
        with self._lock:
            for event in exposures:
                name = event.experiment, event.user
                self._units[name], row = expose(self._units.get(name), event, self.window_s)
                self._add(event.experiment, row)
            for outcome in outcomes:
                name = outcome.experiment, outcome.user
                unit = self._units.get(name)
                if unit is None:
                    unknown.append(outcome)
                    continue
                self._units[name], row = report(unit, outcome, self.window_s)
                self._add(outcome.experiment, row)
        return unknown

    def rows(self, experiment: str, since: int = 0, until: int | None = None) -> tuple[Row, ...]:
        """The rows of the minutes from `since` to before `until`, in minutes since 1970, oldest first."""
        with self._lock:
            kept = [row for row in self._rows.get(experiment, {}).values() if since <= row.minute]
        return add_up(row for row in kept if until is None or row.minute < until)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The names that users were counted under, in the order of their first users."""
        with self._lock:
            return tuple(self._rows)

    def _add(self, experiment: str, row: Row | None) -> None:
        if row is not None:
            kept = self._rows.setdefault(experiment, {})
            before = kept.get((row.minute, row.arm))
            kept[row.minute, row.arm] = row if before is None else add_up((before, row))[0]
