"""The minutes of gauges and means: whether one breaks the limits of its gate, and its sums. No evidence, no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from canary.core.measurements import MinuteSums, MinuteValue, SumStream
from canary.core.plan import GaugeGate, HttpGate, MetricGate, QueueGate
from canary.core.stats.means import Sums


def breaks_limits(gate: GaugeGate, row: MinuteValue, before: float | None) -> bool | None:
    """Whether a minute's value breaks the limits of its gate; None when there is nothing to compare."""
    value, base = row.candidate, row.baseline
    if value is None:
        return None
    if isinstance(gate, QueueGate):
        if gate.max_age is not None:
            return value > gate.max_age.total_seconds()
        return value - (before or 0.0) > (gate.max_new_messages or 0)
    known = [
        value > gate.max if gate.max is not None else None,
        value < gate.min if gate.min is not None else None,
    ]
    if isinstance(gate, HttpGate) and not gate.limited:
        known.append(value < 1.0)  # true, or a status that says all is well
    if (
        isinstance(gate, MetricGate) and base is not None and base > 0.0
    ):  # next to nothing every ratio explodes (hyperswitch-helm#308)
        percent = 100.0 * value / base
        most, least = gate.max_percent_of_baseline, gate.min_percent_of_baseline
        known.append(percent > float(most) if most is not None else None)
        known.append(percent < float(least) if least is not None else None)
    answers = [answer for answer in known if answer is not None]
    return any(answers) if answers else None


def sums_of(stream: SumStream, minutes: Sequence[datetime]) -> tuple[Sums, ...]:
    """The sums of each minute; a minute without a row had no users."""
    rows = {row.minute: row for row in stream.minutes}
    return tuple(_sums(rows.get(minute) or MinuteSums(minute)) for minute in minutes)


def _sums(row: MinuteSums) -> Sums:
    return Sums(
        row.candidate_users,
        row.candidate_sum,
        row.candidate_squares,
        row.baseline_users,
        row.baseline_sum,
        row.baseline_squares,
    )
