"""Several flags rolled out at once: said before the start, while they run, and by the plan; exclusion groups end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from canary import runner
from canary.assembly import assemble
from canary.cli import run
from canary.cli.session import CliContext
from canary.core.events import Noticed
from canary.core.others import OtherRollout, beside
from canary.core.plan import FlagTarget, Plan
from canary.runner import Check, Level, Ports
from canary.runner.others import OTHERS
from flagkit.admin import edits
from flagkit.admin.stores import Note, open_store
from flagkit.authoring import compile_document, read_toml
from flagkit.core.documents import FlagDocument
from flagkit.testing import VirtualClock

RECORD = "canary1 k7other0 1>2 b"
SENTENCE = "one_page is being rolled out, too (rollout k7other0): a user can have both, and a failure counts for both"
PLAN = """\
[stages.checkout]
flag = "file:flags.json#checkout"
outcomes = "csv:outcomes.csv"

[stages.search]
flag = "file:other.json#search"
outcomes = "csv:outcomes.csv"
"""
APART = """
[layers.pages]
[layers.other]
[flags.checkout]
percent = 0
layer = { name = "pages", share = 50 }
[flags.one_page]
percent = 5
layer = { name = "pages", share = 50 }
[flags.third]
percent = 5
layer = { name = "other", share = 50 }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CANARY_PLAN", raising=False)
    (tmp_path / "canary.toml").write_text(PLAN)
    (tmp_path / "outcomes.csv").write_text("minute,arm,users,failed\n1,off,1,0\n")
    empty = FlagDocument.parse({"version": "1", "flags": {}, "values": {}})
    both = edits.create(edits.create(empty, "checkout"), "one_page")
    (tmp_path / "flags.json").write_bytes(both.to_json())
    (tmp_path / "other.json").write_bytes(edits.create(empty, "search").to_json())
    return tmp_path


def change(path: Path, edit: Callable[[FlagDocument], FlagDocument]) -> None:
    store = open_store(f"file:{path}")
    base = store.read()
    store.save(base, edit(base.document), Note())
    store.close()


def roll_out(path: Path, key: str) -> None:
    change(path, lambda document: edits.put_rollout(edits.expose(document, key, Decimal(5)), key, RECORD))


def ports_of(folder: Path) -> Ports:
    return assemble(Plan.parse(PLAN), "checkout", base=folder, clock=VirtualClock())


def checks_of(folder: Path) -> Sequence[Check]:
    checks = runner.preflight(Plan.parse(PLAN).stage("checkout"), ports_of(folder))
    return [check for check in checks if check.name == OTHERS]


def test_nobody_else_is_rolled_out(folder: Path) -> None:
    (check,) = checks_of(folder)
    assert (check.level, check.text) == (Level.OK, "no other flag is rolled out to the same users")


def test_a_rollout_in_the_same_document_is_a_warning_with_a_way_out(folder: Path) -> None:
    roll_out(folder / "flags.json", "one_page")
    (check,) = checks_of(folder)
    assert (check.level, check.text) == (Level.WARNING, SENTENCE)
    assert (
        f"`flagkit pull -s file:{folder}/flags.json -o flags.toml`, add [layers.rollouts], and layer = " in check.hint
    )


def test_a_rollout_of_another_stage_is_found_in_its_own_document(folder: Path) -> None:
    roll_out(folder / "other.json", "search")
    (check,) = checks_of(folder)
    assert check.text.startswith("search is being rolled out, too (rollout k7other0): ")


def test_a_document_that_cannot_be_read_is_not_taken_for_one_without_rollouts(folder: Path) -> None:
    for name in ("other.json", "flags.json"):
        (folder / name).write_text("{")
    own, other = checks_of(folder)
    assert (own.level, other.level) == (Level.WARNING, Level.WARNING)
    assert own.text.startswith("whether another flag is being rolled out, too, is unknown: ")
    assert other.text.startswith("whether search is being rolled out, too, is unknown: ")
    assert other.hint.startswith("Grant what the message names")


def test_flags_of_one_layer_share_no_users(folder: Path) -> None:
    path = folder / "flags.json"
    path.write_bytes(compile_document(read_toml(APART)).to_json())
    roll_out(path, "one_page")
    assert checks_of(folder)[0].level is Level.OK
    roll_out(path, "third")
    (check,) = checks_of(folder)
    assert check.text.startswith("third is being rolled out")
    assert 'add layer = { name = "other", share = 50 } to both' in check.hint


def test_a_running_rollout_is_warned_of_at_every_look_and_at_its_start(folder: Path) -> None:
    roll_out(folder / "flags.json", "one_page")
    stage, ports = Plan.parse(PLAN).stage("checkout"), ports_of(folder)
    state = runner.start(stage, ports)
    runner.tick(stage, ports, state)
    ports.clock.sleep(60)
    judgement = runner.tick(stage, ports).judgement
    assert judgement is not None
    assert SENTENCE in judgement.warnings
    events = ports.journal.events(state.canary_id)
    assert SENTENCE in [event.text for event in events if isinstance(event, Noticed)]


def test_the_plan_says_it_before_anything_is_under_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = CliContext(clock=VirtualClock(), base=folder)
    assert run(["plan", "checkout"], context) == 0
    out = capsys.readouterr().out
    assert "warning: stage search rolls out search: while both run, a user can have both" in out
    assert "hint: To keep users of two flags apart" in out
    run(["plan", "checkout", "--json"], context)
    assert "stage search rolls out search" in capsys.readouterr().out


def test_the_same_flag_elsewhere_and_other_environments_have_other_users() -> None:
    flags = {"own": "app/prod/flags#a", "same": "app/staging/flags#a", "dev": "app/dev/flags#b", "prod": "app/prod/x#c"}
    text = "".join(
        f'[stages.{name}]\nflag = "appconfig://{flag}"\noutcomes = "dynamodb://users"\n' for name, flag in flags.items()
    )
    text += '[stages.api]\nfunctions = ["api:live"]\n'
    stages = Plan.parse(text).stages
    assert [name for name, _ in beside(stages["own"], stages.values())] == ["prod"]
    assert beside(stages["api"], stages.values()) == ()


def test_without_an_id_the_rollout_is_named_by_its_flag() -> None:
    assert OtherRollout(FlagTarget("file:a", "b")).sentence.startswith("b is being rolled out, too: ")
