"""A stage whose target is a flag: the same machine raises and lowers the share of users; the document has the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from canary import runner
from canary.adapters.flag_target import FlagAliases
from canary.core.alias import AliasSpec, AliasState
from canary.core.measurements import MINUTE
from canary.core.phases import Phase
from canary.core.plan import FlagTarget, FunctionRef, StagePlan
from canary.core.state import CanaryState
from canary.errors import ConflictError, NoChangeError, RefusedError
from canary.runner import Ports
from canary.simulator import Simulation
from canary.simulator.aliases import InMemoryAliases
from canary.simulator.ports import Requests, SteadyTraffic
from flagkit.admin import edits
from flagkit.admin.entries import keys_of
from flagkit.admin.stores import Note, open_store
from flagkit.cli import main as flagkit_main
from flagkit.core.documents import FlagDocument
from tests.canary.faults import simulation_of

KEY = "new_checkout"


class Shown(FlagAliases):
    """A flag whose share the synthetic users of a simulation see."""

    def __init__(self, target: FlagTarget, simulation: Simulation) -> None:
        super().__init__(target, "on", None)
        self.simulation = simulation

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        state = super().write(function, spec, revision_id)
        self.simulation.aliases.change(
            function.key, version=state.version, extra_version=state.extra_version, extra_bp=state.extra_bp
        )
        return state


class SteadyUsers(SteadyTraffic):
    """Users are counted once their window is over, by the share that they met at their first exposure."""

    aliases: InMemoryAliases

    def served(self, key: str, version: str, minute: datetime, share: float) -> Requests:
        first = minute - timedelta(minutes=5)
        return super().served(key, version, minute, self.aliases.share_in(key, version, first, first + MINUTE))


class Rollout:
    """A flag in a file, a stage that rolls it out, and synthetic users."""

    def __init__(self, folder: Path) -> None:
        self.url = f"file:{folder / 'flags.json'}"
        self.edit(lambda document: edits.create(edits.create(document, KEY), "other"))
        self.stage = StagePlan.model_validate(
            {"name": "checkout", "flag": f"{self.url}#{KEY}", "outcomes": "csv:unused.csv", "steps": [1, 25, 100]}
        )
        self.simulation = simulation_of(self.stage)
        self.users = SteadyUsers()
        self.users.aliases = self.simulation.aliases
        self.simulation.metrics.traffic = self.users
        self.target = self.stage.flag or FlagTarget("", "")

    def ports(self) -> Ports:
        return replace(self.simulation.ports(), aliases=Shown(self.target, self.simulation))

    def edit(self, change: object) -> None:
        store = open_store(self.url)
        base = store.read(missing_ok=True)
        store.save(base, change(base.document), Note())  # type: ignore[operator]
        store.close()

    @property
    def document(self) -> FlagDocument:
        return open_store(self.url).read().document

    def reasons(self) -> list[str]:
        """Why each version of the rollout was saved, oldest first."""
        return [found.reason for found in open_store(self.url).versions() if found.reason][::-1]

    @property
    def percent(self) -> Decimal:
        return edits.exposed_percent(self.document, KEY)

    def begin(self) -> None:
        ports = self.ports()
        runner.tick(self.stage, ports, runner.start(self.stage, ports))

    def driven_on(self) -> CanaryState:
        """What another process makes of it."""
        ports = self.ports()
        state = runner.current(self.stage, ports)
        assert state is not None
        return runner.run(self.stage, ports, state)


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout(tmp_path)


def test_a_feature_without_harm_reaches_everybody(rollout: Rollout) -> None:
    ports = rollout.ports()
    state = runner.run(rollout.stage, ports, runner.start(rollout.stage, ports))
    assert (state.phase, rollout.percent) == (Phase.PROMOTED, Decimal(100))
    assert edits.rollout_record(rollout.document, KEY) is None


def test_each_version_of_the_flag_keeps_what_led_to_it(rollout: Rollout) -> None:
    ports = rollout.ports()
    runner.run(rollout.stage, ports, runner.start(rollout.stage, ports))
    start, first, second, *_, end = rollout.reasons()
    assert (start, first) == ("guarded rollout started at 0 % of users", "guarded rollout: 0 % → 1 % of users")
    assert second.startswith("guarded rollout: 1 % → 25 % of users; 0 % of 80 users failed with new_checkout (99 % ")
    assert "0 % of 17,920 without it in the same minutes" in second
    assert end.startswith("guarded rollout ended at 100 % of users; no regression")


def test_the_history_of_a_flag_has_each_step_of_its_rollout_and_no_other_flags(
    rollout: Rollout, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout.begin()
    runner.rollback(rollout.stage, rollout.ports(), request="on request of amira")
    with suppress(SystemExit):
        flagkit_main(["history", KEY, "-s", rollout.url])
    heads = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("version")]
    assert heads == [
        "guarded rollout ended at 0 % of users; rolled back on request of amira",
        "guarded rollout: 1 % → 0 % of users; rolled back on request of amira",
        "guarded rollout: 0 % → 1 % of users",
        "guarded rollout started at 0 % of users",
        "",
    ]
    with suppress(SystemExit):
        flagkit_main(["history", "other", "-s", rollout.url])
    assert "rollout" not in capsys.readouterr().out


def test_a_feature_that_breaks_its_users_is_lowered_to_nobody(rollout: Rollout) -> None:
    rollout.users.failing["2"] = 0.3
    ports = rollout.ports()
    state = runner.run(rollout.stage, ports, runner.start(rollout.stage, ports))
    assert (state.phase, rollout.percent) == (Phase.ROLLED_BACK, Decimal(0))
    assert edits.rollout_record(rollout.document, KEY) is None


def test_the_record_of_a_rollout_is_seen_by_nobody_who_reads_flags(rollout: Rollout) -> None:
    rollout.begin()
    document = rollout.document
    assert (rollout.percent, bool(edits.rollout_record(document, KEY))) == (Decimal(1), True)
    assert keys_of(document) == (KEY, "other")


def test_any_process_can_resume_a_rollout_from_the_document_alone(rollout: Rollout) -> None:
    rollout.begin()
    assert rollout.driven_on().phase is Phase.PROMOTED


def test_a_flag_that_everybody_has_already_has_nothing_to_roll_out(rollout: Rollout) -> None:
    rollout.edit(lambda document: edits.switch_on(document, KEY))
    with pytest.raises(NoChangeError):
        runner.start(rollout.stage, rollout.ports())


def test_a_flag_that_some_users_have_already_is_refused(rollout: Rollout) -> None:
    rollout.edit(lambda document: edits.switch_on(edits.rollout(document, KEY, 10), KEY))
    with pytest.raises(RefusedError, match="10 %"):
        runner.start(rollout.stage, rollout.ports())


def test_a_flag_that_splits_by_another_attribute_is_refused(rollout: Rollout) -> None:
    rollout.edit(lambda document: edits.rollout(document, KEY, 0, by="country"))
    with pytest.raises(Exception, match="splits by country"):
        runner.start(rollout.stage, rollout.ports())


def test_a_person_rolls_a_rollout_back(rollout: Rollout) -> None:
    rollout.begin()
    ports = rollout.ports()
    runner.rollback(rollout.stage, ports)
    assert rollout.percent == 0
    assert rollout.reasons()[-2:] == [
        "guarded rollout: 1 % → 0 % of users; rolled back on request",
        "guarded rollout ended at 0 % of users; rolled back on request",
    ]


def test_a_promotion_that_is_reverted_is_a_version_of_its_own(rollout: Rollout) -> None:
    ports = rollout.ports()
    runner.run(rollout.stage, ports, runner.start(rollout.stage, ports))
    runner.rollback(rollout.stage, ports, request="on request of amira")
    assert rollout.percent == 0
    assert rollout.reasons()[-1].startswith("guarded rollout: 100 % → 0 % of users; reverted promotion ")


@pytest.mark.parametrize("is_asked", [False, True])
def test_a_document_that_others_filled_up_is_lowered_all_the_same(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch, is_asked: bool
) -> None:
    rollout.begin()
    size = len(json.dumps(rollout.document.to_dict(), separators=(",", ":")))
    monkeypatch.setattr("flagkit.admin.entries.MAX_BYTES", size)
    if is_asked:
        state: CanaryState | None = runner.rollback(rollout.stage, rollout.ports())
    else:
        rollout.users.failing["2"] = 0.3
        state = rollout.driven_on()
    assert state is not None
    assert (state.phase, rollout.percent) == (Phase.ROLLED_BACK, Decimal(0))
    assert edits.rollout_record(rollout.document, KEY) is None


def test_show_and_list_say_that_a_rollout_is_under_way(rollout: Rollout, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        with suppress(SystemExit):
            flagkit_main([*arguments, "-s", rollout.url])
        return capsys.readouterr().out

    assert "rollout" not in said("show", KEY) + said("list")
    rollout.begin()
    assert "Guarded rollout: 1 % of users, step 1 of 3 since " in said("show", KEY)
    assert "1 % (rollout, step 1 of 3)" in said("list")
    found = {flag["key"]: flag["rollout"] for flag in json.loads(said("list", "--json"))}
    assert (found["other"], found[KEY]["percent"], found[KEY]["step"], found[KEY]["steps"]) == (None, 1, 1, 3)


def test_a_change_by_hand_says_that_it_stops_the_rollout_and_asks(
    rollout: Rollout, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as ended:
            flagkit_main([*arguments, "-s", rollout.url])
        return ended.value.code, capsys.readouterr().err

    rollout.begin()
    assert run("describe", KEY, "--owner", "shop")[1] == "", "it changes no percentage"
    for words in (
        ("rollout", KEY, "1", "--seed", "again"),
        ("rollout", KEY, "1", "--where", "country = US"),
        ("schedule", KEY, "--from", "2030-01-01"),
    ):
        code, said = run(*words)
        assert code == 5
        assert "moves users between those with it and those without it" in " ".join(said.split())
    code, said = run("rollout", KEY, "40")
    assert (code, rollout.percent) == (5, Decimal(1)), said
    assert f"{KEY} is in a guarded rollout: 1 % of users, step 1 of 3" in " ".join(said.split())
    assert "this stops or spoils the guarded rollout" in said
    code, said = run("rollout", KEY, "40", "--yes")
    assert (code, rollout.percent) == (0, Decimal(40))
    assert "With this change canary stops" in " ".join(said.split())
    code, said = run("kill", KEY)
    assert (code, rollout.percent) == (0, Decimal(0)), "an emergency is not held up where nobody can answer"
    assert "Warning" in said


def test_where_rollouts_are_exempt_from_approvals_a_rollout_needs_none(
    rollout: Rollout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGKIT_CONFIG", str(tmp_path / "flagkit.toml"))
    (tmp_path / "flagkit.toml").write_text('[[approvals]]\nexempt = ["guarded_rollouts"]\n')
    rollout.begin()
    assert rollout.driven_on().phase is Phase.PROMOTED
    assert rollout.percent == 100


def test_where_each_change_needs_an_approval_no_rollout_begins(
    rollout: Rollout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGKIT_CONFIG", str(tmp_path / "flagkit.toml"))
    (tmp_path / "flagkit.toml").write_text("[[approvals]]\n")
    with pytest.raises(RefusedError, match="needs the approval of another person") as refused:
        runner.start(rollout.stage, rollout.ports())
    assert 'exempt = ["guarded_rollouts"]' in (refused.value.hint or "")
    assert rollout.reasons() == []


@pytest.mark.parametrize("is_over", [False, True])
def test_lowering_never_waits_for_an_approval(
    rollout: Rollout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_over: bool
) -> None:
    rollout.begin()
    if is_over:
        rollout.driven_on()
    monkeypatch.setenv("FLAGKIT_CONFIG", str(tmp_path / "flagkit.toml"))
    (tmp_path / "flagkit.toml").write_text("[[approvals]]\ncount = 2\n")
    runner.rollback(rollout.stage, rollout.ports())
    assert (rollout.percent, edits.rollout_record(rollout.document, KEY)) == (Decimal(0), None)


@pytest.mark.parametrize("request_of", [runner.pause, runner.promote])
def test_a_request_writes_over_no_change_by_hand(
    rollout: Rollout, request_of: Callable[[StagePlan, Ports], CanaryState]
) -> None:
    rollout.begin()
    rollout.edit(lambda document: edits.kill(document, KEY))
    with pytest.raises(ConflictError, match="was changed outside this canary; it is at 0 %; nothing was written"):
        request_of(rollout.stage, rollout.ports())
    assert rollout.percent == 0


def test_a_rollback_after_a_change_by_hand_lowers_the_flag(rollout: Rollout) -> None:
    rollout.begin()
    rollout.edit(lambda document: edits.rollout(document, KEY, 40))
    runner.rollback(rollout.stage, rollout.ports())
    assert (rollout.percent, edits.rollout_record(rollout.document, KEY)) == (Decimal(0), None)
