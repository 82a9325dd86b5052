"""From the command line: a change that needs an approval is refused, proposed, looked at and withdrawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _asks(tmp_path: Path) -> None:
    (tmp_path / "flagkit.toml").write_text("[[approvals]]\n")


def test_a_change_is_refused_and_the_hint_proposes_it(terminal) -> None:
    before = terminal.saved()
    done = terminal("on", "plain", "--yes")
    assert (done.code, terminal.saved()) == (5, before)
    assert "error: approval_required" in done.err or "approval" in done.err
    assert "--propose" in done.err


def test_kill_needs_no_approval(terminal) -> None:
    terminal.good("kill", "button", "--yes")
    assert terminal.flag("button")["state"] == "off"


def test_a_change_is_proposed_shown_and_withdrawn(terminal) -> None:
    before = terminal.saved()
    done = terminal.good("rollout", "plain", "25", "--propose", "-m", "first users")
    assert terminal.saved() == before
    number = done.out.split("Proposed as ")[1].split(".")[0]
    assert f"{number}  2026-01-05" in terminal.good("proposals").out
    shown = terminal.good("proposals", number)
    assert "first users" in shown.out
    assert "~ plain" in shown.out
    (data,) = json.loads(terminal.good("proposals", "--json").out)
    assert (data["id"], data["flags"], data["status"]) == (number, ["plain"], "open")
    assert json.loads(terminal.good("proposals", number, "--json").out)["changes"]["plain"]["kind"] == "changed"
    assert "(withdrawn)" in terminal.good("proposals", number, "--withdraw").out
    assert terminal.good("proposals").out == "No open proposals.\n"
    assert terminal("proposals", number, "--withdraw").code == 5


def test_a_proposal_that_can_not_be_saved_says_why(on_file) -> None:
    made = json.loads(on_file.good("rollout", "plain", "25", "--propose", "-m", "x", "--json").out)
    config = Path("flagkit.toml").read_text()
    Path("flagkit.toml").unlink()
    on_file.good("rollout", "plain", "50")
    Path("flagkit.toml").write_text(config)
    assert "It can't be saved: somebody else changed flag plain" in on_file.good("proposals", made["proposal"]).out


def test_where_no_approval_is_asked_for_nothing_is_proposed(on_file) -> None:
    Path("flagkit.toml").unlink()
    assert on_file("rollout", "plain", "25", "--propose", "-m", "x").code == 2
    assert on_file("proposals").code == 2
    assert on_file("proposals", "--withdraw").code == 2


def test_set_up_and_permissions_know_the_profile_of_proposals(on_aws) -> None:
    done = on_aws("iam", "--role", "toggler")
    assert done.code == 6
    assert "flagkit init" in done.err
    assert "-proposals" in on_aws.good("init", "--yes").out
    statements = {item["Sid"]: item for item in on_aws.good("iam", "--role", "toggler").json["Statement"]}
    assert statements["Propose"]["Action"] == ["appconfig:CreateHostedConfigurationVersion"]
    assert statements["Propose"]["Resource"][1] not in statements["SaveVersions"]["Resource"]
