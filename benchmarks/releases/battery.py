"""Thirty-one scenarios of healthy canaries, and regressions, over many canaries at once (statistics.md §3.12)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.releases.engine import Array, Judge, Settings, read_history

HISTORY = 180
POST_BAKE = 5
HOLD = 30
MIN_BAKE = 5
NEVER = 10**6

Plan = tuple[tuple[float, int], ...]
PLANS: dict[str, Plan] = {
    "10, 50 % × 10 min": ((0.10, 10), (0.50, 10)),
    "1, 5, 25, 50 % × 5 min": ((0.01, 5), (0.05, 5), (0.25, 5), (0.50, 5)),
    "10 % × 30 min": ((0.10, 30),),
    "10, 50 % × 5 min": ((0.10, 5), (0.50, 5)),
}
STEPPED: Plan = ((0.10, 10), (0.25, 10), (0.50, 10))
LARGER: Plan = ((0.35, 15), (0.50, 15))
TRAFFIC = (0.2, 1.0, 5.0, 20.0, 200.0)


@dataclass
class Moment:
    """Where the runs are in one minute, for scenarios that depend on it."""

    minute: int
    since_step: Array
    since_promotion: Array
    planned: int


Rates = Callable[[np.random.Generator, int, int], Callable[[Moment], tuple[Array, Array]]]
"""(rng, runs, minutes) -> moment -> (failure rates of the candidate, of the baseline)."""


@dataclass(frozen=True)
class Workload:
    """A scenario.

    Attributes:
        name: as in statistics.md §3.12.
        rates: failure rates.
        past: failure rates of the history, (rng, runs) -> runs × 180.
        quiet: the history has 1/quiet of the traffic.
        batch: failures arrive in batches of so many requests of one version.
        retries: "", "rerouted" or "sticky": each failing request is tried five times.
        fading: the traffic falls to this share until the end of the plan.
        why: what a cell that stays above the goal has to do with it.
    """

    name: str
    rates: Rates
    past: Callable[[np.random.Generator, int], Array]
    quiet: float = 1.0
    batch: int = 1
    retries: str = ""
    fading: float = 1.0
    why: str = ""
    settings: Settings = field(default_factory=Settings)


def constant(candidate: float, baseline: float, onset: int = 0) -> Rates:
    def rates(_rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
        return lambda m: (
            np.full(runs, candidate if m.minute >= onset else baseline),
            np.full(runs, baseline),
        )

    return rates


def flat(rate: float) -> Callable[[np.random.Generator, int], Array]:
    return lambda _rng, runs: np.full((runs, HISTORY), rate)


def beta(rng: np.random.Generator, rate: float, icc: float, shape: tuple[int, ...]) -> Array:
    total = 1 / icc - 1
    return rng.beta(rate * total, (1 - rate) * total, shape)


def each_minute(draw: Callable[[np.random.Generator, tuple[int, ...]], Array]) -> tuple[Rates, Callable[..., Array]]:
    """Both versions drawn apart each minute, and a history of the same kind."""

    def rates(rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
        return lambda _m: (draw(rng, (runs,)), draw(rng, (runs,)))

    return rates, lambda rng, runs: draw(rng, (runs, HISTORY))


def clustered(rate: float, icc: float) -> tuple[Rates, Callable[..., Array]]:
    return each_minute(lambda rng, shape: beta(rng, rate, icc, shape))


def wandering(shared: bool) -> tuple[Rates, Callable[..., Array]]:
    """Logit rate around 2 %, AR(1) with 0.9 and standard deviation 0.5."""
    middle = math.log(0.02 / 0.98)

    def expit(z: Array) -> Array:
        return 1 / (1 + np.exp(-(middle + 0.5 * z)))

    def walk(rng: np.random.Generator, z: Array) -> Array:
        return 0.9 * z + math.sqrt(1 - 0.81) * rng.normal(size=z.shape)

    def past(rng: np.random.Generator, runs: int) -> Array:
        z = rng.normal(size=runs)
        columns = []
        for _ in range(HISTORY):
            z = walk(rng, z)
            columns.append(expit(z))
        return np.stack(columns, 1)

    def rates(rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
        state = [rng.normal(size=runs), rng.normal(size=runs)]

        def at(_m: Moment) -> tuple[Array, Array]:
            state[0], state[1] = walk(rng, state[0]), walk(rng, state[1])
            baseline = expit(state[0])
            return (baseline if shared else expit(state[1])), baseline

        return at

    return rates, past


def drift(_rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
    def at(m: Moment) -> tuple[Array, Array]:
        rate = np.full(runs, 0.01 + 0.035 * min(1.0, m.minute / max(1, m.planned)))
        return rate, rate

    return at


def outage(minutes: int, during: float, factor: float = 1.0, calm: float = 0.01, better: float = 1.0) -> Rates:
    """`minutes` at a random time of the plan at which the baseline fails `during`, the candidate `factor` times that."""

    def rates(rng: np.random.Generator, runs: int, planned: int) -> Callable[[Moment], tuple[Array, Array]]:
        begin = rng.integers(0, max(1, planned - minutes), runs)

        def at(m: Moment) -> tuple[Array, Array]:
            inside = (m.minute >= begin) & (m.minute < begin + minutes)
            return np.where(inside, factor * during, calm * better), np.where(inside, during, calm)

        return at

    return rates


def after_promotion(minutes: int, during: float) -> Rates:
    def rates(_rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
        def at(m: Moment) -> tuple[Array, Array]:
            inside = (m.since_promotion >= 1) & (m.since_promotion < 1 + minutes)
            rate = np.where(inside, during, 0.01)
            return rate, rate

        return at

    return rates


def cold(rate: float, minutes: int) -> Rates:
    def rates(_rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
        return lambda m: (np.where(m.since_step < minutes, rate, 0.01), np.full(runs, 0.01))

    return rates


def leak(_rng: np.random.Generator, runs: int, _minutes: int) -> Callable[[Moment], tuple[Array, Array]]:
    return lambda m: (np.full(runs, 0.2 * min(1.0, m.minute / max(1, m.planned - 1))), np.full(runs, 0.0001))


def scenarios() -> list[Workload]:
    def both(name: str, pair: tuple[Rates, Callable[..., Array]], **more: object) -> Workload:
        return Workload(name, *pair, **more)  # type: ignore[arg-type]

    def calm(name: str, rate: float, **more: object) -> Workload:
        return Workload(name, constant(rate, rate), flat(rate), **more)  # type: ignore[arg-type]

    bursts = (
        "two such minutes in a row on one version are a crash; a history with few of them doesn't show that they recur"
    )
    blip = each_minute(lambda rng, shape: np.where(rng.random(shape) < 0.03, 0.6, 0.01))
    own = "each version's rate really wanders by itself: a difference that lasts minutes is one"
    start = "errors of cold starts look like a regression to counts: `warm_up`, below"
    return [
        *(calm(f"{rate:g} %", rate / 100) for rate in (0, 0.1, 1, 3, 4.5)),
        both("1 %, icc .05", clustered(0.01, 0.05)),
        both("4 %, icc .02", clustered(0.04, 0.02)),
        both("blips", blip, why=bursts),
        both("AR(1), shared", wandering(shared=True)),
        both("AR(1), each its own", wandering(shared=False), why=own),
        Workload("drift 1 → 4.5 %", drift, flat(0.01)),
        both("night ÷2, 4 %, icc .02", clustered(0.04, 0.02), quiet=2),
        both("night ÷4, 4 %, icc .02", clustered(0.04, 0.02), quiet=4),
        both("night ÷4, 1 %, icc .02", clustered(0.01, 0.02), quiet=4),
        calm("traffic falls to 1/5", 0.01, fading=0.2),
        calm("batches of 5, 1 %", 0.01, batch=5),
        calm("batches of 10, 1 %", 0.01, batch=10, why="three hours at little traffic hold too few batches to measure"),
        calm("batches of 30, 1 %", 0.01, batch=30, why="three hours at little traffic hold too few batches to measure"),
        calm("batches of 30, 2 %", 0.02, batch=30, why="three hours at little traffic hold too few batches to measure"),
        calm("5 tries, rerouted", 0.01, retries="rerouted"),
        calm("5 tries, sticky", 0.01, retries="sticky"),
        Workload("outage 2 min 30 %", outage(2, 0.3), flat(0.01)),
        Workload("outage 5 min 30 %", outage(5, 0.3), flat(0.01), why="the limit is broken for longer than the grace"),
        Workload(
            "outage 10 min 30 %", outage(10, 0.3), flat(0.01), why="the limit is broken for longer than the grace"
        ),
        Workload("outage 2 min 60 %", outage(2, 0.6), flat(0.01)),
        Workload("outage in the post-bake", after_promotion(2, 0.3), flat(0.01)),
        Workload(
            "brownout 5 min 6 %, ×1.4",
            outage(5, 0.06, 1.4),
            flat(0.01),
            why="the candidate breaks the limit and is 1.4 times worse",
        ),
        Workload(
            "brownout 10 min 4 %, ×1.4",
            outage(10, 0.04, 1.4),
            flat(0.01),
            why="the candidate breaks the limit and is 1.4 times worse",
        ),
        Workload("cold errors 8 %, 2 min", cold(0.08, 2), flat(0.01), why=start),
        Workload("cold errors 8 %, 5 min", cold(0.08, 5), flat(0.01), why=start),
        Workload(
            "0.3 % beside 0.1 %, outage", outage(2, 0.3, 1.0, 0.001, 3.0), flat(0.001), settings=Settings(floor=0.01)
        ),
        Workload("bad client, 3 % beside 1 %", constant(0.03, 0.01), flat(0.01), why="by counts it is a regression"),
    ]


@dataclass
class Outcome:
    """What happened in every run.

    Attributes:
        rolled_back: minute of the rollback, from 1; NEVER where there was none.
        by: 1 regression, 2 crash, 3 shared incident.
        promoted: minute of the promotion, from 1.
        failed: failed requests of the candidate from the onset until the rollback or the end.
    """

    rolled_back: Array
    by: Array
    promoted: Array
    failed: Array
    requests: list[tuple[Array, Array, Array, Array]]


def play(
    workload: Workload,
    plan: Plan,
    per_s: float,
    runs: int,
    seed: int,
    *,
    settings: Settings | None = None,
    full_length: bool = True,
    outage_before: tuple[int, float] | None = None,
    onset: int = 0,
    extra: int = 0,
    keep: bool = False,
) -> Outcome:
    """Runs canaries under one plan.

    Args:
        full_length: every step lasts its whole bake and is left whatever the evidence (the worst case for false
            rollbacks); otherwise a step ends as soon as health is shown, and holds up to 30 minutes where it isn't.
        outage_before: minutes and rate of an outage two hours before the start.
        onset: from when failures are counted.
        extra: minutes for which the last step goes on, a paused canary.
        keep: keep the counts of every minute of the plan, whoever was rolled back: what other rules are shown.
    """
    rng = np.random.default_rng([seed, int(per_s * 10), sum(map(ord, workload.name)), len(plan)])
    total = per_s * 60
    past = workload.past(rng, runs)
    if outage_before is not None:
        past = past.copy()
        past[:, 60 : 60 + outage_before[0]] = outage_before[1]
    n, x = draw(rng, np.full((runs, HISTORY), total / workload.quiet), past, workload)
    judge = Judge(read_history(n, x), settings or workload.settings)
    planned = sum(bake for _, bake in plan) + extra
    minutes = planned + POST_BAKE + (0 if full_length else HOLD * len(plan))
    at = workload.rates(rng, runs, planned)
    weights = np.array([weight for weight, _ in plan] + [1.0])
    bakes = np.array([bake for _, bake in plan[:-1]] + [plan[-1][1] + extra, POST_BAKE])
    step, since = np.zeros(runs, int), np.zeros(runs, int)
    since_promotion = np.full(runs, -1)
    rolled_back, promoted, by = np.full(runs, NEVER), np.full(runs, NEVER), np.zeros(runs, int)
    done = np.zeros(runs, bool)
    failed = np.zeros(runs)
    kept = []
    for minute in range(minutes):
        weight = weights[step]
        p_c, p_b = at(Moment(minute, since, since_promotion, planned))
        load = total * (1 - (1 - workload.fading) * min(1.0, minute / max(1, planned)))
        counts = split(rng, load, weight, p_c, p_b, workload)
        if keep:
            kept.append(counts)
        failed += np.where(done | (minute < onset), 0.0, counts[1])
        warming = since < judge.settings.warm_up
        regressed, crashed, lasting = judge.see(counts, warming)
        unhealthy = regressed | crashed | lasting
        fresh = unhealthy & ~done
        rolled_back = np.where(fresh, minute + 1, rolled_back)
        by = np.where(fresh, np.where(crashed, 2, np.where(regressed, 1, 3)), by)
        since = since + 1
        if full_length:
            ready = since >= bakes[step]
        else:
            ready = judge.healthy() & (since >= np.minimum(MIN_BAKE, bakes[step]))
            ready = np.where(step == len(plan), since >= POST_BAKE, ready)
            stuck = (step < len(plan)) & (since >= bakes[step] + HOLD) & ~ready
            done = done | stuck
        done = done | unhealthy
        promoted = np.where(ready & ~done & (step == len(plan) - 1), minute + 1, promoted)
        done = done | (ready & (step == len(plan)))
        moves = ready & ((step < len(plan)) if keep else ~done)
        step, since = np.where(moves, step + 1, step), np.where(moves, 0, since)
        since_promotion = np.where(step == len(plan), since_promotion + 1, -1)
        judge.restart_proof(moves)
        if done.all() and not keep:
            break
    return Outcome(rolled_back, by, promoted, failed, kept)


def draw(rng: np.random.Generator, mean: Array, rate: Array, workload: Workload) -> tuple[Array, Array]:
    """Requests and failed ones of one version."""
    if workload.retries:
        events = rng.poisson(mean * rate)
        return (rng.poisson(mean * (1 - rate)) + 5 * events).astype(float), (5 * events).astype(float)
    bad = workload.batch * rng.poisson(mean * rate / workload.batch)
    return (rng.poisson(mean * (1 - rate)) + bad).astype(float), bad.astype(float)


def split(
    rng: np.random.Generator, load: float, weight: Array, p_c: Array, p_b: Array, workload: Workload
) -> tuple[Array, Array, Array, Array]:
    if workload.retries == "rerouted":
        tries = 5 * rng.poisson(load * p_c)
        x_c = rng.binomial(tries, weight).astype(float)
        x_b = tries - x_c
        n_c = x_c + rng.poisson(load * weight * (1 - p_c))
        return n_c, x_c, x_b + rng.poisson(load * (1 - weight) * (1 - p_b)), x_b
    n_c, x_c = draw(rng, load * weight, p_c, workload)
    n_b, x_b = draw(rng, load * (1 - weight), p_b, workload)
    return n_c, x_c, n_b, x_b


def clopper_pearson(events: int, runs: int, alpha: float = 0.05) -> tuple[float, float]:
    """Two-sided bounds of a share, by bisection on the binomial tails."""

    def tail_below(p: float, k: int) -> float:
        if p <= 0:
            return 1.0
        if p >= 1:
            return 1.0 if k >= runs else 0.0
        logs = [
            math.lgamma(runs + 1)
            - math.lgamma(i + 1)
            - math.lgamma(runs - i + 1)
            + i * math.log(p)
            + (runs - i) * math.log1p(-p)
            for i in range(max(0, k - 400), k + 1)
        ]
        top = max(logs)
        return math.exp(top) * math.fsum(math.exp(value - top) for value in logs)

    def solve(target: float, k: int) -> float:
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if tail_below(middle, k) > target else (low, middle)
        return (low + high) / 2

    lower = 0.0 if events == 0 else solve(1 - alpha / 2, events - 1)
    upper = 1.0 if events == runs else solve(alpha / 2, events)
    return lower, upper
