"""What a plan would do: the shipped runner with synthetic traffic, in virtual time, many times over.

`compare` simulates releases and answers how often they were promoted and rolled back, after how many minutes, and how
many requests failed until then. Nothing here touches AWS.
"""

from __future__ import annotations

from canary.simulator.counts import Burst, Scenario, SyntheticTraffic
from canary.simulator.ports import Simulation
from canary.simulator.releases import Comparison, Ending, Spread, Summary, compare, healthy_count, release
from canary.simulator.replay import Replayed, replay

__all__ = [
    "Burst",
    "Comparison",
    "Ending",
    "Replayed",
    "Scenario",
    "Simulation",
    "Spread",
    "Summary",
    "SyntheticTraffic",
    "compare",
    "healthy_count",
    "release",
    "replay",
]
