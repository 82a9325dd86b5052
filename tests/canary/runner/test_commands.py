"""What a person may ask of a canary, from any process."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary import runner
from canary.core.events import Noticed
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import (
    NotFoundError,
    NotRunningError,
    RefusedError,
)
from canary.runner import Ports
from canary.simulator import Simulation
from tests.canary.faults import Once, interrupt, simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(world: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or world.ports()
    return runner.tick(world.stage, ports, runner.start(world.stage, ports)).state


def test_a_paused_canary_keeps_its_weight_and_still_comes_back() -> None:
    world = fleet()
    ports = world.ports()
    begun(world, ports)
    assert runner.pause(world.stage, world.ports()).phase is Phase.PAUSED
    state = runner.current(world.stage, ports)
    assert state is not None
    for _ in range(30):
        world.clock.sleep(60)
        state = runner.tick(world.stage, ports, state).state
    assert (state.phase, state.weight_bp) == (Phase.PAUSED, 1000)
    steady(world).failing["2"] = 0.5
    world.clock.sleep(300)
    assert runner.run(world.stage, ports, state).phase is Phase.ROLLED_BACK


def test_a_driver_at_work_goes_along_with_what_people_ask_elsewhere() -> None:
    world = fleet(post_bake="0s")
    ports = world.ports()
    state = begun(world, ports)
    runner.pause(world.stage, world.ports())
    state = runner.tick(world.stage, ports, state).state
    assert state.phase is Phase.PAUSED
    runner.promote(world.stage, world.ports())
    assert runner.run(world.stage, ports, state).phase is Phase.PROMOTED


def test_a_request_at_the_same_moment_as_a_write_is_made_again() -> None:
    world = fleet()
    begun(world)
    world.aliases.fault = Once("before", "write", 1, lambda: runner.pause(world.stage, world.ports()))
    assert runner.promote(world.stage, world.ports()).phase is Phase.PROMOTING
    assert set(world.routes().values()) == {("2", None, 0)}


def test_a_pause_that_comes_between_a_tick_and_its_write_wins() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.clock.sleep(400)
    world.aliases.fault = Once("before", "write", 1, lambda: runner.pause(world.stage, world.ports()))
    done = runner.tick(world.stage, ports, state)
    assert (done.state.phase, done.state.weight_bp) == (Phase.PAUSED, 1000)


def test_resume_refuses_another_plan_unless_it_is_accepted() -> None:
    world = fleet()
    begun(world)
    other = world.stage.model_copy(update={"hold_max": timedelta(hours=2)})
    with pytest.raises(RefusedError, match="isn't the one that canary"):
        runner.resume(other, world.ports())
    assert runner.resume(other, world.ports(), accept_plan=True).phase is Phase.BAKING


def test_a_tick_under_another_plan_says_so_once_and_goes_on_judging() -> None:
    world = fleet()
    state = begun(world)
    ports = world.ports()
    other = world.stage.model_copy(update={"hold_max": timedelta(hours=2)})
    for _ in range(3):
        state = runner.tick(other, ports, state).state
    texts = [event.text for event in world.journal.written if isinstance(event, Noticed)]
    assert len([text for text in texts if "plan has changed" in text]) == 1


def test_commands_without_a_canary_say_so() -> None:
    world = fleet()
    for command in (runner.pause, runner.resume, runner.promote, runner.abort, runner.rollback):
        with pytest.raises(NotRunningError):
            command(world.stage, world.ports())
    assert runner.current(world.stage, world.ports()) is None


def test_abort_ends_as_aborted_and_a_second_one_finds_nothing() -> None:
    world = fleet()
    begun(world)
    assert runner.abort(world.stage, world.ports()).phase is Phase.ABORTED
    assert set(world.routes().values()) == {("1", None, 0)}
    with pytest.raises(NotRunningError):
        runner.abort(world.stage, world.ports())


def test_a_rollback_ends_a_canary_that_was_only_claimed() -> None:
    world = fleet()
    runner.start(world.stage, world.ports())
    state = runner.rollback(world.stage, world.ports())
    assert state is not None
    assert state.phase is Phase.ABORTED
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_a_rollback_finishes_what_another_process_left_half_taken_back() -> None:
    world = fleet()
    begun(world)
    world.aliases.fault = Once("after", "write", 1, interrupt, "worker:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(world.stage, world.ports())
    world.aliases.fault = lambda moment, call, key: None
    state = runner.rollback(world.stage, world.ports())
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_after_the_end_a_rollback_goes_to_the_base_that_the_journal_knows() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert runner.rollback(world.stage, world.ports()) is None
    assert set(world.routes().values()) == {("1", None, 0)}
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_a_rollback_after_the_end_never_guesses() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    world.aliases.change("api:live", version="9")
    with pytest.raises(NotRunningError, match="no promotion of the present versions"):
        runner.rollback(world.stage, world.ports())


def test_a_rollback_to_a_named_version_moves_what_is_named() -> None:
    world = fleet()
    assert runner.rollback(world.stage, world.ports(), to={"worker:live": "2"}) is None
    assert world.routes() == {"api:live": ("1", None, 0), "worker:live": ("2", None, 0)}
    runner.rollback(world.stage, world.ports(), to={"": "2"})
    assert set(world.routes().values()) == {("2", None, 0)}
    with pytest.raises(NotFoundError):
        runner.rollback(world.stage, world.ports(), to={"": "77"})


def test_a_rollback_of_a_function_that_the_stage_lacks_is_refused_not_ignored() -> None:
    world = fleet()
    with pytest.raises(RefusedError, match="no function apii:live"):
        runner.rollback(world.stage, world.ports(), to={"apii:live": "2"})
    assert world.aliases.writes == []


def test_a_canary_under_way_goes_back_to_its_own_base_only() -> None:
    world = fleet()
    begun(world)
    with pytest.raises(RefusedError, match="its own base"):
        runner.rollback(world.stage, world.ports(), to={"": "2"})
