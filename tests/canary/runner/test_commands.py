"""What a person may ask of a canary, from any process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary import runner
from canary.core.events import CanaryEnded, Noticed, PhaseChanged, TrafficShifted
from canary.core.phases import Phase
from canary.core.plan import FunctionRef
from canary.core.state import CanaryState
from canary.errors import (
    NotRunningError,
    RefusedError,
)
from canary.runner import Ports
from canary.simulator import Simulation
from tests.canary.faults import Once, interrupt, simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(simulation: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or simulation.ports()
    return runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state


def test_a_paused_canary_keeps_its_weight_and_still_comes_back() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)
    assert runner.pause(simulation.stage, simulation.ports()).phase is Phase.PAUSED
    state = runner.current(simulation.stage, ports)
    assert state is not None
    for _ in range(30):
        simulation.clock.sleep(60)
        state = runner.tick(simulation.stage, ports, state).state
    assert (state.phase, state.weight_bp) == (Phase.PAUSED, 1000)
    steady(simulation).failing["2"] = 0.5
    simulation.clock.sleep(300)
    assert runner.run(simulation.stage, ports, state).phase is Phase.ROLLED_BACK


def test_a_driver_at_work_goes_along_with_what_people_ask_elsewhere() -> None:
    simulation = fleet(post_bake="0s")
    ports = simulation.ports()
    state = begun(simulation, ports)
    runner.pause(simulation.stage, simulation.ports())
    state = runner.tick(simulation.stage, ports, state).state
    assert state.phase is Phase.PAUSED
    runner.promote(simulation.stage, simulation.ports())
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED


def test_a_request_at_the_same_moment_as_a_write_is_made_again() -> None:
    simulation = fleet()
    begun(simulation)
    simulation.aliases.fault = Once("before", "write", 1, lambda: runner.pause(simulation.stage, simulation.ports()))
    assert runner.promote(simulation.stage, simulation.ports()).phase is Phase.PROMOTING
    assert set(simulation.routes().values()) == {("2", None, 0)}


def test_a_pause_that_comes_between_a_tick_and_its_write_wins() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.clock.sleep(400)
    simulation.aliases.fault = Once("before", "write", 1, lambda: runner.pause(simulation.stage, simulation.ports()))
    done = runner.tick(simulation.stage, ports, state)
    assert (done.state.phase, done.state.weight_bp) == (Phase.PAUSED, 1000)


def test_resume_refuses_another_plan_unless_it_is_accepted() -> None:
    simulation = fleet()
    begun(simulation)
    other = simulation.stage.model_copy(update={"hold_max": timedelta(hours=2)})
    with pytest.raises(RefusedError, match="changed after canary"):
        runner.resume(other, simulation.ports())
    assert runner.resume(other, simulation.ports(), accept_plan=True).phase is Phase.BAKING


def test_a_tick_under_another_plan_says_so_once_and_goes_on_judging() -> None:
    simulation = fleet()
    state = begun(simulation)
    ports = simulation.ports()
    other = simulation.stage.model_copy(update={"hold_max": timedelta(hours=2)})
    for _ in range(3):
        state = runner.tick(other, ports, state).state
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert len([text for text in texts if "plan changed" in text]) == 1


def test_commands_without_a_canary_say_so() -> None:
    simulation = fleet()
    for command in (runner.pause, runner.resume, runner.promote, runner.abort, runner.rollback):
        with pytest.raises(NotRunningError):
            command(simulation.stage, simulation.ports())
    assert runner.current(simulation.stage, simulation.ports()) is None


def test_abort_ends_as_aborted_and_a_second_one_finds_nothing() -> None:
    simulation = fleet()
    begun(simulation)
    assert runner.abort(simulation.stage, simulation.ports()).phase is Phase.ABORTED
    assert set(simulation.routes().values()) == {("1", None, 0)}
    with pytest.raises(NotRunningError):
        runner.abort(simulation.stage, simulation.ports())


def test_a_rollback_ends_a_canary_that_has_only_its_records() -> None:
    simulation = fleet()
    runner.start(simulation.stage, simulation.ports())
    state = runner.rollback(simulation.stage, simulation.ports())
    assert state is not None
    assert state.phase is Phase.ABORTED
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


def test_a_rollback_finishes_what_another_process_rolled_back_in_part() -> None:
    simulation = fleet()
    begun(simulation)
    simulation.aliases.fault = Once("after", "write", 1, interrupt, "worker:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(simulation.stage, simulation.ports())
    simulation.aliases.fault = lambda moment, call, key: None
    state = runner.rollback(simulation.stage, simulation.ports())
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


def test_a_rollback_after_the_promotion_is_confirmed_journalled_and_published() -> None:
    simulation = fleet()
    ports = simulation.ports()
    promoted = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    asked: list[str] = []
    state = runner.rollback(simulation.stage, simulation.ports(), confirm=asked.append)
    assert state is not None
    changes = "api:live 2 → 1, worker:live 2 → 1"
    assert asked == [f"Revert promotion {promoted.canary_id} ({changes})?"]
    assert (state.phase, state.why) == (
        Phase.ROLLED_BACK,
        f"reverted promotion {promoted.canary_id} on request: {changes}",
    )
    assert set(simulation.routes().values()) == {("1", None, 0)}
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}
    shifted, changed, ended = list(simulation.journal.events(promoted.canary_id))[-3:]
    assert isinstance(shifted, TrafficShifted)
    assert shifted.weight_bp == 0
    assert isinstance(changed, PhaseChanged)
    assert (changed.before, changed.after) == (Phase.PROMOTED, Phase.ROLLED_BACK)
    assert isinstance(ended, CanaryEnded)
    assert simulation.journal.canaries("staging")[0]["outcome"] == "rolled_back"


def test_a_second_rollback_after_the_promotion_changes_nothing() -> None:
    simulation = fleet()
    ports = simulation.ports()
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    runner.rollback(simulation.stage, simulation.ports())
    before = list(simulation.aliases.writes), list(simulation.journal.written)
    state = runner.rollback(simulation.stage, simulation.ports())
    assert state is not None
    assert state.why == "already rolled back; api:live serves version 1, worker:live serves version 1"
    assert (simulation.aliases.writes, simulation.journal.written) == before


def test_a_rollback_that_is_not_confirmed_changes_nothing() -> None:
    simulation = fleet()
    ports = simulation.ports()
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))

    def refuse(question: str) -> None:
        raise RefusedError("not confirmed")

    with pytest.raises(RefusedError):
        runner.rollback(simulation.stage, simulation.ports(), confirm=refuse)
    assert set(simulation.routes().values()) == {("2", None, 0)}


def test_a_rollback_clears_the_weights_of_a_canary_whose_record_somebody_removed() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation)
    for key in simulation.routes():
        simulation.aliases.change(key, description="managed by terraform")
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.CONFLICT
    assert "api:live serves 90 % version 1 and 10 % version 2" in state.why
    back = runner.rollback(simulation.stage, simulation.ports())
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}
    assert {a.description for a in simulation.aliases.states.values()} == {"managed by terraform"}


def test_a_rollback_to_a_deleted_version_names_the_next_one_that_exists() -> None:
    simulation = fleet()
    ports = simulation.ports()
    for function in simulation.stage.functions:
        simulation.aliases.add(function, "5", "6", "Live traffic")
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    del simulation.aliases.versions["api", "5"]
    with pytest.raises(RefusedError, match="version 5 of api no longer exists") as caught:
        runner.rollback(simulation.stage, simulation.ports())
    assert caught.value.hint == "Choose another: `canary rollback staging --to api:live=2`."
    assert set(simulation.routes().values()) == {("6", None, 0)}


def test_a_rollback_after_the_end_never_guesses() -> None:
    simulation = fleet()
    ports = simulation.ports()
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    simulation.aliases.change("api:live", version="9")
    with pytest.raises(NotRunningError, match="no canary of the live versions"):
        runner.rollback(simulation.stage, simulation.ports())


def test_what_was_rolled_back_and_released_again_elsewhere_is_not_reverted() -> None:
    simulation = fleet()
    begun(simulation)
    runner.rollback(simulation.stage, simulation.ports())
    for key in simulation.routes():
        simulation.aliases.change(key, version="2")
    with pytest.raises(NotRunningError):
        runner.rollback(simulation.stage, simulation.ports())


def test_a_rollback_to_a_named_version_moves_what_is_named() -> None:
    simulation = fleet()
    assert runner.rollback(simulation.stage, simulation.ports(), to={"worker:live": "2"}) is None
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("2", None, 0)}
    runner.rollback(simulation.stage, simulation.ports(), to={"": "2"})
    assert set(simulation.routes().values()) == {("2", None, 0)}
    with pytest.raises(RefusedError, match="version 77 of api no longer exists"):
        runner.rollback(simulation.stage, simulation.ports(), to={"": "77"})


def test_a_rollback_of_a_function_that_the_stage_lacks_is_refused_not_ignored() -> None:
    simulation = fleet()
    with pytest.raises(RefusedError, match="no function apii:live"):
        runner.rollback(simulation.stage, simulation.ports(), to={"apii:live": "2"})
    assert simulation.aliases.writes == []


def test_a_canary_in_progress_rolls_back_to_its_own_baseline_only() -> None:
    simulation = fleet()
    begun(simulation)
    with pytest.raises(RefusedError, match="its own base"):
        runner.rollback(simulation.stage, simulation.ports(), to={"": "2"})


def test_a_canary_whose_baseline_was_deleted_is_an_alert_and_returns_to_a_named_version() -> None:
    """Lambda keeps a version that an alias names; from 100 % on no alias names the baseline."""
    simulation = simulation_of(stage_of("api:live", post_bake="30m"))
    ports = simulation.ports()
    api = FunctionRef("api", "live")
    for number in ("3", "4"):
        simulation.aliases.versions["api", number] = replace(simulation.aliases.versions["api", "2"], version=number)
    simulation.aliases.change("api:live", version="3")
    state = runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports, versions={"": "4"})).state
    with pytest.raises(RefusedError, match="rolls back to its own baseline"):
        runner.rollback(simulation.stage, ports, to={"": "2"})
    state = runner.promote(simulation.stage, ports)
    for _ in range(3):
        state = runner.tick(simulation.stage, ports, state).state
    del simulation.aliases.versions["api", "3"]
    for _ in range(3):
        state = runner.tick(simulation.stage, ports, state).state
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed) and event.is_alert]
    assert texts == [
        "version 3 of api, the baseline, was deleted, so this canary can't be rolled back to it; "
        "if version 4 is unhealthy, `canary rollback staging --to api:live=2`"
    ]
    with pytest.raises(RefusedError, match="the baseline of api:live was deleted"):
        runner.rollback(simulation.stage, ports, to={"api:live": ""})
    back = runner.rollback(simulation.stage, ports, to={"": "2"})
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert simulation.routes() == {"api:live": ("2", None, 0)}
    assert simulation.aliases.read(api).description == "Live traffic"
    done = runner.tick(simulation.stage, ports, state)
    assert done.state.phase is Phase.ROLLED_BACK, "the driver takes the end from the journal"
