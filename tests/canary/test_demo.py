"""The demo: the shipped code on the stand-in; its outcome follows from the options, and nothing is scripted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canary.cli import run
from canary.cli.demo_output import step_text
from canary.cli.session import CliContext
from canary.demo import Options, scenario
from canary.demo.scenario import FLAG, FlagStep, backend, document

pytestmark = pytest.mark.sweep


@pytest.fixture
def quiet_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer requests than in the demo, so that the suite stays quick."""
    monkeypatch.setattr(scenario, "REQUESTS_PER_MINUTE", 240)
    monkeypatch.setattr(scenario, "USERS", tuple(f"user-{number}" for number in range(1, 401)))


@pytest.mark.usefixtures("quiet_traffic")
def test_the_demo_shows_flag_and_releases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "demo.html"
    assert run(["demo", "--json", "--report", str(report)], CliContext(base=tmp_path)) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    steps = [event["step"] for event in events if event["event"] == "flag_step"]
    assert [step["label"] for step in steps][::3] == ["off", "on"]
    assert [step["seen"] for step in steps][::3] == [0, 400]
    assert 70 <= steps[1]["seen"] <= 130
    assert steps[2]["seen"] == steps[1]["seen"] + 1
    assert [step["named_sees"] for step in steps][2:] == [True, True]
    assert len({step["code_sha256"] for step in steps}) == 1

    ended = [event["released"] for event in events if event["event"] == "released"]
    assert [release["version"] for release in ended] == [2, 3, 4]
    assert [release["outcome"] for release in ended] == ["promoted", "rolled_back", "rolled_back"]
    assert {release["alias"] for release in ended} == {"version 2, no weights"}
    assert "failed on version 3" in ended[1]["sentence"]
    assert "took longer than" in ended[2]["sentence"]
    assert 0 < ended[1]["failed"] < ended[1]["served"]
    assert 0 < ended[1]["rollback_s"] < 5

    rollout = next(event["rollout"] for event in events if event["event"] == "rolled_out")
    assert (rollout["outcome"], rollout["percent"]) == ("rolled_back", 0)
    assert "users failed with express_delivery" in rollout["sentence"]

    page = report.read_text()
    assert page.count("<svg") == 10  # wide and narrow
    assert "src=" not in page
    assert events[-1]["report"] == str(report)


@pytest.mark.usefixtures("quiet_traffic")
def test_without_errors_version_3_is_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["demo", "--error-rate", "0", "--seed", "2", "--no-color", "--report", str(tmp_path / "demo.html")]
    assert run(words, CliContext(base=tmp_path)) == 0
    text = capsys.readouterr().out
    assert "Version 3 without errors" in text
    assert "promoted: version 3 served" in text
    assert "alias: version 3, no weights" in text
    assert "flag: 100 % of users" in text
    assert f"report: {tmp_path / 'demo.html'}" in text


@pytest.mark.parametrize("rate", ["120%", "lots"])
def test_an_impossible_error_rate_is_refused(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--error-rate", rate]) == 2
    assert capsys.readouterr().err.startswith("error[usage]: ")


@pytest.mark.parametrize(("text", "ratio"), [("0.12", 0.0012), ("0.12%", 0.0012), ("12", 0.12), ("12 %", 0.12)])
def test_a_bare_number_is_a_percentage(text: str, ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoppedError(Exception):
        pass

    seen = []

    def noted(options: Options, output: object) -> None:
        seen.append(options.error_rate)
        raise StoppedError

    monkeypatch.setattr("canary.demo.run_demo", noted)
    run(["demo", "--error-rate", text])
    assert seen == [pytest.approx(ratio)]


def test_a_flag_without_rules_is_a_basic_flag() -> None:
    assert json.loads(document({"name": "on", "enabled": True}))["values"] == {FLAG: {"enabled": True}}


def test_releases_differ_in_their_faults_only() -> None:
    assert backend(2, failing=0.01) != backend(3, failing=0.12)
    compile(backend(4, failing=0.0, slow=0.14), "app.py", "exec")


def test_a_share_is_drawn_counted_and_said() -> None:
    words = step_text(FlagStep("25 % of users", 0.25, 506, 2000, named_sees=False, code_sha256="x"))
    assert words.split() == [
        "25",
        "%",
        "of",
        "users",
        "████████",
        "506",
        "of",
        "2,000",
        "users",
        "see",
        "it",
        "(25.3",
        "%)",
    ]
