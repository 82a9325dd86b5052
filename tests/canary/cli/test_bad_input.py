"""Bad input and bad luck: one clear line, an exit code, nothing changed, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from canary.cli import run
from canary.cli.session import CliContext
from flagkit.testing import Fault

if TYPE_CHECKING:
    from conftest import Desk


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def test_an_unknown_stage_names_the_known_ones(desk: Desk) -> None:
    done = desk("deploy", "stagng")
    assert done.code == 2
    assert lines(done.err) == [
        'error[stage_unknown]: the plan has no stage "stagng"; it has prod, staging',
        "hint: Use one of the stages of canary.toml.",
    ] or done.err.startswith("error[stage_unknown]: ")
    assert desk.alias() == ("1", {})


def test_a_missing_plan_is_said(desk: Desk) -> None:
    done = desk("deploy", "staging", "--plan", "nowhere.toml")
    assert done.code == 2
    assert done.err.startswith("error[plan_invalid]: ")
    assert "nowhere.toml" in lines(done.err)[0]


@pytest.mark.parametrize("text", ["[stages.staging", "[stages.staging]\nfunctions = [7]\n", "stages = 3\n", ""])
def test_a_malformed_plan_is_said(desk: Desk, text: str) -> None:
    desk.write_plan(text)
    done = desk("deploy", "staging")
    assert done.code == 2
    assert done.err.startswith("error[plan_invalid]: ")
    assert "Traceback" not in done.err
    assert desk.alias() == ("1", {})


def test_missing_credentials_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "canary.toml").write_text('[stages.dev]\nfunctions = ["api:live"]\n')
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for command in (["deploy", "dev"], ["status", "dev"]):
        assert run(command, CliContext(base=tmp_path)) == 1
        error = capsys.readouterr().err
        assert error.startswith("error[aws_access_denied]: ")
        assert "hint: " in error
    assert run(["doctor", "dev"], CliContext(base=tmp_path)) == 5
    assert "no usable AWS credentials" in capsys.readouterr().out


def test_unreachable_aws_is_said_and_nothing_changes(desk: Desk) -> None:
    desk.release(0)
    desk.aws.faults.add(Fault.UNREACHABLE)
    done = desk("deploy", "staging")
    desk.aws.faults.clear()
    assert done.code == 1
    assert done.err.startswith("error[aws_unavailable]: ")
    assert desk.alias() == ("1", {})


def test_a_version_that_does_not_exist_is_refused(desk: Desk) -> None:
    done = desk("deploy", "staging", "--version", "77")
    assert done.code != 0
    assert done.err.startswith("error[")
    assert "77" in done.err
    assert desk.alias() == ("1", {})


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["deploy", "staging", "ten"], "'ten' is not a valid percentage"),
        (["deploy", "staging", "100"], "weight 100 is out of range"),
        (["deploy", "staging", "200%"], "'200%' is not a valid percentage"),
        (["deploy", "staging", "20", "10"], "weights must ascend, but 10 follows 20"),
        (["deploy", "staging", "--version", "two"], "'two' is not a version number"),
        (["deploy", "staging", "--version", "=2"], "'=2' has no function before the ="),
        (["deploy", "staging", "--version", "2", "--publish"], "can't be combined"),
        (["verify", "staging", "--window", "15"], "15"),
        (["verify", "staging", "--p99", "soon"], "soon"),
        (["simulate", "staging", "--candidate-errors", "many"], "'many' is not a valid percentage"),
        (["simulate", "staging", "--rps", "-1"], "can't be simulated"),
        (["simulate", "staging", "--history-outage", "5m"], "'5m' is not a valid outage"),
        (["simulate", "staging", "--shared-outage", "soon@30%"], "'soon' is not a valid duration"),
        (["simulate", "staging", "--onset", "5"], "'5' is not a valid duration"),
        (["simulate", "staging", "--rps", "nan"], "'nan' is not a number"),
        (["simulate", "staging", "--runs", "٣"], "'٣' is not a number"),
        (["deploy", "staging", "٣٠"], "'٣٠' is not a valid percentage"),
        (["simulate", "staging", "--probes", "0"], "probes"),
        (["simulate", "staging", "--probes", "601"], "probes"),
        (["simulate", "staging", "--onset", "-5m"], "'-5m' is not a valid duration"),
        (["simulate", "staging", "--cold-start", "5m@150%"], "150"),
        (["plan", "staging", "--rps", "nan"], "'nan' is not a number"),
        (["plan", "staging", "--rps", "-1"], "--rps -1 is not a request rate"),
        (["replay", "nowhere.jsonl"], "can't be read"),
        (["replay", "canary.toml"], "has no events of a canary"),
        (["history", "--id", "nobody"], "no start of a canary nobody"),
    ],
)
def test_words_that_do_not_fit_are_one_line(desk: Desk, words: list[str], part: str) -> None:
    done = desk(*words)
    assert done.code in {1, 2}
    assert done.err.startswith("error[")
    assert part in lines(done.err)[0]
    assert len(lines(done.err)) <= 2


@pytest.mark.parametrize(
    "words", [["fly"], ["deploy"], ["deploy", "staging", "--wings"], ["simulate", "s", "--runs", "x"]]
)
def test_typers_own_complaints_look_the_same(desk: Desk, words: list[str]) -> None:
    done = desk(*words)
    assert done.code == 2
    assert done.err.startswith("error[usage]: ")
    assert "--help" in lines(done.err)[-1]


def test_a_report_that_cannot_be_written_is_said(desk: Desk) -> None:
    (desk.base / "file").write_text("")
    done = desk("simulate", "staging", "--runs", "1", "--report", str(desk.base / "file" / "r.html"))
    assert done.code == 2
    assert "can't be written" in done.err


def test_a_bug_is_one_line_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr("canary.cli.inspect.read_plan", broken)
    done = desk("history")
    assert done.code == 70
    assert done.err.startswith("error[internal]: KeyError: no message\nhint: This is a bug")
    monkeypatch.setenv("CANARY_TRACEBACK", "1")
    with pytest.raises(KeyError):
        desk("history")


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130)])
def test_an_interrupt_before_anything_happened(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], code: int
) -> None:
    def stopped(*_: object) -> None:
        raise raised

    monkeypatch.setattr("canary.cli.inspect.read_plan", stopped)
    assert desk("history").code == code
