"""What a plan can do at a traffic: promote in its time, and find a regression. From simulated releases alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from canary.core.plan import StagePlan
from canary.simulator.counts import Scenario
from canary.simulator.play import Ending, play
from canary.simulator.releases import playable, share_interval
from canary.simulator.users import Users

HEALTHY_RUNS = 100
REGRESSION_RUNS = 50
FOUND = 0.8
"""A plan finds a regression that it rolls back in so many releases."""
REGRESSION = 0.10
_STEP = 1.25
"""The smallest regression is known up to this factor."""
_AT_LEAST = 8
_DOUBLINGS = 16
"""Traffic is doubled so often at most, to find out how much of it the worst regression takes."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a plan does at this traffic.

    Attributes:
        baseline_errors: error rate of the baseline that is assumed, as ratio.
        runs: simulated healthy releases.
        promoted_in_time: share of healthy releases that are promoted without a hold, and its 95 % interval.
        promoted: share that are promoted at all.
        found: share of releases with `REGRESSION` errors that are rolled back.
        minutes: mean minutes until then; None where there were none.
        smallest: the smallest error rate found in `FOUND` of the releases, as ratio; None where even 100 % isn't.
        enough_per_s: where `smallest` is None, requests per second at which 100 % is found (up to a factor of 2); None
            where no traffic is enough.
    """

    baseline_errors: float
    runs: int
    promoted_in_time: float
    in_time_interval: tuple[float, float]
    promoted: float
    found: float
    minutes: float | None
    smallest: float | None
    enough_per_s: float | None = None


def power_of(
    stage: StagePlan,
    requests_per_s: float,
    *,
    baseline_errors: float = 0.01,
    users: Users | None = None,
    seed: int = 0,
    progress: Callable[[str], object] = lambda what: None,  # noqa: ARG005
) -> Power:
    """Simulates releases of this plan: healthy ones, and ones with ever smaller regressions.

    Args:
        stage: the plan.
        requests_per_s: traffic of each function.
        baseline_errors: error rate of the baseline, as ratio.
        users: who comes, where the stage counts users; the usual ones if None.
        seed: the same seed gives the same answer.
        progress: called with what is simulated next.
    """
    stage, _ = playable(stage)
    scenario = Scenario(baseline_errors, baseline_errors, requests_per_s, users=users)

    def played(errors: float, per_s: float = requests_per_s) -> Iterator[Ending]:
        assumed = replace(scenario, candidate_errors=errors, requests_per_s=per_s)
        return (play(stage, assumed, f"{seed}/{number}") for number in range(10**6))

    progress("healthy releases")
    healthy = [ending for ending, _ in zip(played(baseline_errors), range(HEALTHY_RUNS), strict=False)]
    progress("releases with 10 % errors")
    worse = [ending for ending, _ in zip(played(REGRESSION), range(REGRESSION_RUNS), strict=False)]
    minutes = [ending.minutes for ending in worse if ending.outcome == "rolled_back"]
    in_time = sum(ending.in_time for ending in healthy)
    progress("smaller regressions")
    smallest = _smallest(baseline_errors, lambda errors: _finds(played(errors)))
    more = (requests_per_s * 2**doubled for doubled in range(1, _DOUBLINGS) if smallest is None)
    return Power(
        baseline_errors=baseline_errors,
        runs=HEALTHY_RUNS,
        promoted_in_time=in_time / HEALTHY_RUNS,
        in_time_interval=share_interval(in_time, HEALTHY_RUNS),
        promoted=sum(ending.outcome == "promoted" for ending in healthy) / HEALTHY_RUNS,
        found=len(minutes) / REGRESSION_RUNS,
        minutes=sum(minutes) / len(minutes) if minutes else None,
        smallest=smallest,
        enough_per_s=next((per_s for per_s in more if _finds(played(1.0, per_s))), None),
    )


def _smallest(baseline: float, finds: Callable[[float], bool]) -> float | None:
    """By bisection over rates a quarter apart: a larger regression is found as well."""
    count = math.ceil(math.log(1.0 / baseline) / math.log(_STEP)) if baseline > 0.0 else 40
    rates = sorted({min(1.0, 1.0 / _STEP**number) for number in range(max(1, count))})
    if not finds(rates[-1]):
        return None
    low, high = 0, len(rates) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(rates[middle]) else (middle + 1, high)
    return rates[high]


def _finds(endings: Iterator[Ending]) -> bool:
    """Whether `FOUND` of the releases are rolled back, as soon as that is clear, or by `REGRESSION_RUNS` of them."""
    found = 0
    for runs, ending in enumerate(endings, 1):
        found += ending.outcome == "rolled_back"
        lower, upper = share_interval(found, runs) if runs >= _AT_LEAST else (0.0, 1.0)
        if runs >= REGRESSION_RUNS or lower > FOUND or upper < FOUND:
            break
    return found >= FOUND * runs
