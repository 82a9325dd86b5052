"""One invented world behind canary's ports, put together; the parts are in `aliases`, `counts` and `quiet`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from canary.core.plan import StagePlan
from canary.ports import Observer
from canary.runner import Ports
from canary.simulator.aliases import START, SimulatedClock, SimulatedTraffic
from canary.simulator.counts import SimulatedMetrics
from canary.simulator.quiet import MemoryJournal, NoAlarms, NoProbes
from canary.simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class World:
    """An invented world: its clock, its traffic, its metrics, and the ports a driver sees them through."""

    clock: SimulatedClock
    traffic: SimulatedTraffic
    metrics: SimulatedMetrics
    journal: MemoryJournal
    ports: Ports

    @classmethod
    def invent(cls, stage: StagePlan, scenario: Scenario, seed: str, observers: Sequence[Observer] = ()) -> Self:
        """A world for one release; the same seed gives the same one."""
        clock = SimulatedClock()
        traffic = SimulatedTraffic(stage.functions, clock)
        metrics = SimulatedMetrics(scenario, traffic, seed, START)
        journal = MemoryJournal()
        ports = Ports(
            traffic=traffic,
            metrics=metrics,
            probes=NoProbes(),
            alarms=NoAlarms(),
            clock=clock,
            journal=journal,
            observers=tuple(observers),
            jitter=Random(seed).random,  # noqa: S311 - waits need no secret randomness
            in_parallel=False,
        )
        return cls(clock, traffic, metrics, journal, ports)
