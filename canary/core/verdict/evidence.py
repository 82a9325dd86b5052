"""What each stream says by itself: its numbers, whether it is safe, what it still needs. No verdict over all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from canary.core.measurements import MINUTE, DataState, FunctionVersions
from canary.core.plan import MeanGate, ProbesGate, QueueGate, RatioGate, StagePlan, ThrottlesGate
from canary.core.plan.gates import ValueGate
from canary.core.stats.bounds import interval
from canary.core.stats.mixture import ln_sum_exp
from canary.core.stats.processes import Counts, not_worse_ln_e
from canary.core.stats.safe import requests_needed, safe_ln_e
from canary.core.verdict.model import StreamEvidence
from canary.core.verdict.scoring import Score, is_by_version, warm_up_of
from canary.core.verdict.sentences import STATES, averaged, counted, gauged, limit, of_function
from canary.core.verdict.timeline import Timeline

ALPHA_INTERVAL = 0.005
"""Error probability of the intervals shown, per side."""
_GROWING = 0.5
"""From this ln E on the pace at which the proof grows says when it will be complete."""


def totals(counts: Sequence[Counts]) -> tuple[int, int, int, int]:
    """Candidate requests, bad ones, base requests, bad ones."""
    n_c, x_c, n_b, x_b, *_ = zip(*counts, strict=True) if counts else ((),) * 4
    return sum(n_c), sum(x_c), sum(n_b), sum(x_b)


def asks_for_proof(score: Score) -> bool:
    """Whether the stream must be *shown* to be safe; gauges, ratios, probes and throttles only object."""
    return not isinstance(score.gate, (RatioGate, ProbesGate, MeanGate, ValueGate, QueueGate, ThrottlesGate))


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
        self._needed = -math.log(self._alpha_safe)

    def names(self, score: Score) -> tuple[str, str]:
        """Where candidate and baseline of a stream were counted."""
        versions = self._versions.get(score.key.function, self._only)
        return self._stage.words.counted_at(*((versions.baseline, versions.candidate) if versions else ("", "")))

    def proof_from(self, score: Score) -> int:
        """Index of the first minute that counts for the proof of health."""
        return max(score.schedule.step_from, self._recovered)

    def recent(self, score: Score, *, bounds: bool = False) -> str:
        """The numbers of a stream that count for the proof of health."""
        return self.sentence(score, since=self.proof_from(score), bounds=bounds)

    def sentence(self, score: Score, *, since: int = 0, until: int | None = None, bounds: bool = False) -> str:
        """The numbers of a stream in one line, with the window they come from.

        Args:
            score: the stream.
            since: index of the first minute that counts.
            until: index after the last one; None for all.
            bounds: adds the 99 % interval, which takes a millisecond.
        """
        is_usual = until is not None and until > 0 and score.tells_usual(until - 1)
        counts = (score.slow if is_usual else score.counts)[since:until]
        n_c, x_c, n_b, x_b = totals(counts)
        if score.state is not DataState.COMPLETE and until is None:
            detail = f": {score.detail}" if score.detail else ""
            return f"{score.key} {STATES[score.state]}{detail}"
        if isinstance(score.gate, (ValueGate, QueueGate)):
            return gauged(score.gate, score.key, n_c, x_c)
        where = of_function(score.key, alone=len(self._stage.functions) == 1)
        if isinstance(score.gate, MeanGate):
            alpha = ALPHA_INTERVAL if bounds else None
            means = averaged(score.gate, where, self.names(score), score.sums[since:until], alpha)
            return f"{means}, {self._window(since, since + len(counts))}" if n_c and counts else means
        span = None
        if bounds and n_c and not isinstance(score.gate, (RatioGate, ProbesGate)):
            span = interval(n_c, x_c, ALPHA_INTERVAL, self._dispersion(score, until))
        usual_s = score.usual_s if is_usual else None
        text = counted(score.gate, where, self.names(score), (n_c, x_c, n_b, x_b), span, usual_s)
        return f"{text}, {self._window(since, since + len(counts))}" if n_c and counts else text

    def _window(self, since: int, until: int) -> str:
        minutes = self._line.minutes
        return f"{minutes[since]:%H:%M} to {minutes[until - 1] + MINUTE:%H:%M} UTC"

    def proof_sentence(self, score: Score) -> str:
        """Why a stream is healthy."""
        numbers = self.recent(score, bounds=True)
        if self._below_limit(score) >= self._needed:
            return f"{numbers}; shown to stay below {limit(score.limit)} %"
        factor = float(self._stage.evidence.not_worse_than)
        return f"{numbers}; shown to be less than {factor:g} times as often as {self.names(score)[1]}"

    def _below_limit(self, score: Score) -> float:
        """Ln E of "the rate stays below the limit" (§4.8).

        A gate with a warm-up bets half on all minutes and half on those after it: cold starts must not be waited out.
        """
        since = self.proof_from(score)
        warm = self._warm_from(score, since)
        n, x, _, _ = totals(score.counts[since:])
        dispersion = self._safe_dispersion(score)
        whole = safe_ln_e(score.limit, n, x, dispersion)
        if warm == since:
            return whole
        n, x, _, _ = totals(score.counts[warm:])
        return ln_sum_exp([whole, safe_ln_e(score.limit, n, x, dispersion)]) - math.log(2.0)

    @staticmethod
    def _warm_from(score: Score, since: int) -> int:
        warm_up = warm_up_of(score.gate)
        rises = score.schedule.since_rise
        while since < len(rises) and warm_up and (rises[since] or timedelta()) < warm_up:
            since += 1
        return since

    def _not_worse(self, score: Score) -> float:
        """Ln E of "less than `not_worse_than` times the baseline's rate" (§4.8); 0 where there is no baseline."""
        if not is_by_version(score.gate):
            return 0.0
        since = self._warm_from(score, self.proof_from(score))
        return not_worse_ln_e(score.counts[since:], float(self._stage.evidence.not_worse_than))

    def _requests_needed(self, score: Score, ln_safe: float) -> int | None:
        """How many more requests would show it healthy, failing as they do now; None when they never would."""
        since = self.proof_from(score)
        warm = self._warm_from(score, since)
        n, x, _, _ = totals(score.counts[since:])
        alpha = self._alpha_safe if warm == since else self._alpha_safe / 2.0
        rate = x / n if n else score.dispersion.rate
        dispersion = self._safe_dispersion(score)
        needed = requests_needed(score.limit, alpha, requests=n, bad=x, rate=rate, dispersion=dispersion)
        if needed is None and n and ln_safe > _GROWING:
            return math.ceil(n * (self._needed / ln_safe - 1.0))
        return needed

    def evidence(self, score: Score) -> StreamEvidence:
        """What the stream says."""
        n_c, x_c, n_b, x_b = totals(score.counts)
        paths = score.processes
        since = self.proof_from(score)
        ln_safe, needed, is_safe = None, None, self._has_no_objection(score, since)
        if asks_for_proof(score):
            ln_safe = self._below_limit(score)
            if ln_safe < self._needed:
                ln_safe = max(ln_safe, self._not_worse(score))
            is_safe = score.state is DataState.COMPLETE and ln_safe >= self._needed
            needed = 0 if ln_safe >= self._needed else self._requests_needed(score, ln_safe)
        expected = score.expected_requests
        path = paths.rollback or ()
        return StreamEvidence(
            key=score.key,
            state=score.state,
            limit_ratio=score.limit,
            candidate_requests=n_c,
            candidate_bad=x_c,
            baseline_requests=n_b,
            baseline_bad=x_b,
            is_safe=is_safe or not score.is_shifted,
            ln_evidence=path[-1] if path else None,
            ln_literal=paths.literal[-1] if paths.literal else None,
            ln_safe=ln_safe,
            evidence_by_minute=path,
            sentence=self.sentence(score, bounds=isinstance(score.gate, MeanGate)),
            requests_needed=needed,
            minutes_needed=needed / expected if needed is not None and expected > 0.0 else None,
            dispersion=self._dispersion(score),
            alpha=ALPHA_INTERVAL,
            regression_limit_ratio=score.regression_limit if is_by_version(score.gate) else None,
        )

    def _has_no_objection(self, score: Score, since: int) -> bool:
        """Gauges and ratios: known, seen under the present weight, nothing suspicious, and not broken right now."""
        if isinstance(score.gate, ThrottlesGate):
            return True
        path = (score.processes.rollback or (0.0,))[-1]
        calm = path < -math.log(self._alpha_safe)
        if isinstance(score.gate, (ValueGate, QueueGate)):
            known = [minute for minute in score.counts[since:] if minute.n_c]
            calm = calm and bool(known) and not known[-1].x_c
        return calm and score.seen and score.state is DataState.COMPLETE

    @staticmethod
    def _dispersion(score: Score, until: int | None = None) -> float:
        """Of the last minute with requests before `until`: what is said of a moment doesn't change later."""
        return next((minute.d_a for minute in reversed(score.counts[:until]) if minute.n_c), 1.0)

    @staticmethod
    def _safe_dispersion(score: Score) -> float:
        """Clusters temper the proof of health too; retries (d_source) don't: they only multiply failures."""
        share = score.schedule.weight if is_by_version(score.gate) else 1.0
        return score.dispersion.at(score.dispersion.mean_requests * share)
