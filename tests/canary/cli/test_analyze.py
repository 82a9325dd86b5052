"""`canary analyze` on a table of outcomes."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from canary.adapters.journals import FileJournal
from canary.cli import run
from canary.cli.session import CliContext
from canary.core.events import CanaryEnded, CanaryStarted, FunctionMove, TrafficShifted
from canary.core.measurements import MINUTE
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.record import Record, Shift, encode
from canary.core.recover import fingerprint
from flagkit.admin import edits
from flagkit.core.documents import FlagDocument
from flagkit.testing import VirtualClock

PLAN = """\
[stages.checkout]
functions = ["checkout:live"]
outcomes = "csv:outcomes.csv"

[stages.other]
functions = ["api:live"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (tmp_path / "canary.toml").write_text(PLAN)
    minute = int(VirtualClock().now().timestamp() // 60) - 70
    rows = ["minute,arm,users,failed,orders.sum,orders.squares"]
    for number in range(60):
        rows += [f"{minute + number},on,50,{4 + number % 3},100,900", f"{minute + number},off,50,1,100,900"]
    rows.append(f"{minute + 75},on,50,50,0,0")  # its window is still open
    (tmp_path / "outcomes.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def analyze(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["analyze", *words], CliContext(clock=VirtualClock(), base=folder))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_effects_have_intervals_and_users_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = analyze(folder, capsys, "checkout", "--shares", "on=50,off=50", "--report", str(folder / "a.html"))
    assert code == 0
    assert "Sample ratio: no contradiction to the expected shares." in out
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "off (control)" in lines["off"]
    assert "*" in lines["failed"]
    assert "*" not in lines["orders"]
    assert "Experiment checkout" in (folder / "a.html").read_text()


def test_programs_read_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = analyze(folder, capsys, "checkout", "--json")
    found = json.loads(out)
    assert found["users"] == {"off": 3000, "on": 3000}
    assert found["is_sample_ratio_wrong"] is None
    failed = next(effect for effect in found["effects"] if effect["metric"] == "failed")
    assert failed["is_clear"] is True
    assert failed["interval"][0] < 0.08 < failed["interval"][1]


def test_nobody_counted_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = analyze(folder, capsys, "checkout", "--since", "2100-01-01", "--report", str(folder / "a.html"))
    assert out.startswith("No user of checkout is counted yet")
    (folder / "outcomes.csv").write_text("minute,arm,users\n1,on,3\n")
    _, out, _ = analyze(folder, capsys, "checkout", "--shares", "on=1,off=99")
    assert "Nothing was reported." in out
    _, out, _ = analyze(folder, capsys, "checkout", "--json", "--since", "2100-01-01")
    assert json.loads(out)["from"] is None
    (folder / "outcomes.csv").write_text("minute,arm,users,failed\n1,on,300,0\n1,off,30,1\n")
    _, out, _ = analyze(folder, capsys, "checkout", "--shares", "on=50,off=50")
    assert "Sample ratio: wrong." in out
    assert "too few users" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["other"], "names no outcomes"),
        (["checkout", "--shares", "on=50"], "add up to 100 %"),
        (["checkout", "--shares", "on"], "not a valid list of shares"),
        (["checkout", "--since", "noon"], "not a valid time"),
        (["checkout", "--effect", "0%"], "above 0 %"),
    ],
)
def test_wrong_arguments_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    code, _, err = analyze(folder, capsys, *words)
    assert code != 0
    assert problem in err


ROLLOUT = """\
[stages.checkout]
flag = "file:flags.json#new_checkout"
variant = "on"
steps = [25, 50, 100]
bake = "10m"
outcomes = "csv:outcomes.csv"
"""
T0 = VirtualClock().now().replace(second=0, microsecond=0) - timedelta(minutes=60)
ENDED = "k2ended0"
RUNNING = "k3running"


@pytest.fixture
def rolled(folder: Path) -> Path:
    """A rollout that is over, at 25 % and 50 %, and the start of its journal."""
    (folder / "canary.toml").write_text(ROLLOUT)
    (folder / "flags.json").write_bytes(document("").to_json())
    journal = FileJournal(folder / ".canary")
    move = FunctionMove("flag.new_checkout:on", "1", "2")
    for name, at in (("k1older0", T0 - timedelta(days=1)), (ENDED, T0)):
        journal.append(CanaryStarted(name, "checkout", at, (move,), (2500, 5000), "9f3a2b1c"))
        journal.append(TrafficShifted(name, "checkout", at, 2500, "step 1"))
        journal.append(TrafficShifted(name, "checkout", at + 20 * MINUTE, 5000, "step 2"))
        end = at + 40 * MINUTE
        journal.append(CanaryEnded(name, "checkout", end, Phase.CONFLICT, "changed by hand", at))
    write_users(folder, ENDED, {0: 0.25, 20: 0.5, 40: 0.9})
    return folder


