"""People at work in the console, on the sandbox: what they click is written, deployed, and seen by others."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import flagkit.cli
from flagkit import Flags
from flagkit.admin.stores import open_store
from tests.browser import forge
from tests.browser.conftest import REACT, Person
from tests.browser.forge import DEV, PROD, STAGING, at_work, save
from tests.browser.serving import Served

FLAG = "new_attestation_flow"
HOSTILE = "</textarea></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>{{7*7}}"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with forge.forge(tmp_path_factory.mktemp("forge")), forge.console() as served:
        yield served


def values_of(source: str, key: str) -> Any:
    """What the newest saved document says about a flag."""
    return json.loads(open_store(source).read().content or b"{}")["values"][key]


def test_a_toggle_in_the_console_changes_a_page_in_another_tab(
    console: Served, react_page: Any, person: Callable[..., Person]
) -> None:
    spec = importlib.util.spec_from_file_location("serve", REACT / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    example: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    manager, visitor = person(), person()
    page = at_work(manager, f"{console.url}/e/staging/flags/maintenance_mode")
    with Flags.connect(STAGING + "?interval=15") as flags, Served(example.create_app(flags)) as site:
        tab = visitor.open(site.url)
        tab.get_by_text("Attest a fact").wait_for()
        assert not tab.get_by_role("status").count()
        page.get_by_role("switch", name="maintenance_mode in staging").click()
        save(page, "staging", "we move the database")
        assert page.get_by_role("switch").get_attribute("aria-checked") == "true"
        tab.get_by_role("status").filter(has_text="You can read, but not write").wait_for()
        assert len(tab.evaluate("performance.getEntriesByType('navigation')")) == 1
    assert values_of(STAGING, "maintenance_mode")["enabled"] is True
    assert forge.live_of("staging")["values"]["maintenance_mode"]["enabled"] is True
    assert open_store(STAGING).read().version.reason == "we move the database"


def test_a_rule_built_by_clicks_is_the_one_of_the_command_line(console: Served, person: Callable[..., Person]) -> None:
    page = at_work(person(), f"{console.url}/e/staging/flags/{FLAG}")
    page.locator("summary", has_text="Add a rule").click()
    page.locator("summary", has_text="Build it by clicks").click()
    for attribute, operator, value in (
        ("appVersion", ">=", "1.10.0"),
        ("", "now in", "Mon-Fri 09:00-17:00 Europe/Berlin"),
    ):
        form = page.locator(".form-add_rule")
        form.locator("[name=attribute]").fill(attribute)
        form.locator("[name=operator]").select_option(operator)
        form.locator("[name=test]").fill(value)
        form.get_by_role("button", name="Add the test").click()
        page.wait_for_url("**/change")
    page.get_by_role("button", name="Preview the change").click()
    save(page, "staging")
    where = "appVersion >= 1.10.0 and now in Mon-Fri 09:00-17:00 Europe/Berlin"
    arguments = ["rule", "add", FLAG, "--when", where, "--source", PROD, "--yes", "-m", "the same"]
    assert flagkit.cli.run(arguments) == 0
    assert values_of(STAGING, FLAG) == values_of(PROD, FLAG)


def test_the_second_of_two_editors_sees_the_conflict_and_merges(console: Served, person: Callable[..., Person]) -> None:
    ada = at_work(person(), f"{console.url}/e/dev/flags/{FLAG}")
    ben = at_work(person(), f"{console.url}/e/dev/flags/{FLAG}")
    for page, percent in ((ada, "20"), (ben, "30")):
        page.get_by_role("spinbutton", name="Percent of users").fill(percent)
        page.locator(".form-rollout").get_by_role("button", name="Preview the change").click()
    save(ada, "dev", "first")
    ben.get_by_label("Reason").fill("second")
    ben.get_by_role("button", name="Save in dev").click()
    ben.get_by_role("heading", name=f"{FLAG} was changed meanwhile").wait_for()
    ben.get_by_text("first").wait_for()
    ben.get_by_role("button", name="Make mine on top of theirs").click()
    save(ben, "dev", "second")
    assert "pct::30" in json.dumps(values_of(DEV, FLAG))
    assert [version.reason for version in list(open_store(DEV).versions())[:2]] == ["second", "first"]


def test_every_write_works_without_javascript(console: Served, person: Callable[..., Person]) -> None:
    page = at_work(person(java_script_enabled=False), console.url + "/?q=seasonal")
    page.get_by_role("link", name="seasonal_quests").first.click()
    page.get_by_role("switch").click()
    page.get_by_label("Reason").fill("no script")
    page.get_by_role("button", name="Save in dev").click()
    page.get_by_text("is saved: no script").wait_for()
    assert page.get_by_role("switch").get_attribute("aria-checked") == "false"
    assert open_store(DEV).read().version.reason == "no script"


def test_a_person_with_only_a_keyboard_toggles_a_flag(console: Served, person: Callable[..., Person]) -> None:
    page = at_work(person(), console.url)

    def tab_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent).trim()") == name:
                return
        raise AssertionError(f"the tab key never reaches {name}")

    tab_to("double_rewards")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="double_rewards", level=1).wait_for()
    tab_to("double_rewards in dev")
    page.keyboard.press("Space")
    page.get_by_label("Reason").wait_for()
    page.keyboard.type("by keyboard")  # the field has the focus
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="is saved").wait_for()


def test_hostile_texts_stay_texts(console: Served, person: Callable[..., Person]) -> None:
    """In names, descriptions, values, conditions, user ids, reasons and addresses: nothing of it runs."""
    page = at_work(person(), f"{console.url}/e/dev/new")
    for name, text in (("key", "hostile"), ("name", HOSTILE[:64]), ("description", HOSTILE), ("attribute", "text")):
        page.locator(f"main [name={name}]").fill(text)
    page.locator("main [name=value]").fill(HOSTILE)
    page.get_by_role("button", name="Preview the change").click()
    save(page, "dev", HOSTILE)
    page.get_by_text(HOSTILE).first.wait_for()
    page.locator(".form-people [name=users]").first.fill(HOSTILE)
    page.locator(".form-people").get_by_role("button", name="Preview the change").click()
    save(page, "dev", HOSTILE)
    page.locator("summary", has_text="Add a rule").click()
    page.locator(".form-add_rule [name=when]").fill(f'name = "{HOSTILE.replace(chr(34), "")}"')
    page.locator(".form-add_rule").get_by_role("button", name="Preview the change").click()
    save(page, "dev", HOSTILE)
    for path in (
        "/?q=" + "%3Cscript%3Ealert(4)%3C/script%3E",
        "/e/dev/flags/hostile",
        "/e/dev/flags/hostile/history",
        "/e/dev/history",
        "/e/dev/flags/%3Cimg%20src=x%20onerror=alert(5)%3E",
        "/e/%3Cscript%3Ealert(6)%3C/flags/x",
    ):
        page.goto(console.url + path)
        page.wait_for_load_state()
    page.goto(console.url + "/playground")
    page.locator("[name=users]").fill(f'"{HOSTILE.replace(chr(34), "")}" city="<img src=x onerror=alert(7)>"')
    page.get_by_role("button", name="Show the answers").click()
    page.get_by_text("onerror").first.wait_for()
    assert page.evaluate("document.querySelectorAll('img, script:not([src])').length") == 0
