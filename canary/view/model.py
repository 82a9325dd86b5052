"""What every renderer shows: values only; they must not be computed from time, I/O or terminal width.

The builder (`canary.view.build`) fills them from a canary's events, judgements and measurements; terminal, plain
text, JSON and HTML read nothing else, so the four can't disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Literal

from canary.core.events import UNKNOWN_ORIGIN, Origin
from canary.core.words import Words, flag_of, shown, words_of


class Tone(StrEnum):
    """How a line is meant; renderers choose the colour and always add a word or a sign."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    PLAIN = "plain"


class StepState(StrEnum):
    """Where a step of the plan stands."""

    DONE = "done"
    CURRENT = "current"
    FAILED = "failed"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of bad requests with the interval that the evidence allows; ratios are 0 to 1."""

    bad: int
    requests: int
    low_ratio: float = 0.0
    high_ratio: float = 1.0

    @property
    def ratio(self) -> float | None:
        """The share itself, or None without a request."""
        return self.bad / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class MinutePoint:
    """One settled minute of one stream.

    Attributes:
        at_min: end of the minute, in minutes since the canary began.
        candidate: that minute's count on the new version (interval unused).
        baseline: that minute's count on the baseline (interval unused).
        candidate_so_far: everything so far on the new version, with its interval.
        baseline_so_far: everything so far on the baseline, with its interval.
    """

    at_min: float
    candidate: Rate
    baseline: Rate
    candidate_so_far: Rate
    baseline_so_far: Rate


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """What one evaluation of a gate said against the new version.

    Attributes:
        at_min: time of the evaluation, in minutes since the canary began.
        log10: log10 of the odds; None where the gate can't tell the versions apart.
    """

    at_min: float
    log10: float | None


@dataclass(frozen=True, slots=True)
class Means:
    """Means per user of a `value` gate, over all judged minutes.

    Attributes:
        candidate: with the variant.
        baseline: without it.
        low: lower bound of the difference in the same minutes; None where nothing can be said yet.
        high: upper bound.
    """

    candidate: float
    baseline: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class StreamView:
    """One gate of one function, as measured on both versions.

    Attributes:
        function: function name.
        gate: gate name, e.g. `errors`.
        status: one word: `healthy`, `collecting`, `suspect` (odds of 10:1 and more), `unhealthy`, `no data`, `unknown`.
        title: what a bad request is, e.g. "requests that failed".
        limit_ratio: the share that is too much.
        minutes: settled minutes in order.
        candidate: all judged minutes together, new version.
        baseline: all judged minutes together, baseline.
        evidence: one point for each look.
        unit: what is counted; a gauge counts the minutes in which it broke its limit.
        is_dry_run: measured and shown, and decides nothing.
        means: of a gate that compares means.
        sentence: its numbers at the last look, in one line; of means the only place that has them.
    """

    function: str
    gate: str
    title: str
    limit_ratio: float
    minutes: tuple[MinutePoint, ...]
    candidate: Rate
    baseline: Rate
    evidence: tuple[EvidencePoint, ...] = ()
    status: str = "collecting"
    unit: Literal["requests", "minutes", "users", "means"] = "requests"
    is_dry_run: bool = False
    means: Means | None = None
    sentence: str = ""

    @property
    def label(self) -> str:
        """The gate's name, and whether it decides."""
        return f"{self.gate} (dry run)" if self.is_dry_run else self.gate

    @property
    def against_log10(self) -> float | None:
        """Evidence against the new version at the last look."""
        return self.evidence[-1].log10 if self.evidence else None


@dataclass(frozen=True, slots=True)
class WeightPoint:
    """From this minute on the new version gets this share of the traffic."""

    at_min: float
    percent: float


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened, for people.

    Attributes:
        at_min: minutes since the canary began.
        at: time of day.
        title: two or three words, e.g. "rolled back".
        text: one sentence.
        marks: True when a chart should mark the moment.
    """

    at_min: float
    at: datetime
    tone: Tone
    title: str
    text: str
    marks: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the plan."""

    percent: float
    bake_min: float
    state: StepState


@dataclass(frozen=True, slots=True)
class FunctionView:
    """One function of the stage: where its alias points.

    Attributes:
        serves: what the alias serves, read now; empty in a view of the past.
        serves_since: since when, as far as the canary's record knows it.
    """

    name: str
    alias: str
    baseline_version: str
    candidate_version: str
    weight_percent: float
    serves: str = ""
    serves_since: datetime | None = None

    @property
    def key(self) -> str:
        """As `FunctionRef.key`."""
        return f"{self.name}:{self.alias}"

    @property
    def shown_name(self) -> str:
        """The function's name, or the flag's key."""
        return flag_of(self.name) or self.name

    @property
    def title(self) -> str:
        """`api:live`, or the flag."""
        return shown(self.key)

    @property
    def baseline_name(self) -> str:
        """`version 6 (baseline)`, or who doesn't get the flag."""
        return words_of(self.key).arms(self.baseline_version, self.candidate_version)[0]

    @property
    def candidate_name(self) -> str:
        """`version 7 (new)`, or who gets the flag."""
        return words_of(self.key).arms(self.baseline_version, self.candidate_version)[1]


