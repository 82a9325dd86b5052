"""What a plan would do: the shipped runner in an invented world, in virtual time, many times over.

`compare` plays releases and answers how often they were rolled back, after how many minutes, and how many requests
failed until then, beside the rules of other tools in the same worlds. Nothing here touches AWS.
"""

from __future__ import annotations

from canary.simulator.comparison import (
    Comparison,
    Ending,
    Spread,
    Summary,
    compare,
    healthy_count,
    peer_endings,
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
    "peer_endings",
    "release",
    "replay",
]
