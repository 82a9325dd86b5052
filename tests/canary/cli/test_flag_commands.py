"""Every command on a flag, as a user runs it: it speaks of the flag, its percentage and its users."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.canary.cli.conftest import Done
from tests.canary.cli.flag_desk import PLAN, FlagDesk

OF_FUNCTIONS = re.compile(
    r"\b(versions?|alias(es)?|requests?|traffic|baseline|lambda|functions?)\b|LATEST|flag\.new_checkout",
    re.IGNORECASE,
)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> FlagDesk:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return FlagDesk(tmp_path, capsys)


def speaks_of_users(done: Done) -> str:
    """What was printed, without a word that belongs to functions."""
    text = (done.out + done.err).replace("on request", "")
    assert [line for line in text.splitlines() if OF_FUNCTIONS.search(line)] == []
    return text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan", "checkout"), 0),
        (("plan", "checkout", "--users", "1000"), 2),
        (("doctor", "checkout"), 7),
        (("verify", "checkout"), 7),
        (("deploy", "checkout", "--retry"), 5),
        (("status", "checkout"), 0),
        (("status", "checkout", "--json"), 0),
        (("pause", "checkout"), 5),
        (("resume", "checkout"), 5),
        (("promote", "checkout", "--yes"), 5),
        (("rollback", "checkout"), 5),
        (("abort", "checkout"), 5),
        (("history",), 0),
    ],
)
def test_a_command_before_the_rollout_speaks_of_users(desk: FlagDesk, words: tuple[str, ...], code: int) -> None:
    done = desk(*words)
    assert done.code == code, done
    assert speaks_of_users(done)


@pytest.mark.slow
def test_a_rollout_speaks_of_users_to_its_end(desk: FlagDesk) -> None:
    said = speaks_of_users(desk("deploy", "checkout", "--report", str(desk.base / "report.html")))
    assert "canary started: 5 % of the users" in said
    assert "promoted" in said
    assert desk.percent == 100
    page = re.sub(r"<(style|path)[^>]*>[^<]*", "", (desk.base / "report.html").read_text())
    assert [text for text in re.findall(r">([^<]+)<", page) if OF_FUNCTIONS.search(text)] == []
    assert "is at 100 %" in speaks_of_users(desk("status", "checkout"))
    speaks_of_users(desk("history"))
    assert "all users have new_checkout already" in speaks_of_users(desk("deploy", "checkout"))
    assert "new_checkout 100 % → 0 %" in speaks_of_users(desk("rollback", "checkout"))
    assert "new_checkout 100 % → 0 %" in desk.asked[-1]
    assert desk.percent == 0


@pytest.mark.slow
def test_a_rollout_that_breaks_its_users_speaks_of_users(desk: FlagDesk) -> None:
    desk.failing = (0.2, 0.01)
    done = desk("deploy", "checkout")
    said = speaks_of_users(done)
    assert (done.code, desk.percent) == (3, 0)
    assert "against new_checkout" in said
    assert "new_checkout is back at 0 %" in said


@pytest.mark.slow
def test_a_rollout_without_outcomes_holds_and_speaks_of_users(desk: FlagDesk) -> None:
    desk.per_minute = 0
    done = desk("deploy", "checkout")
    said = speaks_of_users(done)
    assert (done.code, desk.percent) == (4, 5)
    shown = json.loads(desk("status", "checkout", "--json").out)
    assert shown["flag"] == {"key": "new_checkout", "variant": "on", "percent": 5.0}
    assert "functions" not in shown
    assert "has counted no user with new_checkout at the present percentage" in said
    for words, code in (
        (("status", "checkout"), 0),
        (("doctor", "checkout"), 5),
        (("deploy", "checkout"), 6),
        (("pause", "checkout"), 0),
        (("rollback", "checkout"), 0),
    ):
        done = desk(*words)
        assert done.code == code, done
        speaks_of_users(done)
    assert desk.percent == 0


@pytest.mark.parametrize(
    "words",
    [
        ("deploy", "checkout", "--version", "2"),
        ("deploy", "checkout", "--publish"),
        ("deploy", "checkout", "--create-alias"),
        ("rollback", "checkout", "--to", "1"),
        ("plan", "checkout", "--yesterday"),
    ],
)
def test_options_for_functions_are_refused_for_a_flag(desk: FlagDesk, words: tuple[str, ...]) -> None:
    done = desk(*words)
    assert (done.code, "for functions" in done.err, "hint: " in done.err) == (2, True, True), done


def test_users_are_asked_for_only_where_users_are_counted(desk: FlagDesk) -> None:
    desk.write_plan('[stages.staging]\nfunctions = ["api:live"]\n')
    assert "counts requests, not users" in desk("plan", "staging", "--users", "5").err


def test_a_large_simulation_is_left_to_its_own_command(desk: FlagDesk) -> None:
    done = desk("plan", "checkout", "--rps", "100", "--users", "100000")
    assert (done.code, "not simulated" in done.err) == (0, True)


def test_verify_looks_at_the_users_of_the_last_minutes(desk: FlagDesk) -> None:
    desk.clock.advance(20 * 60)
    done = desk("verify", "checkout")
    assert (done.code, "1.0 % of" in speaks_of_users(done)) == (0, True), done
    desk.failing = (0.2, 0.2)
    desk.clock.advance(20 * 60)
    assert desk("verify", "checkout").code == 1
    desk.write_plan(PLAN.replace("outcomes.csv", "nowhere.csv"))
    assert "outcomes can't be read" in desk("verify", "checkout").out


@pytest.mark.parametrize(("users", "steps"), [(None, "[5, 25, 50, 100]"), (900, "[10, 50, 100]"), (200, "[50, 100]")])
def test_init_writes_a_plan_for_a_flag(desk: FlagDesk, users: int | None, steps: str) -> None:
    more = () if users is None else ("--users", str(users))
    done = desk("init", "--flag", "file:flags.json#new_checkout", "--plan", "new.toml", *more)
    assert (done.code, f"steps = {steps}" in (desk.base / "new.toml").read_text()) == (0, True), done
    assert desk("plan", "staging", "--plan", "new.toml", *more).code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--flag", "flags.json#new_checkout"), "must be a source and a flag"),
        (("api:live", "--flag", "file:flags.json#new_checkout"), "either functions or --flag"),
        (("api:live", "--users", "9"), "--users needs --flag"),
        (("--flag", "file:flags.json#new_checkout", "--users", "9"), "too few"),
        (("--flag", "file:flags.json#new_checkout", "--stage", "no stage"), ""),
    ],
)
def test_init_refuses_what_is_no_flag(desk: FlagDesk, words: tuple[str, ...], text: str) -> None:
    done = desk("init", "--plan", "new.toml", *words)
    assert (done.code, text in done.err) == (2, True), done
