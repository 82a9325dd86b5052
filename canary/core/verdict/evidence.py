"""What each stream says by itself: its numbers, whether it is safe, what it still needs. No verdict over all."""

from __future__ import annotations

import math
from collections.abc import Sequence

from canary.core.measurements import DataState, FunctionVersions
from canary.core.plan import MetricGate, QueueGate, RatioGate, StagePlan, ThrottlesGate
from canary.core.stats.bounds import interval
from canary.core.stats.processes import Counts
from canary.core.stats.safe import requests_needed, safe_ln_e
from canary.core.verdict.model import StreamEvidence
from canary.core.verdict.scoring import Score, is_by_version
from canary.core.verdict.sentences import STATES, counted, gauged, of_function, version_names
from canary.core.verdict.timeline import Timeline


def totals(counts: Sequence[Counts]) -> tuple[int, int, int, int]:
    """Candidate requests, bad ones, base requests, bad ones."""
    return (
        sum(m.n_c for m in counts),
        sum(m.x_c for m in counts),
        sum(m.n_b for m in counts),
        sum(m.x_b for m in counts),
    )


def asks_for_proof(score: Score) -> bool:
    """Whether the stream must be *shown* to be safe; gauges, ratios and throttles only object."""
    return not isinstance(score.gate, (RatioGate, MetricGate, QueueGate, ThrottlesGate))


class Examiner:
    """Turns scores into evidence under one plan.

    Args:
        stage: the plan.
        line: the scored minutes.
        versions: how the versions are called.
        recovered: index after the last shared incident that passed: proof of health begins anew there, as it does at
            every weight (cautious, statistics.md §4.8).
    """

    def __init__(self, stage: StagePlan, line: Timeline, versions: Sequence[FunctionVersions], recovered: int) -> None:
        self._stage, self._line = stage, line
        self._versions = {version.function: version for version in versions}
        self._only = versions[0] if len(versions) == 1 else None
        self._recovered = recovered
        self._alpha_safe = stage.evidence.alpha_safe

    def names(self, score: Score) -> tuple[str, str]:
        """How candidate and base of a stream are called."""
        return version_names(self._versions.get(score.key.function, self._only))

    def proof_from(self, score: Score) -> int:
        """Index of the first minute that counts for the proof of health."""
        return max(score.schedule.step_from, self._recovered)

    def recent(self, score: Score, *, bounds: bool = False) -> str:
        """The numbers of a stream that count for the proof of health."""
        since = self.proof_from(score)
        text = self.sentence(score, since=since, bounds=bounds)
        known = since and score.state is DataState.COMPLETE and since < len(self._line.minutes)
        return f"{text}, since {self._line.minutes[since]:%H:%M} UTC" if known else text

    def sentence(self, score: Score, *, since: int = 0, bounds: bool = False) -> str:
        """The numbers of a stream in one line; with its 99 % interval when asked, which takes a millisecond."""
        n_c, x_c, n_b, x_b = totals(score.counts[since:])
        if score.state is not DataState.COMPLETE:
            detail = f": {score.detail}" if score.detail else ""
            return f"{score.key} {STATES[score.state]}{detail}"
        if isinstance(score.gate, (MetricGate, QueueGate)):
            return gauged(score.gate, score.key, n_c, x_c)
        where = of_function(score.key, alone=len(self._stage.functions) == 1)
        band = None
        if bounds and n_c and not isinstance(score.gate, RatioGate):
            band = interval(n_c, x_c, self._stage.evidence.alpha_attributed, self._dispersion(score))
        return counted(score.gate, where, self.names(score), (n_c, x_c, n_b, x_b), band)

    def evidence(self, score: Score) -> StreamEvidence:
        """What the stream says."""
        n_c, x_c, n_b, x_b = totals(score.counts)
        paths = score.processes
        since = self.proof_from(score)
        ln_safe, needed, is_safe = None, None, self._has_no_objection(score, since)
        if asks_for_proof(score):
            n, x, _, _ = totals(score.counts[since:])
            dispersion = self._safe_dispersion(score)
            ln_safe = safe_ln_e(score.limit, n, x, dispersion)
            is_safe = score.state is DataState.COMPLETE and ln_safe >= -math.log(self._alpha_safe)
            rate = x / n if n else score.dispersion.rate
            needed = requests_needed(score.limit, self._alpha_safe, requests=n, bad=x, rate=rate, dispersion=dispersion)
        expected = score.expected_requests
        attributed = paths.attributed or ()
        relative = paths.relative
        return StreamEvidence(
            key=score.key,
            state=score.state,
            limit_ratio=score.limit,
            candidate_requests=n_c,
            candidate_bad=x_c,
            baseline_requests=n_b,
            baseline_bad=x_b,
            is_safe=is_safe or not score.is_shifted,
            ln_attributed=attributed[-1] if attributed else None,
            ln_literal=paths.literal[-1] if paths.literal else None,
            ln_relative=relative[-1] if relative else None,
            ln_safe=ln_safe,
            attributed_by_minute=attributed,
            sentence=self.sentence(score),
            requests_needed=needed,
            minutes_needed=needed / expected if needed is not None and expected > 0.0 else None,
            dispersion=self._dispersion(score),
            alpha=self._stage.evidence.alpha_attributed,
        )

    def _has_no_objection(self, score: Score, since: int) -> bool:
        """Gauges and ratios: known, seen under the present weight, nothing suspicious, and not broken right now."""
        if isinstance(score.gate, ThrottlesGate):
            return True
        path = (score.processes.attributed or score.processes.relative or (0.0,))[-1]
        calm = path < -math.log(self._alpha_safe)
        if isinstance(score.gate, (MetricGate, QueueGate)):
            known = [minute for minute in score.counts[since:] if minute.n_c]
            calm = calm and bool(known) and not known[-1].x_c
        return calm and score.seen and score.state is DataState.COMPLETE

    @staticmethod
    def _dispersion(score: Score) -> float:
        return next((minute.d_a for minute in reversed(score.counts) if minute.n_c), 1.0)

    @staticmethod
    def _safe_dispersion(score: Score) -> float:
        """Clusters temper the proof of health too; retries (d_source) don't: they only multiply failures."""
        share = score.schedule.weight if is_by_version(score.gate) else 1.0
        return score.dispersion.at(score.dispersion.mean_requests * share)
