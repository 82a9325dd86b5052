"""Browser tests: Debian's Chromium, driven by Playwright, against servers in this process.

`make e2e` runs them in a process of their own: Playwright keeps an event loop running in the main thread. Whoever runs
them without a browser or without the built React page reads what to install.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REACT = ROOT / "examples" / "react"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_REFUSED = "Content Security Policy"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what is in this directory: it opens sockets, takes seconds, and needs a browser."""
    for mark in ("browser", "slow", "enable_socket"):
        item.add_marker(mark)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install -r requirements/dev.txt"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with (
        api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as launched,
    ):
        yield launched


class Person:
    """One person's browser profile: cookies and storage of its own, and what went wrong in its tabs."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(8_000)
        self.faults: list[str] = []
        self.context.on("dialog", self._dialog)
        self.context.on("weberror", lambda error: self.faults.append(f"error in the page: {error.error}"))
        self.context.on("console", self._console)

    def open(self, url: str) -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.goto(url)
        return page

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        if _REFUSED in message.text and message.location["url"]:  # what has none is the test's own script
            self.faults.append(f"{message.text} {message.location}")


@pytest.fixture
def person(browser: Browser) -> Iterator[Any]:
    """Makes people: `person()`, `person(color_scheme="dark")`. No dialog, script error or refused asset is forgiven."""
    people: list[Person] = []

    def new(**options: Any) -> Person:
        people.append(Person(browser, **options))
        return people[-1]

    yield new
    for one in people:
        one.context.close()
    assert [fault for one in people for fault in one.faults] == []


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true in a page whose policy forbids Playwright's own way of waiting."""
    for _ in range(160):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true in {page.url}: {expression}")


@pytest.fixture(scope="session")
def react_page() -> Path:
    """The directory of the built React page."""
    if not (REACT / "dist" / "index.html").exists():
        pytest.skip("the React page is not built: install npm (apt-get install npm, or nodejs.org), then `make e2e`")
    return REACT / "dist"
