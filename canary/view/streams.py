"""What each gate measured on both versions, minute by minute, with intervals and evidence; it judges nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from canary.core.measurements import MINUTE, DataState, MinuteCounts, MinuteSums, Observations, StreamKey
from canary.core.plan import Gate, MeanGate, OutcomesGate, ProbesGate, StagePlan
from canary.core.stats import bounds
from canary.core.stats.means import Sums, difference
from canary.core.verdict import Judgement, StreamEvidence, Verdict
from canary.view.labels import gate_title
from canary.view.model import EvidencePoint, Means, MinutePoint, Rate, StreamView

ALPHA: Final = 0.005
"""Per side: both together give the 99 % interval; 0.5 % matches the rollback rule (statistics.md §4.12)."""


def interval(bad: int, requests: int) -> tuple[float, float]:
    """Lower and upper bound of the share of bad requests, as ratios; 0 and 1 when nothing is known."""
    if requests <= 0:
        return 0.0, 1.0
    # A `ratio` gate may count more "bad" than "requests"; a share beyond 1 has no interval.
    if bad > requests:
        return 0.0, 1.0
    found = bounds.interval(requests, bad, ALPHA)
    return found.lower, found.upper


_LN10 = math.log(10)


@dataclass(slots=True)
class StreamHistory:
    """All minutes and the latest evidence of one canary's streams."""

    _minutes: dict[StreamKey, dict[datetime, MinuteCounts]] = field(default_factory=dict)
    _evidence: dict[StreamKey, StreamEvidence] = field(default_factory=dict)
    _looks: dict[StreamKey, list[tuple[datetime, StreamEvidence]]] = field(default_factory=dict)
    _blamed: frozenset[StreamKey] = frozenset()
    _gauges: set[StreamKey] = field(default_factory=set)
    _sums: dict[StreamKey, tuple[MinuteSums, ...]] = field(default_factory=dict)

    def measured(self, observations: Observations) -> None:
        """Adds minutes; a minute told again replaces the earlier count."""
        for stream in observations.streams:
            known = self._minutes.setdefault(stream.key, {})
            known.update((counts.minute, counts) for counts in stream.minutes)
        self._gauges.update(gauge.key for gauge in observations.gauges)
        self._sums.update((one.key, one.minutes) for one in observations.sums if one.minutes)

    def judged(self, judgement: Judgement) -> None:
        """Keeps the evidence of a judgement."""
        self._blamed = frozenset(judgement.blamed if judgement.verdict is Verdict.UNHEALTHY else ())
        for evidence in judgement.evidence:
            self._evidence[evidence.key] = evidence
            self._looks.setdefault(evidence.key, []).append((judgement.at, evidence))

    def views(self, started_at: datetime, stage: StagePlan | None) -> tuple[StreamView, ...]:
        """Every stream, in the order of its first measurement."""
        keys = dict.fromkeys([*self._evidence, *self._minutes])
        return tuple(self._view(key, started_at, stage) for key in keys)

    def users(self, stage: StagePlan | None) -> dict[datetime, tuple[int, int]]:
        """Users with the flag and without it by the minute in which their windows ended."""
        gates = stage.gates if stage else {}
        key = next((key for key in self._minutes if isinstance(gates.get(key.gate), OutcomesGate)), None)
        rows = {} if key is None else self._minutes[key]
        return {minute: (row.candidate_requests, row.baseline_requests) for minute, row in rows.items()}

    @staticmethod
    def bound_log10(stage: StagePlan | None) -> float:
        """Evidence that rolls back, as log10 of odds."""
        alpha = stage.evidence.alpha_rollback if stage else 0.01
        return -math.log10(alpha)

    def _view(self, key: StreamKey, started_at: datetime, stage: StagePlan | None) -> StreamView:
        evidence = self._evidence.get(key)
        gate = stage.gates.get(key.gate) if stage else None
        points: list[MinutePoint] = []
        totals = [0, 0, 0, 0]
        for minute, counts in sorted(self._minutes.get(key, {}).items()):
            row = (counts.candidate_bad, counts.candidate_requests, counts.baseline_bad, counts.baseline_requests)
            totals = [total + value for total, value in zip(totals, row, strict=True)]
            points.append(
                MinutePoint(
                    at_min=minutes_between(started_at, minute + MINUTE),
                    candidate=Rate(*row[:2]),
                    baseline=Rate(*row[2:]),
                    candidate_so_far=_rate(*totals[:2]),
                    baseline_so_far=_rate(*totals[2:]),
                )
            )
        if evidence is not None:
            # The verdict's own numbers: a tick is judged before its minutes are told.
            totals = [
                evidence.candidate_bad,
                evidence.candidate_requests,
                evidence.baseline_bad,
                evidence.baseline_requests,
            ]
        return StreamView(
            function=key.function,
            gate=key.gate,
            title=gate_title(key.gate, gate),
            limit_ratio=_limit(evidence, gate),
            minutes=tuple(points),
            candidate=_rate(*totals[:2]),
            baseline=_rate(*totals[2:]),
            status="unhealthy" if key in self._blamed else _status(evidence, points),
            unit=self._unit(key, gate),
            is_dry_run=gate is not None and gate.dry_run,
            means=_means(self._sums.get(key, ())),
            sentence=evidence.sentence if evidence else "",
            evidence=tuple(
                EvidencePoint(minutes_between(started_at, at), _log10(look.ln_evidence))
                for at, look in self._looks.get(key, ())
            ),
        )

    def _unit(self, key: StreamKey, gate: Gate | None) -> Literal["requests", "minutes", "users", "means"]:
        if isinstance(gate, OutcomesGate):
            return "users"
        if isinstance(gate, MeanGate):
            return "means"
        return "minutes" if key in self._gauges else "requests"


def _means(minutes: tuple[MinuteSums, ...]) -> Means | None:
    """Both means and the interval of their difference; None without users in both arms."""
    found = difference(
        [
            Sums(
                row.candidate_users,
                row.candidate_sum,
                row.candidate_squares,
                row.baseline_users,
                row.baseline_sum,
                row.baseline_squares,
            )
            for row in minutes
        ]
    )
    if not all(found.users):
        return None
    half = found.half_width(2 * ALPHA)
    known = half < math.inf
    return Means(*found.means, *((found.effect - half, found.effect + half) if known else (None, None)))


def _limit(evidence: StreamEvidence | None, gate: Gate | None) -> float:
    """The share that is too much; of probes what the baseline explains."""
    if evidence is None:
        return 0.05
    if not isinstance(gate, ProbesGate):
        return evidence.limit_ratio
    return evidence.limit_ratio * evidence.baseline_bad / max(1, evidence.baseline_requests)


def _status(evidence: StreamEvidence | None, points: list[MinutePoint]) -> str:
    """The one word that a log line shows; a change of it is worth a line. Only the verdict makes it unhealthy."""
    if evidence is None:
        return "collecting" if points else "no data"
    if evidence.state in {DataState.FAILED, DataState.PARTIAL, DataState.UNKNOWN}:
        return "unknown"
    if evidence.state is DataState.NO_DATA or not evidence.candidate_requests:
        return "no data"
    if evidence.is_safe:
        return "healthy"
    return "suspect" if (_log10(evidence.ln_evidence) or 0.0) >= 1 else "collecting"


def _rate(bad: int, requests: int) -> Rate:
    return Rate(bad, requests, *interval(bad, requests))


def _log10(ln: float | None) -> float | None:
    return None if ln is None else ln / _LN10


def minutes_between(start: datetime, at: datetime) -> float:
    """Minutes from a start."""
    return (at - start).total_seconds() / 60
