"""Stop requests, a dead network, refusals, full disks: what a driver does when the simulation is against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from canary import runner
from canary.core.alias import AliasState
from canary.core.events import CallRetried, CanaryEnded, Event, Judged, Noticed
from canary.core.machine import Decision, conclude
from canary.core.measurements import AlarmReading, AlarmState, Observations
from canary.core.phases import Phase
from canary.core.plan import FunctionRef
from canary.core.state import CanaryState
from canary.errors import (
    AccessDeniedError,
    NotFoundError,
    UnavailableError,
)
from canary.runner import Ports, drive
from canary.simulator import Simulation
from tests.canary.faults import Once, down_until, interrupt, simulation_of, steady
from tests.canary.stages import stage_of


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def begun(simulation: Simulation, ports: Ports | None = None) -> CanaryState:
    ports = ports or simulation.ports()
    return runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state


@pytest.mark.parametrize(("answer", "phase"), [("rollback", Phase.ROLLED_BACK), ("leave", Phase.BAKING)])
def test_a_stop_request_asks_once_and_does_as_answered(answer: str, phase: Phase) -> None:
    simulation = fleet()
    ports = simulation.ports()
    asked: list[str] = []

    def ask() -> str:
        asked.append("?")
        return answer

    state = runner.start(simulation.stage, ports)
    deadline = simulation.clock.now() + timedelta(seconds=150)
    state = runner.run(
        simulation.stage,
        ports,
        state,
        stop_requested=lambda: simulation.clock.now() >= deadline,
        on_interrupt=ask,  # type: ignore[arg-type]
    )
    assert (state.phase, asked) == (phase, ["?"])
    assert (simulation.clock.now() - deadline) < timedelta(seconds=10), "a stop doesn't wait for the next tick"
    if phase is Phase.ROLLED_BACK:
        assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


def test_a_stop_request_while_aws_is_down_is_carried_out_when_it_is_back() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    until = simulation.clock.now() + timedelta(minutes=10)
    simulation.aliases.fault = down_until(simulation, until)
    state = runner.run(simulation.stage, ports, state, stop_requested=lambda: True)
    assert state.phase is Phase.ROLLED_BACK
    assert simulation.clock.now() < until + timedelta(minutes=1)


def test_a_stop_request_before_any_traffic_gives_the_claims_back() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports), stop_requested=lambda: True)
    assert state.phase is Phase.ABORTED
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


def test_an_interrupt_during_a_rollback_lets_it_finish() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.aliases.fault = Once("after", "write", 1, interrupt, "api:live")
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(simulation.stage, simulation.ports())
    simulation.aliases.fault = lambda moment, call, key: None
    assert runner.run(simulation.stage, ports, state, stop_requested=lambda: True).phase is Phase.ROLLED_BACK


def test_a_stop_request_for_a_canary_that_ended_elsewhere_finds_its_end() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    runner.rollback(simulation.stage, simulation.ports())
    assert runner.run(simulation.stage, ports, state, stop_requested=lambda: True).phase is Phase.ROLLED_BACK


def test_an_unreachable_aws_does_not_end_the_loop() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    until = simulation.clock.now() + timedelta(minutes=10)
    simulation.aliases.fault = down_until(simulation, until)
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED
    assert any(isinstance(event, CallRetried) for event in simulation.journal.written)
    assert any("AWS is unavailable" in e.text for e in simulation.journal.written if isinstance(e, Noticed))


def test_a_step_that_aws_refuses_for_good_brings_everything_back() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "worker:live") and simulation.aliases.states[
            "api:live"
        ].extra_bp == 2500:
            raise NotFoundError("lambda:UpdateAlias: Function not found: worker:2")

    simulation.aliases.fault = refuse
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.ROLLED_BACK
    assert "AWS refused the next step: lambda:UpdateAlias" in state.why
    assert set(simulation.routes().values()) == {("1", None, 0)}


def test_a_description_that_aws_refuses_to_restore_is_an_error_and_the_traffic_is_right() -> None:
    simulation = fleet(post_bake="0s")
    ports = simulation.ports()
    state = runner.promote(simulation.stage, ports) if begun(simulation, ports) else None
    assert state is not None

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call) == ("before", "write") and " f " in simulation.aliases.states["api:live"].description:
            raise AccessDeniedError("lambda:UpdateAlias")

    simulation.aliases.fault = refuse
    with pytest.raises(AccessDeniedError):
        runner.run(simulation.stage, ports, state)
    assert set(simulation.routes().values()) == {("2", None, 0)}


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
    """Keeps what it events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)


def test_neither_a_broken_observer_nor_a_full_disk_stops_a_canary() -> None:
    simulation = fleet()
    listener = Listener()
    ports = simulation.ports(observers=(Broken(), listener), journal=FullDisk())
    assert runner.run(simulation.stage, ports, runner.start(simulation.stage, ports)).phase is Phase.PROMOTED
    texts = [event.text for event in listener.events if isinstance(event, Noticed)]
    assert [text for text in texts if "journal" in text] == ["cannot write to the journal: no space left"]