def document(record: str) -> FlagDocument:
    empty = FlagDocument.parse('{"version": "1", "flags": {}, "values": {}}')
    return edits.put_rollout(edits.create(empty, "new_checkout"), "new_checkout", record or None)


def write_users(folder: Path, rollout: str, shares: dict[int, float]) -> None:
    """100 new users a minute, who meet the percentage of the last step a minute later."""
    rows = ["experiment,minute,arm,users,failed"]
    share = 0.0
    for minute in range(58):
        share = shares.get(minute - 1, share)
        on = round(100 * share)
        at = int(T0.timestamp() // 60) + minute + 4
        rows += [f"new_checkout@{rollout},{at},{arm},{users},1" for arm, users in (("on", on), ("off", 100 - on))]
    (folder / "outcomes.csv").write_text("\n".join(rows).replace(",0,1", ",0,0") + "\n")


def test_a_rollout_that_is_over_is_checked_against_its_own_steps(
    rolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = analyze(rolled, capsys, "checkout")
    assert code == 0
    assert out.startswith(f"new_checkout@{ENDED}, ")
    assert "Sample ratio: no contradiction to the percentages of the rollout." in out
    steps = [line.split() for line in out.splitlines() if line.startswith("new users at")]
    assert [(row[3], row[5], row[6]) for row in steps] == [("25", "1,800", "25"), ("50", "1,800", "50")]
    _, out, _ = analyze(rolled, capsys, "checkout", "--canary", "k1older0", "--json")
    found = json.loads(out)
    assert (found["experiment"], found["users"], found["is_sample_ratio_wrong"]) == (
        "new_checkout@k1older0",
        {"off": 0},
        None,
    )


def test_a_wrong_share_of_a_step_is_found(rolled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_users(rolled, ENDED, {0: 0.25, 20: 0.4})
    _, out, _ = analyze(rolled, capsys, "checkout")
    assert "Sample ratio: wrong." in out


def test_a_rollout_under_way_is_read_from_the_document(rolled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Plan.parse(ROLLOUT).stage("checkout")
    shifts = (Shift(T0, 2500), Shift(T0 + 20 * MINUTE, 5000))
    record = Record(RUNNING, "1", "2", Phase.BAKING, T0, shifts, None, fingerprint(stage), "")
    shown = edits.expose(document(encode(record)), "new_checkout", Decimal(50))
    (rolled / "flags.json").write_bytes(shown.to_json())
    write_users(rolled, RUNNING, {0: 0.25, 20: 0.5})
    _, out, _ = analyze(rolled, capsys, "checkout", "--json")
    found = json.loads(out)
    assert (found["experiment"], found["is_sample_ratio_wrong"]) == (f"new_checkout@{RUNNING}", False)
    assert [(step["percent"], step["exposed"], step["others"]) for step in found["steps"]] == [
        (25, 450, 1350),
        (50, 1700, 1700),
    ]
    (rolled / "flags.json").write_bytes(edits.expose(shown, "new_checkout", Decimal(70)).to_json())
    _, out, _ = analyze(rolled, capsys, "checkout")  # nobody knows since when it is 70 %
    assert "Sample ratio: not checked." in out
    _, out, _ = analyze(rolled, capsys, "checkout", "--canary", ENDED)
    assert "No user of" in out


def test_before_the_first_rollout_the_key_names_the_experiment(
    rolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (rolled / ".canary").iterdir():
        path.unlink()
    _, out, _ = analyze(rolled, capsys, "checkout")
    assert out.startswith("No user of new_checkout is counted yet")
    (rolled / "flags.json").unlink()
    _, out, _ = analyze(rolled, capsys, "checkout")  # the flag was deleted: the journal is left
    assert out.startswith("No user of new_checkout is counted yet")


def test_the_control_is_the_arm_without_the_variant(rolled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (rolled / "outcomes.csv").read_text()
    (rolled / "outcomes.csv").write_text(text.replace(",off,", ",red,"))
    _, out, _ = analyze(rolled, capsys, "checkout")
    assert "red (control)" in out
    _, out, _ = analyze(rolled, capsys, "checkout", "--control", "on", "--experiment", f"new_checkout@{ENDED}")
    assert "on (control)" in out
    assert "Sample ratio: not checked." in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--canary", "k0absent"], "no start of a canary k0absent in stage checkout"),
        (["--canary", ENDED, "--experiment", "new_checkout"], "--canary names a rollout"),
    ],
)
def test_a_rollout_that_is_not_one_is_named(
    rolled: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    code, _, err = analyze(rolled, capsys, "checkout", *words)
    assert code != 0
    assert problem in err
