"""The driver is killed at every call in turn, restarted, and the canary ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from canary import runner
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import NotRunningError, UnavailableError
from tests.canary.fakes import Killed, World, stage_of

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


def drive(world: World) -> CanaryState | None:
    """What an operator's pipeline does: deploy, or go on with what is under way; None: nothing left to do."""
    ports = world.ports()
    found = runner.current(world.stage, ports)
    if found is None or found.phase is Phase.STARTING:
        state = runner.start(world.stage, ports, versions={"": "2"}, canary_id="k3f9a2c1")
    else:
        state = runner.resume(world.stage, ports)
    return runner.run(world.stage, ports, state)


def uninterrupted(make: Callable[[], World]) -> tuple[World, int]:
    world = make()
    trouble = KillAt(at=-1)
    world.traffic.trouble = trouble
    drive(world)
    return world, trouble.count


def quick(**more: object) -> World:
    """Two short steps and little history: the run is repeated hundreds of times."""
    steps = [{"weight": weight, "bake": "3m"} for weight in (10, 50)]
    gates = {"errors": {"kind": "errors"}, "latency": {"kind": "latency", "warm_up": "0s"}}
    times = {"min_bake": "2m", "watch_min": "5m", "watch_max": "6m", "post_bake": "1m", "evidence": {"history": "2m"}}
    return World(stage_of(*FUNCTIONS, **{"steps": steps, "gates": gates, **times, **more}))


def healthy() -> World:
    return quick()


def sick() -> World:
    world = quick()
    world.metrics.failing["2"] = 0.3
    return world


def sick_later() -> World:
    """Fails only once it carries everything, so the way back starts after the promotion."""
    world = quick(post_bake="6m")
    original = world.metrics._minute

    def minute(target, at):  # type: ignore[no-untyped-def]
        world.metrics.failing["2"] = 0.5 if world.traffic.alias_at(target.function.key, at).version == "2" else 0.0
        return original(target, at)

    world.metrics._minute = minute  # type: ignore[method-assign]
    return world


@pytest.mark.parametrize("make", [healthy, sick, sick_later])
def test_killed_at_every_call_and_restarted_it_ends_as_an_uninterrupted_run_would(make: Callable[[], World]) -> None:
    calm, moments = uninterrupted(make)
    assert moments > 40
    for at in range(1, moments + 1):
        world = make()
        world.traffic.trouble = KillAt(at)
        with pytest.raises(Killed):
            drive(world)
        world.clock.sleep(150)
        world.traffic.trouble = KillAt(at=-1)
        if not world.traffic.writes or runner.current(world.stage, world.ports()) is not None:
            drive(world)
        assert world.routes() == calm.routes(), f"killed at call {at}"
        assert world.descriptions() == {"Live traffic"}, f"killed at call {at}"


def test_no_write_is_ever_repeated_because_of_a_kill() -> None:
    """Each alias says each thing once: what was written before the kill is found, not written again."""
    _, moments = uninterrupted(healthy)
    for at in range(1, moments + 1, 3):
        world = healthy()
        world.traffic.trouble = KillAt(at)
        with pytest.raises(Killed):
            drive(world)
        if not world.traffic.writes:
            continue
        world.clock.sleep(150)
        world.traffic.trouble = KillAt(at=-1)
        if runner.current(world.stage, world.ports()) is not None:
            drive(world)
        assert len(set(world.traffic.writes)) == len(world.traffic.writes), f"killed at call {at}"


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
def test_faults_on_a_third_of_all_calls_change_nothing_about_the_end(make: Callable[[], World], seed: int) -> None:
    calm, _ = uninterrupted(make)
    world = make()
    world.traffic.trouble = Flaky(seed)
    state: CanaryState | None = None
    for _ in range(20):  # a deploy may give up before it has begun; the pipeline calls again
        try:
            state = drive(world)
            break
        except UnavailableError:
            continue
    assert state is not None
    assert world.routes() == calm.routes()
    assert world.descriptions() == {"Live traffic"}


def test_the_way_back_is_retried_until_it_is_read_back_however_long_aws_says_no() -> None:
    world = World(stage_of(*FUNCTIONS))
    ports = world.ports()
    state = runner.start(world.stage, ports)
    state = runner.tick(world.stage, ports, state).state
    world.metrics.failing["2"] = 1.0
    world.clock.sleep(300)
    refused = 0

    def no_writes(moment: str, call: str, key: str) -> None:
        nonlocal refused
        if (moment, call) == ("before", "write") and refused < 100:
            refused += 1
            raise UnavailableError("throttled")

    world.traffic.trouble = no_writes
    state = runner.run(world.stage, ports, state)
    assert refused == 100
    assert state.phase is Phase.ROLLED_BACK
    assert set(world.routes().values()) == {("1", None, 0)}


def test_one_functions_trouble_does_not_keep_the_others_from_coming_back() -> None:
    world = World(stage_of(*FUNCTIONS))
    ports = world.ports()
    state = runner.tick(world.stage, ports, runner.start(world.stage, ports)).state
    world.metrics.failing["2"] = 1.0
    world.clock.sleep(300)
    back_at = []

    def trouble(moment: str, call: str, key: str) -> None:
        if call == "write" and key == "api:live" and moment == "before" and len(back_at) < 5:
            back_at.append(world.routes()["worker:live"])
            raise UnavailableError("throttled")

    world.traffic.trouble = trouble
    runner.run(world.stage, ports, state)
    assert back_at[1:] == [("1", None, 0)] * 4
