"""Asks before the release: would this plan see 5 % failing requests, and does a larger first step see them sooner?"""

from __future__ import annotations

import canary
from canary import comparison_lines

PLAN = """
[stages.careful]
functions = ["api:live"]
steps = [10, 25, 50]
bake = "10m"

[stages.brisk]
functions = ["api:live"]
steps = [25, 50]
bake = "10m"
"""


def main() -> None:
    plan = canary.Plan.parse(PLAN)
    scenario = canary.Scenario(candidate_errors=0.05, baseline_errors=0.005, requests_per_s=5)
    for name in plan.stages:
        found = canary.compare(plan.stage(name), scenario, runs=20, seed=1)
        print(*comparison_lines(found), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
