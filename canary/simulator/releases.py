"""Many simulated releases under one plan.

It must not print and must not know a real clock.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from canary import runner
from canary.core.measurements import MINUTE
from canary.core.phases import Phase
from canary.core.plan import CountingGate, ProbesGate, RatioGate, StagePlan
from canary.simulator.counts import CANDIDATE, Scenario, SyntheticTraffic
from canary.simulator.play import Ending, is_refused, past_of, play
from canary.simulator.ports import Simulation, minutes_between


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and 95th percentile; zeros when there is nothing."""

    mean: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of these values (nearest rank)."""
        if not values:
            return cls(0.0, 0.0)
        ordered = sorted(values)
        rank = -(-len(ordered) * 95 // 100)
        return cls(sum(ordered) / len(ordered), ordered[rank - 1])


def share_interval(events: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a share (C. Clopper and E. Pearson, 1934), by bisection on the binomial tails."""

    def at_most(k: int, p: float) -> float:
        if k < 0:
            return 0.0
        if k >= runs or p <= 0.0:
            return 1.0
        if p >= 1.0:
            return 0.0
        whole, ln_p, ln_q = math.lgamma(runs + 1), math.log(p), math.log1p(-p)
        return math.fsum(
            math.exp(whole - math.lgamma(i + 1) - math.lgamma(runs - i + 1) + i * ln_p + (runs - i) * ln_q)
            for i in range(k + 1)
        )

    def solve(k: int, target: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2.0
            low, high = (middle, high) if at_most(k, middle) > target else (low, middle)
        return (low + high) / 2.0

    if not runs:
        return 0.0, 1.0
    lower = solve(events - 1, 0.975) if events else 0.0
    return lower, solve(events, 0.025) if events < runs else 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """How often what happened under one rule.

    Attributes:
        promoted_interval: 95 % interval of `promoted_ratio`.
        rolled_back_interval: 95 % interval of `rolled_back_ratio`.
        minutes_to_rollback: over the releases that were rolled back.
        failed_requests: over all releases.
        in_time_ratio: promoted without a hold.
    """

    runs: int
    promoted_ratio: float
    rolled_back_ratio: float
    inconclusive_ratio: float
    minutes_to_rollback: Spread
    failed_requests: Spread
    in_time_ratio: float = 0.0
    promoted_interval: tuple[float, float] = (0.0, 1.0)
    rolled_back_interval: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, endings: Sequence[Ending]) -> Summary:
        """The summary of these endings."""
        runs = len(endings)

        def count(outcome: str) -> int:
            return sum(ending.outcome == outcome for ending in endings)

        def share(outcome: str) -> float:
            return count(outcome) / runs if runs else 0.0

        return cls(
            runs=runs,
            promoted_ratio=share("promoted"),
            rolled_back_ratio=share("rolled_back"),
            inconclusive_ratio=share("inconclusive"),
            minutes_to_rollback=Spread.of([ending.minutes for ending in endings if ending.outcome == "rolled_back"]),
            failed_requests=Spread.of([ending.failed_requests for ending in endings]),
            in_time_ratio=sum(ending.in_time for ending in endings) / runs if runs else 0.0,
            promoted_interval=share_interval(count("promoted"), runs),
            rolled_back_interval=share_interval(count("rolled_back"), runs),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a plan does in a scenario."""

    stage: str
    scenario: Scenario
    seed: int
    summary: Summary
    rollback_minutes: tuple[float, ...]
    """Minutes to rollback of each release that canary rolled back."""
    healthy: Summary
    """Further releases in which the new version is as good as the baseline: its rollbacks are false alarms."""
    left_out: tuple[str, ...] = ()
    """Gates without synthetic data; they are left out."""
    probes_per_minute: int = 0
    is_refused: bool = False
    """Whether the baseline is already unhealthy, so that such a release starts only with --hotfix."""
    target: str = ""
    """Key of the first function of the stage, or of what stands for its flag."""


RUNS = 1000
"""Of `canary simulate`, unless another number is given or they would take too long."""
HALF_A_MINUTE = 2_500_000
"""Work (`Ending.work`) that takes 20 to 30 seconds of CPU: a unit takes about 9 microseconds."""
_TRIALS, _ON_TRIALS = 10, 0.03
_STARTS = 5
_OUTCOMES = {Phase.PROMOTED: "promoted", Phase.ROLLED_BACK: "rolled_back"}


def compare(
    stage: StagePlan,
    scenario: Scenario,
    *,
    runs: int,
    seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,  # noqa: ARG005
) -> Comparison:
    """Simulates so many releases.

    Args:
        stage: the plan; notifications, switches and the dead-man schedule are ignored.
        scenario: what is assumed.
        runs: how many releases.
        seed: the same seed gives the same answer.
        progress: called with the number of releases played, the healthy ones included (`healthy_count`).
    """
    stage, left_out = playable(stage)
    done = itertools.count(1)

    played: list[Ending] = []
    healthy: list[Ending] = []
    for number in range(runs):
        past = past_of(stage, scenario, f"{seed}/{number}")
        for assumed, endings in ((scenario, played), (scenario.healthy(), healthy)):
            if endings is played or number < healthy_count(runs):
                endings.append(play(stage, assumed, f"{seed}/{number}", past))
                progress(next(done))
    return Comparison(
        stage=stage.name,
        scenario=scenario,
        seed=seed,
        summary=Summary.of(played),
        rollback_minutes=tuple(ending.minutes for ending in played if ending.outcome == "rolled_back"),
        healthy=Summary.of(healthy),
        left_out=left_out,
        probes_per_minute=max((g.per_minute for g in stage.gates.values() if isinstance(g, ProbesGate)), default=0),
        is_refused=all(is_refused(stage, scenario, f"{seed}/{number}") for number in range(_STARTS)),
        target=stage.functions[0].key,
    )


def affordable_runs(stage: StagePlan, scenario: Scenario, *, seed: int = 0, work: int = HALF_A_MINUTE) -> int:
    """How many runs of `compare` so much work pays for: at most `RUNS`, at least one.

    Measured on a few releases with traffic of their own, so that the number says nothing about the ones that count; and
    in work instead of seconds, so that the same seed gives the same number everywhere.
    """
    stage, _ = playable(stage)
    spent = counted = 0
    while counted < _TRIALS and spent < work * _ON_TRIALS:
        name = f"{seed}/trial/{counted}"
        past = past_of(stage, scenario, name)
        described, healthy = (play(stage, assumed, name, past).work for assumed in (scenario, scenario.healthy()))
        spent += described + healthy // 2
        counted += 1
    return max(1, min(RUNS, (work - spent) * counted // max(1, spent)))


def playable(stage: StagePlan) -> tuple[StagePlan, tuple[str, ...]]:
    """The stage with the gates that count requests, and the names of the others.

    A simulation has no queues, alarms, health checks or business metrics, and a gate without data holds. Hooks succeed
    at once.
    """
    counted = {
        name: gate
        for name, gate in stage.gates.items()
        if isinstance(gate, CountingGate) and not isinstance(gate, RatioGate)
    }
    left_out = tuple(name for name in stage.gates if name not in counted)
    return stage.model_copy(update={"gates": counted, "hooks": ()}), left_out


def healthy_count(runs: int) -> int:
    """How many healthy releases are simulated besides so many: half, which keeps the wait short."""
    return -(-runs // 2)


def simulated(stage: StagePlan, scenario: Scenario, seed: str) -> Simulation:
    """A stage with synthetic traffic; the same seed gives the same."""
    return Simulation(stage, SyntheticTraffic(scenario, seed))


def release(stage: StagePlan, scenario: Scenario, seed: str) -> Ending:
    """The release of `play` with the shipped runner, tick by tick: slower, for comparison."""
    simulation = simulated(stage, scenario, seed)
    simulation.metrics.delay = stage.settle
    began, ports = simulation.clock.now(), simulation.ports(jitter=Random(seed).random)  # noqa: S311 - no secret
    state = runner.start(stage, ports, versions={"": CANDIDATE}, canary_id="simulated")
    state = runner.run(stage, ports, state)
    until = _traffic_ended(simulation, state.phase)
    failed = sum(_failed_until(simulation, function.key, began, until) for function in stage.functions)
    return Ending(_OUTCOMES.get(state.phase, "inconclusive"), (until - began) / MINUTE, failed)


def _traffic_ended(simulation: Simulation, phase: Phase) -> datetime:
    """When the new version lost its traffic, or got all of it; now if neither happened.

    What a promoted version does later is no longer the canary's.
    """
    changes = [simulation.aliases.share_changes(function.key, CANDIDATE) for function in simulation.stage.functions]
    if phase is Phase.ROLLED_BACK:
        return max(each[-1][0] for each in changes)
    if phase is Phase.PROMOTED:
        return max(next(at for at, share in each if share == 1.0) for each in changes)
    return simulation.clock.now()


def _failed_until(simulation: Simulation, key: str, began: datetime, until: datetime) -> float:
    """Requests that failed on the new version up to a moment, measured or not."""
    return sum(
        simulation.metrics.served(key, CANDIDATE, minute).failed * min(1.0, (until - minute) / MINUTE)
        for minute in minutes_between(began, until)
    )
