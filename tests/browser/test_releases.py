"""The releases panel in a browser, while a canary goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from canary import runner
from canary.assembly import load_plan
from canary.core.phases import Phase
from tests.browser.checks import overflow, violations
from tests.browser.conftest import Person
from tests.browser.screenshots import shoot
from tests.browser.serving import Served
from tests.canary.cli.flag_desk import KEY
from tests.canary.console.conftest import Desk, desk, make_desk  # noqa: F401
from tests.canary.console.test_flags import RolloutDesk


def test_an_open_page_shows_that_the_canary_is_rolled_back(desk: Desk, person: Callable[..., Person]) -> None:  # noqa: F811
    desk.release(60)
    state = desk.start(minutes=1)
    plan, ports = load_plan(desk.base / "canary.toml").stage("staging"), desk.ports()
    with Served(desk.client.app) as served:
        page = person().open(f"{served.url}/releases/staging")
        page.get_by_text("20 %").first.wait_for()
        assert violations(page) + overflow(page) == []
        for _ in range(40):
            state = runner.tick(plan, ports, state).state
            if state.phase is Phase.ROLLED_BACK:
                break
            desk.aws.clock.advance(30)
        page.get_by_text("rolled back").first.wait_for()
        assert len(page.evaluate("performance.getEntriesByType('navigation')")) == 1, "without a reload"
        assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_rollout_of_a_flag_is_readable_wide_and_narrow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], person: Callable[..., Person], scheme: str
) -> None:
    rollout = RolloutDesk(tmp_path, capsys)
    rollout.desk.failing = (0.022, 0.01)
    rollout.begin(13)
    found = {}
    with Served(rollout.client.app) as served:
        for width in (1280, 390):
            somebody = person(viewport={"width": width, "height": 900}, color_scheme=scheme)
            for path in ("/releases/checkout", "/releases/checkout/pause", f"/e/prod/flags/{KEY}", "/releases/"):
                page = somebody.open(served.url + path)
                found[width, path] = violations(page) + overflow(page)
                if (scheme, width, path) == ("light", 1280, "/releases/checkout"):
                    page.set_viewport_size({"width": 1280, "height": 1340})
                    shoot(page, "guarded", tmp_path)
        assert page.get_by_text("50 % with it").is_visible()
    assert {where: faults for where, faults in found.items() if faults} == {}
