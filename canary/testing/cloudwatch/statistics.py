"""CloudWatch's statistics, computed from one bin: names are parsed, values are computed.

It sees no time and no metric. Percentiles, TC, PR, TM, TS and WM come from the base-1.1 histogram: exact at its edges,
interpolated inside a bin (lambda-canary.md §2.3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canary.testing.cloudwatch.bins import Bin, bin_edges

_NUMBER = r"\d+(?:\.\d{1,10})?"  # at most ten decimals: lambda-canary.md §2.5
_SHORT = re.compile(rf"(p|tm|tc|ts|wm)({_NUMBER})$")
_RANGE = re.compile(rf"(TM|TC|TS|WM|PR)\(({_NUMBER})?(%?):({_NUMBER})?(%?)\)$")


@dataclass(frozen=True, slots=True)
class Statistic:
    """A parsed statistic.

    Attributes:
        name: as the caller wrote it.
        kind: a basic statistic, `p`, `TM`, `TC`, `TS`, `WM`, `PR`.
        low: exclusive lower bound, a value or a percentage.
        high: inclusive upper bound; the percentile itself for `p`.
        is_percent: the bounds are percentages of the samples.
    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf
    is_percent: bool = False

    @property
    def is_basic(self) -> bool:
        """One of the five that need no histogram?"""
        return self.kind in _BASIC


def parse_statistic(name: str) -> Statistic | None:
    """The statistic of a name, e.g. `Sum`, `p99.9`, `tm90`, `TC(2048.4002145:)`, `IQM`; None for anything else."""
    if name in _BASIC:
        return Statistic(name, name)
    if name == "IQM":
        return Statistic(name, "TM", 25.0, 75.0, is_percent=True)
    if short := _SHORT.match(name):
        kind, percent = short[1], float(short[2])
        if percent > 100 or (percent == 0 and kind != "p"):
            return None
        return Statistic(name, kind if kind == "p" else kind.upper(), 0.0, percent, is_percent=True)
    if ranged := _RANGE.match(name):
        return _parse_range(name, *ranged.groups())
    return None


def _parse_range(
    name: str, kind: str, low: str | None, low_unit: str, high: str | None, high_unit: str
) -> Statistic | None:
    is_percent = "%" in {low_unit, high_unit}
    # A bound that is there must carry the other's unit; PR takes values only.
    units_fit = all(unit == ("%" if is_percent and text else "") for text, unit in ((low, low_unit), (high, high_unit)))
    if (low is None and high is None) or not units_fit or (is_percent and kind == "PR"):
        return None
    bounds = (0.0, 100.0) if is_percent else (-math.inf, math.inf)
    first = bounds[0] if low is None else float(low)
    last = bounds[1] if high is None else float(high)
    if first > last or (is_percent and last > 100):
        return None
    return Statistic(name, kind, first, last, is_percent)


_BASIC: Mapping[str, Callable[[Bin], float | None]] = {
    "SampleCount": lambda data: data.count,
    "Average": lambda data: data.sum / data.count if data.count else None,
    "Sum": lambda data: data.sum,
    "Minimum": lambda data: data.min,
    "Maximum": lambda data: data.max,
}


def compute(statistic: Statistic, data: Bin) -> float | None:
    """The value of a statistic over a bin; None where CloudWatch has none."""
    if basic := _BASIC.get(statistic.kind):
        return basic(data)
    # Statistics-definitions: no percentiles and trims with negative values or with statistic sets.
    if data.min < 0 or data.has_sets or data.count < 1:
        return None
    spans = _spans(data)
    if statistic.kind == "p":
        return _percentile(spans, statistic.high / 100 * data.count)
    if statistic.kind == "PR":
        return (_rank(spans, statistic.high) - _rank(spans, statistic.low)) / data.count * 100
    count, total = _trimmed(statistic, spans, data.count)
    if statistic.kind == "TC":
        return count
    if statistic.kind == "TS":
        return total
    if statistic.kind == "TM":
        return total / count if count > 0 else None
    return (total + _winsor_tails(statistic, spans, data)) / data.count


@dataclass(frozen=True, slots=True)
class _Span:
    """Samples spread evenly between two values."""

    low: float
    high: float
    weight: float


def _spans(data: Bin) -> list[_Span]:
    """The histogram, its outermost bins cut at the smallest and largest sample."""
    spans = []
    for index in sorted(data.logs):
        low, high = bin_edges(index)
        spans.append(_Span(max(low, data.min), min(max(high, data.min), data.max), data.logs[index]))
    return [span for span in spans if span.weight > 0]


def _percentile(spans: list[_Span], target: float) -> float | None:
    prior = 0.0
    for span in spans:
        if target <= prior + span.weight:
            if span.low in {0.0, span.high}:
                return span.low
            # Geometric inside a bin, as live percentiles show.
            return min(span.high, float(span.low * (span.high / span.low) ** ((target - prior) / span.weight)))
        prior += span.weight
    return spans[-1].high if spans else None


def _rank(spans: list[_Span], threshold: float) -> float:
    """How many samples are at most the threshold."""
    below = 0.0
    for span in spans:
        if threshold >= span.high:
            below += span.weight
        elif threshold > span.low:
            below += span.weight * (threshold - span.low) / (span.high - span.low)
    return below


def _trimmed(statistic: Statistic, spans: list[_Span], count: float) -> tuple[float, float]:
    """Weight and sum of the samples inside the bounds."""
    pieces: list[tuple[float, float, float, float]] = []  # left, right, weight, middle of the whole bin
    prior = 0.0
    for span in spans:
        first, last = prior, prior + span.weight
        low, high = statistic.low, statistic.high
        if statistic.is_percent:
            from_weight, to_weight = max(first, low / 100 * count), min(last, high / 100 * count)
        else:
            from_weight, to_weight = first + _rank([span], low), first + _rank([span], high)
        if to_weight > from_weight:
            step = (span.high - span.low) / span.weight
            left, right = span.low + step * (from_weight - first), span.low + step * (to_weight - first)
            pieces.append((left, right, to_weight - from_weight, math.sqrt(span.low) * math.sqrt(span.high)))
        prior = last
    total = 0.0
    positive = [place for place, piece in enumerate(pieces) if piece[1] > 0]
    for place, (left, right, weight, middle) in enumerate(pieces):
        # Cut bins count with the middle of what is left, whole ones with their geometric middle.
        at_end = bool(positive) and place in {positive[0], positive[-1]}
        total += weight * ((left + right) / 2 if at_end else middle)
    return sum(piece[2] for piece in pieces), total


def _winsor_tails(statistic: Statistic, spans: list[_Span], data: Bin) -> float:
    """The sum of the samples outside the bounds after they are set to the bounds."""
    if statistic.is_percent:
        low_weight, high_weight = statistic.low / 100 * data.count, (1 - statistic.high / 100) * data.count
        return low_weight * _upper_edge(spans, low_weight) + high_weight * _upper_edge(spans, data.count - high_weight)
    low, high = (max(data.min, min(data.max, bound)) for bound in (statistic.low, statistic.high))
    return _rank(spans, statistic.low) * low + (data.count - _rank(spans, statistic.high)) * high


def _upper_edge(spans: list[_Span], target: float) -> float:
    """The upper edge of the bin in which a percentage falls."""
    prior = 0.0
    for span in spans:
        prior += span.weight
        if target <= prior:
            return span.high
    return spans[-1].high
