"""What a plan would do: the shipped judge and machine with synthetic traffic, in virtual time, many times over.

`compare` simulates releases and answers how often they were promoted and rolled back, after how many minutes, and how
many requests failed until then. Nothing here touches AWS.
"""

from __future__ import annotations

from canary.simulator.counts import Burst, Scenario, SyntheticTraffic
from canary.simulator.play import Ending, play
from canary.simulator.ports import Simulation
from canary.simulator.power import Power, power_of
from canary.simulator.releases import (
    RUNS,
    Comparison,
    Spread,
    Summary,
    affordable_runs,
    compare,
    healthy_count,
    release,
)
from canary.simulator.replay import Replayed, replay
from canary.simulator.users import Users, UserTraffic

__all__ = [
    "RUNS",
    "Burst",
    "Comparison",
    "Ending",
    "Power",
    "Replayed",
    "Scenario",
    "Simulation",
    "Spread",
    "Summary",
    "SyntheticTraffic",
    "UserTraffic",
    "Users",
    "affordable_runs",
    "compare",
    "healthy_count",
    "play",
    "power_of",
    "release",
    "replay",
]