def test_a_broken_observer_is_written_down() -> None:
    simulation = fleet()
    runner.start(simulation.stage, simulation.ports(observers=(Broken(),)))
    assert any("Broken failed: no terminal" in e.text for e in simulation.journal.written if isinstance(e, Noticed))


def test_functions_are_rolled_back_in_parallel_too() -> None:
    simulation = fleet()
    ports = simulation.ports(in_parallel=True)
    begun(simulation, ports)
    state = runner.rollback(simulation.stage, ports)
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}


def test_a_deleted_alias_does_not_keep_a_rollback_going_for_ever() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)
    gone = False

    def delete(moment: str, call: str, key: str) -> None:
        nonlocal gone
        if (moment, call, key) == ("before", "write", "worker:live"):
            gone = True
        if gone and key == "worker:live":
            raise NotFoundError("no such alias")

    simulation.aliases.fault = delete
    state = runner.rollback(simulation.stage, ports)
    assert state is not None
    assert (state.phase, "deleted" in state.why) == (Phase.CONFLICT, True)
    assert simulation.routes()["api:live"] == ("1", None, 0)


def test_an_alias_that_is_deleted_while_the_canary_runs_is_a_published_conflict() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    del simulation.aliases.states["worker:live"]
    assert runner.run(simulation.stage, ports, state).phase is Phase.CONFLICT
    assert [e.outcome for e in simulation.journal.written if isinstance(e, CanaryEnded)] == [Phase.CONFLICT]


def test_a_driver_that_gives_up_writes_down_why() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def expired(moment: str, call: str, key: str) -> None:
        raise AccessDeniedError("lambda:GetAlias: ExpiredTokenException")

    simulation.aliases.fault = expired
    with pytest.raises(AccessDeniedError):
        runner.run(simulation.stage, ports, state)
    published = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert any("ExpiredTokenException" in text for text in published)


def test_a_rollback_by_hand_goes_on_while_aws_is_down() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)
    calls = 0

    def down(moment: str, call: str, key: str) -> None:
        nonlocal calls
        calls += 1
        if 4 < calls < 60:
            raise UnavailableError("down")

    simulation.aliases.fault = down
    state = runner.rollback(simulation.stage, ports)
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert set(simulation.routes().values()) == {("1", None, 0)}


def test_a_clock_that_is_set_back_does_not_leave_the_canary_unwatched() -> None:
    simulation = fleet()
    slept: list[float] = []

    class Backwards:
        """An hour is taken off after the first nap."""

        def now(self) -> datetime:
            return simulation.clock.now() - timedelta(hours=1 if slept else 0)

        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            simulation.clock.sleep(seconds)

    drive._wait(simulation.clock.now() + timedelta(seconds=60), simulation.ports(clock=Backwards()), lambda: False)
    assert sum(slept) == pytest.approx(60)


def test_the_settle_time_covers_the_slowest_function() -> None:
    simulation = fleet()
    simulation.aliases.versions["worker", "2"] = replace(simulation.aliases.versions["worker", "2"], timeout_s=600)
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.clock.sleep(720)
    simulation.metrics.delay = timedelta()
    seen = runner.tick(simulation.stage, ports, state).observations
    youngest = max(row.minute for stream in seen.streams for row in stream.minutes)
    assert simulation.clock.now() - youngest - timedelta(minutes=1) >= timedelta(seconds=620)


def test_a_timeout_that_cannot_be_read_leaves_the_plans_settle_time() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def refuse(moment: str, call: str, key: str) -> None:
        if call == "version":
            raise AccessDeniedError("lambda:GetFunctionConfiguration")

    simulation.aliases.fault = refuse
    fresh = simulation.ports()
    simulation.clock.sleep(180)
    runner.tick(simulation.stage, fresh, state)
    assert simulation.clock.now() - simulation.metrics.windows[-1].end < timedelta(seconds=180)


def test_every_judgement_is_published() -> None:
    simulation = fleet()
    ports = simulation.ports()
    runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    judged = [event for event in simulation.journal.written if isinstance(event, Judged)]
    assert {event.weight_bp for event in judged} == {1000, 2500, 5000, 10_000}


