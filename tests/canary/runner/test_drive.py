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
from canary.runner.observe import Watch, watch_of
from canary.simulator import Simulation
from canary.simulator.ports import SteadyTraffic
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(simulation: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or simulation.ports()
    return runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state


def kinds(simulation: Simulation) -> list[str]:
    return [event.event for event in simulation.journal.written]


def test_a_healthy_version_is_promoted_step_by_step() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.PROMOTED
    assert set(simulation.routes().values()) == {("2", None, 0)}
    shifts = [event.weight_bp for event in simulation.journal.written if isinstance(event, TrafficShifted)]
    assert shifts == [1000, 2500, 5000, 10_000]
    assert kinds(simulation)[0] == "canary_started"
    assert kinds(simulation)[-1] == "canary_ended"


def test_a_failing_version_comes_back_in_the_first_settled_minute_with_its_numbers() -> None:
    simulation = fleet()
    steady(simulation).failing["2"] = 0.3
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "30.0 % of 200 requests failed on version 2" in state.why
    ended = simulation.journal.written[-1]
    assert isinstance(ended, CanaryEnded)
    assert (ended.at - ended.started_at) <= timedelta(minutes=4)


def test_one_failing_function_takes_all_back() -> None:
    simulation = fleet()

    class OnlyWorker(SteadyTraffic):
        def failing_ratio(self, key: str, version: str, minute: datetime) -> float:
            return 0.4 if (key, version) == ("worker:live", "2") else 0.0

    simulation.metrics.traffic = OnlyWorker()
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "worker:live" in state.why
    assert set(simulation.routes().values()) == {("1", None, 0)}


def test_a_silent_cloudwatch_holds_and_never_promotes() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    simulation.metrics.silent = True
    state = runner.run(simulation.stage, ports, state)
    assert (state.phase, state.weight_bp) == (Phase.INCONCLUSIVE, 1000)
    assert max(spec.extra_bp for _, spec in simulation.aliases.writes) == 1000


def test_an_inconclusive_canary_goes_on_when_it_is_resumed() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    simulation.metrics.silent = True
    runner.run(simulation.stage, ports, state)
    simulation.metrics.silent = False
    state = runner.run(simulation.stage, ports, runner.resume(simulation.stage, ports))
    assert state.phase is Phase.PROMOTED


def test_a_canary_whose_hold_ended_while_no_driver_lived_goes_on_when_it_is_resumed() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    simulation.metrics.silent = True
    while state.phase is not Phase.HOLDING:
        state = runner.tick(simulation.stage, ports, state).state
        simulation.clock.sleep(60)
    simulation.clock.sleep(2 * simulation.stage.hold_max.total_seconds())
    simulation.metrics.silent = False
    ports = simulation.ports()
    assert runner.run(simulation.stage, ports, runner.resume(simulation.stage, ports)).phase is Phase.PROMOTED


def test_a_tick_driver_without_memory_ends_like_the_loop() -> None:
    """What a Lambda function does once a minute: nothing but the aliases from one tick to the next."""
    simulation = fleet()
    runner.start(simulation.stage, simulation.ports())
    phase = Phase.STARTING
    for _ in range(60):
        try:
            phase = runner.tick(simulation.stage, simulation.ports()).state.phase
        except NotRunningError:
            break
        simulation.clock.sleep(60)
    assert phase is Phase.PROMOTED
    changes = [(e.before, e.after) for e in simulation.journal.written if isinstance(e, PhaseChanged)]
    assert len(changes) == len(set(changes)), "each transition is published once"


def test_a_tick_publishes_what_it_measured_judged_and_did_in_this_order() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.journal.written.clear()
    simulation.clock.sleep(400)
    done = runner.tick(simulation.stage, ports, state)
    assert kinds(simulation) == ["measured", "judged", "traffic_shifted"]
    assert done.judgement is not None
    assert done.judgement.verdict is Verdict.HEALTHY
    assert done.next_at is not None
    wait = done.next_at - simulation.clock.now()
    assert wait <= timedelta(seconds=20), "a driver's first looks are close together: they measure CloudWatch"


def test_the_writes_of_a_rollback_come_before_any_event() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    steady(simulation).failing["2"] = 1.0
    simulation.clock.sleep(300)
    simulation.journal.written.clear()
    published_before: list[int] = []

    def note(moment: str, call: str, key: str) -> None:
        if call == "write":
            published_before.append(len(simulation.journal.written))

    simulation.aliases.fault = note
    runner.tick(simulation.stage, ports, state)
    assert published_before[:4] == [0, 0, 0, 0]
    assert kinds(simulation)[0] == "measured"


def test_one_driver_publishes_a_minute_once() -> None:
    simulation = fleet()
    ports = simulation.ports()
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    published = [
        (stream.key, row)
        for event in simulation.journal.written
        if isinstance(event, Measured)
        for stream in event.observations.streams
        for row in (*stream.minutes, *stream.history)
    ]
    assert len(published) == len(set(published)) > 100


def test_a_failed_health_check_is_made_again_in_the_same_tick_and_then_counts() -> None:
    simulation = fleet(gates={"ping": {"kind": "health", "invoke": {}}})
    ports = simulation.ports()
    key = StreamKey("api:live", "ping")
    ok, bad = (
        Probe(key, simulation.clock.now(), ok=True),
        Probe(key, simulation.clock.now(), ok=False, detail="status 500"),
    )
    state = begun(simulation, ports)
    simulation.probes.answers = [(bad,), (ok,)]
    assert runner.tick(simulation.stage, ports, state).state.phase is Phase.BAKING
    simulation.probes.answers = [(bad,)]
    done = runner.tick(simulation.stage, ports, state)
    assert done.state.phase is Phase.ROLLED_BACK
    assert done.judgement is not None
    assert done.judgement.deciding is Rule.PROBE


def test_a_canary_is_driven_as_long_as_its_journal_has_a_recent_evaluation() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state

    def watched() -> Watch:
        return watch_of(state, ports.journal.events(state.canary_id), ports.clock.now())

    assert watched() == Watch(None, "", is_driven=True)
    assert watch_of(state, (), simulation.clock.now()) == Watch(None, "", is_driven=False)
    simulation.clock.sleep(60)
    runner.tick(simulation.stage, ports, state)
    looked_at = simulation.clock.now()
    simulation.clock.sleep(120)
    assert watched() == Watch(looked_at, "", is_driven=True)
    simulation.clock.sleep(120)
    assert watched() == Watch(looked_at, "", is_driven=False)
