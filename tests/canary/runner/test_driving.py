"""Ticks, the loop, and what a person may ask while it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary import runner
from canary.core.events import CallRetried, CanaryEnded, Event, Judged, Measured, Noticed, PhaseChanged, TrafficShifted
from canary.core.measurements import Probe, StreamKey
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.core.verdict import Process, Verdict
from canary.errors import (
    AccessDeniedError,
    NotFoundError,
    NotRunningError,
    RecordError,
    RefusedError,
)
from canary.runner import Ports
from tests.canary.fakes import Once, World, down_until, interrupt, stage_of


def fleet(**settings: object) -> World:
    return World(stage_of("api:live", "worker:live", **settings))


def begun(world: World, ports: Ports | None = None) -> CanaryState:
    ports = ports or world.ports()
    return runner.tick(world.stage, ports, runner.start(world.stage, ports)).state


def kinds(world: World) -> list[str]:
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
    world.metrics.failing["2"] = 0.3
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert state.phase is Phase.ROLLED_BACK
    assert "30.0 % of 200 requests failed on version 2" in state.why
    ended = world.journal.written[-1]
    assert isinstance(ended, CanaryEnded)
    assert (ended.at - ended.started_at) <= timedelta(minutes=4)


def test_one_failing_function_takes_all_back() -> None:
    world = fleet()
    original = world.metrics._minute

    def minute(target, at):  # type: ignore[no-untyped-def]
        world.metrics.failing["2"] = 0.4 if target.function.key == "worker:live" else 0.0
        return original(target, at)

    world.metrics._minute = minute  # type: ignore[method-assign]
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
    assert max(alias.extra_bp for _, alias in world.traffic.history) == 1000


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
    world.metrics.failing["2"] = 1.0
    world.clock.sleep(300)
    world.journal.written.clear()
    told_before: list[int] = []

    def note(moment: str, call: str, key: str) -> None:
        if call == "write":
            told_before.append(len(world.journal.written))

    world.traffic.trouble = note
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
    assert done.judgement.deciding is Process.PROBE


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
    world.metrics.failing["2"] = 0.5
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
    world.traffic.trouble = Once("before", "write", 1, lambda: runner.pause(world.stage, world.ports()))
    assert runner.promote(world.stage, world.ports()).phase is Phase.PROMOTING
    assert set(world.routes().values()) == {("2", None, 0)}


def test_a_pause_that_comes_between_a_tick_and_its_write_wins() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.clock.sleep(400)
    world.traffic.trouble = Once("before", "write", 1, lambda: runner.pause(world.stage, world.ports()))
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
    assert world.descriptions() == {"Live traffic"}


def test_a_rollback_finishes_what_another_process_left_half_taken_back() -> None:
    world = fleet()
    begun(world)
    world.traffic.trouble = Once("after", "write", 1, interrupt, "worker:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(world.stage, world.ports())
    world.traffic.trouble = lambda moment, call, key: None
    state = runner.rollback(world.stage, world.ports())
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert world.descriptions() == {"Live traffic"}


def test_after_the_end_a_rollback_goes_to_the_base_that_the_journal_knows() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    assert runner.rollback(world.stage, world.ports()) is None
    assert set(world.routes().values()) == {("1", None, 0)}
    assert world.descriptions() == {"Live traffic"}


def test_a_rollback_after_the_end_never_guesses() -> None:
    world = fleet()
    ports = world.ports()
    runner.run(world.stage, ports, runner.start(world.stage, ports))
    world.traffic.foreign("api:live", version="9")
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
    assert world.traffic.writes == []


def test_a_canary_under_way_goes_back_to_its_own_base_only() -> None:
    world = fleet()
    begun(world)
    with pytest.raises(RefusedError, match="its own base"):
        runner.rollback(world.stage, world.ports(), to={"": "2"})


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
        assert world.descriptions() == {"Live traffic"}


def test_a_stop_request_while_aws_is_down_is_carried_out_when_it_is_back() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    until = world.clock.now() + timedelta(minutes=10)
    world.traffic.trouble = down_until(world, until)
    state = runner.run(world.stage, ports, state, stop_requested=lambda: True)
    assert state.phase is Phase.ROLLED_BACK
    assert world.clock.now() < until + timedelta(minutes=1)


def test_a_stop_request_before_any_traffic_gives_the_claims_back() -> None:
    world = fleet()
    ports = world.ports()
    state = runner.run(world.stage, ports, runner.start(world.stage, ports), stop_requested=lambda: True)
    assert state.phase is Phase.ABORTED
    assert world.descriptions() == {"Live traffic"}


def test_a_stop_request_for_a_canary_on_its_way_back_lets_it_arrive() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.traffic.trouble = Once("after", "write", 1, interrupt, "api:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(world.stage, world.ports())
    world.traffic.trouble = lambda moment, call, key: None
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
    world.traffic.trouble = down_until(world, until)
    assert runner.run(world.stage, ports, state).phase is Phase.PROMOTED
    assert any(isinstance(event, CallRetried) for event in world.journal.written)
    assert any("can't be reached" in e.text for e in world.journal.written if isinstance(e, Noticed))


def test_a_step_that_aws_refuses_for_good_brings_everything_back() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "worker:live") and world.alias().extra_bp == 2500:
            raise NotFoundError("lambda:UpdateAlias: Function not found: worker:2")

    world.traffic.trouble = refuse
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
        if (moment, call) == ("before", "write") and " f " in world.alias().description:
            raise AccessDeniedError("lambda:UpdateAlias")

    world.traffic.trouble = refuse
    with pytest.raises(AccessDeniedError):
        runner.run(world.stage, ports, state)
    assert set(world.routes().values()) == {("2", None, 0)}


class Broken:
    """An observer that fails at everything."""

    def hear(self, event: Event) -> None:
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

    def hear(self, event: Event) -> None:
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

    world.traffic.trouble = delete
    with pytest.raises(NotFoundError):
        runner.rollback(world.stage, ports)
    assert world.routes()["api:live"] == ("1", None, 0)


def test_the_settle_time_covers_the_slowest_function() -> None:
    world = fleet()
    world.traffic.versions["worker", "2"] = replace(world.traffic.versions["worker", "2"], timeout_s=600)
    ports = world.ports()
    state = begun(world, ports)
    world.clock.sleep(720)
    runner.tick(world.stage, ports, state)
    assert world.clock.now() - world.metrics.asked[-1].end >= timedelta(seconds=660)


def test_a_timeout_that_cannot_be_read_leaves_the_plans_settle_time() -> None:
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if call == "version":
            raise AccessDeniedError("lambda:GetFunctionConfiguration")

    world.traffic.trouble = refuse
    fresh = world.ports()
    world.clock.sleep(180)
    runner.tick(world.stage, fresh, state)
    assert world.clock.now() - world.metrics.asked[-1].end < timedelta(seconds=180)


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
                world.traffic.foreign("api:live", version="3")
            raise NotFoundError("lambda:UpdateAlias: Function not found: api:1")

    world.traffic.trouble = deleted
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
            world.traffic.foreign("worker:live", extra_version="2", extra_bp=100)

    world.traffic.trouble = tear
    state = runner.rollback(world.stage, ports)
    assert state is not None
    assert (torn, state.phase) == (2, Phase.ROLLED_BACK)
    assert set(world.routes().values()) == {("1", None, 0)}


def struck_on_the_way_back(description: str) -> tuple[World, Ports, CanaryState]:
    """A sick canary whose second alias gets another record just after the first one came back."""
    world = fleet()
    ports = world.ports()
    state = begun(world, ports)
    world.metrics.failing["2"] = 1.0
    world.clock.sleep(300)

    def strike(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("after", "write", "api:live"):
            text = description or world.alias("worker:live").description.replace(state.canary_id, "other")
            world.traffic.foreign("worker:live", description=text)

    world.traffic.trouble = strike
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
