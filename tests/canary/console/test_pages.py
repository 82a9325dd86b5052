"""What the pages show."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest

from canary import runner
from canary.assembly import load_plan
from canary.console.reads import Read, Reads
from canary.errors import AccessDeniedError
from canary.view.current import past_view
from canary.view.html import canary_report, page
from flagkit.testing import Fault
from tests.canary.console.conftest import PLAN, Desk


def test_without_a_canary_the_pages_show_what_every_alias_serves(desk: Desk) -> None:
    for path in ("/", "/staging"):
        answer = desk.get(path)
        assert answer.status_code == 200
        assert "version 1 100 %" in answer.text
        assert "no canary" in answer.text
        assert "<code>canary deploy" in answer.text
        assert 'href="/releases/staging/promote"' not in answer.text
    assert "The journal has no canary." in desk.get("/").text


def test_a_canary_in_progress_is_shown_with_both_versions_evidence_gates_and_journal(desk: Desk) -> None:
    desk.release(0)
    state = desk.start(4)
    shown = desk.get("/staging").text
    for text in (
        "version 1 (baseline) 80 %",
        "version 2 (new) 20 %",
        state.canary_id,
        'class="chart"',
        "Last verdict",
        "rolls back at 100:1",
        "canary started",
        "Started by",
        'hx-trigger="every 2000ms"',
    ):
        assert text in shown
    assert "not watched" not in shown
    assert re.search(r"\sstyle=|<style|<script(?! src)|\son\w+=", shown) is None  # the policy would refuse them
    assert {a for a in ("pause", "promote", "rollback", "abort", "resume") if f"/staging/{a}" in shown} == {
        "pause",
        "promote",
        "rollback",
        "abort",
    }
    assert state.canary_id in desk.get("/").text
    asked = len(desk.aws.wire.calls)
    desk.get("/staging")
    assert not [call for call in desk.aws.wire.calls[asked:] if call.call.startswith("cloudwatch")]  # they cost


def test_a_part_of_a_page_is_the_part_alone(desk: Desk) -> None:
    for path in ("/", "/staging"):
        part = desk.get(path, part=True)
        assert "<html" not in part.text
        assert "HX-Request" in part.headers["vary"]


def test_a_canary_that_is_rolled_back_while_the_page_is_open_is_shown_so(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(fresh_s=0)
    desk.release(60)
    state = desk.start(1)
    assert "baking" in desk.get("/staging", part=True).text
    plan = load_plan(desk.base / "canary.toml").stage("staging")
    assert runner.run(plan, desk.ports(), state).phase == "rolled_back"
    part = desk.get("/staging", part=True).text
    assert "version 1 100 %" in part
    assert 'tone-bad-text">rolled back<' in part
    past = desk.get(f"/staging/canaries/{state.canary_id}").text
    assert "rolled back to 0 %" in past
    assert "failed on version 2 (new)" in past
    assert "Plan" in past


def test_a_canary_that_nobody_evaluates_is_not_watched_and_measured_once_a_tick(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(fresh_s=0)
    desk.release(0)
    desk.start(2.5)
    desk.aws.clock.advance(5 * 60)
    assert "Not watched: the last evaluation was 5m" in desk.get("/staging").text
    asked = len(desk.aws.wire.calls)
    assert "<code>canary resume staging</code>" in desk.get("/staging").text
    assert not [call for call in desk.aws.wire.calls[asked:] if call.call.startswith("cloudwatch")]


def test_reports_are_those_of_the_commands(desk: Desk) -> None:
    desk.release(0)
    state = desk.start()
    answer = desk.get("/staging/report")
    assert answer.headers["content-disposition"] == f'attachment; filename="canary-staging-{state.canary_id}.html"'
    assert f"Canary {state.canary_id}" in answer.text
    plan, journal = load_plan(desk.base / "canary.toml"), desk.ports().journal
    whole = page(canary_report(past_view(list(journal.events(state.canary_id)), plan)))
    numbered = re.compile(r'(id="|d|t)\d+|labelledby="[^"]*"')  # pictures are numbered as they are drawn
    shown = desk.get(f"/staging/canaries/{state.canary_id}/report").text
    assert numbered.sub("", shown) == numbered.sub("", whole)
    assert desk.get("/prod/report").status_code == 409


@pytest.mark.parametrize(
    "path", ["/nowhere", "/nowhere/rollback", "/staging/canaries/k3f9a2c1", "/nowhere/canaries/k3f9a2c1"]
)
def test_what_does_not_exist_has_a_page_that_says_so(desk: Desk, path: str) -> None:
    answer = desk.get(path)
    assert answer.status_code == 404
    assert "All releases" in answer.text


def test_an_aws_that_does_not_answer_is_said_with_the_age_of_what_is_shown(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(fresh_s=0)
    desk.aws.faults.add(Fault.UNREACHABLE, "lambda.*")
    first = desk.get("/staging")
    assert first.status_code == 503
    assert "AWS does not answer." in first.text
    assert "aws_unavailable" in first.text
    assert desk.get("/staging", part=True).status_code == 200  # htmx shows it
    desk.aws.faults.clear()
    assert "version 1 100 %" in desk.get("/staging").text
    desk.aws.faults.add(Fault.UNREACHABLE, "lambda.*")
    later = desk.get("/staging").text
    assert "What is shown is 0 s old." in later
    assert "version 1 100 %" in later
    asked = desk.get("/staging/rollback")
    assert (asked.status_code, "AWS does not answer" in asked.text) == (503, True)


def test_an_aws_that_denies_access_names_the_permission(desk: Desk) -> None:
    desk.aws.faults.add(Fault.DENIED, "lambda.GetAlias")
    answer = desk.get("/staging")
    assert answer.status_code == 502
    assert "AWS denies access." in answer.text
    assert "Grant lambda:GetAlias" in answer.text


def test_weights_without_a_record_are_not_watched(desk: Desk) -> None:
    desk.release(0)
    client = desk.aws.session().client("lambda")
    client.update_alias(FunctionName="api", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}})
    shown = desk.get("/staging").text
    assert "Not watched: the stage has no record of a canary" in shown
    assert "version 2 30 %" in shown


def test_a_record_that_cannot_be_read_leaves_what_the_alias_serves(desk: Desk) -> None:
    client = desk.aws.session().client("lambda")
    client.update_alias(FunctionName="api", Name="live", Description="canary9 what is this")
    shown = desk.get("/staging").text
    assert "record_invalid" in shown
    assert "version 1 100 %" in shown
    assert desk.get("/staging/rollback").status_code in {409, 500}


def test_a_plan_that_changes_is_read_again(desk: Desk) -> None:
    plan = desk.base / "canary.toml"
    plan.write_text(PLAN.replace("stages.prod]", "stages.shop]"))
    assert "shop" in desk.get("/").text
    plan.write_text("[stages")
    answer = desk.get("/")
    assert answer.status_code == 500
    assert "plan_invalid" in answer.text


def test_one_slow_read_keeps_no_other_waiting_and_is_not_started_twice() -> None:
    release, started = threading.Event(), []

    def slow() -> str:
        started.append(1)
        release.wait(30)
        return "late"

    reads = Reads(0.05)
    for _ in range(2):
        answers = reads.all({"slow": Read(slow), "quick": Read(lambda: "soon")})
        assert answers["quick"].value == "soon"
        assert answers["slow"].value is None
        assert answers["slow"].problem is not None
        assert "no answer within 0.05 s" in answers["slow"].problem.message
    assert len(started) == 1
    release.set()
    while reads.one("slow", Read(slow)).value != "late":
        pass


def test_a_failed_read_shows_the_last_value_and_a_change_makes_all_of_them_old() -> None:
    reads = Reads(5.0)

    def deny() -> str:
        raise AccessDeniedError("no")

    assert reads.one("a", Read(lambda: 1)).value == 1
    assert reads.one("a", Read(lambda: 2)).value == 1
    reads.forget("a")
    assert reads.one("a", Read(lambda: 2)).value == 2
    failed = reads.one("a", Read(deny, fresh_s=0))
    assert failed.value == 2
    assert isinstance(failed.problem, AccessDeniedError)
    broken = reads.one("b", Read(lambda: 1 // 0))
    assert broken.problem is not None
    assert "ZeroDivisionError" in broken.problem.message


def test_a_journal_in_a_table_is_asked_for_each_stage(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk('journal = "dynamodb://canaries"\n' + PLAN, fresh_s=0)
    assert "canaries" in desk.get("/").text  # the table is missing: said, and the aliases are shown
    assert "version 1 100 %" in desk.get("/").text
    desk.aws.session().client("dynamodb").create_table(
        TableName="canaries",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    desk.release(0)
    state = desk.start()
    assert "not watched" not in desk.get("/staging").text
    assert state.canary_id in desk.get(f"/staging/canaries/{state.canary_id}").text
    assert state.canary_id in desk.get("/?stage=staging").text
