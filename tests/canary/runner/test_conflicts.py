"""Somebody else writes too: another driver, a person, a pipeline, AWS itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from canary import runner
from canary.core.events import CanaryEnded, Event, PhaseChanged, TrafficShifted
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import ConflictError, NotRunningError, RecordError, UnavailableError
from canary.simulator import Simulation
from canary.simulator.ports import InMemoryJournal
from tests.canary.faults import Once, simulation_of, steady
from tests.canary.stages import stage_of

ALONE = {("1", None, 0)}


def begun(simulation: Simulation) -> CanaryState:
    ports = simulation.ports()
    return runner.tick(simulation.stage, ports, runner.start(simulation.stage, ports)).state


def fleet(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", "worker:live", **settings))


def test_a_second_deploy_names_the_canary_in_progress() -> None:
    simulation = fleet()
    state = begun(simulation)
    before = list(simulation.aliases.writes)
    with pytest.raises(ConflictError, match=f"canary {state.canary_id} is in progress in stage staging"):
        runner.start(simulation.stage, simulation.ports())
    assert simulation.aliases.writes == before


@pytest.mark.parametrize("at", [1, 2])
def test_of_two_drivers_that_start_at_once_one_wins_and_the_other_says_who(at: int) -> None:
    """Between the loser's checks and its first write (or its second) the winner claims everything."""
    simulation = fleet()

    def winner() -> None:
        # The winner of the second alias alone: somebody who runs another plan with that function.
        stage = simulation.stage if at == 1 else stage_of("worker:live")
        runner.start(stage, simulation.ports(), canary_id="winner")

    simulation.aliases.fault = Once("before", "write", at, winner)
    with pytest.raises(ConflictError, match="winner"):
        runner.start(simulation.stage, simulation.ports(), canary_id="loser")
    simulation.aliases.fault = lambda moment, call, key: None
    assert set(simulation.routes().values()) == ALONE
    assert not any(
        "loser" in description for description in {a.description for a in simulation.aliases.states.values()}
    )
    ended = [event for event in simulation.journal.written if isinstance(event, CanaryEnded)]
    assert [(event.canary_id, event.outcome) for event in ended] == [("loser", Phase.CONFLICT)]


def test_two_drivers_of_one_canary_help_each_other() -> None:
    simulation = fleet()
    state = begun(simulation)
    mine, other = simulation.ports(), simulation.ports()
    for _ in range(80):
        if state.phase in {Phase.PROMOTED, Phase.CONFLICT}:
            break
        state = runner.tick(simulation.stage, mine, state).state
        try:
            theirs = runner.tick(simulation.stage, other).state
            assert theirs.phase is not Phase.CONFLICT
        except NotRunningError:
            pass
        simulation.clock.sleep(60)
    assert state.phase is Phase.PROMOTED
    assert set(simulation.routes().values()) == {("2", None, 0)}
    assert len(set(simulation.aliases.writes)) == len(simulation.aliases.writes), "nothing is written twice"


@pytest.mark.parametrize("failing", [0.0, 1.0])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_of_two_drivers_that_decide_in_the_same_second_one_publishes(moment: str, failing: float) -> None:
    """The other one's `UpdateAlias` is too late: around each write of a driver, an ally makes a whole tick."""
    simulation = fleet(post_bake="3m")
    state = begun(simulation)
    steady(simulation).failing["2"] = failing
    mine, ally = simulation.ports(), simulation.ports()

    def race() -> None:
        simulation.aliases.fault = lambda moment, call, key: None
        with suppress(NotRunningError):
            runner.tick(simulation.stage, ally)

    for _ in range(80):
        if state.phase in {Phase.PROMOTED, Phase.ROLLED_BACK, Phase.CONFLICT}:
            break
        simulation.aliases.fault = Once(moment, "write", 1, race)
        state = runner.tick(simulation.stage, mine, state).state
        simulation.clock.sleep(60)
    assert state.phase is (Phase.ROLLED_BACK if failing else Phase.PROMOTED)
    assert ends(simulation) == [state.phase]
    turns = [
        (event.weight_bp,) if isinstance(event, TrafficShifted) else (event.before, event.after)
        for event in simulation.journal.written
        if isinstance(event, (TrafficShifted, PhaseChanged))
    ]
    assert len(set(turns)) == len(turns), turns


