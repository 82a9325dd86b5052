"""The driver is killed at every call in turn, restarted, and the canary ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from canary import runner
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import NotRunningError, UnavailableError
from canary.simulator import Simulation
from canary.simulator.ports import SteadyTraffic
from tests.canary.faults import Killed, simulation_of, steady
from tests.canary.stages import stage_of

FUNCTIONS = ("api:live", "worker:live")


@dataclass
class KillAt:
    """Trouble that kills the driver at the n-th moment (before or after an AWS call), once."""

    at: int
    count: int = 0

    def __call__(self, moment: str, call: str, key: str) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


def drive(world: Simulation) -> CanaryState | None:
    """What an operator's pipeline does: deploy, or go on with what is under way; None: nothing left to do."""
    ports = world.ports()
    found = runner.current(world.stage, ports)
    if found is None or found.phase is Phase.STARTING:
        state = runner.start(world.stage, ports, versions={"": "2"}, canary_id="k3f9a2c1")
    else:
        state = runner.resume(world.stage, ports)
    return runner.run(world.stage, ports, state)


def uninterrupted(make: Callable[[], Simulation]) -> tuple[Simulation, int]:
    world = make()
    trouble = KillAt(at=-1)
    world.aliases.fault = trouble
    drive(world)
    return world, trouble.count


def quick(**more: object) -> Simulation:
    """Two short steps and little history: the run is repeated hundreds of times."""
    steps = [{"weight": weight, "bake": "3m"} for weight in (10, 50)]
    gates = {"errors": {"kind": "errors"}, "latency": {"kind": "latency", "warm_up": "0s"}}
    times = {"min_bake": "2m", "watch_min": "5m", "watch_max": "6m", "post_bake": "1m", "evidence": {"history": "2m"}}
    return simulation_of(stage_of(*FUNCTIONS, **{"steps": steps, "gates": gates, **times, **more}))


def healthy() -> Simulation:
    return quick()


def sick() -> Simulation:
    world = quick()
    steady(world).failing["2"] = 0.3
    return world


def sick_later() -> Simulation:
    """Fails only once it carries everything, so the way back starts after the promotion."""
    world = quick(post_bake="6m")

    class OncePromoted(SteadyTraffic):
        def failing_ratio(self, key: str, version: str, minute: datetime) -> float:
            return 0.5 if version == "2" and world.aliases.state_at(key, minute).version == "2" else 0.0

    world.metrics.traffic = OncePromoted()
    return world


@pytest.mark.parametrize("make", [healthy, sick, sick_later])
def test_killed_at_every_call_and_restarted_it_ends_as_an_uninterrupted_run(
    make: Callable[[], Simulation],
) -> None:
    calm, moments = uninterrupted(make)
    assert moments > 40
    for at in range(1, moments + 1):
        world = make()
        world.aliases.fault = KillAt(at)
        with pytest.raises(Killed):
            drive(world)
        world.clock.sleep(150)
        world.aliases.fault = KillAt(at=-1)
        if not world.aliases.writes or runner.current(world.stage, world.ports()) is not None:
            drive(world)
        assert world.routes() == calm.routes(), f"killed at call {at}"
        assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}, f"killed at call {at}"


def test_no_write_is_ever_repeated_because_of_a_kill() -> None:
    """Each alias says each thing once: what was written before the kill is found, not written again."""
    _, moments = uninterrupted(healthy)
    for at in range(1, moments + 1, 3):
        world = healthy()
        world.aliases.fault = KillAt(at)
        with pytest.raises(Killed):
            drive(world)
        if not world.aliases.writes:
            continue
        world.clock.sleep(150)
        world.aliases.fault = KillAt(at=-1)
        if runner.current(world.stage, world.ports()) is not None:
            drive(world)
        assert len(set(world.aliases.writes)) == len(world.aliases.writes), f"killed at call {at}"


def test_a_driver_that_dies_leaves_a_canary_that_anybody_can_list_and_take_back() -> None:
    world = healthy()
    ports = world.ports()
    state = runner.start(world.stage, ports)
    runner.tick(world.stage, ports, state)
    found = runner.current(world.stage, world.ports())
    assert found is not None
    assert (found.phase, found.weight_bp) == (Phase.BAKING, 1000)
    back = runner.rollback(world.stage, world.ports())
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert set(world.routes().values()) == {("1", None, 0)}
    with pytest.raises(NotRunningError):
        runner.tick(world.stage, world.ports())


class Flaky:
    """30 % of all AWS calls fail, half of them after they happened (lost answers); repeatable."""

    def __init__(self, seed: int) -> None:
        self.state = seed * 2654435761 % 2**32 or 1

    def __call__(self, moment: str, call: str, key: str) -> None:
        self.state = (self.state * 1103515245 + 12345) % 2**31
        if self.state / 2**31 < 0.16:
            raise UnavailableError(f"{call} {moment}")


@pytest.mark.parametrize("make", [healthy, sick, sick_later])
@pytest.mark.parametrize("seed", range(1, 6))
def test_faults_on_a_third_of_all_calls_change_nothing_about_the_end(make: Callable[[], Simulation], seed: int) -> None:
    calm, _ = uninterrupted(make)
    world = make()
    world.aliases.fault = Flaky(seed)
    state: CanaryState | None = None
    for _ in range(20):  # a deploy may give up before it has begun; the pipeline calls again
        try:
            state = drive(world)
            break
        except UnavailableError:
            continue
    assert state is not None
    assert world.routes() == calm.routes()
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_the_way_back_is_retried_until_it_is_read_back_however_long_aws_says_no() -> None:
    world = simulation_of(stage_of(*FUNCTIONS))
    ports = world.ports()
    state = runner.start(world.stage, ports)
    state = runner.tick(world.stage, ports, state).state
    steady(world).failing["2"] = 1.0
    world.clock.sleep(300)
    refused = 0

    def no_writes(moment: str, call: str, key: str) -> None:
        nonlocal refused
        if (moment, call) == ("before", "write") and refused < 100:
            refused += 1
            raise UnavailableError("throttled")

    world.aliases.fault = no_writes
    state = runner.run(world.stage, ports, state)
    assert refused == 100
    assert state.phase is Phase.ROLLED_BACK
    assert set(world.routes().values()) == {("1", None, 0)}


def test_one_functions_trouble_does_not_keep_the_others_from_coming_back() -> None:
    world = simulation_of(stage_of(*FUNCTIONS))
    ports = world.ports()
    state = runner.tick(world.stage, ports, runner.start(world.stage, ports)).state
    steady(world).failing["2"] = 1.0
    world.clock.sleep(300)
    back_at = []

    def trouble(moment: str, call: str, key: str) -> None:
        if call == "write" and key == "api:live" and moment == "before" and len(back_at) < 5:
            back_at.append(world.routes()["worker:live"])
            raise UnavailableError("throttled")

    world.aliases.fault = trouble
    runner.run(world.stage, ports, state)
    assert back_at[1:] == [("1", None, 0)] * 4
