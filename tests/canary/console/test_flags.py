"""The panel and the flag's page while a flag is rolled out: users instead of versions, and one rollout on both."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from starlette.testclient import TestClient

from canary import runner
from canary.assembly import assemble, load_plan
from canary.console import ReleasesSettings, panel
from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Role, create_app
from tests.canary.cli.flag_desk import KEY, FlagDesk

OPEN = {"sec-fetch-site": "same-origin"}


class RolloutDesk:
    """A person with a browser, and a flag that is being rolled out."""

    def __init__(self, base: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.desk = FlagDesk(base, capture)
        self.plan = load_plan(base / "canary.toml").stage("checkout")
        self.session = boto3.Session(region_name="eu-central-1")
        self.ports = assemble(
            load_plan(base / "canary.toml"), "checkout", base=base, session=self.session, clock=self.desk.clock
        )
        settings = ReleasesSettings(
            plan=base / "canary.toml", base=base, clock=self.desk.clock, sessions=lambda stage: self.session, fresh_s=0
        )
        console = ConsoleSettings(
            sources=(f"prod=file:{base / 'flags.json'}",),
            sign_in=FixedSignIn(Identity("amira", {"*": Role.ADMIN})),
        )
        app = create_app(console, panels=[panel(settings)])
        self.client = TestClient(app, base_url="http://127.0.0.1")

    def begin(self, minutes: int) -> None:
        state = runner.start(self.plan, self.ports)
        for _ in range(2 * minutes):
            state = runner.tick(self.plan, self.ports, state).state
            self.desk.clock.advance(30)

    def get(self, path: str) -> str:
        answer = self.client.get(path, headers=OPEN)
        assert answer.status_code == 200, answer.text
        return " ".join(answer.text.split())

    def act(self, action: str) -> str:
        page = self.get(f"/releases/checkout/{action}")
        seen = page.partition('name="seen" value="')[2].partition('"')[0]
        fields = {"seen": seen, "reason": "the campaign begins"}
        answer = self.client.post(f"/releases/checkout/{action}", data=fields, headers=OPEN, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return page


@pytest.fixture
def rollout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> RolloutDesk:
    return RolloutDesk(tmp_path, capsys)


def test_a_stage_that_rolls_a_flag_out_shows_users_by_arm_with_intervals_and_the_sample_ratio(
    rollout: RolloutDesk,
) -> None:
    rollout.begin(8)
    page = rollout.get("/releases/checkout")
    assert "50 % of the users have new_checkout and are being evaluated." in page
    assert '<span class="route baseline">50 % without it</span>' in page
    assert '<span class="route new">50 % with it</span>' in page
    assert "<dt>Users with and without new_checkout</dt><dd>300 and 5,700</dd>" in page
    assert "<dt>Failed users</dt><dd>3 with new_checkout, 57 without it</dd>" in page
    assert "<dt>Sample ratio</dt><dd>5 % of 2,000 first exposures, 5 % expected</dd>" in page
    assert '<td data-label="With it">1 % of 300</td>' in page
    assert '<td data-label="Without it">1 % of 5,700<span class="sub">0.6 % to 1.6 %</span></td>' in page
    assert "orders: 20 with new_checkout (300 users), difference in the same minutes" in page
    assert not re.search(r"flag\.new_checkout|version [12]|1 → 2|\balias\b", page)


def test_the_actions_of_the_panel_are_those_of_a_rollout(rollout: RolloutDesk) -> None:
    rollout.begin(2)
    assert "Keeps new_checkout at 5 % of the users." in rollout.act("pause")
    assert "paused on request of amira (the campaign begins)" in rollout.get("/releases/checkout")
    assert "Gives new_checkout to all users now" in rollout.get("/releases/checkout/promote")
    assert "nobody says that new_checkout is unhealthy" in rollout.get("/releases/checkout/abort")
    assert "Lowers new_checkout to 0 % of the users now" in rollout.act("rollback")
    assert rollout.desk.percent == 0
    assert "rolled back on request of amira" in rollout.get(f"/e/prod/flags/{KEY}/history")


def test_a_promotion_in_the_panel_gives_the_flag_to_all(rollout: RolloutDesk) -> None:
    rollout.begin(2)
    rollout.act("promote")
    assert rollout.desk.percent == 100
    state = runner.current(rollout.plan, rollout.ports)
    assert state is not None
    runner.run(rollout.plan, rollout.ports, state)
    asked = rollout.act("rollback")
    assert "Revert promotion" in asked
    assert "new_checkout 100 % → 0 %" in asked
    assert rollout.desk.percent == 0


def test_the_page_of_the_flag_shows_the_rollout_and_leads_to_the_panel(rollout: RolloutDesk) -> None:
    path = f"/e/prod/flags/{KEY}"
    assert "Guarded rollout" not in rollout.get(path)
    rollout.begin(2)
    page = rollout.get(path)
    assert "Guarded rollout.</strong> 5 % of users, step 1 of 3 since" in page
    assert 'href="/releases/checkout">Releases: checkout</a>' in page
    assert '<fieldset disabled aria-describedby="held">' in page


def test_a_change_by_hand_is_previewed_with_what_it_stops(rollout: RolloutDesk) -> None:
    rollout.begin(2)
    fields = {"action": "off", "key": KEY, "base": ""}
    page = rollout.client.post("/e/prod/change", data=fields, headers=OPEN).text
    assert "new_checkout is in a guarded rollout: 5 % of users" in page


def test_a_flag_of_another_source_has_no_page_in_the_panel(rollout: RolloutDesk, tmp_path: Path) -> None:
    rollout.begin(1)
    (tmp_path / "canary.toml").write_text((tmp_path / "canary.toml").read_text().replace("flags.json", "other.json"))
    page = rollout.get(f"/e/prod/flags/{KEY}")
    assert "Guarded rollout" in page
    assert "Releases: checkout" not in page
    (tmp_path / "canary.toml").write_text("not toml")
    assert "Guarded rollout" in rollout.get(f"/e/prod/flags/{KEY}")
