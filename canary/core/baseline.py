"""Whether the baseline is unhealthy before anything moved: the same limits, on its history; no canary is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from canary.core.measurements import Stream
from canary.core.plan import ErrorsGate, Http5xxGate, LatencyGate, StagePlan
from canary.core.stats.bounds import interval

MINUTES: Final = 30
"""So many of the newest history minutes count: what happened hours ago may be over."""


def unhealthy_baselines(stage: StagePlan, streams: Sequence[Stream]) -> tuple[str, ...]:
    """One sentence for each gate whose limit the baseline exceeds by itself, with the confidence of a rollback.

    A canary against an unhealthy baseline would be rolled back for the baseline's faults, or judged by too low a bar.
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
        rows = stream.history[-MINUTES:]
        requests = sum(row.baseline_requests + row.candidate_requests for row in rows)
        bad = sum(row.baseline_bad + row.candidate_bad for row in rows)
        if interval(requests, bad, stage.evidence.alpha_attributed).lower > limit:
            found.append(
                f"{stream.key}: {bad} of the last {requests} requests were bad on the baseline "
                f"({bad / requests:.1%}, limit {limit:.1%})"
            )
    return tuple(found)
