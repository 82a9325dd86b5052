"""Ticks and the loop: what a canary does when nobody disturbs it."""

from __future__ import annotations

from datetime import datetime, timedelta

from canary import runner
from canary.core.events import CanaryEnded, Measured, PhaseChanged, TrafficShifted
from canary.core.measurements import Probe, StreamKey
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.core.verdict import Rule, Verdict
from canary.errors import (
    NotRunningError,
)
from canary.runner import Ports
from canary.simulator import Simulation
from canary.simulator.ports import SteadyTraffic
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(world: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or world.ports()
    return runner.tick(world.stage, ports, runner.start(world.stage, ports)).state


def kinds(world: Simulation) -> list[str]:
    return [event.event for event in world.journal.written]


def test_a_healthy_version_is_promoted_step_by_step() -> None:
    world = fleet()
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert state.phase is Phase.PROMOTED
    assert set(world.routes().values()) == {("2", None, 0)}
    shifts = [event.weight_bp for event in world.journal.written if isinstance(event, TrafficShifted)]
    assert shifts == [1000, 2500, 5000, 10_000]
    assert kinds(world)[0] == "canary_started"
    assert kinds(world)[-1] == "canary_ended"


def test_a_failing_version_comes_back_in_the_first_settled_minute_with_its_numbers() -> None:
    world = fleet()
    steady(world).failing["2"] = 0.3
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "30.0 % of 200 requests failed on version 2" in state.why
    ended = world.journal.written[-1]
    assert isinstance(ended, CanaryEnded)
    assert (ended.at - ended.started_at) <= timedelta(minutes=4)


def test_one_failing_function_takes_all_back() -> None:
    world = fleet()

    class OnlyWorker(SteadyTraffic):
        def failing_ratio(self, key: str, version: str, minute: datetime) -> float:
            return 0.4 if (key, version) == ("worker:live", "2") else 0.0

    world.metrics.traffic = OnlyWorker()
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "worker:live" in state.why
    assert set(world.routes().values()) == {("1", None, 0)}


def test_a_silent_cloudwatch_holds_and_never_promotes() -> None:
    world = fleet()
    ports = world.ports()
    state = runner.start(world.stage, ports)
    world.metrics.silent = True
    state = runner.run(world.stage, ports, state)
    assert (state.phase, state.weight_bp) == (Phase.INCONCLUSIVE, 1000)
    assert max(spec.extra_bp for _, spec in world.aliases.writes) == 1000


def test_an_inconclusive_canary_goes_on_when_it_is_resumed() -> None:
    world = fleet()
    ports = world.ports()
    state = runner.start(world.stage, ports)
    world.metrics.silent = True
    runner.run(world.stage, ports, state)
    world.metrics.silent = False
    state = runner.run(world.stage, ports, runner.resume(world.stage, ports))
    assert state.phase is Phase.PROMOTED


def test_a_tick_driver_without_memory_ends_like_the_loop() -> None:
    """What a Lambda function does once a minute: nothing but the aliases from one tick to the next."""
    world = fleet()
    runner.start(world.stage, world.ports())
    phase = Phase.STARTING
    for _ in range(60):
        try:
            phase = runner.tick(world.stage, world.ports()).state.phase
        except NotRunningError:
            break
        world.clock.sleep(60)
    assert phase is Phase.PROMOTED
    changes = [(e.before, e.after) for e in world.journal.written if isinstance(e, PhaseChanged)]
    assert len(changes) == len(set(changes)), "each transition is told once"


def test_a_tick_tells_what_it_measured_judged_and_did_in_this_order() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.journal.written.clear()
    world.clock.sleep(400)
    done = runner.tick(world.stage, ports, state)
    assert kinds(world) == ["measured", "judged", "traffic_shifted"]
    assert done.judgement is not None
    assert done.judgement.verdict is Verdict.HEALTHY
    assert done.next_at == world.clock.now() + timedelta(seconds=60)


def test_the_way_back_comes_before_anything_is_told() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    steady(world).failing["2"] = 1.0
    world.clock.sleep(300)
    world.journal.written.clear()
    told_before: list[int] = []

    def note(moment: str, call: str, key: str) -> None:
        if call == "write":
            told_before.append(len(world.journal.written))

    world.aliases.fault = note
    runner.tick(world.stage, ports, state)
    assert told_before[:4] == [0, 0, 0, 0]
    assert kinds(world)[0] == "measured"


def test_minutes_are_told_once_by_one_driver() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    told = [
        (stream.key, row)
        for event in world.journal.written
        if isinstance(event, Measured)
        for stream in event.observations.streams
        for row in (*stream.minutes, *stream.history)
    ]
    assert len(told) == len(set(told)) > 100


def test_a_failed_health_check_is_made_again_in_the_same_tick_and_then_counts() -> None:
    world = fleet(gates={"ping": {"kind": "health", "invoke": {}}})
    ports = world.ports()
    key = StreamKey("api:live", "ping")
    ok, bad = Probe(key, world.clock.now(), ok=True), Probe(key, world.clock.now(), ok=False, detail="status 500")
    state = begun(world, ports)
    world.probes.answers = [(bad,), (ok,)]
    assert runner.tick(world.stage, ports, state).state.phase is Phase.BAKING
    world.probes.answers = [(bad,)]
    done = runner.tick(world.stage, ports, state)
    assert done.state.phase is Phase.ROLLED_BACK
    assert done.judgement is not None
    assert done.judgement.deciding is Rule.PROBE
