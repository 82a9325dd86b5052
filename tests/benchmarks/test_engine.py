"""The rules that the benchmark runs over many canaries at once are the shipped ones."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

np = pytest.importorskip("numpy")

from benchmarks.releases import battery  # noqa: E402
from benchmarks.releases.engine import Judge, Settings, read_history  # noqa: E402
from canary.core.measurements import MinuteCounts, Observations, Stream, StreamKey, WeightChange  # noqa: E402
from canary.core.plan import Plan  # noqa: E402
from canary.core.stats.dispersion import estimate_dispersion  # noqa: E402
from canary.core.verdict import Rule, judge  # noqa: E402

T0 = datetime(2026, 1, 5, 10, tzinfo=UTC)
PLAN = """
[stages.staging]
functions = ["api:live"]
steps = [10, 50]
bake = "10m"
hold_max = "30m"
gates.latency = false
"""
CASES = ("1 %", "3 %", "4 %, icc .02", "batches of 10, 1 %", "outage 2 min 30 %", "bad client, 3 % beside 1 %")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("per_s", [1.0, 20.0])
def test_every_minute_of_both_engines_agrees(name: str, per_s: float) -> None:
    workload = next(workload for workload in battery.scenarios() if workload.name == name)
    stage = Plan.parse(PLAN).stage("staging")
    rng = np.random.default_rng(7)
    runs, minutes = 3, 22
    n, x = battery.draw(rng, np.full((runs, 180), per_s * 60), workload.past(rng, runs), workload)
    ours = Judge(read_history(n, x), Settings(horizon=stage.horizon_minutes))
    at = workload.rates(rng, runs, 20)
    seen: list[list[MinuteCounts]] = [[] for _ in range(runs)]
    regressed = []
    for minute in range(minutes):
        weight = np.full(runs, 0.1 if minute < 10 else 0.5)
        moment = battery.Moment(minute, np.full(runs, minute % 10), np.full(runs, -1), 20)
        counts = battery.split(rng, per_s * 60, weight, *at(moment), workload)
        regressed.append(ours.see(counts, np.zeros(runs, bool))[0])
        for run in range(runs):
            row = (int(column[run]) for column in counts)
            seen[run].append(MinuteCounts(T0 + timedelta(minutes=minute), *row))
    for run in range(runs):
        past = [(int(a), int(b)) for a, b in zip(n[run], x[run], strict=True)]
        assert ours.history.phi[run] == pytest.approx(estimate_dispersion(past).phi)
        history = tuple(
            MinuteCounts(T0 - timedelta(minutes=180 - i), baseline_requests=a, baseline_bad=b)
            for i, (a, b) in enumerate(past)
        )
        stream = Stream(StreamKey("api:live", "errors"), tuple(seen[run]), history)
        weights = (WeightChange(T0, Decimal(10)), WeightChange(T0 + timedelta(minutes=10), Decimal(50)))
        found = judge(stage, Observations(streams=(stream,)), weights, T0 + timedelta(minutes=minutes + 2))
        assert found.evidence[0].regression_limit_ratio == pytest.approx(float(ours.limit[run]))
        assert found.ln_evidence_by_minute[-1] == pytest.approx(float(ours.ln_e[run]), rel=0.05, abs=0.1)
        first = next((minute for minute in range(minutes) if regressed[minute][run]), None)
        if first is not None and found.deciding is Rule.REGRESSION:
            assert found.first_seen is not None
            assert abs((found.first_seen - T0) / timedelta(minutes=1) - first) <= 1


def test_canaries_that_are_alike_are_promoted_and_bad_ones_come_to_nothing() -> None:
    calm = next(workload for workload in battery.scenarios() if workload.name == "1 %")
    plan = battery.PLANS["10, 50 % × 10 min"]
    healthy = battery.play(calm, plan, 20.0, 20, 1, full_length=False)
    assert (healthy.promoted < battery.NEVER).all()
    assert (healthy.rolled_back == battery.NEVER).all()
    bad = battery.Workload("bad", battery.constant(0.2, 0.01), battery.flat(0.01))
    found = battery.play(bad, plan, 20.0, 20, 1, full_length=False)
    assert (found.rolled_back < 4).all()
    assert (found.promoted == battery.NEVER).all()


@pytest.mark.parametrize(("events", "runs", "low", "high"), [(0, 1000, 0.0, 0.00368), (5, 100, 0.0164, 0.1128)])
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(
    events: int, runs: int, low: float, high: float
) -> None:
    assert battery.clopper_pearson(events, runs) == pytest.approx((low, high), abs=2e-4)
    assert battery.clopper_pearson(runs, runs)[1] == 1.0
    assert math.isclose(battery.clopper_pearson(0, runs)[0], 0.0)
