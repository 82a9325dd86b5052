"""Faults of the in-memory aliases, and a simulation that is five minutes old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from canary.core.plan import StagePlan
from canary.errors import UnavailableError
from canary.simulator import Simulation
from canary.simulator.ports import SteadyTraffic


def simulation_of(stage: StagePlan, description: str = "Live traffic") -> Simulation:
    """A simulation whose aliases have served version 1 for five minutes."""
    simulation = Simulation(stage, SteadyTraffic(), description=description)
    simulation.clock.sleep(300)
    return simulation


def steady(simulation: Simulation) -> SteadyTraffic:
    """The traffic of a simulation, to be changed."""
    assert isinstance(simulation.metrics.traffic, SteadyTraffic)
    return simulation.metrics.traffic


def unavailable(*_: object) -> None:
    """A fault at every call."""
    raise UnavailableError("AWS doesn't answer")


class Once:
    """A fault that does something at the n-th moment of one kind, and lets everything else pass.

    Args:
        moment: "before" or "after" the call.
        call: "read", "write" or "version".
        at: which of those moments, from 1.
        act: what happens; calls that it makes itself pass.
        key: only calls about this function; every function where empty.
    """

    def __init__(self, moment: str, call: str, at: int, act: Callable[[], object], key: str = "") -> None:
        self.wanted, self.at, self.act, self.key = (moment, call), at, act, key
        self.count, self.active = 0, False

    def __call__(self, moment: str, call: str, key: str) -> None:
        if (moment, call) != self.wanted or self.active or self.key not in {"", key}:
            return
        self.count += 1
        if self.count == self.at:
            self.active = True
            try:
                self.act()
            finally:
                self.active = False


def interrupt() -> None:
    """The process gets Ctrl-C with no handler installed."""
    raise KeyboardInterrupt


def down_until(simulation: Simulation, until: datetime) -> Callable[[str, str, str], None]:
    """A fault at every call until then."""

    def fault(moment: str, call: str, key: str) -> None:
        if simulation.clock.now() < until:
            raise UnavailableError("no network")

    return fault
