"""Where the stand-in keeps metrics: per-minute bins, seen by readers only after a delay.

It knows no API and evaluates nothing.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from canary.testing.cloudwatch.bins import VALUE_LIMIT, Bin, bin_index
from flagkit.testing.clock import VirtualClock

Dimensions = tuple[tuple[str, str], ...]

_SLOT_S = 5  # samples that arrive within one slot become visible together
_COMPACT_AFTER = 15  # minutes
_TURNS = 1000  # how many times silences may begin within one slot


@dataclass(frozen=True, slots=True)
class MetricId:
    """Namespace, name and exact dimensions of a metric."""

    namespace: str
    name: str
    dimensions: Dimensions

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> MetricId:
        """The identity; the order of dimensions does not matter."""
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(slots=True)
class Arrival:
    """Samples of one minute that arrived together: they become visible together."""

    turn: int
    visible_s: float
    data: Bin = field(default_factory=Bin)


@dataclass(slots=True, eq=False)
class Series:
    """The samples of one metric in one unit: minute → arrival slot → samples."""

    metric: MetricId
    unit: str
    minutes: dict[int, dict[int, Arrival]] = field(default_factory=dict)
    last_minute: int = -1
    last_slot: int = -1
    last_bin: Bin = field(default_factory=Bin)
    first_arrival_s: float = math.inf
    last_arrival_s: float = -math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Silence:
    """Metrics that stopped arriving; `lift()` on the store ends it."""

    turn: int
    namespace: str | None = None
    name: str | None = None
    dimensions: Dimensions | None = None

    def hides(self, metric: MetricId) -> bool:
        """Is this metric silent?"""
        return (
            self.namespace in {None, metric.namespace}
            and self.name in {None, metric.name}
            and self.dimensions in {None, metric.dimensions}
        )


class MetricStore:
    """Metrics of the stand-in, as bins per minute, on virtual time.

    A sample becomes visible `delay_s` to `delay_s + delay_spread_s` virtual seconds after it arrives; where in between
    differs by series and arrival, but is the same in every run. So the newest minutes are missing or incomplete to a
    reader, as they are in CloudWatch (lambda-canary.md §2.2).

    Args:
        clock: virtual time.
        delay_s: shortest time until a sample is visible; a change applies to samples that arrive after it.
        delay_spread_s: how much longer it may take.
    """

    def __init__(self, clock: VirtualClock, *, delay_s: float = 60.0, delay_spread_s: float = 30.0) -> None:
        self.clock = clock
        self.delay_s = delay_s
        self.delay_spread_s = delay_spread_s
        self.keep_minutes = 0
        """How many minutes of each metric are kept; 0 keeps all."""
        self._monotonic = clock.monotonic
        self._origin_s = clock.epoch_s() - clock.monotonic()
        self._series: dict[tuple[MetricId, str], Series] = {}
        self._units: dict[MetricId, list[Series]] = {}
        # Callers pass the same few dimensions in the same order again and again: no sorting on the hot path.
        self._by_call: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], Series] = {}
        self._silences: list[Silence] = []
        self._turn = 0
        self._at: datetime | None = None
        self._at_s = 0.0

    def record(
        self,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        value: float,
        at: datetime,
        unit: str = "None",
    ) -> None:
        """Adds one sample.

        Args:
            namespace: e.g. `AWS/Lambda`.
            metric: name, e.g. `Duration`.
            dimensions: the exact dimension set.
            value: the sample.
            at: aware time that the sample is dated at.
            unit: CloudWatch's name of the unit.

        Raises:
            ValueError: if the value is not finite or beyond 2**360.
        """
        self.record_all(namespace, (dimensions,), ((metric, unit, value),), at)

    def record_all(
        self,
        namespace: str,
        sets: Iterable[Mapping[str, str]],
        samples: Iterable[tuple[str, str, float]],
        at: datetime,
    ) -> None:
        """Adds the same samples to several dimension sets; every request comes through here.

        Args:
            namespace: e.g. `AWS/Lambda`.
            sets: the exact dimension sets.
            samples: metric, unit and value.
            at: aware time that the samples are dated at.

        Raises:
            ValueError: if a value is not finite or beyond 2**360.
        """
        if at is not self._at:
            self._at, self._at_s = at, at.timestamp()
        at_s = self._at_s
        now_s = self._origin_s + self._monotonic()
        minute = int(at_s // 60)
        slot = int((max(at_s, now_s)) // _SLOT_S) * _TURNS + self._turn  # max() costs a call
        rows = []
        for metric, unit, value in samples:
            if not -VALUE_LIMIT <= value <= VALUE_LIMIT:
                raise ValueError(f"{value} is no metric value")
            rows.append((metric, unit, value, bin_index(value) if value >= 0 else None))
        for dimensions in sets:
            exact = tuple(dimensions.items())
            for metric, unit, value, index in rows:
                series = self._by_call.get((namespace, metric, unit, exact))
                if series is None:
                    series = self.series(MetricId.of(namespace, metric, dimensions), unit)
                    self._by_call[namespace, metric, unit, exact] = series
                if series.last_minute == minute and series.last_slot == slot:
                    series.last_bin.put(value, 1.0, index)
                else:
                    self._bin_for(series, minute, slot).put(value, 1.0, index)

    def series(self, metric: MetricId, unit: str) -> Series:
        """The series of a metric in a unit; a new one where there is none."""
        found = self._series.get((metric, unit))
        if found is None:
            found = self._series[metric, unit] = Series(metric, unit)
            self._units.setdefault(metric, []).append(found)
        return found

    def add(self, metric: MetricId, unit: str, at: datetime, put: Callable[[Bin], None]) -> None:
        """Adds samples by a function that gets the right bin."""
        at_s = at.timestamp()
        arrival_s = max(self._origin_s + self._monotonic(), at_s)
        slot = int(arrival_s // _SLOT_S) * _TURNS + self._turn
        put(self._bin_for(self.series(metric, unit), int(at_s // 60), slot))

    def metrics(self) -> Sequence[tuple[MetricId, float, float]]:
        """Every metric with the times of its first and its newest arrival, in seconds since 1970."""
        return [
            (metric, min(one.first_arrival_s for one in many), max(one.last_arrival_s for one in many))
            for metric, many in self._units.items()
        ]

    def read(
        self, metric: MetricId, first_minute: int, end_minute: int, unit: str | None = None
    ) -> dict[str, dict[int, Bin]]:
        """The visible bins of a metric: unit → minute → bin.

        Args:
            metric: exact identity.
            first_minute: minutes since 1970, inclusive.
            end_minute: exclusive.
            unit: only this unit; all where None.
        """
        found: dict[str, dict[int, Bin]] = {}
        for series in self._units.get(metric, ()):
            if unit is None or series.unit == unit:
                bins = self._visible(series, first_minute, end_minute)
                if bins:
                    found[series.unit] = bins
        return found

    def silence(
        self,
        namespace: str | None = None,
        metric: str | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> Silence:
        """Samples that arrive from now on stay invisible until `lift`; None matches everything."""
        exact = None if dimensions is None else tuple(sorted(dimensions.items()))
        self._turn += 1
        rule = Silence(self._turn, namespace, metric, exact)
        self._silences.append(rule)
        return rule

    def lift(self, silence: Silence) -> None:
        """Ends a silence; samples that arrived in it appear late."""
        self._silences.remove(silence)

    def _bin_for(self, series: Series, minute: int, slot: int) -> Bin:
        """The bin for samples of a minute that arrive in a slot; its delay is fixed when it is made."""
        slots = series.minutes.get(minute)
        if slots is None:
            slots = series.minutes[minute] = {}
            while self.keep_minutes and (oldest := next(iter(series.minutes))) < minute - self.keep_minutes:
                del series.minutes[oldest]
            self._compact(series, minute - _COMPACT_AFTER)
        found = slots.get(slot)
        if found is None:
            at_s = float(slot // _TURNS * _SLOT_S)
            metric = series.metric
            share = zlib.crc32(f"{metric.name}{metric.dimensions}{slot}".encode()) / 2**32
            found = slots[slot] = Arrival(self._turn, at_s + self.delay_s + self.delay_spread_s * share)
            series.first_arrival_s = min(series.first_arrival_s, at_s)
            series.last_arrival_s = max(series.last_arrival_s, at_s)
        series.last_minute, series.last_slot, series.last_bin = minute, slot, found.data
        return found.data

    def _compact(self, series: Series, minute: int) -> None:
        """Joins what is visible anyway, so that a simulated day fits into memory."""
        slots = series.minutes.get(minute, {})
        now_s = self.clock.epoch_s()
        if len(slots) > 1 and not self._silences and all(one.visible_s <= now_s for one in slots.values()):
            joined = Arrival(self._turn, now_s, Bin.merged(one.data for one in slots.values()))
            series.minutes[minute] = {-1: joined}

    def _visible(self, series: Series, first_minute: int, end_minute: int) -> dict[int, Bin]:
        now_s = self.clock.epoch_s()
        silent_turn = min((rule.turn for rule in self._silences if rule.hides(series.metric)), default=_TURNS)
        found: dict[int, Bin] = {}
        span = range(first_minute, end_minute)
        minutes = span if len(span) < len(series.minutes) else sorted(m for m in series.minutes if m in span)
        for minute in minutes:
            arrivals = series.minutes.get(minute, {}).values()
            parts = [one.data for one in arrivals if one.visible_s <= now_s and one.turn < silent_turn]
            if parts:
                found[minute] = parts[0] if len(parts) == 1 else Bin.merged(parts)
        return found
