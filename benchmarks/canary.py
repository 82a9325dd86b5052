"""How often healthy releases are rolled back, and how fast regressions are, by our judge and by other tools' rules.

    python -m benchmarks canary [--runs 1000] [--seed 1] [--full]

The judge's rules run over many canaries at once (`releases/engine.py`, held to the shipped ones by a test); every rule sees the same
minutes. `--full` is 10,000 runs a cell.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from benchmarks.plot import scatter
from benchmarks.releases.battery import (
    LARGER,
    NEVER,
    PLANS,
    STEPPED,
    TRAFFIC,
    Outcome,
    Plan,
    Workload,
    clopper_pearson,
    clustered,
    constant,
    flat,
    leak,
    play,
    scenarios,
)
from benchmarks.releases.engine import LIMIT, Judge, Settings, read_history
from benchmarks.releases.little import little_traffic
from benchmarks.releases.rules import RIVALS
from benchmarks.report import DOCS, machine, table, write
from canary import runner
from canary.core.measurements import MINUTE, MinuteCounts, Observations, Stream, StreamKey, WeightChange
from canary.core.phases import Phase
from canary.core.plan import Plan as CanaryPlan
from canary.core.verdict import judge
from canary.simulator.counts import CANDIDATE, Scenario, SyntheticTraffic
from canary.simulator.ports import Simulation
from canary.simulator.releases import playable

FIRST = next(iter(PLANS))
PICTURED = ("1 %", "3 %", "4.5 %", "4 %, icc .02", "outage 2 min 30 %")
GOAL = 0.005
OURS = "canary"


def share(mask: np.ndarray) -> float:
    return float(mask.mean())


def percent(value: float) -> str:
    if value == 0:
        return "0"
    return f"{100 * value:.0f}" if value >= 0.0995 else f"{100 * value:.2g}"


def false_rollbacks(workload: Workload, runs: int, seed: int, settings: Settings | None = None) -> list[float]:
    """The largest share over the plans, for each level of traffic."""
    return [
        max(
            share(play(workload, plan, level, runs, seed, settings=settings).rolled_back < NEVER)
            for plan in PLANS.values()
        )
        for level in TRAFFIC
    ]


def endings(workload: Workload, runs: int, seed: int) -> Iterator[str]:
    for level in TRAFFIC:
        yield ends(workload, PLANS[FIRST], level, runs, seed)


def ends(workload: Workload, plan: Plan, level: float, runs: int, seed: int, **more: object) -> str:
    """How canaries end that advance as soon as health is shown: promoted / inconclusive / rolled back in %."""
    out = play(workload, plan, level, runs, seed, full_length=False, **more)  # type: ignore[arg-type]
    back = out.rolled_back < NEVER
    promoted = (out.promoted < NEVER) & ~back
    return f"{percent(share(promoted))} / {percent(share(~back & ~promoted))} / {percent(share(back))}"


def battery(runs: int, seed: int) -> tuple[str, list[str]]:
    heads = ["scenario", *(f"{level:g} rps" for level in TRAFFIC), "why above 0.5 %"]
    rows, finished, worst = [], [], []
    for workload in scenarios():
        shares = false_rollbacks(workload, runs, seed)
        print(f"{workload.name}: {[percent(value) for value in shares]}", file=sys.stderr)
        above = max(shares) > GOAL
        rows.append([workload.name, *(f"{percent(value)} %" for value in shares), workload.why if above else ""])
        finished.append([workload.name, *endings(workload, max(200, runs // 4), seed)])
        worst += [share_ for share_ in shares if not workload.why]
    special = {workload.name: workload for workload in scenarios()}
    for name in (
        "outage 2 min 30 %",
        "outage 5 min 30 %",
        "outage 10 min 30 %",
        "outage 2 min 60 %",
        "outage in the post-bake",
    ):
        for policy in ("hold", "rollback"):
            shares = false_rollbacks(special[name], runs, seed, Settings(shared=policy))
            rows.append([f'{name}, `shared_incident = "{policy}"`', *(f"{percent(value)} %" for value in shares), ""])
    for name, minutes in (("cold errors 8 %, 2 min", 2), ("cold errors 8 %, 5 min", 5)):
        shares = false_rollbacks(special[name], runs, seed, Settings(warm_up=minutes))
        rows.append([f'{name}, `warm_up = "{minutes}m"`', *(f"{percent(value)} %" for value in shares), ""])
    upper = clopper_pearson(round(max(worst) * runs), runs)[1]
    summary = (
        f"Worst healthy cell without a reason in the last column: {percent(max(worst))} % of {runs:,} runs "
        f"(95 % interval up to {100 * upper:.2g} %); a cell of 0 means at most {100 * clopper_pearson(0, runs)[1]:.2g} %.\n"
    )
    return table(heads, rows) + "\n" + summary, [
        table(["scenario", *(f"{level:g} rps" for level in TRAFFIC)], finished)
    ]


def bad(candidate: float, baseline: float, onset: int = 0) -> Workload:
    return Workload(
        f"{baseline:g} → {candidate:g}", constant(candidate / 100, baseline / 100, onset), flat(baseline / 100)
    )


SLOW = Settings(from_history=3.0, floor=0.025, warm_up=5)
"""The latency gate: p95, with its warm-up."""

REGRESSIONS: tuple[tuple[str, Workload, Plan, float, dict[str, object]], ...] = (
    ("1 → 10 %", bad(10, 1), STEPPED, 0.2, {}),
    ("1 → 30 %", bad(30, 1), STEPPED, 0.2, {}),
    ("1 → 6 %", bad(6, 1), STEPPED, 1.0, {}),
    ("1 → 10 %", bad(10, 1), STEPPED, 1.0, {}),
    ("1 → 10 %, first weight 35 %", bad(10, 1), LARGER, 1.0, {}),
    ("1 → 100 %", bad(100, 1), STEPPED, 1.0, {}),
    ("1 → 10 % from minute 13", bad(10, 1, 12), STEPPED, 1.0, {"onset": 12}),
    ("0 → 20 % leak", Workload("leak", leak, flat(0.0001)), STEPPED, 1.0, {}),
    ("1 → 3 %", bad(3, 1), STEPPED, 10.0, {}),
    ("1 → 10 %", bad(10, 1), STEPPED, 10.0, {}),
    ("4 → 10 %", bad(10, 4), STEPPED, 10.0, {}),
    ("0.1 → 3 %", bad(3, 0.1), STEPPED, 10.0, {}),
    ("0.1 → 1.5 %", bad(1.5, 0.1), STEPPED, 10.0, {}),
    ("0.01 → 0.9 %", bad(0.9, 0.01), STEPPED, 20.0, {}),
    ("1 → 10 %", bad(10, 1), STEPPED, 100.0, {}),
    ("1 → 10 %, history with 1 min at 30 %", bad(10, 1), STEPPED, 10.0, {"outage_before": (1, 0.3)}),
    ("1 → 10 %, history with 5 min at 50 %", bad(10, 1), STEPPED, 10.0, {"outage_before": (5, 0.5)}),
    ("1 → 10 %, history with 30 min at 50 %", bad(10, 1), STEPPED, 10.0, {"outage_before": (30, 0.5)}),
    ("1 → 10 %, history with 5 min at 50 %", bad(10, 1), STEPPED, 100.0, {"outage_before": (5, 0.5)}),
    ("1 → 10 % from minute 300, paused at 50 %", bad(10, 1, 300), STEPPED, 10.0, {"onset": 300, "extra": 280}),
    ("1 → 10 % from minute 300, paused at 10 %", bad(10, 1, 300), ((0.10, 30),), 10.0, {"onset": 300, "extra": 280}),
    ("0.5 → 10 % slow, latency", bad(10, 0.5), STEPPED, 10.0, {"settings": SLOW}),
    (
        "0.5 → 10 % slow, latency, from minute 300",
        bad(10, 0.5, 300),
        STEPPED,
        10.0,
        {"onset": 300, "extra": 280, "settings": SLOW},
    ),
    ("4 → 10 %, both icc .02", Workload("c", *clustered(0.04, 0.02)), STEPPED, 10.0, {"rate": 0.10}),
)


def oracle(out: Outcome, candidate: float, baseline: float, onset: int) -> list[int]:
    """Knows both rates and the onset: a likelihood ratio against "as bad as 1.1 times the baseline", bound 100."""
    null = min(1.1 * baseline, 0.5)
    rate = min(candidate, 0.999)
    found = []
    for run in range(len(out.failed)):
        evidence, minute = 0.0, NEVER
        for index in range(onset, len(out.requests)):
            n, x = out.requests[index][0][run], out.requests[index][1][run]
            evidence += x * math.log(rate / null) + (n - x) * math.log((1 - rate) / (1 - null))
            if evidence >= math.log(100):
                minute = index + 1
                break
        found.append(minute)
    return found


def measured(minutes: np.ndarray, failed: np.ndarray, onset: int) -> str:
    ok = (minutes < NEVER) & (minutes > onset)
    early = share(minutes <= onset)
    if early > 0.02:
        return f"too early {100 * early:.0f} %"
    if not ok.any():
        return f"0 %, {failed.mean():,.0f} f"
    text = f"{(minutes[ok] - onset).mean():.1f} min, {failed.mean():,.0f} f"
    return text if share(ok) > 0.995 else f"{100 * share(ok):.0f} % {text}"


def detection(runs: int, seed: int) -> str:
    names = [OURS, "promoted / inconclusive / rolled back", "oracle", *RIVALS]
    rows = []
    ratios = []
    for label, given, plan, level, options in REGRESSIONS:
        workload, more = given, dict(options)
        rate = more.pop("rate", None)
        if rate is not None:
            rate_draw = clustered(float(rate), 0.02)[0]  # type: ignore[arg-type]
            base = workload

            def both(
                rng: np.random.Generator, count: int, planned: int, base: Workload = base, worse: object = rate_draw
            ) -> Callable[..., object]:
                first, second = worse(rng, count, planned), base.rates(rng, count, planned)  # type: ignore[operator]
                return lambda m: (first(m)[0], second(m)[1])

            workload = Workload("clustered", both, workload.past)  # type: ignore[arg-type]
        onset = int(more.get("onset", 0))  # type: ignore[call-overload]
        out = play(workload, plan, level, runs, seed, keep=True, **more)  # type: ignore[arg-type]
        how = "–" if more.get("extra") else ends(workload, plan, level, max(100, runs // 4), seed, **more)
        cells = [f"{level:g} rps", label, measured(out.rolled_back, out.failed, onset), how]
        baseline, candidate = (float(word.rstrip("%,")) / 100 for word in (label.split()[0], label.split()[2]))
        few = range(min(runs, 100))
        if "leak" in label or "icc" in label or "slow" in label:
            cells.append("–")
        else:
            known = np.array(oracle(out, candidate, max(baseline, 1e-4), onset))
            cells.append(measured(known, out.failed, onset).split(",")[0])
            mine = out.rolled_back
            if share(mine < NEVER) > 0.95:
                ratios.append(
                    ((mine[mine < NEVER] - onset).mean() / (known[known < NEVER] - onset).mean(), label, level)
                )
        for rule in RIVALS.values():
            if len(out.requests) > 60:  # rules that look at all minutes each time would take hours
                cells.append("–")
                continue
            minutes, failed = [], []
            for run in few:
                seen = [
                    tuple(int(column[run]) for column in minute) for minute in out.requests[: len(out.requests) - 5]
                ]
                stop = rule(seen)  # type: ignore[arg-type]
                minutes.append(NEVER if stop is None else stop + 1)
                failed.append(sum(row[1] for row in seen[onset : None if stop is None else stop + 1]))
            cells.append(measured(np.array(minutes), np.array(failed), onset))
        rows.append(cells)
        print(f"{label} at {level:g} rps: {cells[2]}", file=sys.stderr)
    ratio, label, level = max(ratios)
    return (
        table(["traffic", "baseline → candidate", *names], rows)
        + f"\nWorst ratio to the oracle: {ratio:.1f} ({label} at {level:g} rps). The oracle knows both rates and the onset. A rule that doesn't know the onset pays for each minute that it might have been: "
        "at minute 13 of 67 a factor of 180, at minute 300 of 13,000. One that doesn't know the baseline's rate pays for comparing with it.\n"
    )


def rivals_false(runs: int, seed: int) -> str:
    rows = []
    for workload in scenarios():
        for level in (1.0, 20.0):
            out = play(workload, PLANS[FIRST], level, runs, seed, keep=True)
            how = ends(workload, PLANS[FIRST], level, max(100, runs), seed)
            cells = [workload.name, f"{level:g} rps", f"**{percent(share(out.rolled_back < NEVER))} %**", how]
            for rule in RIVALS.values():
                stopped = sum(
                    rule([tuple(int(column[run]) for column in minute) for minute in out.requests[:-5]]) is not None  # type: ignore[arg-type]
                    for run in range(runs)
                )
                cells.append(f"{percent(stopped / runs)} %")
            rows.append(cells)
    return table(["scenario", "traffic", OURS, "promoted / inconclusive / rolled back", *RIVALS], rows)


def worst_nulls(runs: int, seed: int) -> str:
    """The edges of the null hypothesis, where the probability of a false rollback is largest: at most 1 %."""
    rng = np.random.default_rng(seed)

    def crossed(rates: Callable[[int], tuple[float, float]], n_c: int, n_b: int, minutes: int = 40) -> float:
        past = np.full((runs, 180), 600.0)
        ours = Judge(read_history(past, past * 0 + 30.0), Settings(horizon=minutes))  # 5 %: the limit is the gate's
        ever = np.zeros(runs, bool)
        for minute in range(minutes):
            p_c, p_b = rates(minute)
            counts = tuple(
                np.asarray(value, float)
                for value in (
                    np.full(runs, n_c),
                    rng.binomial(n_c, p_c, runs),
                    np.full(runs, n_b),
                    rng.binomial(n_b, p_b, runs),
                )
            )
            ever |= ours.see(counts, np.zeros(runs, bool))[0]  # type: ignore[arg-type]
        return share(ever)

    cases = {
        "candidate at the limit, baseline at 0.1 %": lambda _m: (LIMIT, 0.001),
        "baseline at 30 %, candidate at 1.1 times that": lambda _m: (0.33, 0.30),
        "baseline at 6 %, candidate at 1.1 times that": lambda _m: (0.066, 0.06),
        "one or the other, changing every ten minutes": lambda m: (0.33, 0.30) if m // 10 % 2 else (LIMIT, 0.001),
        "one or the other, changing every minute (within blocks: not covered by the proof)": lambda m: (
            (0.33, 0.30) if m % 2 else (LIMIT, 0.001)
        ),
    }
    rows = []
    for name, rates in cases.items():
        cells = [crossed(rates, n_c, n_b) for n_c, n_b in ((6, 54), (60, 540), (600, 5400), (300, 300))]
        rows.append([name, *(f"{100 * value:.2f} %" for value in cells)])
    return table(["null", "6 + 54 requests a minute", "60 + 540", "600 + 5,400", "300 + 300"], rows)


TICK = """
[stages.staging]
functions = [{functions}]
[stages.staging.gates]
errors = {{ limit_percent = 5 }}
{more}
"""


def tick_cost(functions: int, gates: int, minutes: int) -> tuple[float, float, float]:
    """CPU seconds of a driver's first judgement and of a later one, and MiB; each stream has three hours of history."""
    import tracemalloc

    rng = random.Random(1)
    names = [f"f{number}:live" for number in range(functions)]
    more = "\n".join(f'g{number} = {{ kind = "emf", namespace = "n{number}" }}' for number in range(gates - 2))
    stage = CanaryPlan.parse(TICK.format(functions=", ".join(f'"{name}"' for name in names), more=more)).stage(
        "staging"
    )
    began = datetime(2026, 1, 5, 10, tzinfo=UTC)

    def counts() -> tuple[int, int, int, int]:
        x_c, x_b = sum(rng.random() < 0.01 for _ in range(60)), sum(rng.random() < 0.01 for _ in range(540))
        return 60, x_c, 540, x_b

    some = [counts() for _ in range(200)]

    def stream(function: str, gate: str) -> Stream:
        rows = [MinuteCounts(began + MINUTE * number, *rng.choice(some)) for number in range(minutes)]
        past = [
            MinuteCounts(began - MINUTE * (180 - number), 0, 0, 600, rng.choice((4, 5, 6, 7, 8)))
            for number in range(180)
        ]
        return Stream(StreamKey(function, gate), tuple(rows), tuple(past))

    seen = Observations(streams=tuple(stream(name, gate) for gate in stage.gates for name in names))
    changes = (WeightChange(began, Decimal(10)),)
    now = began + MINUTE * (minutes + 3)
    spent = []
    for minute in range(3):
        started = time.process_time()
        judge(stage, seen, changes, now - MINUTE * (2 - minute))  # as ticks do: one more minute each time
        spent.append(time.process_time() - started)
    tracemalloc.start()
    judge(stage, seen, changes, now)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return spent[0], min(spent[1:]), peak


