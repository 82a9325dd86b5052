"""The values a verdict is made of. Data only: they are computed elsewhere and shown elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from canary.core.measurements import DataState, StreamKey
from canary.core.stats.bounds import Interval, interval


class Verdict(StrEnum):
    """What the evidence says. Only HEALTHY moves forward, only UNHEALTHY rolls back."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Rule(StrEnum):
    """Which rule decided."""

    PROBE = "health probe"
    ALARM = "alarm"
    CRASH = "half of all requests failed"
    BLIND = "metrics unknown and probe failed"
    REGRESSION = "regression"
    LITERAL = "literal limit"
    CLOCKS = "clocks"
    SHARE = "sample ratio"
    CONSERVATION = "conservation"
    HARM = "harm cap"
    THROTTLED = "throttles"
    NO_DATA = "no data"
    SAFE = "safe"
    WAITING = "not enough evidence"


@dataclass(frozen=True, slots=True)
class StreamEvidence:
    """What one stream says. `ln_*` are natural logs of e-values; None where the process does not apply.

    Attributes:
        limit_ratio: p0; for a `ratio` gate the ratio of rates kappa; for a gauge the share of minutes.
        candidate_requests: since the start; a gauge counts minutes.
        regression_limit_ratio: the rate above which failures that the baseline doesn't explain count as a regression.
        evidence_by_minute: ln E of the process that rolls back after each scored minute, for plots.
        is_safe: whether the stream doesn't stand in the way of going on.
        requests_needed: how many more requests would show it safe, failing as they do now; None when they never would,
            or when the gate asks for no proof.
        minutes_needed: the same in minutes at the expected traffic.
        dispersion: what its evidence was divided by last (statistics.md §4.7).
        alpha: error probability of the interval, per side.
        sentence: its numbers in one line.
    """

    key: StreamKey
    state: DataState
    limit_ratio: float
    candidate_requests: int
    candidate_bad: int
    baseline_requests: int
    baseline_bad: int
    is_safe: bool
    ln_evidence: float | None
    ln_literal: float | None
    ln_safe: float | None
    evidence_by_minute: tuple[float, ...]
    sentence: str
    regression_limit_ratio: float | None = None
    requests_needed: int | None = None
    minutes_needed: float | None = None
    dispersion: float = 1.0
    alpha: float = 0.005

    @property
    def interval(self) -> Interval:
        """Bounds of the candidate's rate; both hold at all times together with 1 - 2 alpha. Computed when asked."""
        return interval(self.candidate_requests, self.candidate_bad, self.alpha, self.dispersion)


@dataclass(frozen=True, slots=True)
class SharedIncident:
    """Both versions break the limit: the canary is frozen.

    Attributes:
        since: minute in which the literal rule fired.
        minutes: scored minutes since then.
        still_above: None when the latest minutes don't tell.
    """

    since: datetime
    minutes: int
    still_above: bool | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one tick with its reasons.

    Attributes:
        sentence: one line for people, with the numbers.
        deciding: the rule that decided.
        blamed: the streams that decided, worst first.
        reasons: every reason not to advance, one sentence each; empty when healthy.
        warnings: what people should know although it decides nothing.
        first_seen: first minute at which the deciding rule fired.
        minutes_scored: settled minutes since the first weight.
        failed_requests: failed requests of the new version so far.
        excess_failures: those beyond what the baseline's rate would have given.
        shared_incident: set while the canary is frozen by one.
        ln_evidence_by_minute: ln of the mean of the evidence over all streams, per scored minute.
        ln_bound: ln of the evidence that rolls back.
        minutes_to_decision: until every stream can be shown safe; None when that can't be told.
        would_roll_back: why the dry-run gates would roll back; empty where they wouldn't.
    """

    verdict: Verdict
    sentence: str
    deciding: Rule
    at: datetime
    evidence: tuple[StreamEvidence, ...] = ()
    blamed: tuple[StreamKey, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    first_seen: datetime | None = None
    minutes_scored: int = 0
    failed_requests: int = 0
    excess_failures: float = 0.0
    shared_incident: SharedIncident | None = None
    ln_evidence_by_minute: tuple[float, ...] = ()
    ln_bound: float = math.log(100.0)
    minutes_to_decision: float | None = None
    would_roll_back: str = ""