@dataclass(frozen=True, slots=True)
class CanaryView:
    """Everything that can be shown about one canary.

    Attributes:
        phase: one word: `starting`, `baking`, `paused`, `promoted`, `rolled back`, ….
        tone: how the phase is meant.
        headline: one sentence for people.
        evidence: the sentence of the last verdict, with its numbers.
        verdict: the last verdict in a word: `healthy`, `unhealthy`, `inconclusive`, `no data`; empty before the first.
        reasons: every reason of the last verdict not to advance, one sentence each.
        cautions: what the last verdict warns of, although it decides nothing: dry-run gates, traffic beside the alias.
        bound_log10: evidence at which the canary is rolled back, log10 of odds.
        elapsed_min: minutes from start to the last tick.
        decision_min: minutes until the step can end if all stays clean, or None.
        next_action: what happens next and when, or the command that a person runs.
        warnings: how many notices and retried calls there were.
        origin: where the released code comes from.
        plan: the plan as text, line by line; empty where it isn't known.
        facts: label and value pairs worth a glance.
        last_look_at: when a driver evaluated it last, as the journal knows it.
        last_look_by: who ran that driver.
        is_driven: whether a driver is running; None in a view of the past.
    """

    stage: str
    canary_id: str
    phase: str
    tone: Tone
    headline: str
    evidence: str
    started_at: datetime
    elapsed_min: float
    weight_percent: float
    functions: tuple[FunctionView, ...] = ()
    steps: tuple[StepView, ...] = ()
    weights: tuple[WeightPoint, ...] = ()
    streams: tuple[StreamView, ...] = ()
    notes: tuple[Note, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    bound_log10: float = 2.301
    decision_min: float | None = None
    next_action: str = ""
    warnings: int = 0
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    origin: Origin = UNKNOWN_ORIGIN
    plan: tuple[str, ...] = ()
    last_look_at: datetime | None = None
    last_look_by: str = ""
    is_driven: bool | None = None

    @property
    def now(self) -> datetime:
        """The time of day that the view shows."""
        return self.started_at + timedelta(minutes=self.elapsed_min)

    @property
    def flag(self) -> str:
        """The flag that is rolled out; empty for a release of functions."""
        return next((flag_of(function.name) for function in self.functions), "")

    @property
    def candidate_name(self) -> str:
        """`version 3 (new)`, or `new version` when the functions have different numbers; of a flag, who gets it."""
        if self.flag:
            return self.functions[0].candidate_name
        return _version_name({function.candidate_version for function in self.functions}, "new", "new version")

    @property
    def baseline_name(self) -> str:
        """`version 2 (baseline)`, or `baseline` when the functions have different numbers; of a flag, all others."""
        if self.flag:
            return self.functions[0].baseline_name
        return _version_name({function.baseline_version for function in self.functions}, "baseline", "baseline")

    @property
    def weight_name(self) -> str:
        """What the weight is a share of, as a title."""
        return f"{self.words.share_title} {self.candidate_name}"

    @property
    def words(self) -> Words:
        """How what is shifted is spoken of."""
        return words_of(self.functions[0].key if self.functions else "")


def _version_name(versions: set[str], role: str, otherwise: str) -> str:
    return f"version {versions.pop()} ({role})" if len(versions) == 1 else otherwise


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar: a share that was counted, beside the share that was asked for."""

    label: str
    share_ratio: float
    expected_ratio: float | None
    text: str
    emphasised: bool = False


@dataclass(frozen=True, slots=True)
class BarsView:
    """A bar chart with a title and a sentence that says the same in words."""

    title: str
    summary: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One section of a report."""

    heading: str
    prose: str
    tone: Tone = Tone.PLAIN
    verdict: str = ""
    canary: CanaryView | None = None
    bars: tuple[BarsView, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole page."""

    title: str
    lead: str
    chapters: tuple[Chapter, ...]
    footer: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())


JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def data(value: object) -> JsonValue:  # noqa: PLR0911 - one line per kind of value
    """Plain JSON values of a view, an event or any frozen value: times in ISO 8601, durations in seconds."""
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return data(value.value)
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): data(item) for key, item in value.items()}
        case list() | tuple() | frozenset() | set():
            return [data(item) for item in value]
    if is_dataclass(value):
        return {item.name: data(getattr(value, item.name)) for item in fields(value)}
    return str(value)
