"""How old a minute must be to count: measured from when CloudWatch's minutes stop changing. It reads no clock.

A minute's numbers grow until CloudWatch has them all, and how long that takes isn't documented (lambda-canary.md §2.2).
A driver that looks several times sees it: the age at which the latest minutes got their final numbers, by gate, is the
age at which the next ones count. It is never below `soonest` and never above `latest`, which also holds until something
was measured. A minute that grows after it was counted costs no validity (statistics.md §4.1).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from canary.core.measurements import (
    MINUTE,
    AliasMinute,
    DataState,
    MinuteCounts,
    MinuteValue,
    Observations,
    Stream,
)
from canary.core.plan import CountingGate, StagePlan
from canary.core.schedule import whole_minute
from canary.core.verdict.model import Judgement
from canary.core.verdict.scoring import counts_failures, limit_of

STEP = timedelta(seconds=20)
"""The pace of looks while minutes are measured, or evidence is close to its bound."""
ENOUGH_REQUESTS = 20
"""The last request of a minute with fewer may come long before its end, so its age says too little."""
REMEMBERED = 10
"""So many of the latest measured minutes count."""
SUSPICIOUS_FAILURES = 3
CLOSE = 0.5
"""From this share of the bound on, in logarithms (10:1 of 100:1), evidence is close to it."""

MEASURING = timedelta(minutes=3)
"""For so long a new driver looks closely: its first minutes have been seen to stop changing by then."""
_ANSWERED = (DataState.COMPLETE, DataState.NO_DATA)

Numbers = tuple[int, int, int, int]
Row = TypeVar("Row", MinuteCounts, MinuteValue, AliasMinute)


@dataclass(frozen=True, slots=True)
class Reading:
    """A minute that may still change, as it was read last.

    Attributes:
        numbers: its counts, of all functions together.
        since: its age at the first look that saw these numbers.
        before: its age at the look before that one, which saw other numbers or none; None where nobody had looked.
    """

    numbers: Numbers
    since: timedelta
    before: timedelta | None


@dataclass(frozen=True, slots=True)
class GateReadings:
    """What was seen of one gate's minutes.

    Attributes:
        young: the minutes that may still change.
        ages: the age at which each of the latest minutes was complete, oldest first.
        looked_at: the latest look that was answered.
    """

    young: Mapping[datetime, Reading] = field(default_factory=dict)
    ages: tuple[timedelta, ...] = ()
    looked_at: datetime | None = None

    def read(self, streams: Sequence[Stream], now: datetime, latest: timedelta) -> GateReadings:
        """With one more look, unless it wasn't answered."""
        if any(stream.state not in _ANSWERED for stream in streams):
            return self
        young: dict[datetime, Reading] = {}
        ages = list(self.ages)
        for minute, numbers in _totals(streams, now - latest - 2 * MINUTE).items():
            age = now - minute - MINUTE
            known = self.young.get(minute)
            if known is None and (age >= latest or age < timedelta()):
                continue
            if known is None or known.numbers != numbers:
                before = None if self.looked_at is None else self.looked_at - minute - MINUTE
                known = Reading(numbers, age, before)
            if age < latest:
                young[minute] = known
            elif (complete := _complete_at(known, max(ages, default=latest))) is not None:
                ages.append(complete)
        return GateReadings(young, tuple(ages[-REMEMBERED:]), now)


def _totals(streams: Sequence[Stream], since: datetime) -> dict[datetime, Numbers]:
    """The counts of every minute from `since` on, oldest first."""
    found: dict[datetime, Numbers] = {}
    for stream in streams:
        for row in (*_from(since, stream.history), *_from(since, stream.minutes)):
            a, b, c, d = found.get(row.minute, (0, 0, 0, 0))
            found[row.minute] = (
                a + row.candidate_requests,
                b + row.candidate_bad,
                c + row.baseline_requests,
                d + row.baseline_bad,
            )
    return dict(sorted(found.items()))


def _from(since: datetime, rows: Sequence[MinuteCounts]) -> Iterator[MinuteCounts]:
    for row in reversed(rows):
        if row.minute < since:
            return
        yield row


