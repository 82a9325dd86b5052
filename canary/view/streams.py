"""Collects measured minutes and judged evidence, and shows them as streams; it must not judge.

Minutes arrive in pieces (a tick tells only what is new or corrected) and evidence as one list per judgement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from canary.core.measurements import MINUTE, MinuteCounts, Observations, StreamKey
from canary.core.plan import StagePlan
from canary.core.verdict import Judgement, StreamEvidence
from canary.view.intervals import interval
from canary.view.model import EvidencePoint, MinutePoint, Rate, StreamView
from canary.view.words import gate_title

_LN10 = math.log(10)


@dataclass(slots=True)
class StreamHistory:
    """All minutes and the latest evidence of one canary's streams. Since 0.1."""

    _minutes: dict[StreamKey, dict[datetime, MinuteCounts]] = field(default_factory=dict)
    _evidence: dict[StreamKey, StreamEvidence] = field(default_factory=dict)
    _looks: dict[StreamKey, list[tuple[datetime, StreamEvidence]]] = field(default_factory=dict)

    def measured(self, observations: Observations) -> None:
        """Adds minutes; a minute told again replaces the earlier count."""
        for stream in observations.streams:
            known = self._minutes.setdefault(stream.key, {})
            known.update((counts.minute, counts) for counts in stream.minutes)

    def judged(self, judgement: Judgement) -> None:
        """Keeps the evidence of a judgement."""
        for evidence in judgement.evidence:
            self._evidence[evidence.key] = evidence
            self._looks.setdefault(evidence.key, []).append((judgement.at, evidence))

    def views(self, started_at: datetime, stage: StagePlan | None) -> tuple[StreamView, ...]:
        """Every stream, in the order in which it was first heard of."""
        keys = dict.fromkeys([*self._evidence, *self._minutes])
        return tuple(self._view(key, started_at, stage) for key in keys)

    @staticmethod
    def bound_log10(stage: StagePlan | None) -> float:
        """Evidence that rolls back, as log10 of odds."""
        alpha = stage.evidence.alpha_attributed if stage else 0.005
        return -math.log10(alpha)

    def _view(self, key: StreamKey, started_at: datetime, stage: StagePlan | None) -> StreamView:
        evidence = self._evidence.get(key)
        gate = stage.gates.get(key.gate) if stage else None
        points: list[MinutePoint] = []
        totals = [0, 0, 0, 0]
        for minute, counts in sorted(self._minutes.get(key, {}).items()):
            row = (counts.candidate_bad, counts.candidate_requests, counts.base_bad, counts.base_requests)
            totals = [total + value for total, value in zip(totals, row, strict=True)]
            points.append(
                MinutePoint(
                    at_min=_minutes(started_at, minute + MINUTE),
                    candidate=Rate(*row[:2]),
                    base=Rate(*row[2:]),
                    candidate_so_far=_rate(*totals[:2]),
                    base_so_far=_rate(*totals[2:]),
                )
            )
        if evidence is not None:
            # The verdict's own numbers: a tick is judged before its minutes are told.
            totals = [
                evidence.candidate_bad,
                evidence.candidate_requests,
                evidence.base_bad,
                evidence.base_requests,
            ]
        return StreamView(
            function=key.function,
            gate=key.gate,
            title=gate_title(key.gate, gate),
            limit_ratio=evidence.limit_ratio if evidence else 0.05,
            minutes=tuple(points),
            candidate=_rate(*totals[:2]),
            base=_rate(*totals[2:]),
            evidence=tuple(
                EvidencePoint(_minutes(started_at, at), _log10(look.ln_attributed), _log10(look.ln_relative))
                for at, look in self._looks.get(key, ())
            ),
        )


def _rate(bad: int, requests: int) -> Rate:
    return Rate(bad, requests, *interval(bad, requests))


def _log10(ln: float | None) -> float | None:
    return None if ln is None else ln / _LN10


def _minutes(start: datetime, at: datetime) -> float:
    return (at - start) / MINUTE
