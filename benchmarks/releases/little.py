"""Releases with little traffic: what a larger first weight and paired probes change, with the shipped judge."""

from __future__ import annotations

from benchmarks.report import table
from canary.core.plan import Plan
from canary.simulator import Scenario, Summary, compare

PLANS = {
    "steps 10, 25, 50 %": "steps = [10, 25, 50]",
    "steps 35, 50 %": "steps = [35, 50]",
    "10, 25, 50 %, 12 probes a minute": "steps = [10, 25, 50]\nprobes = { invoke = {}, per_minute = 12 }",
    "10, 25, 50 %, 60 probes a minute": "steps = [10, 25, 50]\nprobes = { invoke = {} }",
    "35, 50 %, 60 probes a minute": "steps = [35, 50]\nprobes = { invoke = {} }",
}
SETTLE_MIN = 2.0


def endings(summary: Summary) -> str:
    """Promoted / inconclusive / rolled back in percent."""
    shares = (summary.promoted_ratio, summary.inconclusive_ratio, summary.rolled_back_ratio)
    return " / ".join(f"{100 * share:.3g}" for share in shares)


def little_traffic(runs: int, seed: int) -> str:
    """Each plan at 0.2 and 1 requests per second: a new version with 10 % errors, and healthy ones."""
    rows = []
    for per_s in (0.2, 1.0):
        for label, text in PLANS.items():
            stage = Plan.parse(f'[stages.staging]\nfunctions = ["api:live"]\n{text}').stage("staging")
            found = compare(stage, Scenario(0.10, 0.01, per_s), runs=runs, seed=seed)
            bad, healthy = found.summary, found.healthy
            minutes = f"{bad.minutes_to_rollback.mean - SETTLE_MIN:.1f}" if bad.rolled_back_ratio else "–"
            rows.append(
                [
                    f"{per_s:g} rps",
                    label,
                    endings(bad),
                    minutes,
                    f"{bad.failed_requests.mean:.0f}",
                    endings(healthy),
                    f"{100 * healthy.rolled_back_interval[1]:.2g} %",
                ]
            )
    heads = [
        "traffic",
        "plan",
        "10 % errors",
        "minutes of data",
        "failed requests",
        "healthy",
        "false rollbacks at most",
    ]
    return table(heads, rows)
