"""What the history says before traffic moves: an unhealthy baseline, weakened evidence, gates that find nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from canary.core.measurements import MINUTE, MinuteCounts, Observations, Stream, WeightChange
from canary.core.plan import (
    EmfGate,
    ErrorsGate,
    Http5xxGate,
    LatencyGate,
    RatioGate,
    StagePlan,
    ThrottlesGate,
    format_duration,
)
from canary.core.stats.bounds import interval
from canary.core.stats.dispersion import estimate_dispersion, is_counted
from canary.core.verdict.guards import crash
from canary.core.verdict.scoring import Score, is_by_version, score_all
from canary.core.verdict.timeline import Timeline, timeline

_ALPHA: Final = 0.005
MINUTES: Final = 30
"""So many of the newest history minutes count: what happened hours ago may be over."""


def unhealthy_baselines(stage: StagePlan, streams: Sequence[Stream]) -> tuple[str, ...]:
    """One sentence for each gate that the baseline breaks by itself, with high confidence.

    A canary against an unhealthy baseline would be rolled back for the baseline's failures.
    """
    found = []
    for stream in streams:
        gate = stage.gates.get(stream.key.gate)
        if isinstance(gate, LatencyGate):
            limit = gate.limit_ratio
        elif isinstance(gate, ErrorsGate | Http5xxGate):
            limit = float(gate.limit_percent) / 100
        else:
            continue
        known = (
            (row.baseline_requests + row.candidate_requests, row.baseline_bad + row.candidate_bad)
            for row in stream.history[-MINUTES:]
        )
        rows = [(requests, bad) for requests, bad in known if is_counted(requests, bad)]
        requests, bad = sum(requests for requests, _ in rows), sum(bad for _, bad in rows)
        if interval(requests, bad, _ALPHA).lower > limit:
            found.append(
                f"{stream.key}: {bad:,} of the last {requests:,} requests were bad on the baseline "
                f"({100 * bad / requests:.3g} %, limit {100 * limit:.4g} %)"
            )
    return tuple(found)


WEAK: Final = 3.0
"""Evidence divided by more than this is worth a warning."""


def weakened_evidence(stage: StagePlan, streams: Sequence[Stream]) -> tuple[str, ...]:
    """One sentence for each gate whose failures are so clustered that evidence is divided by more than 3."""
    found = []
    share = float(stage.steps[0].weight) / 100
    for stream in streams:
        if not isinstance(stage.gates.get(stream.key.gate), ErrorsGate | LatencyGate | EmfGate):
            continue
        history = estimate_dispersion(
            (row.baseline_requests + row.candidate_requests, row.baseline_bad + row.candidate_bad)
            for row in stream.history
        )
        divisor = history.at(history.mean_requests * share)
        if divisor > WEAK:
            found.append(
                f"{stream.key}: failures came in clusters in the last {history.minutes} minutes; at "
                f"{stage.steps[0].weight:g} % evidence is divided by {divisor:.0f}, so a regression takes about "
                f"{divisor:.0f} times as long to find"
            )
    return tuple(found)


_MOST_TIMES: Final = 1024


def blind_gates(stage: StagePlan, streams: Sequence[Stream], start: datetime) -> tuple[str, ...]:
    """One sentence for each gate that wouldn't roll back even the worst new version, at the traffic of its history.

    The worst one fails every request, or never reaches what a ratio counts. It gets every step at its full length and
    the longest hold after the last one, in which the baseline goes on as in its history.
    """
    known = [stream for stream in streams if _can_blame(stage, stream)]
    found, times = {stream.key: 1 for stream in known}, 1
    blind = _not_found(stage, known, start, times)
    while blind and times < _MOST_TIMES:
        times *= 2
        found.update((stream.key, times) for stream in blind)
        blind = _not_found(stage, blind, start, times)
    longest = format_duration(stage.total_bake + stage.hold_max)
    return tuple(
        f"{stream.key}: at {_per_minute(stage, stream):.3g} requests a minute (last "
        f"{format_duration(stage.evidence.history)}) no new version, however bad, would be rolled back "
        f"within {longest} (all steps and the longest hold); it takes "
        f"{'other weights or limits' if stream in blind else f'up to {found[stream.key]} times the requests'}"
        for stream in known
        if found[stream.key] > 1
    )


def _can_blame(stage: StagePlan, stream: Stream) -> bool:
    """Whether the stream has a history to judge by, and its worst is bounded."""
    gate = stage.gates.get(stream.key.gate)
    if gate is None or isinstance(gate, ThrottlesGate) or (isinstance(gate, RatioGate) and gate.bad_when != "lower"):
        return False
    return _per_minute(stage, stream) > 0.0


def _per_minute(stage: StagePlan, stream: Stream) -> float:
    return _history(stream)[0] / (stage.evidence.history / MINUTE)


def _history(stream: Stream) -> tuple[int, int]:
    """Requests and bad ones; a ratio may count more of what it counts than requests."""
    rows = [
        (row.baseline_requests + row.candidate_requests, row.baseline_bad + row.candidate_bad) for row in stream.history
    ]
    rows = [(requests, bad) for requests, bad in rows if is_counted(requests, min(bad, requests))]
    return sum(requests for requests, _ in rows), sum(bad for _, bad in rows)


def _not_found(stage: StagePlan, streams: Sequence[Stream], start: datetime, times: int) -> list[Stream]:
    """The streams that don't roll back their worst version at so many times their traffic."""
    changes, at = [], start
    for step in stage.steps:
        changes.append(WeightChange(at, step.weight))
        at += step.bake
    line = timeline(changes, at + stage.hold_max)
    worst = {stream.key: _worst(stage, stream, line, changes, times) for stream in streams}
    scores = score_all(stage, Observations(tuple(worst.values())), changes, line)
    bound = math.log(len(scores)) - math.log(stage.evidence.alpha_rollback)
    found = {score.key for score in scores if score.key in worst and _is_found(score, line, bound)}
    return [stream for stream in streams if stream.key not in found]


def _is_found(score: Score, line: Timeline, bound: float) -> bool:
    paths = score.processes
    evidence = max((*(paths.rollback or ()), *(paths.literal or ())), default=0.0)
    return evidence >= bound or crash([score], line) is not None


def _worst(stage: StagePlan, stream: Stream, line: Timeline, changes: Sequence[WeightChange], times: int) -> Stream:
    gate = stage.gates[stream.key.gate]
    requests, bad = _history(stream)
    per_minute, rate = times * _per_minute(stage, stream), bad / requests
    by_version = is_by_version(gate)
    rows, sums = [], (0.0, 0.0, 0.0, 0.0)
    for minute in line.minutes:
        share = next(float(change.weight_percent) for change in reversed(changes) if change.at <= minute) / 100.0
        candidate = per_minute * (share if by_version else 1.0)
        failing = 0.0 if isinstance(gate, RatioGate) else per_minute * share
        baseline = per_minute - candidate
        more = (candidate, failing, baseline, rate * baseline)
        after = tuple(total + part for total, part in zip(sums, more, strict=True))
        rows.append(MinuteCounts(minute, *(math.floor(b) - math.floor(a) for a, b in zip(sums, after, strict=True))))
        sums = after  # type: ignore[assignment]
    return Stream(stream.key, tuple(rows), stream.history)
