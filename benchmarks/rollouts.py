"""Rollouts of a flag to synthetic users: one outcome per user beside a test per request and tests of fixed size.

`python -m benchmarks.rollouts [RUNS]` prints the table of docs/benchmarks/rollouts.md; with its 500 runs (300 of those
with a regression) it takes about twenty minutes of one core. `python -m benchmarks.rollouts processes [RUNS]` counts users
once in each process, as `EmfStore` does, and prints the false rollbacks (statistics.md §4.18).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

from canary.core.measurements import MINUTE, MinuteCounts, Observations, Stream, StreamKey, WeightChange
from canary.core.plan import StagePlan
from canary.core.verdict import Verdict, judge
from canary.simulator.counts import poisson
from canary.simulator.users import Users, UserTraffic
from flagkit.testing.clock import DEFAULT_START as START

MINUTES = 60
LOOK_Z, LOOKS = 2.326, range(1, MINUTES + 1)
"""One-sided 1 %, as the judge promises at all looks together."""
Row = tuple[int, int, int, int]


@dataclass(frozen=True)
class Cell:
    """One scenario."""

    title: str
    users: Users
    failing: tuple[float, float] = (0.0, 0.0)
    requests_per_s: float = 10.0
    shares: tuple[float, ...] = (0.25,)
    is_healthy: bool = True


CELLS = (
    Cell("as described", Users()),
    Cell("1 % of all requests fail, too", Users(), (0.01, 0.01)),
    Cell("5 % of users broken", Users(broken=0.05)),
    Cell("2 requests per second", Users(), requests_per_s=2.0),
    Cell("steps of 5, 25, 50 %", Users(), shares=(0.05, 0.25, 0.5)),
    Cell("+8 % of requests fail", Users(), (0.08, 0.0), is_healthy=False),
    Cell("8 % of users broken by it", Users(broken_by_variant=0.08), is_healthy=False),
    Cell("30 % of its users lost", Users(lost=0.3), is_healthy=False),
)


def _stage(gates: dict[str, object], shares: Sequence[float]) -> StagePlan:
    bake = f"{MINUTES // len(shares)}m"
    steps = [{"weight": 100 * share, "bake": bake} for share in shares]
    table: dict[str, object] = {"functions": ["flag:on"], "steps": steps, "watch_max": "60m", "gates": gates}
    if "outcomes" in gates:
        table["outcomes"] = "csv:simulated"
    else:
        gates["latency"] = False
    return StagePlan.model_validate(table)


def _judged(stage: StagePlan, rows: Sequence[Row], changes: Sequence[WeightChange]) -> tuple[int | None, bool]:
    """The minute in which it would be rolled back, and whether the sample ratio is wrong."""
    name = next(iter(stage.gates))
    minutes = tuple(MinuteCounts(START + MINUTE * index, *row) for index, row in enumerate(rows))
    until = START + MINUTE * len(rows)
    seen = Observations((Stream(StreamKey("flag:on", name), minutes),), settled_until=until)
    found = judge(stage, seen, changes, until + timedelta(minutes=2))
    is_wrong = any(reason.startswith("sample ratio") for reason in found.reasons)
    if found.verdict is Verdict.UNHEALTHY and found.first_seen is not None:
        return (found.first_seen - START) // MINUTE + 1, is_wrong
    return None, is_wrong


def _z(rows: Sequence[Row], minutes: int) -> float:
    """Of two proportions."""
    n_c, x_c, n_b, x_b = (sum(row[index] for row in rows[:minutes]) for index in range(4))
    rate = (x_c + x_b) / (n_c + n_b) if n_c and n_b else 0.0
    deviation = math.sqrt(rate * (1.0 - rate) * (1.0 / n_c + 1.0 / n_b)) if 0.0 < rate < 1.0 else math.inf
    return (x_c / n_c - x_b / n_b) / deviation if n_c and n_b else 0.0


def run(cell: Cell, number: int) -> dict[str, float | None]:
    """One rollout under every rule: the minute of the rollback, or None."""
    seed = f"{cell.title}/{number}"
    traffic, rng = UserTraffic(cell.users, seed), Random(f"{seed}/arrivals")
    each = MINUTES // len(cell.shares)
    by_request: list[Row] = []
    for minute in range(MINUTES):
        share = cell.shares[minute // each]
        traffic.serve(poisson(cell.requests_per_s * 60.0, rng), share, cell.failing, (0.0, 0.0))
        on, off = traffic.requests
        by_request.append((on.requests, on.failed, off.requests, off.failed))
    closed = [traffic.closed(minute) for minute in range(MINUTES)]
    by_user = [(on.requests, on.failed, off.requests, off.failed) for on, off in closed]
    changes = [
        WeightChange(START + MINUTE * each * index, Decimal(str(100 * share)))
        for index, share in enumerate(cell.shares)
    ]
    users, is_wrong = _judged(_stage({"outcomes": {}}, cell.shares), by_user, changes)
    requests, _ = _judged(_stage({"errors": {}}, cell.shares), by_request, changes)
    return {
        "users": users,
        "requests": requests,
        "each look": next((minute for minute in LOOKS if _z(by_user, minute) > LOOK_Z), None),
        "fixed": MINUTES if _z(by_user, MINUTES) > LOOK_Z else None,
        "fixed requests": MINUTES if _z(by_request, MINUTES) > LOOK_Z else None,
        "sample ratio": 0.0 if is_wrong else None,
    }


def table(runs: int) -> Iterator[str]:
    """The rows of the page."""
    for cell in CELLS:
        count = runs if cell.is_healthy else runs * 3 // 5
        found = [run(cell, number) for number in range(count)]
        texts = []
        for rule in ("users", "requests", "each look", "fixed", "fixed requests", "sample ratio"):
            minutes = [minute for each in found if (minute := each[rule]) is not None]
            mean = f", {sum(minutes) / len(minutes):.1f} min" if minutes and rule in ("users", "requests") else ""
            texts.append(f"{len(minutes)}/{count}{'' if cell.is_healthy else mean}")
        yield f"| {cell.title} | {' | '.join(texts)} |"


def by_process(runs: int) -> Iterator[str]:
    """Healthy rollouts whose users are counted once in each process that they meet."""
    for processes in (1, 4, 20):
        for title, users in (("2 % broken", Users()), ("5 % broken", Users(broken=0.05))):
            found = sum(_rolled_back(users, processes, f"emf/{title}/{number}") for number in range(runs))
            yield f"{processes} processes, {title}: {found}/{runs} rolled back"


def _rolled_back(users: Users, processes: int, seed: str) -> bool:
    arrivals, share = Random(seed), 0.25
    met = [UserTraffic(users, seed) for _ in range(processes)]
    for number, traffic in enumerate(met):  # the same users, other requests
        traffic._rng = Random(f"{seed}/requests/{number}")
    for _ in range(MINUTES):
        for traffic in met:
            traffic.serve(poisson(600.0 / processes, arrivals), share, (0.0, 0.0), (0.0, 0.0))
    rows: list[Row] = []
    for minute in range(MINUTES):
        arms = [traffic.closed(minute) for traffic in met]
        on, off = [on for on, _ in arms], [off for _, off in arms]
        users_on, users_off = sum(arm.requests for arm in on), sum(arm.requests for arm in off)
        rows.append((users_on, sum(arm.failed for arm in on), users_off, sum(arm.failed for arm in off)))
    seen, _ = _judged(_stage({"outcomes": {}}, (share,)), rows, [WeightChange(START, Decimal(25))])
    return seen is not None


if __name__ == "__main__":
    if sys.argv[1:2] == ["processes"]:
        for line in by_process(int(sys.argv[2]) if len(sys.argv) > 2 else 200):
            print(line, flush=True)
        sys.exit()
    for line in table(int(sys.argv[1]) if len(sys.argv) > 1 else 500):
        print(line, flush=True)
