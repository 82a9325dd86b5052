"""How fast a version reaches clients: flagkit's two strategies, found by name, and what stands in for them.

AWS's AllAtOnce bakes for ten minutes, in which the next toggle would have to wait, so flagkit has one without a bake
for kill switches, and one that keeps alarms watching for everything else (appconfig.md §7).
"""

from __future__ import annotations

from dataclasses import dataclass

from flagkit.admin.stores.base import Pace
from flagkit.admin.stores.control import Control


@dataclass(frozen=True, slots=True)
class Strategy:
    """A deployment strategy of flagkit's own: all clients at once, then a bake under the environment's alarms."""

    name: str
    description: str
    bake_minutes: int


IMMEDIATE = Strategy("flagkit-immediate", "flagkit: everybody at once, no bake. For kill switches.", 0)
GUARDED = Strategy("flagkit-guarded", "flagkit: everybody at once, then watched by the environment's alarms.", 10)
BY_PACE = {"immediate": IMMEDIATE, "guarded": GUARDED}

# 0 minutes and 10 minutes of bake: what `guarded` means, and better than nothing for a kill switch.
STAND_IN = "AppConfig.AllAtOnce"


def strategy_id(control: Control, pace: Pace) -> str:
    """Return the id of a strategy: flagkit's own by pace, AWS's if `flagkit init` never ran; anything else is an id."""
    wanted = BY_PACE.get(pace)
    if wanted is None:
        return pace
    return found_strategies(control).get(wanted.name, STAND_IN)


def found_strategies(control: Control) -> dict[str, str]:
    """Return the ids of flagkit's strategies that exist, by name. Names aren't unique: the first one counts."""
    ids: dict[str, str] = {}
    for item in control.pages("ListDeploymentStrategies"):
        # Somebody else's strategy of this name could do anything; only one that does what the name says counts.
        instant = item.get("DeploymentDurationInMinutes") == 0 and item.get("GrowthFactor") == 100
        baked = item.get("FinalBakeTimeInMinutes", 0)
        for known in BY_PACE.values():
            fits = instant and (baked == 0 if known is IMMEDIATE else baked > 0)
            if item["Name"] == known.name and fits:
                ids.setdefault(known.name, item["Id"])
    return ids
