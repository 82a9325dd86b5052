"""What people do in the panel: the same as with the commands, after a confirmation, with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from canary.core.events import PhaseChanged
from flagkit.console import Role
from flagkit.testing import Fault
from tests.canary.console.conftest import Desk


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("action", "does", "served"),
    [
        ("pause", "paused", ("1", {"2": 0.2})),
        ("promote", "promoted", ("2", {})),
        ("rollback", "rolled back", ("1", {})),
        ("abort", "aborted", ("1", {})),
    ],
)
def test_an_action_asks_first_and_then_does_what_the_command_does(
    desk: Desk, action: str, does: str, served: tuple[str, dict[str, float]]
) -> None:
    desk.release(0)
    state = desk.start()
    asked = desk.get(f"/staging/{action}")
    assert asked.status_code == 200
    assert seen(asked.text) == state.canary_id
    assert desk.alias() == ("1", {"2": 0.2})
    done = desk.post(f"/staging/{action}", reason="the campaign <begins>", seen=seen(asked.text))
    assert (done.status_code, done.headers["location"]) == (303, "/releases/staging")
    assert desk.alias() == served
    changes = [event.why for event in desk.ports().journal.events(state.canary_id) if isinstance(event, PhaseChanged)]
    why = next(why for why in changes if does in why)
    assert re.fullmatch(rf"{does} on request of amira \(the campaign <begins>\)", why)
    line = json.loads((desk.base / "audit.log").read_text())
    assert (line["who"], line["action"], line["environment"], line["outcome"]) == ("amira", action, "staging", "done")
    shown = desk.get("/staging").text
    assert "the campaign &lt;begins&gt;" in shown
    assert "<begins>" not in shown


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", set()), ("toggler", {"pause", "rollback", "abort"}), ("approver", {"promote"})]
)
def test_each_action_needs_its_role(make_desk: Callable[..., Desk], role: str, may: set[str]) -> None:
    desk = make_desk(role=Role(role))
    desk.release(0)
    state = desk.start()
    shown = desk.get("/staging").text
    for action in ("pause", "promote", "rollback", "abort"):
        if role == "approver" and action != "promote":
            continue
        assert (f'href="/releases/staging/{action}"' in shown) is (action in may)
        assert desk.get(f"/staging/{action}").status_code == (200 if action in may else 403)
    if role != "approver":
        assert desk.post("/staging/promote", reason="mine", seen=state.canary_id).status_code == 403
        assert desk.alias() == ("1", {"2": 0.2})
        assert '"outcome": "refused"' in (desk.base / "audit.log").read_text()


def test_a_paused_canary_can_be_resumed(desk: Desk) -> None:
    desk.release(0)
    state = desk.start()
    assert desk.get("/staging/resume").status_code == 409
    desk.post("/staging/pause", reason="lunch", seen=state.canary_id)
    assert "Continues with the steps of the plan from 20 %." in desk.get("/staging/resume").text
    assert desk.post("/staging/resume", reason="back", seen=state.canary_id).status_code == 303
    assert "baking" in desk.get("/staging").text


def test_without_a_reason_nothing_is_done(desk: Desk) -> None:
    desk.release(0)
    state = desk.start()
    for reason, problem in ((" ", "Give a reason"), ("x" * 301, "The reason has 301 characters")):
        answer = desk.post("/staging/rollback", reason=reason, seen=state.canary_id)
        assert answer.status_code == 422
        assert problem in answer.text
    assert desk.alias() == ("1", {"2": 0.2})


def test_a_stage_that_wants_a_confirmation_asks_for_its_name(desk: Desk) -> None:
    desk.aws.traffic.steady("shop", "live", requests_per_minute=60)
    desk.aws.clock.advance(60)
    desk.release(0, "shop")
    state = desk.start(stage="prod")
    assert "Type the name of the stage" in desk.get("/prod/promote").text
    refused = desk.post("/prod/promote", reason="campaign", seen=state.canary_id, name="staging")
    assert refused.status_code == 422
    assert "campaign" in refused.text
    assert desk.post("/prod/promote", reason="campaign", seen=state.canary_id, name="prod").status_code == 303
    assert desk.alias("shop") == ("2", {})


def test_a_canary_that_changed_since_the_question_is_left_alone(desk: Desk) -> None:
    desk.release(0)
    desk.start()
    answer = desk.post("/staging/rollback", reason="bad", seen="another1")
    assert answer.status_code == 409
    assert "nothing was changed" in answer.text
    assert desk.alias() == ("1", {"2": 0.2})


@pytest.mark.slow
def test_the_last_promotion_is_reverted_after_the_question_of_the_command(desk: Desk) -> None:
    nothing = desk.get("/staging/rollback")
    assert (nothing.status_code, "not_running" in nothing.text) == (409, True)
    desk.release(0)
    state = desk.start(25)
    assert desk.alias() == ("2", {})
    asked = desk.get("/staging/rollback").text
    assert f"Revert promotion {state.canary_id} (api:live 2 → 1)?" in asked
    other = desk.post("/staging/rollback", reason="x", seen="Revert promotion another (api:live 2 → 1)?")
    assert (other.status_code, desk.alias()) == (409, ("2", {}))
    assert desk.post("/staging/rollback", reason="too slow", seen=seen(asked)).status_code == 303
    assert desk.alias() == ("1", {})
    assert "(too slow): api:live 2 → 1" in desk.get(f"/staging/canaries/{state.canary_id}").text
    assert desk.get("/staging/pause").status_code == 409


def test_a_rollback_goes_on_while_aws_is_away_and_the_page_says_so(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(action_s=0.0, fresh_s=0)
    desk.release(0)
    state = desk.start()
    with desk.aws.wire.lock:  # AWS takes its time
        assert desk.post("/staging/rollback", reason="bad", seen=state.canary_id).status_code == 303
        again = desk.post("/staging/rollback", reason="bad", seen=state.canary_id)
    assert again.status_code == 409
    assert "is being carried out" in again.text
    while desk.alias() != ("1", {}):
        pass


def test_an_action_that_aws_refuses_is_shown(desk: Desk) -> None:
    desk.release(0)
    state = desk.start()
    desk.aws.faults.add(Fault.DENIED, "lambda.UpdateAlias")
    answer = desk.post("/staging/pause", reason="lunch", seen=state.canary_id)
    assert answer.status_code == 502
    assert "Grant lambda:UpdateAlias" in answer.text
    assert "AccessDenied" in desk.get("/staging").text