CLOCK = """
[stages.staging]
functions = ["backend:live"]
steps = [10, 50]
bake = "10m"
"""
CLOUDWATCH_S = 85
"""The stand-in's last request of a minute becomes visible 60 to 90 s after the minute's end."""


def on_the_clock(runs: int, seed: int) -> str:
    """Minutes from the first traffic to the rollback with the shipped driver, the delay of CloudWatch included."""
    stage, _ = playable(CanaryPlan.parse(CLOCK).stage("staging"))
    rows = []
    for failing in (0.12, 0.5, 1.0):
        for per_minute in (15, 30, 60):
            found = []
            for number in range(runs):
                scenario = Scenario(failing, requests_per_s=per_minute / 6)
                simulation = Simulation(stage, SyntheticTraffic(scenario, f"{seed}/{number}"))
                simulation.metrics.delay = timedelta(seconds=CLOUDWATCH_S)
                simulation.clock.sleep(60 * number / runs)  # a canary may begin at any second
                ports = simulation.ports()
                state = runner.start(stage, ports, versions={"": CANDIDATE}, canary_id="simulated")
                state = runner.run(stage, ports, state)
                if state.phase is Phase.ROLLED_BACK:
                    found.append((state.shifts[-1].at - state.shifts[0].at) / MINUTE)
            middle, late = np.quantile(found, (0.5, 0.9))
            cells = (
                f"{np.mean(found):.1f}",
                f"{middle:.1f}",
                f"{late:.1f}",
                f"{100 * np.mean(np.array(found) <= 5):.0f} %",
            )
            rows.append([f"{100 * failing:g} %", f"{per_minute}", f"{100 * len(found) / runs:.0f} %", *cells])
    return table(["candidate", "its requests a minute", "found", "mean", "median", "90 %", "within 5 min"], rows)