def test_a_deleted_baseline_version_is_published_until_somebody_helps() -> None:
    """lambda-canary.md §9, trap 18. The other function is back at once; this one is tried again."""
    simulation = fleet()
    ports = simulation.ports()
    state = runner.promote(simulation.stage, ports) if begun(simulation, ports) else None
    assert state is not None
    refused = 0

    def deleted(moment: str, call: str, key: str) -> None:
        nonlocal refused
        if (moment, call, key) == ("before", "write", "api:live"):
            refused += 1
            if refused == 20:
                simulation.aliases.change("api:live", version="3")
            raise NotFoundError("lambda:UpdateAlias: Function not found: api:1")

    simulation.aliases.fault = deleted
    back = runner.rollback(simulation.stage, ports)
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK
    assert simulation.routes() == {"api:live": ("3", None, 0), "worker:live": ("1", None, 0)}
    assert any("Function not found" in e.error for e in simulation.journal.written if isinstance(e, CallRetried))


def test_an_alias_that_does_not_read_back_as_written_is_written_again() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)
    torn = 0

    def tear(moment: str, call: str, key: str) -> None:
        nonlocal torn
        if (moment, call, key) == ("after", "write", "worker:live") and torn < 2:
            torn += 1
            simulation.aliases.change("worker:live", extra_version="2", extra_bp=100)

    simulation.aliases.fault = tear
    state = runner.rollback(simulation.stage, ports)
    assert state is not None
    assert (torn, state.phase) == (2, Phase.ROLLED_BACK)
    assert set(simulation.routes().values()) == {("1", None, 0)}


def struck_during_the_rollback(description: str) -> tuple[Simulation, Ports, CanaryState]:
    """An unhealthy canary whose second alias gets another record just after the first one was rolled back."""
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    steady(simulation).failing["2"] = 1.0
    simulation.clock.sleep(300)

    def strike(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("after", "write", "api:live"):
            text = description or simulation.aliases.states["worker:live"].description.replace(state.canary_id, "other")
            simulation.aliases.change("worker:live", description=text)

    simulation.aliases.fault = strike
    return simulation, ports, state


def test_another_canarys_record_is_left_alone_by_a_rollback() -> None:
    simulation, ports, state = struck_during_the_rollback("")
    assert runner.run(simulation.stage, ports, state).phase is Phase.CONFLICT
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("1", "2", 1000)}


def test_a_record_that_cannot_be_read_is_left_alone_by_a_rollback() -> None:
    simulation, ports, state = struck_during_the_rollback("canary9 of the future")
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.CONFLICT
    assert "worker:live serves 90 % version 1 and 10 % version 2" in state.why
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("1", "2", 1000)}


def test_a_rollback_that_aws_refuses_for_good_ends_with_an_alert() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)

    def deleted(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "api:live"):
            raise NotFoundError("lambda:UpdateAlias: Function not found: api:1")

    simulation.aliases.fault = deleted
    with pytest.raises(NotFoundError):
        runner.rollback(simulation.stage, ports)
    assert simulation.routes()["worker:live"] == ("1", None, 0)
    assert [text for text in alerts(simulation) if "the rollback of api:live is refused" in text]


def test_a_rollback_that_gets_no_answer_for_a_minute_alerts_a_person_once() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)
    down = down_until(simulation, simulation.clock.now() + timedelta(minutes=10))

    def no_writes(moment: str, call: str, key: str) -> None:
        if call == "write":
            down(moment, call, key)

    simulation.aliases.fault = no_writes
    assert runner.rollback(simulation.stage, ports) is not None
    assert alerts(simulation) == ["the rollback of api:live has not succeeded for 1m: no network"]


def alerts(simulation: Simulation) -> list[str]:
    return [event.text for event in simulation.journal.written if isinstance(event, Noticed) and event.is_alert]


def refused(*_: object) -> None:
    raise AccessDeniedError("lambda:GetAlias: the security token is expired")


def test_a_driver_whose_credentials_end_rolls_back_when_they_are_renewed() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    renewed_at = simulation.clock.now() + timedelta(minutes=10)

    def expired(moment: str, call: str, key: str) -> None:
        if simulation.clock.now() < renewed_at:
            refused()

    simulation.aliases.fault = expired
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.ROLLED_BACK
    assert "AWS refused the driver for 2m" in state.why
    assert alerts(simulation)[0].startswith("AWS refuses the driver: lambda:GetAlias")


def test_a_refusal_that_passes_at_once_changes_nothing() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.aliases.fault = Once("before", "read", 1, refused)
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED


def test_a_driver_whose_credentials_end_for_good_stops_and_says_that_nobody_watches() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.aliases.fault = refused
    with pytest.raises(AccessDeniedError):
        runner.run(simulation.stage, ports, state)
    assert "this canary is not watched" in alerts(simulation)[-1]


