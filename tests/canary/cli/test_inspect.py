"""Looking from the command line: status, history, doctor, plan, simulate, replay."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from canary import runner
from canary.adapters.cloudwatch import CloudWatchMetrics
from canary.cli.output import show_checks
from canary.cli.session import CliContext, default_context, open_session
from canary.runner import Check, Level
from flagkit.testing import Fault

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traffic")]

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def running(desk: Desk) -> Desk:
    """A canary at 20 %, four minutes old."""
    desk.release(0)
    session = open_session(CliContext(clock=desk.aws.clock, base=desk.base), Path("canary.toml"), "staging")
    ports = session.ports()
    state = runner.start(session.stage, ports)
    state = runner.tick(session.stage, ports, state).state
    desk.aws.clock.advance(270)
    return desk


def test_status_shows_where_the_canary_stands(running: Desk) -> None:
    done = running("status", "staging")
    assert done.code == 0
    assert "is baking, 4 min 30 s after its start" in done.out
    assert "api:live: version 1 (baseline) → version 2 (new), 20 %" in done.out
    assert "  api:live errors " in done.out


def test_status_says_what_the_aliases_serve_and_whether_anybody_watches(running: Desk) -> None:
    never = "Not watched: the journal has no evaluation of it, and no driver is running."
    assert never in running("status", "staging").out
    looked(running)
    assert "Not watched" not in running("status", "staging").out
    running.aws.clock.advance(18 * 60)
    done = running("status", "staging")
    assert done.out.startswith("api:live serves 80 % version 1 and 20 % version 2 since 09:05:00 UTC\n")
    assert "Not watched: the last evaluation was 18m ago, and no driver is running." in done.out
    assert "last evaluated at 09:09:30 UTC by ci" in done.out
    assert "next: `canary resume staging` to continue, or `canary rollback staging`" in done.out


def looked(desk: Desk) -> None:
    """A driver evaluates the canary once."""
    context = CliContext(clock=desk.aws.clock, base=desk.base, revision=desk.revision)
    session = open_session(context, Path("canary.toml"), "staging")
    runner.tick(session.stage, session.ports())


def test_json_and_report_say_that_nobody_watches(running: Desk, tmp_path: Path) -> None:
    looked(running)
    running.aws.clock.advance(18 * 60)
    view = json.loads(running("status", "staging", "--json", "--report", str(tmp_path / "r.html")).out)
    assert (view["is_driven"], view["last_look_by"]) == (False, "ci")
    assert view["functions"][0]["serves"] == "serves 80 % version 1 and 20 % version 2"
    assert "baking, not watched" in (tmp_path / "r.html").read_text()
    assert "Last evaluated at 09:09:30 UTC by ci." in (tmp_path / "r.html").read_text()


def test_an_alias_that_somebody_moved_is_shown_as_it_is(running: Desk) -> None:
    client = running.aws.session().client("lambda")
    client.update_alias(
        FunctionName="api", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    done = running("status", "staging")
    assert done.out.startswith("api:live serves version 2\n")
    assert "api:live was changed outside this canary; it serves version 2." in done.out
    assert "is being evaluated" not in done.out


def test_watching_says_that_no_driver_runs_and_outlives_an_outage_of_aws(running: Desk) -> None:
    running.aws.clock.call_after(200, lambda: signal.raise_signal(signal.SIGINT))
    running.aws.faults.add(Fault.THROTTLED, "lambda.GetAlias", skip=2, times=8)
    done = running("status", "staging", "--watch")
    assert done.code == 130
    assert done.out.count("Not watched: the journal has no evaluation of it") >= 2
    assert "TooManyRequests" in done.err


def test_weights_whose_record_somebody_removed_are_shown_and_can_be_cleared(running: Desk) -> None:
    running.aws.session().client("lambda").update_alias(FunctionName="api", Name="live", Description="from a template")
    serves = "serves 80 % version 1 and 20 % version 2"
    done = running("status", "staging")
    assert done.out.startswith(f"api:live {serves}\nNot watched: ")
    assert "next: `canary rollback staging`" in done.out
    assert json.loads(running("status", "staging", "--json").out)["functions"][0]["serves"] == serves
    refused = running("resume", "staging")
    assert (refused.code, serves in refused.err, "canary rollback staging" in refused.err) == (5, True, True)
    done = running("rollback", "staging", "--yes")
    assert "on request: api:live 80 % version 1 and 20 % version 2 → 1" in done.out
    assert running.alias() == ("1", {})


def test_status_of_a_damaged_record_still_says_what_the_alias_serves(running: Desk) -> None:
    client = running.aws.session().client("lambda")
    client.update_alias(FunctionName="api", Name="live", Description="canary1 k 41>42 b -zz 10@0 - f|x")
    done = running("status", "staging")
    assert done.code == 6
    assert done.out == "api:live serves 80 % version 1 and 20 % version 2\n"
    assert done.err.startswith("error[record_invalid]")


def test_status_as_json_is_the_whole_view(running: Desk, tmp_path: Path) -> None:
    done = running("status", "staging", "--json", "--report", str(tmp_path / "r.html"))
    view = json.loads(done.out)
    assert view["weight_percent"] == 20
    assert view["streams"][0]["gate"] == "errors"
    assert (tmp_path / "r.html").exists()


def test_status_changes_nothing(running: Desk) -> None:
    before = len(running.aws.wire.calls)
    running("status", "staging")
    calls = {call.call for call in running.aws.wire.calls[before:]}
    assert not {call for call in calls if "Update" in call or "Put" in call or "Invoke" in call}


def test_without_a_canary_status_says_what_is_live(desk: Desk) -> None:
    assert desk("status", "staging").out == ("no canary in progress on staging; api:live serves version 1\n")
    assert json.loads(desk("status", "staging", "--json").out) == {
        "stage": "staging",
        "canary": None,
        "functions": [{"function": "api:live", "version": "1", "serves": "serves version 1"}],
    }


def test_watching_ends_with_the_canary(running: Desk) -> None:
    def end() -> None:
        session = open_session(CliContext(clock=running.aws.clock, base=running.base), Path("canary.toml"), "staging")
        runner.rollback(session.stage, session.ports())

    running.aws.clock.call_after(90, end)
    done = running("status", "staging", "--watch")
    assert done.code == 0
    assert done.out.count("canary ") >= 3
    assert done.out.endswith("no canary in progress on staging; api:live serves version 1\n")


def test_history_lists_shows_and_writes_reports(desk: Desk, tmp_path: Path) -> None:
    assert desk("history").out == "no canary in the journal\n"
    desk.release(40)
    desk("deploy", "staging")
    listed = desk("history", "staging")
    assert "rolled_back" in listed.out
    row = json.loads(desk("history", "--json", "--by", "ci").out)
    assert desk("history", "--by", "somebody else").out == "no canary in the journal\n"
    shown = desk("history", "--id", row["canary_id"], "--report", str(tmp_path / "r.html"))
    assert "rolled back" in shown.out
    assert (tmp_path / "r.html").exists()
    events = [
        json.loads(line)["event"] for line in desk("history", "--id", row["canary_id"], "--json").out.splitlines()
    ]
    assert events[0] == "canary_started"
    assert desk("history", "nowhere").code == 2

    journal = next(Path(desk.base).rglob("*.jsonl"))
    again = desk("replay", str(journal), "--report", str(tmp_path / "again.html"))
    assert again.code == 0
    assert "Under this plan: rolled back after" in again.out
    assert "Recorded: rolled back after" in again.out
    assert (tmp_path / "again.html").exists()
    last = json.loads(desk("replay", str(journal), "--json").out.splitlines()[-1])
    assert last["recorded"] == "rolled_back"


def test_doctor_says_what_it_looked_at(desk: Desk) -> None:
    done = desk("doctor", "staging")
    assert done.code == 0
    assert "checks: 0 failed" in done.out
    assert all(json.loads(line)["level"] for line in desk("doctor", "staging", "--json").out.splitlines())


def test_doctor_checks_the_rules_that_a_release_is_refused_by(desk: Desk) -> None:
    done = desk("doctor", "prod")
    assert done.code == 0
    assert "ok       branch: this is branch main, or a commit of it" in done.out
    assert "ok       clean tree: nothing is uncommitted" in done.out
    desk.revision.on_branch, desk.revision.files = "topic", ("api.py",)
    done = desk("doctor", "prod")
    assert done.code == 5
    assert "FAILED   branch: stage prod is released from branch main only; this is branch topic" in done.out
    assert "FAILED   clean tree: stage prod is released from a clean working tree only; uncommitted: api.py" in done.out
    desk.revision.files = ()
    assert desk("doctor", "prod", "--branch", "main").code == 0


def test_doctor_says_how_a_missing_alias_is_created(desk: Desk) -> None:
    desk.write_plan('[stages.dev]\nfunctions = ["api:first"]')
    done = desk("doctor", "dev")
    assert done.code == 5
    assert "If this is its first release: `canary deploy dev --create-alias`." in done.out


def test_checks_without_data_have_an_exit_code_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    empty = Check("errors", Level.NO_DATA, "no requests in 15m", "api:live")
    assert show_checks([empty], as_json=False, failed_code=1) == 7
    assert capsys.readouterr().out == (
        "no data  errors (api:live): no requests in 15m\n1 checks: 0 failed, 1 without data, 0 warnings\n"
    )
    assert show_checks([empty, Check("role", Level.FAILED, "x")], as_json=True, failed_code=1) == 1


def test_checks_are_shown_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [
        Check("role", Level.OK, "same role"),
        Check("alarm", Level.FAILED, "no such alarm", "api:live", "Correct the name."),
    ]
    assert show_checks(checks, as_json=False, failed_code=5) == 5
    assert capsys.readouterr().out == (
        "ok       role: same role\nFAILED   alarm (api:live): no such alarm\n         Correct the name.\n"
        "2 checks: 1 failed, 0 warnings\n"
    )


def test_a_plan_is_printed_in_words_and_as_a_picture(desk: Desk) -> None:
    done = desk("plan", "staging", "--rps", "1")
    assert done.code == 0
    assert "Stage staging releases api:live." in done.out
    assert "┌" in done.out
    assert "CloudWatch: 16 metrics every 1 min; a release of 15 min costs less than $0.01 (GetMetricData)." in done.out
    found = json.loads(desk("plan", "staging", "--json").out)
    assert (found["name"], found["looks"]) == ("staging", {"metrics": 16, "dollars": 0.0024})


def test_a_plan_takes_the_traffic_of_the_last_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = desk("plan", "staging", "--yesterday")
    assert done.code == 0
    assert "Traffic of the last day: " in done.out
    assert "simulated releases beside a baseline with 1 % errors" in done.out
    assert desk("plan", "staging", "--yesterday", "--rps", "1").code == 2
    found = json.loads(desk("plan", "staging", "--yesterday", "--json").out)
    assert found["simulated"]["runs"] > 0
    monkeypatch.setattr(CloudWatchMetrics, "requests_per_minute", lambda *_: {})
    silent = desk("plan", "staging", "--yesterday")
    assert (silent.code, "no traffic is known of the last day" in silent.err) == (2, True)


def test_a_plan_that_cannot_work_at_the_traffic_there_is_says_why_with_exit_code_2(desk: Desk) -> None:
    done = desk("plan", "staging", "--rps", "0.02")
    assert done.code == 2
    assert "refuse: step 1 (20 %) of api:live needs 80 clean requests" in done.out
    warned = desk("plan", "staging", "--rps", "1")
    assert (warned.code, "warn: step 1" in warned.out) == (0, True)
    refused = desk("plan", "staging", "--rps", "0.02", "--json")
    assert refused.code == 2
    assert {finding["severity"] for finding in json.loads(refused.out)["findings"]} == {"refuse"}


def test_a_journal_that_lost_its_beginning_is_no_bug(desk: Desk) -> None:
    desk("rollback", "staging", "--to", "1")  # a notice outside of any canary
    for path in (desk.base / ".canary").glob("*.jsonl"):
        done = desk("history", "--id", path.stem)
        assert (done.code, "has no start" in done.err) == (1, True)


def test_simulate_answers_with_the_documented_keys(desk: Desk, tmp_path: Path) -> None:
    words = ["simulate", "staging", "--candidate-errors", "30%", "--rps", "10", "--runs", "3"]
    done = desk(*words, "--json", "--report", str(tmp_path / "s.html"))
    found = json.loads(done.out)
    assert done.code == 0
    assert {"runs", "promoted_ratio", "rolled_back_ratio", "inconclusive_ratio"} <= found.keys()
    assert found["minutes_to_rollback"].keys() == found["failed_requests"].keys() == {"mean", "p95"}
    assert found["rolled_back_ratio"] == 1.0
    assert "<svg" in (tmp_path / "s.html").read_text()
    assert found["is_shortened"] is False
    assert "Minutes to rollback:" in desk(*words).out


def test_simulate_says_how_many_releases_half_a_minute_allows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["simulate", "staging", "--candidate-errors", "90%", "--rps", "10"]
    monkeypatch.setattr("canary.cli.scenarios.affordable_runs", lambda *_, **__: 2)
    done = desk(*words)
    assert done.out.startswith("2 releases to staging")
    assert "100 % (15.8–100 %)" in done.out
    assert "Only 2 releases, which take about half a minute" in done.out
    assert "`--runs 1000` simulates 1,000." in done.out
    monkeypatch.setattr("canary.cli.scenarios.RUNS", 2)
    assert "half a minute" not in desk(*words).out


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_context().ask is None


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "canary", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in (
        "deploy", "promote", "rollback", "status", "pause", "resume", "abort",
        "history", "verify", "doctor", "plan", "simulate", "replay", "demo",
    ):  # fmt: skip
        assert f" {command} " in done.stdout


def test_watching_ends_when_the_person_has_seen_enough(running: Desk) -> None:
    running.aws.clock.call_after(90, lambda: signal.raise_signal(signal.SIGINT))
    done = running("status", "staging", "--watch", "--json")
    assert done.code == 130
    assert [json.loads(line)["phase"] for line in done.out.splitlines()] == ["baking", "baking"]


def test_on_a_terminal_the_view_is_drawn_in_place(running: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    done = running("status", "staging", "--no-color")
    assert done.code == 0
    assert "canary on staging · baking" in done.out


def test_verify_is_content_with_what_is_healthy_and_exits_1_where_it_is_not(desk: Desk) -> None:
    desk.aws.clock.advance(10 * 60)
    done = desk("verify", "staging")
    assert done.code == 0, done.out
    assert "checks: 0 failed" in done.out
    version = desk.release(30)
    desk.aws.session().client("lambda").update_alias(FunctionName="api", Name="live", FunctionVersion=version)
    desk.aws.clock.advance(15 * 60)
    strict = desk("verify", "staging", "--json")
    assert strict.code == 1
    assert "failed" in {json.loads(line)["level"] for line in strict.out.splitlines()}
