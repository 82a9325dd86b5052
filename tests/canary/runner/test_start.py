"""The start: which versions are released, how records are written, and undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary import runner
from canary.core.events import CanaryEnded, CanaryStarted, Noticed
from canary.core.phases import Phase
from canary.core.record import decode
from canary.errors import (
    AccessDeniedError,
    AwsError,
    ConflictError,
    NoChangeError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from canary.runner import Level
from canary.simulator import Simulation
from tests.canary.faults import simulation_of, unavailable
from tests.canary.stages import stage_of


def one(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", **settings))


def version(simulation: Simulation, **changes: object) -> None:
    key = ("api", "2")
    simulation.aliases.versions[key] = replace(simulation.aliases.versions[key], **changes)  # type: ignore[arg-type]


def test_a_refusal_lists_every_failed_check_and_changes_nothing() -> None:
    simulation = one()
    version(simulation, state="Failed", role="other")
    with pytest.raises(RefusedError) as refused:
        runner.start(simulation.stage, simulation.ports())
    assert "version_active api:live: version 2 is Failed" in refused.value.message
    assert "same_role" in refused.value.message
    assert (simulation.aliases.writes, simulation.journal.written) == ([], [])


def test_the_newest_version_is_released_unless_one_is_named_or_published() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    simulation.aliases.versions["api", "3"] = replace(simulation.aliases.versions["api", "2"], version="3")
    newest = runner.start(simulation.stage, simulation.ports())
    assert [function.candidate for function in newest.functions] == ["3", "2"]
    runner.abort(simulation.stage, simulation.ports())
    named = runner.start(simulation.stage, simulation.ports(), versions={"api:live": "2"})
    assert [function.candidate for function in named.functions] == ["2", "2"]
    runner.abort(simulation.stage, simulation.ports())
    published = runner.start(simulation.stage, simulation.ports(), publish=True)
    assert [function.candidate for function in published.functions] == ["4", "3"]


def test_a_function_without_versions_has_nothing_to_release() -> None:
    simulation = one()
    simulation.aliases.versions.clear()
    with pytest.raises(RefusedError, match="no published version"):
        runner.start(simulation.stage, simulation.ports())


def test_the_journal_has_the_whole_descriptions_before_the_record_takes_their_place() -> None:
    simulation = simulation_of(stage_of("api:live"), description="y" * 256)
    state = runner.start(simulation.stage, simulation.ports())
    (started,) = simulation.journal.written
    assert isinstance(started, CanaryStarted)
    assert started.functions[0].description == "y" * 256
    record = decode(simulation.aliases.states["api:live"].description)
    assert record is not None
    assert record.shortened
    ports = simulation.ports()
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED
    assert simulation.aliases.states["api:live"].description == "y" * 256


def test_a_description_that_the_journal_lost_comes_back_as_far_as_it_is_known() -> None:
    simulation = simulation_of(stage_of("api:live"), description="y" * 256)
    runner.start(simulation.stage, simulation.ports())
    simulation.journal.written.clear()
    runner.abort(simulation.stage, simulation.ports())
    assert set(simulation.aliases.states["api:live"].description) == {"y"}
    assert any(
        "does not have the whole description" in e.text for e in simulation.journal.written if isinstance(e, Noticed)
    )


def test_an_interrupted_start_is_completed_by_the_same_deploy() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    first = runner.start(simulation.stage, simulation.ports())
    simulation.aliases.change("worker:live", description="Live traffic")
    with pytest.raises(ConflictError, match=first.canary_id):
        runner.start(simulation.stage, simulation.ports())  # its driver may be alive
    simulation.clock.sleep(120)
    again = runner.start(simulation.stage, simulation.ports())
    assert again.canary_id == first.canary_id
    assert all(function.description == "Live traffic" for function in again.functions)
    simulation.aliases.versions["api", "3"] = replace(simulation.aliases.versions["api", "2"], version="3")
    with pytest.raises(ConflictError, match="is in progress"):
        runner.start(simulation.stage, simulation.ports())


def test_an_interrupted_start_that_is_only_ticked_is_undone() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    state = runner.start(simulation.stage, simulation.ports())
    simulation.aliases.change("worker:live", description="Live traffic")
    done = runner.tick(simulation.stage, simulation.ports(), state)
    assert done.state.phase is Phase.ABORTED
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}


@pytest.mark.parametrize("error", [AccessDeniedError("lambda:UpdateAlias"), NotFoundError("gone"), AwsError("no")])
def test_a_refused_start_restores_the_descriptions(error: AwsError) -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "worker:live"):
            raise error

    simulation.aliases.fault = refuse
    with pytest.raises(type(error)):
        runner.start(simulation.stage, simulation.ports())
    assert {a.description for a in simulation.aliases.states.values()} == {"Live traffic"}
    ended = simulation.journal.written[-1]
    assert isinstance(ended, CanaryEnded)
    assert ended.outcome is Phase.ABORTED


def test_a_record_that_cannot_be_removed_is_noticed() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    down = False

    def fault(moment: str, call: str, key: str) -> None:
        nonlocal down
        if (moment, call, key) == ("before", "write", "worker:live"):
            down = True
        if down:
            raise UnavailableError("no network")

    simulation.aliases.fault = fault
    with pytest.raises(UnavailableError):
        runner.start(simulation.stage, simulation.ports())
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert [text for text in texts if "may still have the record of this canary" in text]


def test_an_unreachable_aws_ends_the_start_with_nothing_changed() -> None:
    simulation = one()
    simulation.aliases.fault = unavailable
    with pytest.raises(UnavailableError):
        runner.start(simulation.stage, simulation.ports())
    assert simulation.aliases.writes == []


def test_a_version_for_a_function_that_the_stage_lacks_is_refused_not_ignored() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    with pytest.raises(RefusedError, match="stage has no function apii:live; its functions are api:live, worker:live"):
        runner.start(simulation.stage, simulation.ports(), versions={"apii:live": "2"})
    assert simulation.aliases.writes == []


def feasible(simulation: Simulation) -> dict[str, Level]:
    found = runner.preflight(simulation.stage, simulation.ports())
    return {check.name: check.level for check in found if check.name in {"enough_traffic", "judged_in_time"}}


def test_a_step_that_this_traffic_can_never_show_to_be_healthy_is_refused_with_the_arithmetic() -> None:
    simulation = simulation_of(stage_of("api:live"))
    simulation.metrics.daily = {"api:live": 1.0}
    with pytest.raises(RefusedError, match=r"(?s)step 1 \(10 %\).*needs 80 clean requests.*1 requests a minute"):
        runner.start(simulation.stage, simulation.ports())
    assert simulation.aliases.writes == []


@pytest.mark.parametrize(
    ("per_minute", "settings", "level"),
    [
        (1.0, {}, Level.FAILED),
        (1.0, {"on_inconclusive": "promote"}, Level.WARNING),
        (50.0, {}, Level.WARNING),
        (2000.0, {}, None),
        (0.0, {}, None),
    ],
)
def test_a_step_that_will_have_to_hold_is_only_a_warning(
    per_minute: float, settings: dict[str, object], level: Level | None
) -> None:
    simulation = simulation_of(stage_of("api:live", **settings))
    simulation.metrics.daily = {"api:live": per_minute}
    assert feasible(simulation).get("enough_traffic") == level


@pytest.mark.parametrize(
    ("timeout_s", "settings", "level"),
    [
        (60, {}, None),
        (900, {}, Level.WARNING),
        (900, {"hold_max": "5m"}, Level.FAILED),
        (900, {"hold_max": "5m", "on_no_data": "promote"}, Level.WARNING),
    ],
)
def test_a_function_that_runs_longer_than_a_step_is_watched_cannot_be_judged(
    timeout_s: int, settings: dict[str, object], level: Level | None
) -> None:
    simulation = simulation_of(stage_of("api:live", **settings))
    simulation.aliases.versions["api", "1"] = replace(simulation.aliases.versions["api", "1"], timeout_s=timeout_s)
    assert feasible(simulation).get("judged_in_time") == level


def test_a_function_with_nothing_to_release_is_left_alone_and_said() -> None:
    """One alias already serves the newest version; the others are released, judged and promoted without it."""
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    simulation.aliases.change("worker:live", version="2")
    ports = simulation.ports()
    state = runner.start(simulation.stage, ports)
    assert [function.function.key for function in state.functions] == ["api:live"]
    assert simulation.aliases.states["worker:live"].description == "Live traffic"
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert texts == ["worker:live already serves version 2 and is left as it is"]
    done = runner.run(simulation.stage, simulation.ports(), runner.current(simulation.stage, ports) or state)
    assert (done.phase, done.is_watched) == (Phase.PROMOTED, True)
    assert set(simulation.routes().values()) == {("2", None, 0)}
    assert {key for key, _ in simulation.aliases.writes} == {"api:live"}
    back = runner.rollback(simulation.stage, simulation.ports())
    assert back is not None
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("2", None, 0)}


def test_a_foreign_change_of_a_function_that_takes_no_part_is_none_of_the_canarys_business() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    simulation.aliases.change("worker:live", version="2")
    state = runner.start(simulation.stage, simulation.ports())
    simulation.aliases.change("worker:live", version="1", description="released by hand")
    assert runner.run(simulation.stage, simulation.ports(), state).phase is Phase.PROMOTED


def test_a_stage_with_nothing_to_release_at_all_is_refused() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    for key in simulation.routes():
        simulation.aliases.change(key, version="2")
    with pytest.raises(NoChangeError, match="api:live serves version 2 already, worker:live serves version 2 already"):
        runner.start(simulation.stage, simulation.ports())


def test_the_first_release_creates_only_the_aliases_that_do_not_exist() -> None:
    simulation = simulation_of(stage_of("api:live", "worker:live"))
    del simulation.aliases.states["worker:live"]
    with pytest.raises(NotFoundError) as caught:
        runner.start(simulation.stage, simulation.ports())
    assert "--create-alias" in caught.value.hint
    (created,) = runner.create_missing(simulation.stage, simulation.ports(), versions={"api:live": "1"})
    assert (created.function.key, created.candidate) == ("worker:live", "2")
    assert simulation.routes() == {"api:live": ("1", None, 0), "worker:live": ("2", None, 0)}
    assert runner.create_missing(simulation.stage, simulation.ports()) == ()
    state = runner.run(simulation.stage, simulation.ports(), runner.start(simulation.stage, simulation.ports()))
    assert state.phase is Phase.PROMOTED
    assert [function.function.key for function in state.functions] == ["api:live"]


def test_a_first_release_of_a_version_of_an_unknown_function_creates_nothing() -> None:
    simulation = simulation_of(stage_of("api:live"))
    del simulation.aliases.states["api:live"]
    with pytest.raises(RefusedError, match="no function shop:live"):
        runner.create_missing(simulation.stage, simulation.ports(), versions={"shop:live": "1"})
    assert simulation.routes() == {}


def test_a_release_that_was_rolled_back_can_be_tried_again() -> None:
    simulation = simulation_of(stage_of("api:live"))
    with pytest.raises(RefusedError, match="its journal has no canary"):
        runner.versions_to_retry(simulation.stage, simulation.ports())
    ports = simulation.ports()
    simulation.aliases.versions["api", "3"] = simulation.aliases.versions["api", "2"]
    runner.start(simulation.stage, ports, versions={"": "2"})
    runner.abort(simulation.stage, ports)
    assert runner.versions_to_retry(simulation.stage, simulation.ports()) == {"api:live": "2"}
    state = runner.start(simulation.stage, ports, versions=runner.versions_to_retry(simulation.stage, ports))
    assert runner.run(simulation.stage, ports, state).phase is Phase.PROMOTED
    with pytest.raises(RefusedError, match="its last canary was promoted"):
        runner.versions_to_retry(simulation.stage, simulation.ports())
