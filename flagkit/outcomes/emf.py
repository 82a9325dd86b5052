"""Outcomes as CloudWatch metrics, written as EMF lines. Cheap, and weaker: a user counts once in each process.

Nobody can know from these counts whether two processes counted the same user, so they are for showing a rollout, not
for the promise that healthy rollouts stay (statistics.md §4.18).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TextIO

from flagkit.core.outcomes import WINDOW_S, Exposed, Outcome, Row
from flagkit.outcomes.memory import MemoryStore

USERS = "Users"
"""The metric of exposed users; the others are named after what is reported."""


class EmfStore(MemoryStore):
    """Counts users in this process and writes what is added as EMF lines, which AWS Lambda's log turns into metrics.

    Numbers (`report(value=…)`) are not written: CloudWatch has no sum of squares by minute. Lines hold no user.

    Args:
        namespace: of the metrics.
        stream: where to write; standard output if None.
        window_s: how long after the first exposure outcomes of a user count.
    """

    def __init__(self, namespace: str = "flagkit", *, stream: TextIO | None = None, window_s: float = WINDOW_S) -> None:
        super().__init__(window_s)
        self._namespace, self._stream = namespace, stream
        self._added: list[tuple[str, Row]] = []

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Count them and write the lines; returns the outcomes of users whose exposure isn't known here."""
        unknown = super().record(exposures, outcomes)
        with self._lock:
            added, self._added = self._added, []
        stream = sys.stdout if self._stream is None else self._stream
        for experiment, row in added:
            numbers = {USERS: row.users} if row.users else dict(row.bad)
            if numbers:
                stream.write(json.dumps(self._line(experiment, row, numbers)) + "\n")
        stream.flush()
        return unknown

    def after_fork(self) -> None:
        """The parent writes what it has counted."""
        super().after_fork()
        self._added.clear()

    def _add(self, experiment: str, row: Row | None) -> None:
        super()._add(experiment, row)
        if row is not None:
            self._added.append((experiment, row))

    def _line(self, experiment: str, row: Row, numbers: dict[str, int]) -> dict[str, object]:
        metric = {
            "Namespace": self._namespace,
            "Dimensions": [["Experiment", "Arm"], ["Experiment"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in numbers],
        }
        # The minute in which the window ends: CloudWatch takes times up to two hours ahead.
        return {
            "_aws": {"Timestamp": row.minute * 60_000, "CloudWatchMetrics": [metric]},
            "Experiment": experiment,
            "Arm": row.arm,
            **numbers,
        }
