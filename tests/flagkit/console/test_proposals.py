"""Two people and a change that needs an approval: what each of them sees and may do, and what becomes of it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from flagkit.admin import edits
from flagkit.admin.identity import Person
from flagkit.admin.proposals.guard import GuardedStore
from flagkit.admin.stores import Note, open_store
from flagkit.admin.stores.opening import open_plain_store
from flagkit.console import ConsoleSettings
from flagkit.testing import AppConfigFlags, AwsStandIn, VirtualClock
from tests.flagkit.console.conftest import DOCUMENT, ByHeader, browser

ALICE, BOB = "alice toggler", "bob approver"


class Team:
    """A console on a file that asks for approvals, and the people who use it."""

    def __init__(self, folder: Path, name: str = "staging") -> None:
        self.clock, self.name = VirtualClock(), name
        self._folder = folder
        self.url = f"file:{folder}/flags.json"
        (folder / "flags.json").write_text(json.dumps(DOCUMENT))
        (folder / "flagkit.toml").write_text("[[approvals]]\n")
        free = folder / "free"
        free.mkdir()
        (free / "flags.json").write_text(json.dumps(DOCUMENT))
        self.client: TestClient = browser(
            ConsoleSettings(
                (f"{name}={self.url}", f"dev=file:{free}/flags.json"),
                sign_in=ByHeader(),
                clock=self.clock,
                audit_file=folder / "audit",
            )
        )
        self.client.follow_redirects = False

    def store(self) -> GuardedStore:
        store = open_store(self.url, clock=self.clock)
        assert isinstance(store, GuardedStore)
        return store

    def propose(self, percent: int = 25, key: str = "plain", author: str = "alice", reason: str = "first users") -> str:
        store = self.store()
        base = store.read()
        document = edits.rollout(base.document, key, percent)
        number = store.proposals.propose(Person(author, f"id-{author}"), base, document, reason).id
        return f"/e/{self.name}/proposals/{number}"

    def get(self, path: str, who: str = BOB) -> Any:
        return self.client.get(path, headers={"X-Person": who})

    def post(self, path: str, who: str = BOB, **fields: str) -> Any:
        return self.client.post(path, data=fields, headers={"X-Person": who})

    def seen(self, path: str) -> str:
        return re.search(r'name="seen" value="(\w+)"', self.get(path).text)[1]  # type: ignore[index]

    def approve(self, path: str, who: str = BOB, **fields: str) -> Any:
        return self.post(f"{path}/approve", who, seen=self.seen(path), **fields)

    @property
    def audit(self) -> list[dict[str, Any]]:
        log = self._folder / "audit"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_who_approves_reads_that_the_change_stops_a_guarded_rollout(team: Team) -> None:
    store = open_plain_store(team.url, session=None, clock=team.clock)
    base = store.read()
    document = edits.put_rollout(edits.expose(base.document, "plain", Decimal(10)), "plain", "canary1 k3f9a2c1 more")
    store.save(base, document, Note())
    assert "is in a guarded rollout" in team.get(team.propose()).text
    assert "is in a guarded rollout" not in team.get(team.propose(40, key="new_flow")).text


def test_another_persons_approval_saves_the_change(team: Team) -> None:
    path = team.propose()
    shown = team.get(path).text
    assert "Proposed for staging by" in shown
    assert "Approve and deploy in staging" in shown
    answer = team.approve(path)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "This proposal is applied: version 2" in team.get(path).text
    version = team.store().read().version
    assert (version.author, version.reason) == ("alice", "first users (approved by bob)")
    assert [(entry["action"], entry["who"]) for entry in team.audit] == [
        ("approve proposal", "bob"),
        ("save proposal", "bob"),
    ]
    assert team.audit[1]["version"] == version.number


@pytest.mark.parametrize("who", ["alice approver", "ALICE admin"])
def test_an_author_is_offered_no_approval_and_gets_none(team: Team, who: str) -> None:
    path = team.propose()
    seen = team.seen(path)
    headers = {"X-Person": who}
    assert 'name="seen"' not in team.client.get(path, headers=headers).text
    answer = team.client.post(f"{path}/approve", data={"seen": seen, "author": "bob"}, headers=headers)
    assert answer.status_code == 422
    assert "another person" in answer.text
    assert team.store().read().version.number <= 1


@pytest.mark.parametrize("action", ["approve", "reject", "save", "withdraw"])
@pytest.mark.parametrize("role", ["viewer", "toggler", "approver", "admin"])
def test_what_a_role_may_do_with_a_proposal(team: Team, action: str, role: str) -> None:
    path = team.propose()
    answer = team.post(f"{path}/{action}", f"bob {role}", seen="x", remark="no")
    needs_approver = action != "withdraw"
    refused = role == "viewer" or (role == "toggler" and needs_approver)
    assert (answer.status_code == 403) is refused
    assert [entry["outcome"] for entry in team.audit][:1] == (["refused"] if refused else [team.audit[0]["outcome"]])
    assert team.store().read().version.number <= 1


def test_what_was_not_shown_is_not_approved(team: Team) -> None:
    path, other = team.propose(), team.propose(key="button", author="carol")
    seen = team.seen(path)
    team.approve(other)
    plain = open_plain_store(team.url, session=None, clock=team.clock)
    base = plain.read()
    plain.save(base, edits.switch_on(base.document, "plain"), Note("outside"))
    answer = team.post(f"{path}/approve", seen=seen)
    assert answer.status_code == 409
    assert "can&#39;t be approved: somebody else changed flag plain" in answer.text


def test_an_approval_of_what_changed_since_shows_it_again(team: Team) -> None:
    path = team.propose()
    answer = team.post(f"{path}/approve", seen="0" * 64)
    assert answer.status_code == 409
    assert "no longer what was shown" in answer.text
    assert 'name="seen"' in answer.text


def test_a_rejection_says_why(team: Team) -> None:
    path = team.propose()
    assert team.post(f"{path}/reject", remark=" ").status_code == 422
    assert team.post(f"{path}/reject", remark="not <b>before</b> Monday").status_code == 303
    text = team.get(path).text
    assert "rejected by bob: not &lt;b&gt;before&lt;/b&gt; Monday" in text
    assert "<form" not in text.partition("<main")[2]
    assert team.post(f"{path}/approve", seen="x").status_code == 422


def test_an_author_withdraws(team: Team) -> None:
    path = team.propose()
    assert team.post(f"{path}/withdraw").status_code == 422
    assert team.post(f"{path}/withdraw", ALICE).status_code == 303
    assert "This proposal is withdrawn by alice" in team.get(path).text


def test_a_protected_environment_is_confirmed_by_its_name(tmp_path: Path) -> None:
    team = Team(tmp_path, "prod")
    path = team.propose()
    answer = team.approve(path, confirm="staging")
    assert answer.status_code == 422
    assert "expected &#39;prod&#39;" in answer.text
    assert not team.store().proposals.all("open")[0].approvals
    assert team.approve(path, confirm="prod").status_code == 303


def test_what_was_approved_but_not_saved_can_be_saved(team: Team) -> None:
    path = team.propose()
    number = path.rpartition("/")[2]
    store = team.store()
    store.proposals.approve(Person("bob", "id-bob"), number, team.seen(path))
    assert "Deploy in staging" in team.get(path, "carol approver").text
    assert team.post(f"{path}/save", "carol approver").status_code == 303
    assert store.proposals.get(number).status == "applied"


def test_the_list_shows_what_waits_by_environment(team: Team) -> None:
    path = team.propose(reason="<script>alert(1)</script>")
    done = team.propose(key="button")
    team.approve(done)
    text = team.get("/proposals").text
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text
    assert path in text
    assert "applied as version 2" in text
    assert "dev: changes need no approval." in text
    (team._folder / "flags.json.proposals.json").write_text("{")
    assert "the proposals are damaged" in team.get("/proposals").text


@pytest.mark.parametrize(
    "path", ["/e/staging/proposals/nope", "/e/dev/proposals/x", "/e/staging/proposals/..%2f..%2fx"]
)
def test_a_proposal_that_does_not_exist_is_not_found(team: Team, path: str) -> None:
    assert team.get(path).status_code == 404
    assert team.post(f"{path}/approve", seen="x").status_code == 404


def change(team: Team, action: str, key: str, who: str = ALICE, **fields: str) -> Any:
    return team.post(f"/e/{team.name}/change", who, action=action, key=key, **fields)


def test_saving_a_change_proposes_it(team: Team) -> None:
    preview = change(team, "rollout", "plain", percent="25").text
    assert "Propose for staging" in preview
    edit_id = re.search(r'name="edit_id" value="(\w+)"', preview)[1]  # type: ignore[index]
    answers = [
        change(team, "rollout", "plain", percent="25", step="save", reason="first users", edit_id=edit_id)
        for _ in range(2)  # the button was pressed twice
    ]
    assert {answer.headers["location"] for answer in answers} == {f"/e/staging/proposals/{edit_id}"}
    assert len(team.store().proposals.all()) == 1
    assert team.store().proposals.all()[0].author == Person("alice", "id-alice")
    assert (team.audit[0]["action"], team.audit[0]["flag"], team.audit[0]["proposal"]) == ("propose", "plain", edit_id)
    assert team.store().read().version.number <= 1
    assert team.approve(f"/e/staging/proposals/{edit_id}").status_code == 303
    assert team.store().read().version.author == "alice"


def test_an_edit_id_of_a_form_is_no_path(team: Team) -> None:
    answer = change(team, "rollout", "plain", percent="25", step="save", reason="x", edit_id="../../evil")
    assert re.fullmatch(r"/e/staging/proposals/[0-9a-f]{12}", answer.headers["location"])


def test_a_kill_is_not_proposed_but_made(team: Team) -> None:
    assert "Propose for" not in change(team, "kill", "button").text
    answer = change(team, "kill", "button", step="save")
    assert answer.headers["location"].startswith("/e/staging/flags/button?saved=")
    assert team.store().read().document.values["button"].enabled is False
    (line,) = team.audit
    assert (line["action"], line["flag"], line["who"], line["version"]) == ("kill", "button", "alice", 2)


def test_where_no_approval_is_asked_for_a_change_is_saved_under_its_authors_name(team: Team) -> None:
    team.name = "dev"
    assert "Save in dev" in change(team, "rollout", "plain", percent="25").text
    assert change(team, "rollout", "plain", percent="25", step="save", reason="x").status_code == 303
    store = open_store(f"file:{team._folder}/free/flags.json", clock=team.clock)
    assert store.read().version.author == "alice"


def test_looking_at_a_change_is_not_written_down(team: Team) -> None:
    change(team, "rollout", "plain", percent="25")
    change(team, "rollout", "plain", percent="nonsense")
    team.post("/e/staging/deployment", ALICE, action="stop")
    assert team.audit == []


def test_on_appconfig_the_last_approval_deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flagkit.toml").write_text("[[approvals]]\n")
    with AwsStandIn() as aws:
        profile = AppConfigFlags(aws.session(), environment="staging")
        for name in ("flagkit-immediate", "flagkit-guarded"):
            profile.client.create_deployment_strategy(
                Name=name, DeploymentDurationInMinutes=0, GrowthFactor=100, FinalBakeTimeInMinutes=0, ReplicateTo="NONE"
            )
        profile.deploy(DOCUMENT)
        aws.clock.advance(700)
        settings = ConsoleSettings((profile.url,), sign_in=ByHeader(), clock=aws.clock, session=aws.session())
        client = browser(settings)
        fields = {"action": "rollout", "key": "plain", "percent": "25", "step": "save", "reason": "first users"}
        made = client.post("/e/staging/change", data=fields, headers={"X-Person": ALICE})
        path = made.url.path
        seen = re.search(r'name="seen" value="(\w+)"', client.get(path, headers={"X-Person": BOB}).text)
        assert seen is not None
        answer = client.post(f"{path}/approve", data={"seen": seen[1]}, headers={"X-Person": BOB})
        assert "This proposal is applied: version 2" in answer.text
        store = open_plain_store(profile.url, session=aws.session(), clock=aws.clock)
        assert store.deployments is not None
        assert store.deployments.status().served == 2
        assert store.read().version.author == "alice"
        client.close()
