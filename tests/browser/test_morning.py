"""A product person's morning from the console alone, as `docs/console.md` tells it; its pictures are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.browser import forge
from tests.browser.conftest import Person
from tests.browser.forge import at_work, save
from tests.browser.screenshots import shoot
from tests.browser.serving import Served

FLAG = "quest_hints"
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 420, "height": 900}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("forge")
    (folder / "flagkit.toml").write_text(forge.APPROVALS, "utf-8")
    with forge.forge(folder, speed=600.0), forge.console() as served:
        yield served


@pytest.mark.sweep
def test_a_morning(console: Served, person: Callable[..., Person], tmp_path: Path) -> None:
    maria = person(viewport=WIDE)
    page = at_work(maria, console.url, "maria")

    def picture(name: str) -> None:
        shoot(page, name, tmp_path)

    def preview(form: str) -> None:
        page.locator(form).first.get_by_role("button", name="Preview the change").click()
        page.get_by_role("heading", name="What changes").wait_for()

    # Create
    page.get_by_role("link", name="New flag in staging").click()
    for name, text in (
        ("key", FLAG),
        ("name", "Quest hints"),
        ("description", "A hint after the second wrong answer"),
        ("owner", "quests"),
        ("tags", "autumn"),
    ):
        page.locator(f"main [name={name}]").fill(text)
    page.get_by_label("Visible to browsers and apps").check()
    picture("create")
    preview("main form")
    save(page, "staging", "for the autumn release")

    # Target
    page.locator(".form-people [name=users]").fill("maria, ben")
    page.locator(".form-people [name=groups]").fill("staff")
    preview(".form-people")
    save(page, "staging", "the team looks first")
    page.get_by_role("switch").click()
    save(page, "staging", "the team looks first")

    # Roll out, with an estimate over a list of users
    page.goto(console.url + "/users")
    users = "".join(f"user-{number},{'US' if number % 3 else 'CA'}\n" for number in range(1, 201))
    page.locator("[name=text]").fill("userId,country\n" + users)
    page.get_by_role("button", name="Load").click()
    page.goto(f"{console.url}/e/staging/flags/{FLAG}")
    page.get_by_role("spinbutton", name="Percent of users").fill("25")
    page.locator(".form-rollout summary").click()
    page.locator(".form-rollout [name=where]").fill("country in US, CA")
    preview(".form-rollout")
    picture("rollout")
    save(page, "staging", "a quarter, in two countries")

    # Let it grow by itself
    today = datetime.fromisoformat(page.evaluate("document.querySelector('time').dateTime")).date()
    page.locator("summary", has_text="Ramp").click()
    for step, (days, time, percent) in enumerate([(0, "00:00", 25), (1, "09:00", 50), (3, "09:00", 100)], 1):
        page.get_by_label(f"Step {step}, from").fill(f"{today + timedelta(days)}T{time}")
        page.get_by_label(f"Step {step}, percent").fill(str(percent))
    preview(".form-ramp")
    save(page, "staging", "a quarter today, all on the third day")
    page.goto(f"{console.url}/e/staging/flags/{FLAG}")
    page.get_by_text("is live.").first.wait_for()
    picture("flag")
    page.set_viewport_size(NARROW)
    picture("flag-narrow")
    page.set_viewport_size(WIDE)

    # See why
    page.goto(console.url + "/playground")
    page.locator("[name=environment]").select_option("staging")
    page.locator("[name=q]").fill("quest")
    page.locator("[name=users]").fill("maria\nuser-8 country=US\nuser-9 country=DE")
    page.get_by_role("button", name="Show the answers").click()
    page.get_by_role("row", name=FLAG).locator("summary").nth(1).click()
    picture("playground")

    # Undo
    page.goto(f"{console.url}/e/staging/flags/{FLAG}/history")
    picture("history")
    page.get_by_role("button", name="Undo this change").click()
    page.get_by_role("heading", name="What changes").wait_for()
    save(page, "staging", "back to a quarter")

    # Promote to production, where another person approves
    page.goto(f"{console.url}/e/staging/flags/{FLAG}/copy")
    page.get_by_label("Copy on and off, too").last.check()
    page.get_by_role("button", name="Preview the copy to prod").click()
    page.get_by_text("does not exist → on").wait_for()
    page.get_by_label("Reason").fill("looked fine in staging")
    page.get_by_label("Type its name to confirm").fill("prod")
    picture("propose")
    page.get_by_role("button", name="Propose for prod").click()
    page.get_by_text("You proposed this, so another person approves it.").wait_for()
    assert not page.get_by_role("button", name="Approve").count()
    ben = person(viewport=WIDE, color_scheme="dark")
    theirs = at_work(ben, page.url, "ben")
    theirs.get_by_label("Type its name to confirm").fill("prod")
    shoot(theirs, "approve", tmp_path)
    theirs.get_by_role("button", name="Approve and deploy in prod").click()
    theirs.get_by_role("status").filter(has_text="This proposal is").wait_for()
    assert forge.live_of("prod")["flags"][FLAG]["name"] == "Quest hints"

    # The next morning
    page.goto(console.url)
    picture("list")
    theirs.set_viewport_size(NARROW)
    theirs.goto(console.url)
    shoot(theirs, "list-narrow", tmp_path)
