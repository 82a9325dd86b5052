"""What the history says before traffic moves: an unhealthy baseline, clusters that weaken all evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from canary.core.measurements import Stream
from canary.core.plan import EmfGate, ErrorsGate, Http5xxGate, LatencyGate, StagePlan
from canary.core.stats.bounds import interval
from canary.core.stats.dispersion import estimate_dispersion, is_counted

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
                f"{stream.key}: {bad} of the last {requests} requests were bad on the baseline "
                f"({bad / requests:.1%}, limit {limit:.1%})"
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
