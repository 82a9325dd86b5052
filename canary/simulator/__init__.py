"""What a plan would do: the shipped runner with synthetic traffic, in virtual time, many times over.

`compare` simulates releases and answers how often they were promoted and rolled back, after how many minutes, and how
many requests failed until then. Nothing here touches AWS.
"""

from __future__ import annotations

from canary.simulator.comparison import (
    Comparison,
    Ending,
    Spread,
    Summary,
    compare,
    healthy_count,
    release,
)
from canary.simulator.replay import Replayed, replay
from canary.simulator.scenario import Scenario
from canary.simulator.world import World

__all__ = [
    "Comparison",
    "Ending",
    "Replayed",
    "Scenario",
    "Spread",
    "Summary",
    "World",
    "compare",
    "healthy_count",
    "release",
    "replay",
]
