"""The releases panel in a browser, while a canary goes wrong."""

from __future__ import annotations

from collections.abc import Callable

from canary import runner
from canary.assembly import load_plan
from canary.core.phases import Phase
from tests.browser.checks import overflow, violations
from tests.browser.conftest import Person
from tests.browser.serving import Served
from tests.canary.console.conftest import Desk, desk, make_desk  # noqa: F401


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
