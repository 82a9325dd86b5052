"""Somebody else edits the document of a flag during its rollout: each edit has one end, and is never written over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from canary import runner
from canary.core.events import Noticed
from canary.core.phases import Phase
from canary.errors import CanaryError, ConflictError, NotFoundError, NotRunningError, RecordError, UnusableFlagError
from canary.testing import AwsStandIn
from flagkit.admin import edits
from flagkit.admin.stores import Note
from flagkit.core.documents import FlagDocument
from tests.canary.flag_scenarios import KEY, AppConfigScenario, Edit, FileScenario, Scenario


def other_record(document: FlagDocument) -> FlagDocument:
    record = edits.rollout_record(document, KEY) or ""
    return edits.put_rollout(document, KEY, record.replace("k3f9a2c1", "another1"))


EDITS: dict[str, tuple[Edit, Phase]] = {
    "a percentage by hand": (lambda document: edits.rollout(document, KEY, 40), Phase.CONFLICT),
    "switched off": (lambda document: edits.kill(document, KEY), Phase.CONFLICT),
    "deleted": (lambda document: edits.delete(document, KEY), Phase.CONFLICT),
    "bucketed by something else": (lambda document: edits.rollout(document, KEY, 1, by="country"), Phase.CONFLICT),
    "another variant": (lambda document: edits.split(document, KEY, {"blue": 50}), Phase.CONFLICT),
    "the record is gone": (lambda document: edits.put_rollout(document, KEY, None), Phase.CONFLICT),
    "a damaged record": (lambda document: edits.put_rollout(document, KEY, "canary1 k3f9a2c1 1>2 b"), Phase.CONFLICT),
    "a record of another canary": (other_record, Phase.CONFLICT),
    "text in place of the record": (lambda document: edits.put_rollout(document, KEY, "hello"), Phase.CONFLICT),
    "another flag": (lambda document: edits.rollout(document, "other", 40), Phase.PROMOTED),
    "another flag's rollout": (lambda document: edits.put_rollout(document, "other", "theirs"), Phase.PROMOTED),
}

by_edit = pytest.mark.parametrize("name", EDITS)


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    return FileScenario(tmp_path, monkeypatch)


@by_edit
def test_each_edit_has_one_end_for_the_driver_that_is_running(scenario: Scenario, name: str) -> None:
    edit, end = EDITS[name]
    state = scenario.begin()
    scenario.edit(edit)
    before = scenario.document
    done = runner.run(scenario.stage, scenario.ports(), state)
    assert (done.phase, scenario.ends) == (end, [end])
    if end is Phase.CONFLICT:
        assert scenario.document == before
    else:
        assert (scenario.percent, scenario.document.values["other"]) == (100, before.values["other"])


@pytest.mark.parametrize("name", sorted(EDITS.keys() - {"a record of another canary"}))
def test_a_process_that_knows_nothing_writes_over_no_edit_and_gains_nobody(scenario: Scenario, name: str) -> None:
    edit, end = EDITS[name]
    scenario.begin()
    scenario.edit(edit)
    before = scenario.document
    try:
        found = scenario.resumed().phase
    except (NotFoundError, NotRunningError, RecordError, UnusableFlagError):
        found = Phase.CONFLICT
    assert found is end
    if end is Phase.CONFLICT:
        assert scenario.document == before


@pytest.mark.parametrize("name", ["a percentage by hand", "switched off", "a damaged record", "another flag"])
def test_a_person_rolls_back_whatever_was_edited(scenario: Scenario, name: str) -> None:
    scenario.begin()
    scenario.edit(EDITS[name][0])
    runner.rollback(scenario.stage, scenario.ports())
    assert (scenario.percent, scenario.record, scenario.ends) == (0, None, [Phase.ROLLED_BACK])


def test_a_damaged_record_that_no_journal_knows_is_removed_by_a_rollback(scenario: Scenario) -> None:
    scenario.edit(EDITS["a damaged record"][0])
    assert runner.rollback(scenario.stage, scenario.ports()) is None
    assert (scenario.percent, scenario.record) == (0, None)


@pytest.mark.sweep
@pytest.mark.parametrize("failing", [0.0, 0.3])
@by_edit
def test_an_edit_at_every_moment_of_a_driver_is_never_written_over(
    name: str, failing: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, _ = EDITS[name]
    whole = FileScenario(tmp_path / "whole", monkeypatch)
    whole.users.failing["2"] = failing
    whole.deploy()
    for number in range(len(whole.moments)):
        scenario = FileScenario(tmp_path / str(number), monkeypatch)
        scenario.users.failing["2"] = failing
        if "file" in whole.moments[number]:
            continue  # its lock is held
        left: list[FlagDocument] = []

        def strike(
            at: int, scenario: Scenario = scenario, number: int = number, left: list[FlagDocument] = left
        ) -> None:
            if at == number:
                scenario.edit(edit)
                left.append(scenario.document)

        scenario.act = strike
        with suppress(CanaryError):
            scenario.deploy()
        entry = left[0].values.get("other"), left[0].values.get(KEY)
        assert scenario.document.values.get("other") == entry[0], number
        if EDITS[name][1] is Phase.CONFLICT and scenario.record:
            assert scenario.document.values.get(KEY) == entry[1], number
        assert len(scenario.ends) <= 1, number


class Profile(AppConfigScenario):
    """A flag in AppConfig whose versions a person saves and deploys by hand."""

    def __init__(self, aws: AwsStandIn, **settings: object) -> None:
        super().__init__(aws, **settings)
        self.slow = self.flags.strategy(duration_min=10, step_percent=50)

    def deploy_version(self, version: int, *, pace: str = "immediate") -> None:
        with self.undriven():
            self.flags.start(str(version), strategy_id=self.flags.strategy_id if pace == "immediate" else self.slow)
            self.show()

    def served(self) -> int:
        deployments = self.store().deployments
        assert deployments is not None
        return deployments.status().served or 0


@pytest.fixture
def profile() -> Iterator[Profile]:
    with AwsStandIn() as aws:
        yield Profile(aws)


def test_an_older_version_that_somebody_deploys_is_a_conflict_and_stays(profile: Profile) -> None:
    earlier = profile.served()
    state = profile.begin()
    profile.deploy_version(earlier)
    done = runner.run(profile.stage, profile.ports(), state)
    assert (done.phase, profile.percent, profile.served()) == (Phase.CONFLICT, 0, earlier)
    with pytest.raises(ConflictError):
        runner.start(profile.stage, profile.ports())
    runner.rollback(profile.stage, profile.ports())
    assert (profile.percent, profile.record) == (0, None)


def test_an_earlier_step_that_somebody_deploys_again_is_a_conflict_for_who_knows_nothing(profile: Profile) -> None:
    profile.begin()
    first = profile.served()
    runner.promote(profile.stage, profile.ports())
    profile.deploy_version(first)
    assert profile.percent == 1
    assert profile.resumed().phase is Phase.CONFLICT
    assert profile.percent == 1


def test_a_deployment_that_an_alarm_rolls_back_is_a_conflict(profile: Profile) -> None:
    state = profile.begin()
    deployments = profile.store().deployments
    assert deployments is not None
    deployments.revert()
    profile.show()
    assert profile.percent == 0
    assert runner.run(profile.stage, profile.ports(), state).phase is Phase.CONFLICT
    assert profile.percent == 0


@pytest.mark.sweep
def test_a_change_that_is_saved_only_holds_the_rollout_until_it_is_undone(profile: Profile) -> None:
    state = profile.begin()
    profile.edit(lambda document: edits.rollout(document, KEY, 40), deploy=False)
    undo = lambda: profile.edit(lambda document: edits.rollout(document, KEY, 1), deploy=False)  # noqa: E731
    profile.simulation.clock.call_after(2400, undo)
    done = runner.run(profile.stage, profile.ports(), state)
    assert (done.phase, profile.percent, profile.shares) == (Phase.PROMOTED, 100, [0, 1, 25, 100])
    said = [event.text for event in profile.simulation.journal.written if isinstance(event, Noticed)]
    assert any("saved but not deployed" in text for text in said)


def test_a_change_that_is_saved_only_keeps_no_unhealthy_variant_live(profile: Profile) -> None:
    state = profile.begin()
    profile.edit(lambda document: edits.delete(document, KEY), deploy=False)
    profile.users.failing["2"] = 0.3
    done = runner.run(profile.stage, profile.ports(), state)
    assert (done.phase, profile.percent) == (Phase.ROLLED_BACK, 0)


def test_a_first_step_that_was_saved_only_keeps_nobody_from_deploying_again(profile: Profile) -> None:
    """The start is live, its driver ended between the save of the first step and its deployment."""
    ports = profile.ports()
    state = runner.start(profile.stage, ports, canary_id="k3f9a2c1")

    def kill(number: int) -> None:
        if profile.moments[-1].endswith("CreateHostedConfigurationVersion"):
            raise KeyboardInterrupt

    profile.act, profile.is_driven = kill, True
    with pytest.raises(KeyboardInterrupt):
        runner.tick(profile.stage, ports, state)
    profile.is_driven = False
    profile.simulation.clock.sleep(150)
    ports = profile.ports()
    again = runner.start(profile.stage, ports)
    assert again.canary_id == "k3f9a2c1"
    runner.tick(profile.stage, ports, again)
    assert profile.percent == 1


def test_a_rollback_that_was_saved_only_is_completed_by_whoever_looks_next(profile: Profile) -> None:
    """Its driver ended before the deployment; nothing is unhealthy for the next one."""
    profile.begin()

    def kill(number: int) -> None:
        if profile.moments[-1].endswith("CreateHostedConfigurationVersion"):
            raise KeyboardInterrupt

    profile.act, profile.is_driven = kill, True
    with pytest.raises(KeyboardInterrupt):
        runner.rollback(profile.stage, profile.ports())
    profile.is_driven = False
    assert profile.percent == 1
    assert profile.resumed().phase is Phase.ROLLED_BACK
    assert (profile.shares, profile.record, len(profile.ends)) == ([0, 1, 0], None, 1)


@pytest.mark.sweep
def test_an_increase_waits_for_the_deployment_of_somebody_else(profile: Profile) -> None:
    state = profile.begin()
    profile.edit(lambda document: edits.rollout(document, "other", 40), deploy=False)
    profile.deploy_version(profile.served() + 1, pace="slow")
    versions = profile.served()
    done = runner.run(profile.stage, profile.ports(), state)
    assert (done.phase, profile.percent) == (Phase.PROMOTED, 100)
    assert edits.exposed_percent(edits.switch_on(profile.document, "other"), "other") == 40
    assert profile.served() - versions <= 6, "waiting saves nothing"


@pytest.mark.sweep
def test_of_a_forward_step_and_a_rollback_at_the_same_moment_the_rollback_wins(profile: Profile) -> None:
    """Before and after each call of a driver that goes forward, a person rolls back."""
    state = profile.begin()
    profile.simulation.clock.sleep(1500)
    struck = []

    def strike(number: int) -> None:
        if profile.moments[-1].endswith("CreateHostedConfigurationVersion"):
            profile.act = lambda at: None
            struck.append(runner.rollback(profile.stage, profile.ports()))

    profile.act, profile.is_driven = strike, True
    done = runner.run(profile.stage, profile.ports(), state)
    assert struck
    assert (done.phase, profile.percent, profile.record) == (Phase.ROLLED_BACK, 0, None)
    falls = [later < earlier for earlier, later in pairwise(profile.shares)]
    assert falls == sorted(falls), profile.shares
    assert profile.shares[-1] == 0
    assert len(profile.ends) == 1


@pytest.mark.sweep
def test_of_two_drivers_that_start_at_once_one_has_the_flag() -> None:
    """At each call of the one that starts, the other one tries to."""
    with AwsStandIn() as aws:
        calm = Profile(aws)
        calm.is_driven = True
        runner.start(calm.stage, calm.ports(), canary_id="first")
    for number in range(len(calm.moments)):
        with AwsStandIn() as aws:
            profile, won = Profile(aws), list[str]()

            def begin(name: str, profile: Profile = profile, won: list[str] = won) -> None:
                with suppress(CanaryError):
                    won.append(runner.start(profile.stage, profile.ports(), canary_id=name).canary_id)

            def strike(at: int, number: int = number, begin: Callable[[str], None] = begin) -> None:
                if at == number:
                    begin("second")

            profile.act, profile.is_driven = strike, True
            begin("first")
            profile.is_driven = False
            found = runner.current(profile.stage, profile.ports())
            assert found is not None
            assert won == [found.canary_id], calm.moments[number]


def test_a_save_of_somebody_else_in_the_same_second_is_kept_beside_the_rollout(profile: Profile) -> None:
    """The flag's percentage and record, and the other flag, are all in the version that is live."""
    struck: list[int] = []

    def strike(number: int) -> None:
        if not struck and profile.moments[-1].endswith("GetHostedConfigurationVersion"):
            struck.append(number)
            store = profile.store()
            base = store.read()
            store.save(base, edits.rollout(base.document, "other", 40), Note())

    ports = profile.ports()
    state = runner.start(profile.stage, ports, canary_id="k3f9a2c1")
    profile.act, profile.is_driven = strike, True
    runner.tick(profile.stage, ports, state)
    profile.is_driven = False
    assert (profile.percent, bool(profile.record)) == (1, True)
    assert edits.exposed_percent(edits.switch_on(profile.document, "other"), "other") == 40
