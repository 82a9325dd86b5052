"""`canary analyze` on a table of outcomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canary.cli import run
from canary.cli.session import CliContext
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
