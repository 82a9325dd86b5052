"""Real events for the renderers: the shipped runner with synthetic traffic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from canary import runner
from canary.core.events import Event
from canary.core.plan import Plan, StagePlan
from canary.simulator import Scenario
from canary.simulator.releases import simulated

PLAN = """
[stages.staging]
functions = ["api:live"]
steps = [10, 50]
bake = "5m"
"""


@pytest.fixture(scope="session")
def stage() -> StagePlan:
    return Plan.parse(PLAN).stage("staging")


@pytest.fixture(scope="session")
def play(stage: StagePlan) -> Callable[..., tuple[Event, ...]]:
    def played(scenario: Scenario, plan: StagePlan = stage) -> tuple[Event, ...]:
        simulation = simulated(plan, scenario, "view")
        state = runner.start(plan, simulation.ports(), versions={"": "2"}, canary_id="k3f9a2c1")
        runner.run(plan, simulation.ports(), state)
        return tuple(simulation.journal.written)

    return played


@pytest.fixture(scope="session")
def promoted(play: Callable[..., tuple[Event, ...]]) -> tuple[Event, ...]:
    return play(Scenario(0.01, 0.01, 10.0))


@pytest.fixture(scope="session")
def rolled_back(play: Callable[..., tuple[Event, ...]]) -> tuple[Event, ...]:
    return play(Scenario(0.12, 0.01, 10.0))


@pytest.fixture(scope="session")
def held(play: Callable[..., tuple[Event, ...]]) -> tuple[Event, ...]:
    return play(Scenario(0.01, 0.01, 0.01))
