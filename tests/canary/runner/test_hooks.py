"""Hooks: nothing is shifted before they succeed, and a promotion whose hook fails is rolled back."""

from __future__ import annotations

import pytest

from canary import runner
from canary.core.events import Noticed
from canary.core.measurements import HookState
from canary.core.phases import Phase
from canary.errors import RefusedError
from canary.simulator import Simulation
from canary.simulator.checks import InMemoryHooks
from tests.canary.faults import simulation_of
from tests.canary.stages import stage_of

BEFORE: dict[str, object] = {"when": "before_traffic", "function": "smoke"}
AFTER: dict[str, object] = {"when": "after_traffic", "url": "https://user:secret@checks.example/e2e?token=secret"}
PENDING = (HookState.PENDING, "still running")
PASSED = (HookState.SUCCEEDED, "")
BROKEN = (HookState.FAILED, "2 of 40 checks failed")


def released(*hooks: dict[str, object], answers: list[tuple[HookState, str]]) -> tuple[Simulation, Phase, str]:
    simulation = simulation_of(stage_of("api:live", "worker:live", hooks=hooks))
    simulation.hooks = InMemoryHooks(answers)
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    return simulation, state.phase, state.why


def weights(simulation: Simulation) -> list[int]:
    return [spec.extra_bp for _, spec in simulation.aliases.writes]


def test_hooks_that_succeed_are_asked_once_each_and_change_nothing() -> None:
    simulation, phase, _ = released(BEFORE, AFTER, answers=[PASSED])
    assert phase is Phase.PROMOTED
    calls = [(call.execution_id.partition("-")[2], len(call.targets)) for call in simulation.hooks.calls]
    assert calls == [("before_traffic-0", 2), ("after_traffic-1", 2)]


def test_a_hook_in_progress_is_asked_again_with_the_same_id_before_any_traffic_is_shifted() -> None:
    simulation, phase, _ = released(BEFORE, answers=[PENDING, PENDING, PASSED])
    assert phase is Phase.PROMOTED
    assert len({call.execution_id for call in simulation.hooks.calls}) == 1
    assert len(simulation.hooks.calls) == 3


def test_a_hook_that_fails_before_traffic_shifts_nothing() -> None:
    simulation, phase, why = released(BEFORE, answers=[BROKEN])
    assert phase is Phase.ABORTED
    assert why == "the hook before_traffic (smoke) failed: 2 of 40 checks failed"
    assert set(weights(simulation)) == {0}


def test_a_later_hook_waits_for_the_one_before_it() -> None:
    second = {**BEFORE, "function": "load"}
    simulation, phase, why = released(BEFORE, second, answers=[PENDING, PASSED, BROKEN])
    assert [call.execution_id[-1] for call in simulation.hooks.calls] == ["0", "0", "1"]
    assert (phase, why.split(" failed")[0]) == (Phase.ABORTED, "the hook before_traffic (load)")


def test_a_hook_that_does_not_end_in_time_has_failed() -> None:
    simulation, phase, why = released({**BEFORE, "within": "2m"}, answers=[PENDING])
    assert phase is Phase.ABORTED
    assert why.endswith("no success within 2m: still running")
    assert set(weights(simulation)) == {0}


def test_a_hook_that_fails_after_the_promotion_rolls_back() -> None:
    simulation, phase, why = released(AFTER, answers=[PENDING, BROKEN])
    assert phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}
    assert "after_traffic" in why
    assert "secret" not in why


def test_a_driver_that_cannot_ask_hooks_gets_no_further() -> None:
    simulation = simulation_of(stage_of("api:live", hooks=[BEFORE]))
    ports = simulation.ports(hooks=None)
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.ABORTED
    assert "can't ask hooks" in state.why


def test_a_hook_adapter_that_raises_is_unknown_and_noticed_once() -> None:
    class Broken(InMemoryHooks):
        def ask(self, hook: object, call: object) -> tuple[HookState, str]:
            raise ZeroDivisionError("odd")

    simulation = simulation_of(stage_of("api:live", hooks=[BEFORE]))
    ports = simulation.ports(hooks=Broken())
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.ABORTED
    notices = [e.text for e in simulation.journal.written if isinstance(e, Noticed) and "ZeroDivisionError" in e.text]
    assert len(notices) == 2  # that it failed, and that it did until the end


def test_a_replaced_driver_asks_again_with_the_same_id() -> None:
    simulation = simulation_of(stage_of("api:live", hooks=[BEFORE]))
    simulation.hooks = InMemoryHooks([PENDING, PASSED])
    first = simulation.ports()
    state = runner.start(simulation.stage, first)
    assert runner.tick(simulation.stage, first, state).state.phase is Phase.STARTING
    assert runner.tick(simulation.stage, simulation.ports()).state.phase is Phase.BAKING
    assert len({call.execution_id for call in simulation.hooks.calls}) == 1


def test_a_canary_that_waits_for_a_hook_can_be_aborted() -> None:
    simulation = simulation_of(stage_of("api:live", hooks=[BEFORE]))
    simulation.hooks = InMemoryHooks([PENDING])
    ports = simulation.ports()
    runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports))
    with pytest.raises(RefusedError, match="promotion requested"):
        runner.promote(simulation.stage, ports)
    assert runner.abort(simulation.stage, ports).phase is Phase.ABORTED