def picture(level: float, runs: int, seed: int) -> str:
    """The worst share of false rollbacks against the minutes to find a candidate that fails 10 %."""
    found = play(bad(10, 1), STEPPED, level, runs, seed, keep=True)
    workloads = [workload for workload in scenarios() if workload.name in PICTURED]
    plays = [play(workload, STEPPED, level, runs, seed, keep=True) for workload in workloads]
    points = []
    for name, rule in {OURS: None, **RIVALS}.items():
        if rule is None:
            minutes = found.rolled_back
            worst = max(share(out.rolled_back < NEVER) for out in plays)
        else:
            stops = [_stop(rule, found, run) for run in range(runs)]
            minutes = np.array(stops)
            worst = max(sum(_stop(rule, out, run) < NEVER for run in range(runs)) / runs for out in plays)
        if (minutes < NEVER).any():
            points.append((name, float(minutes[minutes < NEVER].mean()), 100 * worst))
    return scatter(
        f"{level:g} requests per second: lower and further left is better",
        "minutes to find a candidate that fails 10 %",
        "worst share of healthy releases rolled back",
        points,
        OURS,
    )


def _stop(rule: Callable[..., int | None], out: Outcome, run: int) -> int:
    stop = rule([tuple(int(column[run]) for column in minute) for minute in out.requests[:-5]])
    return NEVER if stop is None else stop + 1


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks canary")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="10,000 runs a cell")
    options, _ = parser.parse_known_args(arguments)
    runs = 10_000 if options.full else options.runs
    seed = options.seed
    false, (finished,) = battery(runs, seed)
    few = min(50, runs)
    for level in (1.0, 10.0, 100.0):
        (DOCS / f"canary-{level:g}.svg").write_text(picture(level, few, seed), "utf-8")
    small, large = tick_cost(10, 6, 30), tick_cost(50, 12, 360)
    parts = [
        "# canary beside other rules\n",
        f"Machine: {machine()}. Seed {seed}; {runs:,} runs a cell. One gate on errors with a limit of 5 %, three hours of history, minutes as "
        "CloudWatch counts them; its delay comes on top, for every rule alike. The scenarios are defined in [Statistics of the judge](../facts/statistics.md). "
        "The other rules are emulated from their documentation and source, at their tick of one minute, with 50 to 100 runs a cell.\n",
        "## At a glance\n",
        f"The healthy releases of these pictures: {'; '.join(PICTURED)}. {few} runs each; the table below has every scenario.\n",
        *(
            f"![At {level} requests per second: worst false rollback against minutes to detection](canary-{level}.svg)\n"
            for level in (1, 10, 100)
        ),
        "## False rollbacks\n"
        f"Both versions alike. The largest share over four plans ({'; '.join(PLANS)}), every step at its full length and five minutes of post-bake.\n",
        false,
        "## How healthy canaries end\n"
        f"Promoted / inconclusive / rolled back in %, plan {FIRST}; a step ends when health is shown and holds at most 30 minutes where it isn't.\n",
        finished,
        f"## Regressions\nMean minutes from the onset to the rollback, and failed requests of the candidate (f) until then; a share where not all were found. "
        f"Steps 10, 25, 50 % of ten minutes each at their full length, {min(runs, 1000):,} runs; beside it how canaries end that advance as soon as health is shown.\n",
        detection(min(runs, 1000), seed),
        "## Little traffic\nThe shipped judge with both default gates, promoted / inconclusive / rolled back in %; baseline 1 %. Minutes are those of data: CloudWatch's two come "
        "on top. The last column is the upper bound of the false rollbacks (95 % interval of Clopper and Pearson).\n",
        little_traffic(max(100, min(runs // 2, 1000)), seed),
        f"## The same healthy canaries under other tools' rules\nShare rolled back, plan {FIRST}, {few} runs.\n",
        rivals_false(few, seed),
        f"## Minutes on the clock\nFrom the first traffic to the decision, the shipped driver with the default gates at a weight of 10 %, baseline 1 %, CloudWatch "
        f"complete {CLOUDWATCH_S} s after a minute's end; {min(runs, 120)} runs.\n",
        on_the_clock(min(runs, 120), seed),
        "## The edges of the guarantee\nHow often a regression is found where there is just none, in 20,000 runs of 40 minutes. Guaranteed: at most 1 %.\n",
        worst_nulls(20_000, seed),
        "**Where we lose**: at 1 request per second a moderately bad candidate (3–10 %) is found later than by trigger-happy rules, which pay for it with the "
        "healthy releases they roll back; errors of cold starts roll back unless the plan sets `warm_up`; a candidate just above the limit takes long (6 % against 4 %: 16 minutes at 100 requests a second); where the history shows strong clusters, moderate "
        "regressions take long or aren't found.\n",
        f"## Cost\nCPU of a judgement, the first one of a driver and each later one: 10 functions × 6 gates × 30 minutes {1e3 * small[0]:.0f} and {1e3 * small[1]:.0f} ms, "
        f"{small[2]:.0f} MiB; 50 functions × 12 gates × 6 hours {large[0]:.1f} and {large[1]:.1f} s, {large[2]:.0f} MiB.\n",
    ]
    write("canary.md", "\n".join(parts))


if __name__ == "__main__":
    main(sys.argv[1:])