def _complete_at(reading: Reading, assumed: timedelta) -> timedelta | None:
    """The age at which a minute was complete; None when the looks were too far apart to tell, or it says too little."""
    requests = reading.numbers[0] + reading.numbers[2]
    if requests < ENOUGH_REQUESTS or reading.before is None:
        return None
    if reading.since - reading.before <= 1.5 * STEP:
        return STEP / 2 * round(reading.since / (STEP / 2))
    return reading.before + STEP if reading.before >= assumed else None


@dataclass(frozen=True, slots=True)
class Settling:
    """What one driver has seen of a canary's minutes; another driver begins anew.

    Attributes:
        gates: by name, those that count requests.
        began: this driver's first look.
        latest: how old a minute is at most when it counts.
        is_suspicious: whether the new version seems to fail in minutes that don't count yet.
        answered: by gauge gate, the latest look that was answered.
    """

    gates: Mapping[str, GateReadings] = field(default_factory=dict)
    began: datetime | None = None
    latest: timedelta = timedelta()
    is_suspicious: bool = False
    answered: Mapping[str, datetime] = field(default_factory=dict)

    def read(self, stage: StagePlan, observed: Observations, now: datetime, latest: timedelta) -> Settling:
        """With one more look."""
        by_gate: dict[str, list[Stream]] = {}
        for stream in observed.streams:
            by_gate.setdefault(stream.key.gate, []).append(stream)
        gates = {
            name: self.gates.get(name, GateReadings()).read(streams, now, latest) for name, streams in by_gate.items()
        }
        suspicious = any(_seems_to_fail(stage, name, readings.young.values()) for name, readings in gates.items())
        answered = {gauge.key.gate: now for gauge in observed.gauges if gauge.state in _ANSWERED}
        return Settling(gates, self.began or now, latest, suspicious, {**self.answered, **answered})

    def age(self, gate: str, soonest: timedelta) -> timedelta:
        """How old a minute of this gate must be to count."""
        measured = max(self.gates.get(gate, GateReadings()).ages, default=self.latest)
        return min(self.latest, max(soonest, measured))

    def wants_close_looks(self, judgement: Judgement | None, now: datetime) -> bool:
        """Whether to look every 20 s: while the first minutes are measured, and while much speaks for a rollback."""
        if self.began is None:
            return False
        path = judgement.ln_evidence_by_minute if judgement is not None else ()
        is_close = judgement is not None and bool(path) and path[-1] >= CLOSE * judgement.ln_bound
        return is_close or self.is_suspicious or now < self.began + MEASURING

    def settled(self, observed: Observations, now: datetime, soonest: timedelta) -> Observations:
        """What was observed, without the minutes that don't count yet; gauges aren't measured."""
        names = dict.fromkeys(stream.key.gate for stream in observed.streams)
        ages = {name: self.age(name, soonest) for name in names}
        # What a query said that was answered some time ago may have been young then.
        looks = {name: self.gates.get(name, GateReadings()).looked_at or now for name in names}
        until = {name: whole_minute(looks[name] - age) for name, age in ages.items()}
        shortest, longest = min(ages.values(), default=self.latest), max(ages.values(), default=self.latest)
        common = min(until.values(), default=now)
        old = {name: whole_minute(at - self.latest) for name, at in self.answered.items()}
        return replace(
            observed,
            streams=tuple(
                replace(stream, minutes=_until(until[stream.key.gate], stream.minutes)) for stream in observed.streams
            ),
            gauges=tuple(
                replace(gauge, minutes=_until(old.get(gauge.key.gate, common), gauge.minutes))
                for gauge in observed.gauges
            ),
            traffic=tuple(replace(alias, minutes=_until(common, alias.minutes)) for alias in observed.traffic),
            settled_until=whole_minute(now - shortest),
            settle_s=longest.total_seconds(),
        )


def _until(end: datetime, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return rows[: bisect_left(rows, end, key=lambda row: row.minute)]


def _seems_to_fail(stage: StagePlan, name: str, readings: Iterable[Reading]) -> bool:
    """Whether failures of the new version are well above the limit; decides only when to look again."""
    gate = stage.gates.get(name)
    if not isinstance(gate, CountingGate) or not counts_failures(gate):
        return False
    numbers = [reading.numbers for reading in readings]
    requests, failed = sum(row[0] for row in numbers), sum(row[1] for row in numbers)
    return failed >= SUSPICIOUS_FAILURES and failed > limit_of(gate) * requests
