"""What was measured: counts per minute, gauges, probes, alarms, and how well each of them is known.

Values only. Nothing here fetches, judges or fills a gap: an unknown minute stays unknown until the verdict names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from canary.core.words import shown

MINUTE = timedelta(minutes=1)


class DataState(StrEnum):
    """How well a stream is known. Only COMPLETE is evidence; the others are four different kinds of not knowing."""

    COMPLETE = "complete"
    """The query answered completely. A minute without a row had no traffic."""
    NO_DATA = "no_data"
    """The query answered, and there is nothing: no such series (yet)."""
    PARTIAL = "partial"
    """The answer was marked partial or carried a warning (lambda-canary.md §2.4)."""
    FAILED = "failed"
    """The query failed: network, throttling, access denied."""
    UNKNOWN = "unknown"
    """Nobody could tell: not asked yet, or the numbers contradict each other."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """Names one stream of a canary: one gate of one function.

    Attributes:
        function: `FunctionRef.key` ("api:live"); empty for a gate of the whole stage.
        gate: the gate's name in the plan.
    """

    function: str
    gate: str

    def __str__(self) -> str:
        return f"{self.gate} of {shown(self.function)}" if self.function else self.gate


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """Counts of one minute, of both versions (statistics.md §4.1).

    For a gate that can't tell versions apart the alias totals are the candidate's numbers and the base's are 0.
    For a `ratio` gate "requests" is the denominator and "bad" the numerator.

    Attributes:
        minute: start of the minute, aware UTC.
        candidate_slow: requests above `Stream.usual_s`; 0 where the stream has none.
        baseline_slow: the same of the baseline.
    """

    minute: datetime
    candidate_requests: int = 0
    candidate_bad: int = 0
    baseline_requests: int = 0
    baseline_bad: int = 0
    candidate_slow: int = 0
    baseline_slow: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """All that is known about one counting gate since the canary began.

    `minutes` holds every minute known from a complete answer, oldest first, whatever `state` says about the latest
    query. `history` holds minutes before the start, in which all traffic was the base's.

    Attributes:
        usual_s: of a latency gate the baseline's own p95 before the start, in seconds, where it is below the limit.
    """

    key: StreamKey
    minutes: tuple[MinuteCounts, ...] = ()
    history: tuple[MinuteCounts, ...] = ()
    state: DataState = DataState.COMPLETE
    detail: str = ""
    usual_s: float | None = None


@dataclass(frozen=True, slots=True)
class MinuteValue:
    """One minute of a gauge. `baseline` is the old version's value, None where it is absent or not separable."""

    minute: datetime
    candidate: float | None
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class Gauge:
    """All that is known about one gauge gate (`metric`, `queue`) since the canary began.

    Attributes:
        before: the last value before the start; what "new messages" are counted from.
    """

    key: StreamKey
    minutes: tuple[MinuteValue, ...] = ()
    before: float | None = None
    state: DataState = DataState.COMPLETE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MinuteSums:
    """Users whose windows closed in one minute, the sums of their values, and of the squares."""

    minute: datetime
    candidate_users: int = 0
    candidate_sum: float = 0.0
    candidate_squares: float = 0.0
    baseline_users: int = 0
    baseline_sum: float = 0.0
    baseline_squares: float = 0.0


@dataclass(frozen=True, slots=True)
class SumStream:
    """All that is known about one `value` gate since the canary began."""

    key: StreamKey
    minutes: tuple[MinuteSums, ...] = ()
    state: DataState = DataState.COMPLETE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AliasMinute:
    """Requests of one minute counted another way, for the conservation check.

    Attributes:
        alias_requests: invocations through the alias, both versions (`Resource=f:alias`).
        function_requests: all invocations of the function however addressed; None when not asked.
    """

    minute: datetime
    alias_requests: int
    function_requests: int | None = None


@dataclass(frozen=True, slots=True)
class AliasTraffic:
    """Alias totals of one function since the canary began."""

    function: str
    minutes: tuple[AliasMinute, ...] = ()
    state: DataState = DataState.COMPLETE


@dataclass(frozen=True, slots=True)
class Probe:
    """One health check that was made.

    Attributes:
        ok: True passed, False failed on the candidate, None when nobody knows which version answered or whether the
            checker itself is broken: that counts as "environment broken", never as unhealthy (lambda-canary.md §4).
    """

    key: StreamKey
    at: datetime
    ok: bool | None
    detail: str = ""


class HookState(StrEnum):
    """How far a hook of the plan is."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"
    """In progress, not asked yet, or it could not be reached: nothing is known."""


@dataclass(frozen=True, slots=True)
class HookResult:
    """What a hook answered.

    Attributes:
        index: the hook's place in the plan, from 0.
    """

    index: int
    state: HookState
    detail: str = ""


class AlarmState(StrEnum):
    """State of a CloudWatch alarm; UNKNOWN also when it is missing or its evaluation is broken."""

    OK = "ok"
    ALARM = "alarm"
    INSUFFICIENT_DATA = "insufficient_data"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AlarmReading:
    """One alarm as it stands now.

    Attributes:
        gate: name of the gate that lists the alarm.
        since: when the alarm went into this state (StateTransitionedTimestamp); None when not told.
        red_at_start: whether it was already red when the canary began.
    """

    gate: str
    name: str
    state: AlarmState
    since: datetime | None = None
    red_at_start: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WeightChange:
    """A weight that was written to an alias, and when. 100 is the promotion.

    Attributes:
        function: `FunctionRef.key`; empty when every function of the stage got it.
    """

    at: datetime
    weight_percent: Decimal
    function: str = ""


@dataclass(frozen=True, slots=True)
class FunctionVersions:
    """Which versions of a function are compared; only for the words of a verdict."""

    function: str
    candidate: str
    baseline: str


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything a decision may look at, besides the plan, the weights written so far and the time.

    Attributes:
        settled_until: start of the first minute that doesn't count yet; None where the plan's `settle` says it.
        settle_s: how old a minute was when it counted, as measured; None where the plan's `settle` says it.
        notes: warnings of those who measured.
        doubts: their reasons not to go on, which blame nobody.
    """

    streams: tuple[Stream, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    traffic: tuple[AliasTraffic, ...] = ()
    probes: tuple[Probe, ...] = ()
    alarms: tuple[AlarmReading, ...] = ()
    hooks: tuple[HookResult, ...] = ()
    versions: tuple[FunctionVersions, ...] = ()
    settled_until: datetime | None = None
    settle_s: float | None = None
    notes: tuple[str, ...] = ()
    sums: tuple[SumStream, ...] = ()
    doubts: tuple[str, ...] = ()
