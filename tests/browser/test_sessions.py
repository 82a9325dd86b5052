"""Signing in to the console in a browser, and a session that ends in the middle of a change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flagkit.console import ConsoleSettings, LocalSignIn, Sessions, create_app
from flagkit.testing import VirtualClock
from tests.browser.conftest import Person
from tests.browser.serving import Served

DOCUMENT = {"version": "1", "flags": {"search": {"name": "Search"}}, "values": {"search": {"enabled": False}}}


def test_a_change_survives_the_end_of_the_session(tmp_path: Path, person: Callable[..., Person]) -> None:
    path, clock, served = tmp_path / "flags.json", VirtualClock(), Served()
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    printed: list[str] = []
    sign_in = LocalSignIn(served.url, printed.append, lambda: "ada", Sessions(clock=clock), clock=clock)
    served.app = create_app(ConsoleSettings((f"dev=file:{path}",), sign_in=sign_in, base_url=served.url))
    with served:
        ada = person()
        page = ada.open(f"{served.url}/e/dev/flags/search")
        page.get_by_role("heading", name="Sign in").wait_for()
        page.goto(sign_in.address())
        page.goto(f"{served.url}/e/dev/flags/search")
        page.get_by_role("switch").click()
        page.get_by_label("Reason").fill("a long reason")
        clock.advance(13 * 3600)
        page.get_by_role("button", name="Save in dev").click()
        page.get_by_text("what you entered is kept on this page").wait_for()
        assert json.loads(path.read_text("utf-8"))["values"]["search"]["enabled"] is False
        ada.open(sign_in.address()).close()
        page.get_by_role("button", name="Send again").click()
        page.get_by_role("status").filter(has_text="a long reason").wait_for()
    assert json.loads(path.read_text("utf-8"))["values"]["search"]["enabled"] is True
