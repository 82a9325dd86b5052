"""The values a verdict is made of. Data only: they are computed elsewhere and shown elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from canary.core.measurements import DataState, StreamKey


class Verdict(StrEnum):
    """What the evidence says. Only HEALTHY moves forward, only SICK rolls back. Since 0.1."""

    HEALTHY = "healthy"
    SICK = "sick"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no_data"


class Process(StrEnum):
    """Which rule decided. Since 0.1."""

    PROBE = "health probe"
    ALARM = "alarm"
    CRASH = "half of all requests failed"
    BLIND = "metrics unknown and probe failed"
    ATTRIBUTED = "attributed"
    RELATIVE = "worse than base"
    LITERAL = "literal limit"
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
        limit_ratio: p0; for a `ratio` gate the ratio of rates kappa.
        attributed_by_minute: ln E of the rollback process after each scored minute, for plots.

    Since 0.1.
    """

    key: StreamKey
    state: DataState
    limit_ratio: float
    candidate_requests: int
    candidate_bad: int
    base_requests: int
    base_bad: int
    is_safe: bool
    ln_attributed: float | None
    ln_literal: float | None
    ln_relative: float | None
    ln_safe: float | None
    attributed_by_minute: tuple[float, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SharedIncident:
    """Both versions break the limit: the canary is frozen. Since 0.1.

    Attributes:
        since: minute in which the literal rule fired.
        still_above: None when the latest minutes hold no requests.
    """

    since: datetime
    minutes: int
    still_above: bool | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one tick with its reasons. Since 0.1.

    Attributes:
        sentence: one line for people, with the numbers.
        deciding: the rule that decided.
        blamed: the streams that decided, worst first.
        reasons: every reason not to go on, one sentence each; empty when healthy.
        first_seen: first minute at which the deciding rule fired.
        failed_requests: failed requests of the new version so far.
        excess_failures: those beyond what the old version's rate would have given.
        shared_incident: set while the canary is frozen by one.
    """

    verdict: Verdict
    sentence: str
    deciding: Process
    at: datetime
    evidence: tuple[StreamEvidence, ...] = ()
    blamed: tuple[StreamKey, ...] = ()
    reasons: tuple[str, ...] = ()
    first_seen: datetime | None = None
    minutes_scored: int = 0
    failed_requests: int = 0
    excess_failures: float = 0.0
    shared_incident: SharedIncident | None = None
    ln_attributed_by_minute: tuple[float, ...] = ()
    minutes_to_decision: float | None = None
