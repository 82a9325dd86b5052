"""Stop requests, a dead network, refusals, full disks: what a driver does when the world is against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from canary import runner
from canary.core.events import CallRetried, CanaryEnded, Event, Judged, Noticed
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import (
    AccessDeniedError,
    NotFoundError,
    RecordError,
    UnavailableError,
)
from canary.runner import Ports, driving
from canary.simulator import Simulation
from tests.canary.faults import Once, down_until, interrupt, simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(world: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or world.ports()
    return runner.tick(world.stage, ports, runner.start(world.stage, ports)).state


@pytest.mark.parametrize(("answer", "phase"), [("rollback", Phase.ROLLED_BACK), ("leave", Phase.BAKING)])
def test_a_stop_request_asks_once_and_does_as_answered(answer: str, phase: Phase) -> None:
    world = fleet()
    ports = world.ports()
    asked: list[str] = []

    def ask() -> str:
        asked.append("?")
        return answer

    state = runner.start(world.stage, ports)
    deadline = world.clock.now() + timedelta(seconds=150)
    state = runner.run(
        world.stage,
        ports,
        state,
        stop_requested=lambda: world.clock.now() >= deadline,
        on_interrupt=ask,  # type: ignore[arg-type]
    )
    assert (state.phase, asked) == (phase, ["?"])
    assert (world.clock.now() - deadline) < timedelta(seconds=10), "a stop doesn't wait for the next tick"
    if phase is Phase.ROLLED_BACK:
        assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_a_stop_request_while_aws_is_down_is_carried_out_when_it_is_back() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    until = world.clock.now() + timedelta(minutes=10)
    world.aliases.fault = down_until(world, until)
    state = runner.run(world.stage, ports, state, stop_requested=lambda: True)
    assert state.phase is Phase.ROLLED_BACK
    assert world.clock.now() < until + timedelta(minutes=1)


def test_a_stop_request_before_any_traffic_gives_the_claims_back() -> None:
    world = fleet()
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports), stop_requested=lambda: True)
    assert state.phase is Phase.ABORTED
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


def test_a_stop_request_for_a_canary_on_its_way_back_lets_it_arrive() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.aliases.fault = Once("after", "write", 1, interrupt, "api:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(world.stage, world.ports())
    world.aliases.fault = lambda moment, call, key: None
    assert runner.run(world.stage, ports, state, stop_requested=lambda: True).phase is Phase.ROLLED_BACK


def test_a_stop_request_for_a_canary_that_ended_elsewhere_finds_its_end() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    runner.rollback(world.stage, world.ports())
    assert runner.run(world.stage, ports, state, stop_requested=lambda: True).phase is Phase.ROLLED_BACK


def test_an_unreachable_aws_does_not_end_the_loop() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    until = world.clock.now() + timedelta(minutes=10)
    world.aliases.fault = down_until(world, until)
    assert runner.run(world.stage, ports, state).phase is Phase.PROMOTED
    assert any(isinstance(event, CallRetried) for event in world.journal.written)
    assert any("can't be reached" in e.text for e in world.journal.written if isinstance(e, Noticed))


def test_a_step_that_aws_refuses_for_good_brings_everything_back() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "worker:live") and world.aliases.states[
            "api:live"
        ].extra_bp == 2500:
            raise NotFoundError("lambda:UpdateAlias: Function not found: worker:2")

    world.aliases.fault = refuse
    state = runner.run(world.stage, ports, state)
    assert state.phase is Phase.ROLLED_BACK
    assert "AWS refused to move on: lambda:UpdateAlias" in state.why
    assert set(world.routes().values()) == {("1", None, 0)}


def test_a_description_that_aws_refuses_to_restore_is_an_error_and_the_traffic_is_right() -> None:
    world = fleet(post_bake="0s")
    ports = world.ports()
    state = runner.promote(world.stage, ports) if begun(world, ports) else None
    assert state is not None

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call) == ("before", "write") and " f " in world.aliases.states["api:live"].description:
            raise AccessDeniedError("lambda:UpdateAlias")

    world.aliases.fault = refuse
    with pytest.raises(AccessDeniedError):
        runner.run(world.stage, ports, state)
    assert set(world.routes().values()) == {("2", None, 0)}


class Broken:
    """An observer that fails at everything."""

    def notify(self, event: Event) -> None:
        raise RuntimeError("no terminal")


class FullDisk:
    """A journal that can't be written."""

    def append(self, event: Event) -> None:
        raise OSError("no space left")

    def events(self, canary_id: str) -> list[Event]:
        return []

    def canaries(self, stage: str | None = None) -> list[dict[str, str]]:
        return []


