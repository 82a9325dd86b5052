"""One stream, scored: its counts and the processes they feed. Values and arithmetic; compares with no bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from canary.core.measurements import DataState, StreamKey
from canary.core.plan import CountingGate, EmfGate, ErrorsGate, Gate, GaugeGate, LatencyGate, RatioGate, StagePlan
from canary.core.stats.dispersion import Dispersion
from canary.core.stats.grids import EQUAL, FALLING
from canary.core.stats.mixture import Factors, restart_path
from canary.core.stats.processes import (
    Counts,
    absolute_factors,
    absolute_path,
    attributed_factors,
    ratio_factors,
    ratio_path,
    relative_crossing,
    swap,
)
from canary.core.verdict.timeline import Schedule

Path = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Processes:
    """Ln E after each scored minute; None where a process does not apply to the stream.

    Attributes:
        literal: absolute process (§4.3), which blames nobody.
        attributed: attribution-aware process (§4.5), absolute where the base is silent.
        ratio: worse than the base (§4.4).
        floor: above the floor rate; the relative rule needs both.
        absolute: log factors of `literal`, to start it again after an incident.
    """

    literal: Path | None = None
    attributed: Path | None = None
    ratio: Path | None = None
    floor: Path | None = None
    absolute: tuple[Factors, ...] = ()

    @property
    def relative(self) -> Path | None:
        """The relative rule as one process: per minute the smaller of ratio and floor, valid for its null (§4.9)."""
        if self.ratio is None or self.floor is None:
            return self.ratio
        return tuple(map(min, self.ratio, self.floor))

    def relative_crossing(self, ln_bound: float) -> int | None:
        """Where the relative rule of this stream alone fires: ratio and floor are latched separately (§4.4)."""
        ratio = self.ratio or ()
        return relative_crossing(ratio, ratio if self.floor is None else self.floor, ln_bound)


@dataclass(frozen=True, slots=True)
class Score:
    """One stream of a run, scored.

    Attributes:
        limit: p0, or kappa of a `ratio` gate.
        counts: one per scored minute, tempered; a gauge's minute counts as one request.
        seen: whether there was anything to count under the present weight.
        last_known: youngest minute with a row.
    """

    key: StreamKey
    gate: CountingGate | GaugeGate
    state: DataState
    detail: str
    limit: float
    counts: tuple[Counts, ...]
    schedule: Schedule
    dispersion: Dispersion
    seen: bool
    last_known: datetime | None
    processes: Processes

    @property
    def is_shifted(self) -> bool:
        """Whether the function has any weight yet; in an ordered stage others may come first."""
        return self.schedule.weight > 0.0

    @property
    def expected_requests(self) -> float:
        """Candidate requests per minute under the present weight: from the history, or else as seen so far."""
        if self.dispersion.minutes:
            return self.dispersion.mean_requests * (self.schedule.weight if is_by_version(self.gate) else 1.0)
        recent = self.counts[self.schedule.step_from :]
        return sum(minute.n_c for minute in recent) / len(recent) if recent else 0.0


def is_by_version(gate: Gate) -> bool:
    """Whether a gate counts the requests of the two versions apart."""
    return isinstance(gate, (ErrorsGate, EmfGate, RatioGate)) or (isinstance(gate, LatencyGate) and gate.by_version)


def counts_failures(gate: Gate) -> bool:
    """Whether the bad requests of a gate are failures of one version, which harm is counted by."""
    return isinstance(gate, ErrorsGate) or (isinstance(gate, EmfGate) and gate.bad == "errors")


def limit_of(gate: CountingGate) -> float:
    """p0 of a counting gate; kappa of a ratio."""
    if isinstance(gate, LatencyGate):
        return gate.limit_ratio
    return gate.kappa if isinstance(gate, RatioGate) else float(gate.limit_percent) / 100.0


def processes_of(stage: StagePlan, gate: CountingGate, counts: Sequence[Counts], first: int) -> Processes:
    """The processes of a counting gate. One that starts later than the run is 1 until then.

    Args:
        stage: for kappa, floor and horizon.
        gate: decides which processes apply.
        counts: one per scored minute of the run.
        first: index of the function's first minute with a weight.
    """
    horizon = stage.horizon_minutes
    scored, still = counts[first:], (0.0,) * first
    if isinstance(gate, RatioGate):
        against = swap(scored) if gate.bad_when == "lower" else scored
        return Processes(ratio=still + ratio_path(against, gate.kappa, horizon))
    absolute = absolute_factors(scored, limit_of(gate))
    literal = still + restart_path(absolute, FALLING, horizon)
    kept = ((None,) * first + tuple(absolute)) if first else tuple(absolute)
    if not is_by_version(gate):
        return Processes(literal=literal, absolute=kept)
    ratio = ratio_factors(scored, float(stage.evidence.worse_than_base))
    attributed = attributed_factors(absolute, ratio, absolute_when_silent=True)
    blaming = still + restart_path(attributed, FALLING, horizon)
    # No relative rule for latency: the base is warm and the canary is not (§4.13).
    if isinstance(gate, (ErrorsGate, EmfGate)) and gate.relative:
        floor = float(stage.evidence.floor_percent) / 100.0
        return Processes(
            literal,
            blaming,
            still + restart_path(ratio, EQUAL, horizon),
            still + absolute_path(scored, floor, horizon),
            kept,
        )
    return Processes(literal, blaming, absolute=kept)