class Odd:
    """A source that raises what no adapter should."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*_: object, **__: object) -> object:
            raise self.error

        return call


ODD = [
    ValueError("cannot convert float infinity"),
    RecursionError("deep"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "x"),
]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("source", ["metrics", "probes", "alarms"])
def test_an_exception_of_a_source_is_unknown_and_noticed_once(source: str, error: Exception) -> None:
    gates = {"errors": {}, "health": {"kind": "health", "url": "https://a.example/", "dedicated": True}}
    simulation = fleet(gates={**gates, "alarms": {"kind": "alarms", "names": ["red"]}})
    simulation.alarms.readings = (AlarmReading("alarms", "red", AlarmState.OK),)
    state = begun(simulation, simulation.ports())
    ports = simulation.ports(**{source: Odd(error)})
    for _ in range(4):
        simulation.clock.sleep(60)
        done = runner.tick(simulation.stage, ports, state)
        state = done.state
    assert state.phase is Phase.BAKING
    assert state.weight_bp == 1000
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert len([text for text in texts if "failed, so what it measures is unknown" in text]) == 1


def test_an_odd_answer_about_an_alias_is_tried_again() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def odd() -> None:
        raise KeyError("FunctionVersion")

    simulation.aliases.fault = Once("before", "read", 3, odd)
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED


def test_an_odd_answer_during_a_rollback_is_tried_again() -> None:
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation, ports)

    def odd() -> None:
        raise KeyError("RevisionId")

    simulation.aliases.fault = Once("after", "write", 1, odd)
    back = runner.rollback(simulation.stage, ports)
    assert back is not None
    assert back.phase is Phase.ROLLED_BACK


def test_a_fault_of_the_program_rolls_back_before_it_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("in the judge")

    monkeypatch.setattr(drive, "decide", lambda s, o, now: broken() if o is not None else conclude(s, None, now))
    with pytest.raises(ZeroDivisionError):
        runner.run(simulation.stage, ports, state)
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("1", None, 0)}
    assert alerts(simulation) == ["internal error (ZeroDivisionError: in the judge); rolling back"]


def test_a_fault_that_keeps_the_rollback_from_ending_is_reported_after_the_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("everywhere")

    monkeypatch.setattr(drive, "decide", broken)
    with pytest.raises(ZeroDivisionError):
        runner.tick(simulation.stage, ports, state)
    assert {routes[1:] for routes in simulation.routes().values()} == {(None, 0)}
    assert alerts(simulation)[-1].startswith("the rollback did not end: ZeroDivisionError")


def test_a_fault_of_the_program_while_aws_is_down_still_rolls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    until = simulation.clock.now() + timedelta(minutes=5)

    def broken(state: CanaryState, observations: Observations | None, now: datetime) -> Decision:
        if observations is None:
            return conclude(state, None, now)
        simulation.aliases.fault = down_until(simulation, until)
        raise ZeroDivisionError("in the judge")

    monkeypatch.setattr(drive, "decide", broken)
    with pytest.raises(ZeroDivisionError):
        runner.tick(simulation.stage, ports, state)
    assert {routes[1:] for routes in simulation.routes().values()} == {(None, 0)}


def test_a_record_that_somebody_damaged_is_a_conflict_for_the_driver() -> None:
    simulation = fleet()
    ports = simulation.ports()
    state = begun(simulation, ports)
    simulation.aliases.change("worker:live", description="canary1 k 41>42 b -zz 10@0 - f|x")
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.CONFLICT
    assert "damaged canary record" in state.why


class Misread:
    """Aliases of which one reading, the n-th, says something else than is there."""

    def __init__(self, simulation: Simulation, at: int, **wrong: object) -> None:
        self._aliases, self._at, self._wrong, self.read_so_far = simulation.aliases, at, wrong, 0

    def read(self, function: FunctionRef) -> AliasState:
        self.read_so_far += 1
        said = self._aliases.read(function)
        return replace(said, **self._wrong) if self.read_so_far == self._at else said  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._aliases, name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "7"},
        {"extra_version": "2", "extra_bp": 9900},
        {"extra_version": None, "extra_bp": 0},
        {"description": ""},
        {"description": "canary1 k 41>42 b -zz 10@0 - f|x"},
    ],
)
@pytest.mark.parametrize("at", [3, 4])
def test_one_odd_reading_of_an_alias_is_no_foreign_writer(wrong: dict[str, object], at: int) -> None:
    simulation = fleet()
    state = begun(simulation)
    aliases = Misread(simulation, at, **wrong)
    ports = simulation.ports(aliases=aliases)
    while aliases.read_so_far < at + 4:  # of two aliases, each tick
        simulation.clock.sleep(60)
        state = runner.tick(simulation.stage, ports, state).state
        assert state.phase is Phase.BAKING


@pytest.mark.parametrize("description", ["", "canary1 k 41>42 b -zz 10@0 - f|x"])
def test_one_odd_reading_does_not_hide_the_canary_from_a_driver_without_memory(description: str) -> None:
    simulation = simulation_of(stage_of("api:live"))
    begun(simulation)
    simulation.clock.sleep(60)
    ports = simulation.ports(aliases=Misread(simulation, 1, description=description))
    assert runner.tick(simulation.stage, ports).state.phase is Phase.BAKING
