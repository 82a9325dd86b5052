"""Every page of the console, light and dark, empty, filled and failing: accessible, by keyboard, at 1400 and 420 px."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.sandbox.civicforge import ENVIRONMENTS, FLAGS
from flagkit.console import ConsoleSettings, FixedSignIn, Identity, Role, create_app
from tests.browser.checks import overflow, unreachable, violations
from tests.browser.conftest import Person
from tests.browser.serving import Served

WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 420, "height": 900}
EMPTY: dict[str, Any] = {"version": "1", "flags": {}, "values": {}}


def console(folder: Path, *documents: Any) -> Served:
    """A console over one file for each environment."""
    sources = []
    for name, document in zip(ENVIRONMENTS, documents, strict=False):
        path = folder / f"{name}.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
        sources.append(f"{name}=file:{path}")
    return Served(
        create_app(ConsoleSettings(tuple(sources), sign_in=FixedSignIn(Identity("alice", {"*": Role.ADMIN}))))
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("filled"), FLAGS, FLAGS, FLAGS) as served:
        yield served


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("empty"), EMPTY) as served:
        yield served


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One environment can't be read."""
    with console(tmp_path_factory.mktemp("failing"), FLAGS, "{") as served:
        yield served


FLAG = "/e/dev/flags/seasonal_quests"
PAGES = {
    "filled": (
        "/",
        "/?q=nothing-like-it",
        "/e/dev/new",
        FLAG,
        "/e/prod/flags/quest_button",
        f"{FLAG}/history",
        f"{FLAG}/copy",
        "/e/dev/segments",
        "/e/dev/history",
        "/e/dev/deployment",
        "/playground",
        "/users",
        "/proposals",
        "/not-a-page",
    ),
    "empty": ("/", "/e/dev/history", "/proposals"),
    "failing": ("/", "/e/staging/flags/double_rewards"),
}


@pytest.mark.sweep
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", PAGES)
def test_every_page_is_accessible(
    state: str, scheme: str, request: pytest.FixtureRequest, person: Callable[..., Person]
) -> None:
    served: Served = request.getfixturevalue(state)
    tab = person(color_scheme=scheme, viewport=WIDE).open(served.url)
    faults = []
    for path in PAGES[state]:
        tab.set_viewport_size(WIDE)
        tab.goto(served.url + path)
        faults += violations(tab) + overflow(tab)
        if scheme == "light":
            tab.set_viewport_size(NARROW)
            faults += violations(tab) + overflow(tab) + unreachable(tab)
    assert not faults, "\n".join(faults)


def test_a_page_of_a_thousand_flags_is_small(
    tmp_path: Path, person: Callable[..., Person], record_property: Callable[[str, object], None]
) -> None:
    flags = {f"flag_{number:04}": {"name": f"Flag number {number}"} for number in range(1000)}
    values = {key: {"enabled": number % 3 == 0} for number, key in enumerate(flags)}
    document = {"version": "1", "flags": flags, "values": values}
    with console(tmp_path, document, document, document) as served:
        visitor = person(viewport=WIDE)
        visitor.context.set_default_timeout(30_000)
        tab = visitor.open(served.url)
        transferred = tab.evaluate(
            """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
                .reduce((sum, entry) => sum + entry.transferSize, 0)"""
        )
        painted_ms = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    print(f"{transferred / 1000:.1f} kB, first paint after {painted_ms:.0f} ms")
    record_property("first paint, ms", painted_ms)
    assert 10_000 < transferred < 100_000