def test_a_driver_finds_that_an_ally_has_ended_the_canary() -> None:
    simulation = fleet()
    state = begun(simulation)
    runner.rollback(simulation.stage, simulation.ports())
    done = runner.tick(simulation.stage, simulation.ports(), state)
    assert (done.state.phase, done.state.why, done.next_at) == (Phase.ROLLED_BACK, "rolled back on request", None)
    assert len(ends(simulation)) == 1, "the ally has published it"


def test_a_driver_finds_that_an_ally_has_promoted_the_canary() -> None:
    simulation = fleet(post_bake="3m")
    state = begun(simulation)
    ally = simulation.ports()
    runner.run(simulation.stage, ally, runner.promote(simulation.stage, ally))
    done = runner.tick(simulation.stage, simulation.ports(), state)
    assert (done.state.phase, done.state.is_watched) == (Phase.PROMOTED, True)
    assert "no regression in" in done.state.why
    assert len(ends(simulation)) == 1


@pytest.mark.parametrize(("version", "phase", "share"), [("1", Phase.ROLLED_BACK, 0), ("2", Phase.PROMOTED, 10_000)])
def test_a_canary_that_was_ended_by_hand_ends_in_the_journal_too(version: str, phase: Phase, share: int) -> None:
    simulation = fleet()
    state = begun(simulation)
    for key in simulation.aliases.states:
        simulation.aliases.change(key, version=version, extra_version=None, extra_bp=0, description="by hand")
    done = runner.tick(simulation.stage, simulation.ports(), state)
    assert done.state.phase is phase
    assert ends(simulation) == [phase]
    assert [e.weight_bp for e in simulation.journal.written if isinstance(e, TrafficShifted)][-1] == share
    assert done.state.is_watched is (phase is Phase.ROLLED_BACK), "nobody watched the version at 100 %"


def test_a_driver_that_lost_the_answer_to_its_last_write_still_publishes_the_end() -> None:
    simulation = fleet(post_bake="3m")
    ports = simulation.ports()
    state = begun(simulation)

    def lost(moment: str, call: str, key: str) -> None:
        if simulation.aliases.states["api:live"].description == "Live traffic":
            raise UnavailableError("no answer")

    simulation.aliases.fault = lost
    simulation.clock.call_after(3600, lambda: setattr(simulation.aliases, "fault", lambda *_: None))
    state = runner.run(simulation.stage, ports, state)
    assert (state.phase, state.is_watched) == (Phase.PROMOTED, True)
    assert ends(simulation) == [Phase.PROMOTED]


class Killed(BaseException):
    """The driver's process ends here."""


