"""The driver is killed at every call in turn, restarted, and the canary ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from canary import runner
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import NotRunningError, UnavailableError
from canary.simulator import Simulation
from canary.simulator.aliases import InMemoryAliases
from canary.simulator.ports import SteadyTraffic
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of

pytestmark = pytest.mark.sweep

FUNCTIONS = ("api:live", "worker:live")


def drive(simulation: Simulation) -> CanaryState | None:
    """What an operator's pipeline does: deploy, or go on with what is under way; None: nothing left to do."""
    ports = simulation.ports()
    found = runner.current(simulation.stage, ports)
    if found is None or found.phase is Phase.STARTING:
        state = runner.start(simulation.stage, ports, versions={"": "2"}, canary_id="k3f9a2c1")
    else:
        state = runner.resume(simulation.stage, ports)
    return runner.run(simulation.stage, ports, state)


def uninterrupted(make: Callable[[], Simulation]) -> tuple[Simulation, list[Simulation]]:
    """A run to its end, and what a driver leaves that is killed at each of its calls: everything but its memory."""
    simulation = make()
    left: list[Simulation] = []

    def keep(moment: str, call: str, key: str) -> None:
        simulation.aliases.fault = calm
        aliases, journal, metrics = simulation.aliases, simulation.journal, simulation.metrics
        values = (simulation.stage, *journal.written, *metrics.windows, *aliases.writes, *aliases.states.values())
        left.append(deepcopy(simulation, {id(value): value for value in values}))  # values never change
        simulation.aliases.fault = keep

    simulation.aliases.fault = keep
    drive(simulation)
    return simulation, left


def calm(moment: str, call: str, key: str) -> None:
    """No fault."""


def quick(**more: object) -> Simulation:
    """Two short steps and little history: the run is repeated hundreds of times."""
    steps = [{"weight": weight, "bake": "3m"} for weight in (10, 50)]
    gates = {"errors": {"kind": "errors"}, "latency": {"kind": "latency", "warm_up": "0s"}}
    times = {"min_bake": "2m", "watch_min": "5m", "watch_max": "6m", "post_bake": "1m", "evidence": {"history": "2m"}}
    return simulation_of(stage_of(*FUNCTIONS, **{"steps": steps, "gates": gates, **times, **more}))


def healthy() -> Simulation:
    return quick()


def unhealthy() -> Simulation:
    simulation = quick()
    steady(simulation).failing["2"] = 0.3
    return simulation


@dataclass
class FailingOncePromoted(SteadyTraffic):
    """Fails only once the new version carries everything."""

    aliases: InMemoryAliases = field(kw_only=True)

    def failing_ratio(self, key: str, version: str, minute: datetime) -> float:
        return 0.5 if version == "2" and self.aliases.state_at(key, minute).version == "2" else 0.0


def unhealthy_later() -> Simulation:
    """The rollback starts after the promotion."""
    simulation = quick(post_bake="6m")
    simulation.metrics.traffic = FailingOncePromoted(aliases=simulation.aliases)
    return simulation


@pytest.mark.parametrize("make", [healthy, unhealthy, unhealthy_later])
def test_killed_at_every_call_and_restarted_it_ends_as_an_uninterrupted_run(
    make: Callable[[], Simulation],
) -> None:
    whole, killed = uninterrupted(make)
    assert len(killed) > 40
    for at, simulation in enumerate(killed, 1):
        simulation.clock.sleep(150)
        if not simulation.aliases.writes or runner.current(simulation.stage, simulation.ports()) is not None:
            drive(simulation)
        assert simulation.routes() == whole.routes(), f"killed at call {at}"
        assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}, f"killed at call {at}"


def test_no_write_is_ever_repeated_because_of_a_kill() -> None:
    """Each alias says each thing once: what was written before the kill is found, not written again."""
    _, killed = uninterrupted(healthy)
    for at, simulation in enumerate(killed[::3]):
        if not simulation.aliases.writes:
            continue
        simulation.clock.sleep(150)
        if runner.current(simulation.stage, simulation.ports()) is not None:
            drive(simulation)
        assert len(set(simulation.aliases.writes)) == len(simulation.aliases.writes), f"killed at call {3 * at + 1}"


def test_a_driver_that_dies_leaves_a_canary_that_any_process_can_list_and_roll_back() -> None:
    simulation = healthy()
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    runner.tick(simulation.stage, ports, state)
    found = runner.current(simulation.stage, simulation.ports())
    assert found is not None
    assert (found.phase, found.weight_bp) == (Phase.BAKING, 1000)
    back = runner.rollback(simulation.stage, simulation.ports())
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}
    with pytest.raises(NotRunningError):
        runner.tick(simulation.stage, simulation.ports())


class Flaky:
    """30 % of all AWS calls fail, half of them after they happened (lost answers); repeatable."""

    def __init__(self, seed: int) -> None:
        self.state = seed * 2654435761 % 2**32 or 1

    def __call__(self, moment: str, call: str, key: str) -> None:
        self.state = (self.state * 1103515245 + 12345) % 2**31
        if self.state / 2**31 < 0.16:
            raise UnavailableError(f"{call} {moment}")


@pytest.mark.parametrize("make", [healthy, unhealthy, unhealthy_later])
@pytest.mark.parametrize("seed", range(1, 6))
def test_faults_on_a_third_of_all_calls_change_nothing_about_the_end(make: Callable[[], Simulation], seed: int) -> None:
    whole, _ = uninterrupted(make)
    simulation = make()
    simulation.aliases.fault = Flaky(seed)
    state: CanaryState | None = None
    for _ in range(20):  # a deploy may give up before it has begun; the pipeline calls again
        try:
            state = drive(simulation)
            break
        except UnavailableError:
            continue
    assert state is not None
    assert simulation.routes() == whole.routes()
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


def test_a_rollback_is_retried_until_it_is_verified_however_long_aws_fails() -> None:
    simulation = simulation_of(stage_of(*FUNCTIONS))
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    state = runner.tick(simulation.stage, ports, state).state
    steady(simulation).failing["2"] = 1.0
    simulation.clock.sleep(300)
    refused = 0

    def no_writes(moment: str, call: str, key: str) -> None:
        nonlocal refused
        if (moment, call) == ("before", "write") and refused < 100:
            refused += 1
            raise UnavailableError("throttled")

    simulation.aliases.fault = no_writes
    state = runner.run(simulation.stage, ports, state)
    assert refused == 100
    assert state.phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}


def test_the_failure_of_one_function_does_not_keep_the_others_from_being_rolled_back() -> None:
    simulation = simulation_of(stage_of(*FUNCTIONS))
    ports = simulation.ports()
    state = runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state
    steady(simulation).failing["2"] = 1.0
    simulation.clock.sleep(300)
    back_at: list[tuple[str, str | None, int]] = []

    def fault(moment: str, call: str, key: str) -> None:
        if call == "write" and key == "api:live" and moment == "before" and len(back_at) < 5:
            back_at.append(simulation.routes()["worker:live"])
            raise UnavailableError("throttled")

    simulation.aliases.fault = fault
    runner.run(simulation.stage, ports, state)
    assert back_at[1:] == [("1", None, 0)] * 4