class Listener:
    """Keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def notify(self, event: Event) -> None:
        self.heard.append(event)


def test_neither_a_broken_observer_nor_a_full_disk_stops_a_canary() -> None:
    world = fleet()
    listener = Listener()
    ports = world.ports(observers=(Broken(), listener), journal=FullDisk())
    assert runner.run(world.stage, ports, runner.start(world.stage, ports)).phase is Phase.PROMOTED
    texts = [event.text for event in listener.heard if isinstance(event, Noticed)]
    assert any("the journal can't be written: no space left" in text for text in texts)


def test_a_broken_observer_is_written_down() -> None:
    world = fleet()
    runner.start(world.stage, world.ports(observers=(Broken(),)))
    assert any("Broken failed: no terminal" in e.text for e in world.journal.written if isinstance(e, Noticed))


def test_functions_come_back_in_parallel_too() -> None:
    world = fleet()
    ports = world.ports(in_parallel=True)
    begun(world, ports)
    state = runner.rollback(world.stage, ports)
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert set(world.routes().values()) == {("1", None, 0)}


def test_an_alias_that_was_deleted_does_not_keep_the_way_back_busy_for_ever() -> None:
    world = fleet()
    ports = world.ports()
    begun(world, ports)
    gone = False

    def delete(moment: str, call: str, key: str) -> None:
        nonlocal gone
        if (moment, call, key) == ("before", "write", "worker:live"):
            gone = True
        if gone and key == "worker:live":
            raise NotFoundError("no such alias")

    world.aliases.fault = delete
    state = runner.rollback(world.stage, ports)
    assert state is not None
    assert (state.phase, "deleted" in state.why) == (Phase.CONFLICT, True)
    assert world.routes()["api:live"] == ("1", None, 0)


def test_an_alias_that_is_deleted_while_the_canary_runs_is_a_conflict_that_is_told() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    del world.aliases.states["worker:live"]
    assert runner.run(world.stage, ports, state).phase is Phase.CONFLICT
    assert [e.outcome for e in world.journal.written if isinstance(e, CanaryEnded)] == [Phase.CONFLICT]


def test_a_driver_that_gives_up_writes_down_why() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)

    def expired(moment: str, call: str, key: str) -> None:
        raise AccessDeniedError("lambda:GetAlias: ExpiredTokenException")

    world.aliases.fault = expired
    with pytest.raises(AccessDeniedError):
        runner.run(world.stage, ports, state)
    told = [event.text for event in world.journal.written if isinstance(event, Noticed)]
    assert any("ExpiredTokenException" in text for text in told)


def test_a_rollback_by_hand_goes_on_while_aws_is_down() -> None:
    world = fleet()
    ports = world.ports()
    begun(world, ports)
    calls = 0

    def down(moment: str, call: str, key: str) -> None:
        nonlocal calls
        calls += 1
        if 4 < calls < 60:
            raise UnavailableError("down")

    world.aliases.fault = down
    state = runner.rollback(world.stage, ports)
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert set(world.routes().values()) == {("1", None, 0)}


def test_a_clock_that_is_set_back_does_not_leave_the_canary_unwatched() -> None:
    world = fleet()
    slept: list[float] = []

    class Backwards:
        """An hour is taken off after the first nap."""

        def now(self) -> datetime:
            return world.clock.now() - timedelta(hours=1 if slept else 0)

        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            world.clock.sleep(seconds)

    driving._wait(world.clock.now() + timedelta(seconds=60), world.ports(clock=Backwards()), lambda: False)
    assert sum(slept) == pytest.approx(60)


def test_the_settle_time_covers_the_slowest_function() -> None:
    world = fleet()
    world.aliases.versions["worker", "2"] = replace(world.aliases.versions["worker", "2"], timeout_s=600)
    ports = world.ports()
    state = begun(world, ports)
    world.clock.sleep(720)
    runner.tick(world.stage, ports, state)
    assert world.clock.now() - world.metrics.windows[-1].end >= timedelta(seconds=660)


def test_a_timeout_that_cannot_be_read_leaves_the_plans_settle_time() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if call == "version":
            raise AccessDeniedError("lambda:GetFunctionConfiguration")

    world.aliases.fault = refuse
    fresh = world.ports()
    world.clock.sleep(180)
    runner.tick(world.stage, fresh, state)
    assert world.clock.now() - world.metrics.windows[-1].end < timedelta(seconds=180)


def test_every_judgement_is_told() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    judged = [event for event in world.journal.written if isinstance(event, Judged)]
    assert {event.weight_bp for event in judged} == {1000, 2500, 5000, 10_000}


def test_a_base_version_that_was_deleted_is_told_until_somebody_helps() -> None:
    """lambda-canary.md §9, trap 18. The other function is back at once; this one is tried for ever."""
    world = fleet()
    ports = world.ports()
    state = runner.promote(world.stage, ports) if begun(world, ports) else None
    assert state is not None
    refused = 0

    def deleted(moment: str, call: str, key: str) -> None:
        nonlocal refused
        if (moment, call, key) == ("before", "write", "api:live"):
            refused += 1
            if refused == 20:
                world.aliases.change("api:live", version="3")
            raise NotFoundError("lambda:UpdateAlias: Function not found: api:1")

    world.aliases.fault = deleted
    back = runner.rollback(world.stage, ports)
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert world.routes() == {"api:live": ("3", None, 0), "worker:live": ("1", None, 0)}
    assert any("Function not found" in e.error for e in world.journal.written if isinstance(e, CallRetried))


def test_an_alias_that_does_not_read_back_as_written_is_written_again() -> None:
    world = fleet()
    ports = world.ports()
    begun(world, ports)
    torn = 0

    def tear(moment: str, call: str, key: str) -> None:
        nonlocal torn
        if (moment, call, key) == ("after", "write", "worker:live") and torn < 2:
            torn += 1
            world.aliases.change("worker:live", extra_version="2", extra_bp=100)

    world.aliases.fault = tear
    state = runner.rollback(world.stage, ports)
    assert state is not None
    assert (torn, state.phase) == (2, Phase.ROLLED_BACK)
    assert set(world.routes().values()) == {("1", None, 0)}


def struck_on_the_way_back(description: str) -> tuple[Simulation, Ports, CanaryState]:
    """A sick canary whose second alias gets another record just after the first one came back."""
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    steady(world).failing["2"] = 1.0
    world.clock.sleep(300)

    def strike(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("after", "write", "api:live"):
            text = description or world.aliases.states["worker:live"].description.replace(state.canary_id, "other")
            world.aliases.change("worker:live", description=text)

    world.aliases.fault = strike
    return world, ports, state


def test_another_canarys_record_is_left_alone_on_the_way_back() -> None:
    world, ports, state = struck_on_the_way_back("")
    assert runner.run(world.stage, ports, state).phase is Phase.CONFLICT
    assert world.routes() == {"api:live": ("1", None, 0), "worker:live": ("1", "2", 1000)}


def test_a_record_that_cannot_be_read_is_left_alone_on_the_way_back() -> None:
    world, ports, state = struck_on_the_way_back("canary9 of the future")
    with pytest.raises(RecordError):
        runner.run(world.stage, ports, state)
    assert world.routes() == {"api:live": ("1", None, 0), "worker:live": ("1", "2", 1000)}