class DiesAtTheEnd(InMemoryJournal):
    """The journal of a driver that is killed between its last write and its last event."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self.written = simulation.journal.written

    def append(self, event: Event) -> None:
        if isinstance(event, PhaseChanged) and event.after in {Phase.PROMOTED, Phase.ROLLED_BACK}:
            raise Killed
        super().append(event)


@pytest.mark.parametrize(("failing", "phase"), [(0.0, Phase.PROMOTED), (0.8, Phase.ROLLED_BACK)])
@pytest.mark.parametrize("command", [runner.tick, runner.resume])
def test_an_end_that_a_killed_driver_did_not_publish_is_published_by_the_next_one(
    failing: float, phase: Phase, command: Callable[..., object]
) -> None:
    simulation = fleet(post_bake="3m")
    steady(simulation).failing["2"] = failing
    state = begun(simulation)
    with pytest.raises(Killed):
        runner.run(simulation.stage, simulation.ports(journal=DiesAtTheEnd(simulation)), state)
    assert ends(simulation) == []
    command(simulation.stage, simulation.ports())
    assert ends(simulation) == [phase]
    with pytest.raises(NotRunningError):
        command(simulation.stage, simulation.ports())


def test_a_start_that_a_killed_driver_did_not_get_to_is_aborted_in_the_journal() -> None:
    simulation = fleet()
    simulation.aliases.fault = Once("before", "write", 1, lambda: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        runner.start(simulation.stage, simulation.ports())
    simulation.aliases.fault = lambda moment, call, key: None
    with pytest.raises(NotRunningError):
        runner.tick(simulation.stage, simulation.ports())  # its driver may still be at it
    simulation.clock.sleep(150)
    assert runner.tick(simulation.stage, simulation.ports()).state.phase is Phase.ABORTED
    assert ends(simulation) == [Phase.ABORTED]


def test_a_driver_that_finds_an_aborted_canary_publishes_no_second_end() -> None:
    """It published a rollback after the abort: to the aliases both look alike."""
    simulation = fleet()
    state = begun(simulation)
    runner.abort(simulation.stage, simulation.ports())
    done = runner.run(simulation.stage, simulation.ports(), state)
    assert (done.phase, ends(simulation)) == (Phase.ABORTED, [Phase.ABORTED])


def test_what_was_deployed_by_hand_after_a_killed_driver_is_nothing_to_alert_of() -> None:
    simulation = fleet()
    begun(simulation)
    for key in simulation.aliases.states:
        simulation.aliases.change(key, version="9", extra_version=None, extra_bp=0, description="by hand")
    with pytest.raises(NotRunningError):
        runner.tick(simulation.stage, simulation.ports())
    assert ends(simulation) == []


def ends(simulation: Simulation) -> list[Phase]:
    """The ends that were published."""
    return [event.outcome for event in simulation.journal.written if isinstance(event, CanaryEnded)]


CHANGES = [
    {"version": "9", "extra_version": None, "extra_bp": 0},
    {"extra_bp": 9000},
    {"extra_version": "3"},
    {"version": "9", "extra_version": None, "extra_bp": 0, "description": "deployed by hand"},
    {"description": "who put this record here?"},
    {"extra_version": None, "extra_bp": 0},
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("key", ["api:live", "worker:live"])
def test_a_foreign_change_between_ticks_stops_the_canary_without_any_write(change: dict[str, object], key: str) -> None:
    simulation = fleet()
    state = begun(simulation)
    simulation.aliases.change(key, **change)
    before, writes = dict(simulation.aliases.states), list(simulation.aliases.writes)
    simulation.clock.sleep(900)
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, state)
    assert state.phase is Phase.CONFLICT
    assert key in state.why
    assert (simulation.aliases.states, simulation.aliases.writes) == (before, writes)
    assert isinstance(simulation.journal.written[-1], CanaryEnded)


@pytest.mark.sweep
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_foreign_change_at_every_write_of_a_run_is_never_written_over(change: dict[str, object], moment: str) -> None:
    """Everything from the first weight to the last restored description."""
    calm = fleet()
    runner.run(calm.stage, calm.ports(), begun(calm))
    for at in range(1, len(calm.aliases.writes) + 1, 2):
        simulation = fleet()
        struck: list[tuple[str, object]] = []

        def strike(simulation: Simulation = simulation, struck: list[tuple[str, object]] = struck) -> None:
            simulation.aliases.change("worker:live", **{**change, "version": "9"})
            struck.append(("worker:live", simulation.aliases.states["worker:live"]))

        simulation.aliases.fault = Once(moment, "write", at, strike)
        ports = simulation.ports()
        with suppress(ConflictError):  # struck while claiming
            runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
        assert struck, at
        assert simulation.aliases.states["worker:live"] == struck[0][1], f"write {at} went over a foreign change"


def test_a_new_revision_with_the_same_content_is_not_a_foreign_change() -> None:
    """RevisionId moves on resource-policy changes too (lambda-canary.md §1)."""
    simulation = fleet()
    simulation.aliases.fault = Once("before", "write", 3, lambda: simulation.aliases.change("api:live"))
    ports = simulation.ports()
    state = runner.run(simulation.stage, ports, runner.start(simulation.stage, ports))
    assert state.phase is Phase.PROMOTED


def test_a_canary_of_another_stage_that_took_the_aliases_is_named() -> None:
    simulation = fleet()
    state = begun(simulation)
    runner.rollback(simulation.stage, simulation.ports())
    runner.start(simulation.stage, simulation.ports(), canary_id="newone")
    found = runner.tick(simulation.stage, simulation.ports(), state).state
    assert (found.phase, found.why) == (Phase.ROLLED_BACK, "rolled back on request"), "as the journal has it"
    done = runner.tick(simulation.stage, simulation.ports(journal=InMemoryJournal()), state)
    assert (done.state.phase, done.state.why) == (
        Phase.CONFLICT,
        "canary newone has taken over the aliases; api:live serves version 1, worker:live serves version 1",
    )


def test_aliases_of_two_canaries_are_a_conflict_for_who_knew_one_of_them() -> None:
    simulation = fleet()
    state = begun(simulation)
    simulation.aliases.change(
        "worker:live", description=simulation.aliases.states["api:live"].description.replace(state.canary_id, "other")
    )
    assert runner.tick(simulation.stage, simulation.ports(), state).state.phase is Phase.CONFLICT
    with pytest.raises(ConflictError):
        runner.tick(simulation.stage, simulation.ports())


def test_moved_aliases_without_any_record_are_a_conflict_that_says_where_they_are() -> None:
    simulation = fleet()
    state = begun(simulation)
    for key in ("api:live", "worker:live"):
        simulation.aliases.change(key, version="9", extra_version=None, extra_bp=0, description="")
    done = runner.tick(simulation.stage, simulation.ports(), state)
    assert (done.state.phase, done.judgement) == (Phase.CONFLICT, None)
    assert "api:live serves version 9" in done.state.why


def test_a_record_of_another_format_stops_everything() -> None:
    simulation = fleet()
    simulation.aliases.change("api:live", description="canary2 from the future")
    with pytest.raises(RecordError):
        runner.start(simulation.stage, simulation.ports())


def test_after_a_conflict_a_rollback_takes_back_what_is_ours_and_leaves_the_rest() -> None:
    simulation = fleet()
    begun(simulation)
    simulation.aliases.change("worker:live", version="9", extra_version=None, extra_bp=0)
    foreign = simulation.aliases.states["worker:live"]
    state = runner.rollback(simulation.stage, simulation.ports())
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert simulation.routes()["api:live"] == ("1", None, 0)
    assert simulation.aliases.states["api:live"].description == "Live traffic"
    assert simulation.aliases.states["worker:live"] == foreign


def test_weights_changed_by_hand_can_still_be_rolled_back() -> None:
    simulation = simulation_of(stage_of("api:live"))
    begun(simulation)
    simulation.aliases.change("api:live", extra_bp=9000)
    state = runner.rollback(simulation.stage, simulation.ports())
    assert state is not None
    assert state.phase is Phase.ROLLED_BACK
    assert simulation.routes() == {"api:live": ("1", None, 0)}


def test_a_foreign_change_during_the_rollback_is_left_alone_and_noticed() -> None:
    simulation = fleet()
    state = begun(simulation)
    steady(simulation).failing["2"] = 1.0
    simulation.clock.sleep(300)
    simulation.aliases.fault = Once(
        "before",
        "write",
        1,
        lambda: simulation.aliases.change("worker:live", version="9", extra_version=None, extra_bp=0),
    )
    state = runner.run(simulation.stage, simulation.ports(), state)
    assert state.phase is Phase.ROLLED_BACK
    assert "worker:live" in state.why
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("9", None, 0)}


def test_awss_own_draining_weights_after_the_promotion_are_waited_for() -> None:
    """lambda-canary.md §9, trap 13: provisioned concurrency on the alias."""
    simulation = fleet()
    ports = simulation.ports()
    begun(simulation)
    drained: list[Phase] = []

    def inject(moment: str, call: str, key: str) -> None:
        alias = simulation.aliases.states[key]
        if (moment, call) == ("after", "write") and alias.version == "2" and " p " in alias.description:
            simulation.aliases.change(key, extra_version="1", extra_bp=10_000)

    simulation.aliases.fault = inject
    state = runner.promote(simulation.stage, ports)
    simulation.aliases.fault = lambda moment, call, key: None
    for share in (5000, 1000):
        done = runner.tick(simulation.stage, ports, state)
        drained.append(done.state.phase)
        for key in simulation.routes():
            simulation.aliases.change(key, extra_bp=share)
    for key in simulation.routes():
        simulation.aliases.change(key, extra_version=None, extra_bp=0)
    assert drained == [Phase.PROMOTING, Phase.PROMOTING]
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED
