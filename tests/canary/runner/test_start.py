"""The start: which versions are released, how aliases are claimed, and claims given back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary import runner
from canary.core.events import CanaryEnded, CanaryStarted, Noticed
from canary.core.phases import Phase
from canary.core.record import decode
from canary.errors import AccessDeniedError, AwsError, ConflictError, NotFoundError, RefusedError, UnavailableError
from canary.runner import Level
from canary.simulator import Simulation
from tests.canary.faults import simulation_of, unavailable
from tests.canary.stages import stage_of


def one(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", **settings))


def version(world: Simulation, **changes: object) -> None:
    key = ("api", "2")
    world.aliases.versions[key] = replace(world.aliases.versions[key], **changes)  # type: ignore[arg-type]


def test_a_refusal_lists_every_failed_check_and_changes_nothing() -> None:
    world = one()
    version(world, state="Failed", role="other")
    with pytest.raises(RefusedError) as refused:
        runner.start(world.stage, world.ports())
    assert "version_active api:live: version 2 is Failed" in refused.value.message
    assert "same_role" in refused.value.message
    assert (world.aliases.writes, world.journal.written) == ([], [])


def test_the_newest_version_is_released_unless_one_is_named_or_published() -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))
    world.aliases.versions["api", "3"] = replace(world.aliases.versions["api", "2"], version="3")
    newest = runner.start(world.stage, world.ports())
    assert [function.candidate for function in newest.functions] == ["3", "2"]
    runner.abort(world.stage, world.ports())
    named = runner.start(world.stage, world.ports(), versions={"api:live": "2"})
    assert [function.candidate for function in named.functions] == ["2", "2"]
    runner.abort(world.stage, world.ports())
    published = runner.start(world.stage, world.ports(), publish=True)
    assert [function.candidate for function in published.functions] == ["4", "3"]


def test_a_function_without_versions_has_nothing_to_release() -> None:
    world = one()
    world.aliases.versions.clear()
    with pytest.raises(RefusedError, match="no published version"):
        runner.start(world.stage, world.ports())


def test_the_journal_has_the_whole_descriptions_before_the_record_takes_their_place() -> None:
    world = simulation_of(stage_of("api:live"), description="y" * 256)
    state = runner.start(world.stage, world.ports())
    (started,) = world.journal.written
    assert isinstance(started, CanaryStarted)
    assert started.functions[0].description == "y" * 256
    record = decode(world.aliases.states["api:live"].description)
    assert record is not None
    assert record.shortened
    ports = world.ports()
    assert runner.run(world.stage, ports, state).phase is Phase.PROMOTED
    assert world.aliases.states["api:live"].description == "y" * 256


def test_a_description_that_the_journal_lost_comes_back_as_far_as_it_is_known() -> None:
    world = simulation_of(stage_of("api:live"), description="y" * 256)
    runner.start(world.stage, world.ports())
    world.journal.written.clear()
    runner.abort(world.stage, world.ports())
    assert set(world.aliases.states["api:live"].description) == {"y"}
    assert any("doesn't know the whole description" in e.text for e in world.journal.written if isinstance(e, Noticed))


def test_a_claim_that_was_cut_short_is_taken_over_by_the_same_deploy() -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))
    first = runner.start(world.stage, world.ports())
    world.aliases.change("worker:live", description="Live traffic")
    with pytest.raises(ConflictError, match=first.canary_id):
        runner.start(world.stage, world.ports())  # its driver may be alive
    world.clock.sleep(120)
    again = runner.start(world.stage, world.ports())
    assert again.canary_id == first.canary_id
    assert all(function.description == "Live traffic" for function in again.functions)
    world.aliases.versions["api", "3"] = replace(world.aliases.versions["api", "2"], version="3")
    with pytest.raises(ConflictError, match="is under way"):
        runner.start(world.stage, world.ports())


def test_a_claim_that_was_cut_short_and_is_only_ticked_is_given_back() -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))
    state = runner.start(world.stage, world.ports())
    world.aliases.change("worker:live", description="Live traffic")
    done = runner.tick(world.stage, world.ports(), state)
    assert done.state.phase is Phase.ABORTED
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}


@pytest.mark.parametrize("error", [AccessDeniedError("lambda:UpdateAlias"), NotFoundError("gone"), AwsError("no")])
def test_a_refused_claim_gives_back_what_was_claimed(error: AwsError) -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))

    def refuse(moment: str, call: str, key: str) -> None:
        if (moment, call, key) == ("before", "write", "worker:live"):
            raise error

    world.aliases.fault = refuse
    with pytest.raises(type(error)):
        runner.start(world.stage, world.ports())
    assert {a.description for a in world.aliases.states.values()} == {"Live traffic"}
    ended = world.journal.written[-1]
    assert isinstance(ended, CanaryEnded)
    assert ended.outcome is Phase.ABORTED


def test_a_claim_that_cannot_be_given_back_is_noticed() -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))
    down = False

    def trouble(moment: str, call: str, key: str) -> None:
        nonlocal down
        if (moment, call, key) == ("before", "write", "worker:live"):
            down = True
        if down:
            raise UnavailableError("no network")

    world.aliases.fault = trouble
    with pytest.raises(UnavailableError):
        runner.start(world.stage, world.ports())
    texts = [event.text for event in world.journal.written if isinstance(event, Noticed)]
    assert [text for text in texts if "may still carry this canary's claim" in text]


def test_an_unreachable_aws_ends_the_start_with_nothing_changed() -> None:
    world = one()
    world.aliases.fault = unavailable
    with pytest.raises(UnavailableError):
        runner.start(world.stage, world.ports())
    assert world.aliases.writes == []


def test_a_version_for_a_function_that_the_stage_lacks_is_refused_not_ignored() -> None:
    world = simulation_of(stage_of("api:live", "worker:live"))
    with pytest.raises(RefusedError, match="no function apii:live in this stage; it has api:live, worker:live"):
        runner.start(world.stage, world.ports(), versions={"apii:live": "2"})
    assert world.aliases.writes == []


def feasible(world: Simulation) -> dict[str, Level]:
    found = runner.preflight(world.stage, world.ports())
    return {check.name: check.level for check in found if check.name in {"enough_traffic", "judged_in_time"}}


def test_a_step_that_this_traffic_can_never_show_to_be_healthy_is_refused_with_the_arithmetic() -> None:
    world = simulation_of(stage_of("api:live"))
    world.metrics.daily = {"api:live": 1.0}
    with pytest.raises(RefusedError, match=r"(?s)step 1 \(10 %\).*needs 65 clean requests.*1 requests a minute"):
        runner.start(world.stage, world.ports())
    assert world.aliases.writes == []


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
    world = simulation_of(stage_of("api:live", **settings))
    world.metrics.daily = {"api:live": per_minute}
    assert feasible(world).get("enough_traffic") == level


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
    world = simulation_of(stage_of("api:live", **settings))
    world.aliases.versions["api", "1"] = replace(world.aliases.versions["api", "1"], timeout_s=timeout_s)
    assert feasible(world).get("judged_in_time") == level
