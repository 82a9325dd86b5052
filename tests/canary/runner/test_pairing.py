"""Paired probes of a canary: sent while it runs, kept in the journal, and never a reason to end a driver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from canary import runner
from canary.core.events import Measured, Noticed
from canary.core.measurements import DataState, MinuteCounts, Stream, StreamKey
from canary.core.phases import Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.ports import Target
from canary.runner import Ports
from canary.runner.checks import Level
from canary.runner.session import Memory
from canary.simulator import Simulation
from canary.simulator.ports import InMemoryPairs
from canary.view.build import ViewBuilder
from canary.view.current import measured_now
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of

KEY = StreamKey("api:live", "probes")
GATES = {"errors": {"kind": "errors"}, "probes": {"kind": "probes", "invoke": {}, "per_minute": 60}}


def quiet(**settings: object) -> Simulation:
    """A stage with two requests a minute, whose new version fails every tenth probe."""
    simulation = simulation_of(stage_of("api:live", gates=GATES, **settings))
    steady(simulation).per_minute = 2
    return simulation


def begun(simulation: Simulation, ports: Ports) -> CanaryState:
    stage = simulation.stage
    return runner.tick(stage, ports, runner.start(stage, ports)).state


def ticked(simulation: Simulation, ports: Ports, minutes: int, state: CanaryState) -> runner.Tick:
    for _ in range(minutes):
        simulation.clock.sleep(60)
        done = runner.tick(simulation.stage, ports, state)
        state = done.state
    return done


def rows_of(done: runner.Tick) -> Stream:
    return next(stream for stream in done.observations.streams if stream.key == KEY)


def test_probes_find_a_bad_version_within_minutes_where_users_are_few() -> None:
    simulation = quiet()
    steady(simulation).failing["2"] = 0.1
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "pairs of probes failed on version 2 (new) alone" in state.why
    assert simulation.clock.now() - state.started_at <= timedelta(minutes=6)
    assert simulation.pairs.stops > 0


def test_probes_go_on_until_the_canary_is_over() -> None:
    simulation = quiet()
    ports = simulation.ports()
    ticked(simulation, ports, 3, begun(simulation, ports))
    assert simulation.pairs.stops == 0
    runner.rollback(simulation.stage, ports)
    assert simulation.pairs.stops > 0


def test_a_later_driver_finds_the_pairs_in_the_journal_and_adds_to_them() -> None:
    simulation = quiet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    seen = rows_of(ticked(simulation, ports, 3, state))
    later = simulation.ports(memory=Memory(), pairs=InMemoryPairs(simulation.clock, simulation.metrics))
    found = rows_of(ticked(simulation, later, 2, state))
    assert [row.candidate_requests for row in seen.minutes] == [60] * 3
    assert found.minutes[:3] == seen.minutes
    assert len(found.minutes) == 4  # the minute in which nobody drove is lost, and no more
    assert found.minutes[3].minute - seen.minutes[2].minute == timedelta(minutes=2)


def test_a_minute_that_is_collected_in_parts_is_one_row() -> None:
    simulation = quiet()

    class Parts(InMemoryPairs):
        def collect(self, stage: StagePlan, targets: object) -> tuple[Stream, ...]:
            return (Stream(KEY, (MinuteCounts(datetime(2026, 1, 5, 9, 5, tzinfo=UTC), 60, 6, 60, 0),)),)

    ports = simulation.ports(pairs=Parts(simulation.clock, simulation.metrics))
    done = ticked(simulation, ports, 2, begun(simulation, ports))
    assert [row.candidate_requests for row in rows_of(done).minutes] == [60 * 3]


def test_while_a_canary_waits_for_a_person_no_probes_are_sent() -> None:
    simulation = quiet()
    ports = simulation.ports()
    begun(simulation, ports)
    state = runner.pause(simulation.stage, ports)
    before = rows_of(ticked(simulation, ports, 1, state))
    after = rows_of(ticked(simulation, ports, 5, state))
    assert after.minutes == before.minutes


def test_who_only_looks_sends_none_and_shows_what_the_journal_has() -> None:
    simulation = quiet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    class Sending(InMemoryPairs):
        def collect(self, stage: StagePlan, targets: object) -> tuple[Stream, ...]:
            raise AssertionError("a look must not send probes")

    looking = simulation.ports(memory=Memory(), pairs=Sending(simulation.clock, simulation.metrics))
    assert "probes" not in shown(state, looking)
    state = ticked(simulation, ports, 4, state).state
    assert "probes" in shown(state, looking)


def shown(state: CanaryState, ports: Ports) -> set[str]:
    view = ViewBuilder().begin(state).notify_all(measured_now(state, ports)).view()
    return {stream.gate for stream in view.streams}


def test_probes_that_can_not_be_sent_hold_and_are_noticed_once() -> None:
    simulation = quiet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    class Broken(InMemoryPairs):
        def collect(self, stage: StagePlan, targets: object) -> tuple[Stream, ...]:
            raise RuntimeError("no threads left")

    done = ticked(simulation, simulation.ports(pairs=Broken(simulation.clock, simulation.metrics)), 4, state)
    assert rows_of(done).state is DataState.FAILED
    assert done.state.phase is Phase.BAKING
    noticed = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert [text for text in noticed if "the probes failed" in text] == [
        "the probes failed, so what it measures is unknown: RuntimeError: no threads left"
    ]


def test_unknown_pairs_keep_a_canary_from_advancing() -> None:
    simulation = simulation_of(stage_of("api:live", gates=GATES))
    simulation.pairs.state = DataState.FAILED
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.INCONCLUSIVE


def test_a_canary_starts_only_where_a_probe_of_the_baseline_succeeds() -> None:
    simulation = quiet()
    simulation.pairs.refusals = ((KEY, ""),)
    assert not [c for c in runner.preflight(simulation.stage, simulation.ports()) if c.level is Level.FAILED]
    simulation.pairs.refusals = ((KEY, "version 1 answered 500"),)
    (failed,) = [c for c in runner.preflight(simulation.stage, simulation.ports()) if c.level is Level.FAILED]
    assert (failed.name, failed.function) == ("probes", "api:live")
    assert failed.text == "a probe of the baseline failed (probes of api:live): version 1 answered 500"


def test_the_journal_gets_each_minute_of_pairs_once() -> None:
    simulation = quiet()
    ports = simulation.ports()
    ticked(simulation, ports, 4, begun(simulation, ports))
    written = [
        row.minute
        for event in simulation.journal.written
        if isinstance(event, Measured)
        for stream in event.observations.streams
        if stream.key == KEY
        for row in stream.minutes
    ]
    assert len(written) == len(set(written)) == 4


def test_targets_that_are_not_of_the_gate_are_not_asked() -> None:
    simulation = quiet()
    found = simulation.pairs.collect(simulation.stage, [])
    assert found == ()
    target = Target(simulation.stage.functions[0], "1", "2")
    assert simulation.pairs.collect(simulation.stage, [target]) == (Stream(KEY),)
