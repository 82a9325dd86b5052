"""Releasing from the command line: outcomes, exit codes, JSON, summaries."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from canary.cli import run
from canary.cli.session import CliContext
from flagkit.testing import CallRecord, Fault
from tests.canary.cli.conftest import PLAN

if TYPE_CHECKING:
    from conftest import Desk


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traffic")]


def test_a_healthy_version_is_promoted_with_exit_code_0(desk: Desk, tmp_path: Path) -> None:
    desk.release(0)
    done = desk("deploy", "staging", "--report", str(tmp_path / "reports" / "r.html"))
    assert (done.code, done.err) == (0, "")
    assert desk.alias() == ("2", {})
    assert "promoted" in done.out
    assert "<svg" in (tmp_path / "reports" / "r.html").read_text()


def test_an_unhealthy_version_is_rolled_back_with_exit_code_3(desk: Desk) -> None:
    desk.release(30)
    done = desk("deploy", "staging")
    assert done.code == 3
    assert desk.alias() == ("1", {})
    assert "requests failed on version 2" in done.out


def test_a_promotion_that_cloudwatch_does_not_let_anybody_watch_has_an_exit_code_of_its_own(desk: Desk) -> None:
    """From 100 % on every query fails: the version may fail, too, and nobody would know."""
    desk.release(0)

    def blind(record: CallRecord) -> None:
        if record.call == "lambda.UpdateAlias" and desk.alias() == ("2", {}):
            desk.aws.wire.watchers.remove(blind)
            desk.aws.faults.add(Fault.SERVER_ERROR, "cloudwatch.*")

    desk.aws.wire.watchers.append(blind)
    done = desk("deploy", "staging", "50")
    assert done.code == 7
    assert "not watched: no measured minute with traffic" in done.out
    assert "no regression" not in done.out


def test_json_puts_one_event_on_each_line_of_stdout(desk: Desk) -> None:
    desk.release(30)
    done = desk("deploy", "staging", "10", "--version", "2", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 3
    assert events[0]["event"] == "canary_started"
    assert events[0]["steps_bp"] == [1000]
    assert {"event": "canary_ended", "outcome": "rolled_back"}.items() <= next(
        event for event in events if event["event"] == "canary_ended"
    ).items()


def test_without_traffic_it_holds_with_exit_code_4(desk: Desk) -> None:
    desk.release(0)
    for stream in desk.aws.traffic.streams:
        stream.stop()
    done = desk("deploy", "staging")
    assert done.code == 4
    assert desk.alias() == ("1", {"2": 0.2})
    assert "promote it or roll it back" in desk("status", "staging").out


def test_the_newest_code_can_be_published_first(desk: Desk) -> None:
    client = desk.aws.session().client("lambda")
    client.update_function_configuration(FunctionName="api", MemorySize=256)
    done = desk("deploy", "staging", "--publish")
    assert done.code == 0
    assert desk.alias() == ("2", {})


def test_nothing_new_is_refused_or_allowed(desk: Desk) -> None:
    done = desk("deploy", "staging")
    assert done.code == 5
    assert done.err.startswith("error[no_change]: stage staging has nothing to release: api:live serves version 1")
    assert "--allow-no-change" in done.err
    done = desk("deploy", "staging", "--allow-no-change", "--json")
    assert done.code == 0
    assert json.loads(done.out)["outcome"] == "no_change"
    assert desk("deploy", "staging", "--allow-no-change").out.startswith("staging: stage staging has nothing")


def test_the_first_release_creates_the_alias(desk: Desk) -> None:
    desk.write_plan('[stages.staging]\nfunctions = ["api:first"]\nrules.clean_tree = false')
    done = desk("deploy", "staging")
    assert done.code == 1
    assert "hint: If this is its first release: `canary deploy staging --create-alias`." in done.err
    done = desk("deploy", "staging", "--create-alias")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "staging: api:first was created on version 1; it has all traffic, and there is no baseline to compare it with\n"
    )
    client = desk.aws.session().client("lambda")
    assert client.get_alias(FunctionName="api", Name="first")["FunctionVersion"] == "1"


def test_a_first_release_that_is_refused_says_that_the_alias_was_created(desk: Desk) -> None:
    queue = 'gates.dlq = { kind = "queue", queue = "gone", max_new_messages = 0 }'
    desk.write_plan(f'[stages.staging]\nfunctions = ["api:first"]\nrules.clean_tree = false\n{queue}')
    done = desk("deploy", "staging", "--create-alias", "--publish")
    assert done.code == 5
    assert done.err.startswith(
        "error[refused]: api:first was created on version 1; stage staging is not ready; nothing else was changed: "
    )


def test_a_release_that_was_rolled_back_is_retried_with_its_versions(desk: Desk) -> None:
    desk.release(30)
    assert desk("deploy", "staging").code == 3
    desk.release(0, "3")
    done = desk("deploy", "staging", "--retry")
    assert done.code == 3
    assert "requests failed on version 2" in done.out
    assert desk("deploy", "staging", "--retry", "--publish").code == 2


PROBED = """
[stages.staging]
functions = ["api:live"]
steps = [2, 50]
bake = "5m"
rules.clean_tree = false
probes = { path = "/orders", per_minute = 30 }
"""


@pytest.mark.sweep
def test_paired_probes_roll_back_where_few_users_reach_the_new_version(desk: Desk) -> None:
    desk.write_plan(PROBED)
    desk.aws.traffic.streams[0].requests_per_minute = 20  # so that only the probes can find it
    desk.release(20)
    done = desk("deploy", "staging")
    assert done.code == 3
    assert "pairs of probes failed on version 2 (new) alone" in done.out


def test_a_stage_whose_probes_are_not_allowed_is_not_released(desk: Desk) -> None:
    desk.write_plan(PROBED)
    desk.release(0)
    desk.aws.faults.add(Fault.DENIED, "lambda.Invoke")
    done = desk("deploy", "staging")
    assert done.code == 5
    assert "a probe of the baseline failed (probes of api:live): lambda:Invoke: AccessDeniedException" in done.err
    assert "grant lambda:InvokeFunction" in done.err


def test_github_gets_a_summary_and_an_annotation(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    desk.release(30)
    done = desk("deploy", "staging", "--json")
    assert done.code == 3
    assert "::error title=canary on staging%3A rolled back::" in done.err
    assert "::" not in done.out.split("\n", 1)[0][:2]
    assert (tmp_path / "summary.md").read_text().startswith("### ⛔ Canary on staging: rolled back")


def test_a_summary_that_cannot_be_written_changes_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    desk.release(30)
    done = desk("deploy", "staging")
    assert done.code == 3
    assert "warning: the step summary was not written" in done.err


# what a person asks for meanwhile


@pytest.fixture
def held(desk: Desk) -> Desk:
    """A canary that waits at 20 %."""
    desk.release(0)
    for stream in desk.aws.traffic.streams:
        stream.stop()
    assert desk("deploy", "staging").code == 4
    return desk


def test_the_report_has_the_whole_canary_whoever_drove_it(held: Desk) -> None:
    assert held("promote", "staging", "--report", str(held.base / "r.html")).code == 7
    text = (held.base / "r.html").read_text()
    for part in ("canary started", "inconclusive", "promoted"):  # the first two are of another process
        assert f"<td>{part}</td>" in text


def test_a_journal_that_is_lost_costs_the_report_its_beginning(held: Desk) -> None:
    for path in (held.base / ".canary").glob("*.jsonl"):
        path.unlink()
    assert held("promote", "staging", "--report", str(held.base / "r.html")).code == 7
    assert "<td>promoted</td>" in (held.base / "r.html").read_text()


def test_a_second_release_is_a_conflict(held: Desk) -> None:
    done = held("deploy", "staging")
    assert done.code == 6
    assert done.err.startswith("error[conflict]: canary ")
    assert "hint: " in done.err


def test_promote_without_traffic_gives_everything_and_says_that_it_was_not_watched(held: Desk) -> None:
    done = held("promote", "staging")
    assert done.code == 7
    assert "not watched: no measured minute with traffic" in done.out
    assert held.alias() == ("2", {})


def test_rollback_takes_everything_back(held: Desk) -> None:
    done = held("rollback", "staging")
    assert done.code == 0
    assert held.alias() == ("1", {})
    assert "rolled back" in done.out


def test_abort_takes_everything_back(held: Desk) -> None:
    done = held("abort", "staging", "--yes", "--json")
    assert done.code == 0
    assert held.alias() == ("1", {})
    assert json.loads(done.out.splitlines()[-1])["event"] == "canary_ended"


def test_pause_and_resume(held: Desk) -> None:
    assert held("pause", "staging").code == 0
    assert "Paused at 20 %" in held("status", "staging").out
    held.aws.traffic.steady("api", "live", requests_per_minute=300)
    done = held("resume", "staging")
    assert done.code == 0
    assert held.alias() == ("2", {})


def test_resume_under_another_plan_must_be_accepted(held: Desk) -> None:
    held.write_plan((held.base / "canary.toml").read_text().replace('bake = "5m"', 'bake = "6m"'))
    refused = held("resume", "staging")
    assert refused.code == 5
    held.aws.traffic.steady("api", "live", requests_per_minute=300)
    assert held("resume", "staging", "--accept-plan").code == 0


def test_rollback_without_a_canary_goes_to_the_given_version(desk: Desk) -> None:
    desk.release(0)
    assert desk("deploy", "staging").code == 0
    done = desk("rollback", "staging", "--to", "1")
    assert done.code == 0
    assert desk.alias() == ("1", {})
    assert "no canary in progress; api:live serves version 1" in done.out


def test_a_rollback_that_meets_somebody_elses_change_ends_with_exit_code_6(held: Desk) -> None:
    held.release(0, "3")
    held.aws.foreign.move_alias("api", "live", "3", weights={})
    done = held("rollback", "staging")
    assert (done.code, held.alias()) == (6, ("3", {}))
    assert "changed outside this canary" in done.out


@pytest.mark.parametrize("command", ["pause", "resume", "abort", "promote"])
def test_commands_about_a_canary_need_one(desk: Desk, command: str) -> None:
    done = desk(command, "staging")
    assert done.code == 5
    assert done.err.startswith("error[not_running]: no canary is in progress in stage staging")


# rules of the stage


def test_prod_is_released_from_its_branch_only(desk: Desk) -> None:
    desk.revision.on_branch = "topic"
    done = desk("deploy", "prod")
    assert done.code == 5
    assert "released from branch main only; this is branch topic" in done.err
    desk.revision.on_branch = None
    assert "HEAD is detached and not part of it" in desk("deploy", "prod").err
    assert desk.alias() == ("1", {})


def test_prod_wants_a_clean_tree(desk: Desk) -> None:
    desk.revision.files = ("api.py", "b", "c", "d")
    assert "uncommitted: api.py, b, c and 1 more" in desk("deploy", "prod").err
    desk.revision.files = None
    done = desk("deploy", "prod")
    assert f"git can't read {desk.base} as a repository" in done.err
    assert f"`git config --global --add safe.directory {desk.base}`" in done.err


def test_a_clean_checkout_stays_clean_so_the_default_plan_works_twice(desk: Desk) -> None:
    desk.write_plan(PLAN.replace("clean_tree = false", "clean_tree = true"))
    git = ["git", "-C", str(desk.base), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "canary.toml"], ["commit", "-q", "-m", "plan"]):
        subprocess.run([*git, *words], check=True)
    context = CliContext(clock=desk.aws.clock, base=desk.base)
    for failing in (60, 60):
        desk.release(failing, str(desk.aws.clock.epoch_s()))
        assert run(("deploy", "staging"), context) == 3


def test_prod_wants_a_confirmation(desk: Desk) -> None:
    desk.release(30)
    nobody = desk("deploy", "prod")
    assert (nobody.code, desk.alias()) == (5, ("1", {}))
    assert "hint: Pass --yes." in nobody.err
    desk.answer = "n"
    assert desk("deploy", "prod").code == 5
    assert desk.asked == ["Release to prod (api:live)? [y/N] "]
    desk.answer = "y"
    assert desk("deploy", "prod").code == 3
    desk.answer = None
    desk.aws.clock.advance(600)
    assert desk("deploy", "prod", "--yes", "--version", "api:live=2").code == 3


# Ctrl-C and SIGTERM


def interrupt(desk: Desk, number: signal.Signals) -> None:
    desk.release(0)
    for _ in range(2):
        desk.aws.clock.call_after(200, lambda: signal.raise_signal(number))


def test_ctrl_c_without_a_terminal_rolls_back(desk: Desk) -> None:
    interrupt(desk, signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    done = desk("deploy", "staging")
    assert done.code == 130
    assert desk.alias() == ("1", {})
    assert "SIGINT: stopping after the current write" in done.err
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_with_a_person_asks(desk: Desk) -> None:
    desk.answer = "leave"
    interrupt(desk, signal.SIGTERM)
    done = desk("deploy", "staging")
    assert done.code == 130
    assert desk.alias() == ("1", {"2": 0.2})
    assert "already stopping" in done.err
    desk.answer = "b"
    assert desk("resume", "staging").code == 0


def test_a_signal_at_the_question_is_an_answer_and_takes_everything_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody judges the canary while the question stands, so Ctrl-C must not be swallowed there."""
    desk.answer = "l"

    def impatient(desk: Desk, question: str) -> str:
        desk.asked.append(question)
        signal.raise_signal(signal.SIGINT)
        return "l"

    monkeypatch.setattr(type(desk), "_ask", impatient)
    interrupt(desk, signal.SIGINT)
    done = desk("deploy", "staging")
    assert (done.code, len(desk.asked)) == (130, 1)
    assert desk.alias() == ("1", {})


def test_the_plan_may_say_leave_it(desk: Desk) -> None:
    desk.write_plan((desk.base / "canary.toml").read_text().replace("hold_max", 'on_interrupt = "leave"\nhold_max', 1))
    interrupt(desk, signal.SIGINT)
    assert desk("deploy", "staging").code == 130
    assert desk.alias() == ("1", {"2": 0.2})
