"""The React example with the stock OpenFeature SDK and OFREP provider, in a browser, against flagkit's OFREP server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from flagkit import Flags
from flagkit.ofrep import OfrepSettings
from tests.browser.checks import overflow, violations
from tests.browser.conftest import REACT, Person, until
from tests.browser.serving import Served

FLAG = "new_attestation_flow"
HIDDEN = "price_experiment"
VISIBLE = {"name": "A flag", "description": "[flagkit client-visible]"}
# Notes in the tab whatever the page ever showed, from its first paint on.
RECORD = """
window.shown = [];
new MutationObserver(() => {
  const flow = document.querySelector('[data-flow]')?.dataset.flow;
  if (flow && flow !== shown.at(-1)?.[0]) shown.push([flow, Date.now()]);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


class Document:
    """The flag document on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {FLAG: {"enabled": False}, HIDDEN: {"enabled": True}}
        self.write()

    def write(self, **values: Any) -> None:
        self.values |= values
        document = {
            "version": "1",
            "flags": {key: {"name": key} if key == HIDDEN else VISIBLE for key in self.values},
            "values": self.values,
        }
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(document), "utf-8")
        beside.replace(self.path)

    def switch(self, on: bool) -> None:
        self.write(**{FLAG: {"enabled": on}})


@pytest.fixture(scope="module")
def example(react_page: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve", REACT / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return Document(tmp_path / "flags.json")


@pytest.fixture
def site(example: ModuleType, document: Document) -> Iterator[Served]:
    with Flags.connect(f"file:{document.path}") as flags, Served(example.create_app(flags)) as served:
        yield served


def flow(tab: Any, name: str) -> None:
    """Waits until the tab shows the old or the new flow."""
    tab.wait_for_selector(f'[data-flow="{name}"]')


def test_a_page_in_another_tab_changes_when_the_document_changes(
    site: Served, document: Document, person: Callable[..., Person], record_property: Callable[[str, object], None]
) -> None:
    tab = person().open(site.url)
    flow(tab, "old")
    assert violations(tab) + overflow(tab) == []
    tab.evaluate(RECORD)
    times = []
    for on in (True, False, True, False, True):
        tab.wait_for_timeout(120)
        started = tab.evaluate("Date.now()")
        document.switch(on)
        flow(tab, "new" if on else "old")
        times.append(tab.evaluate("shown.at(-1)[1]") - started)
    print(times)
    record_property("toggle to DOM, ms", times)
    assert len(tab.evaluate("performance.getEntriesByType('navigation')")) == 1


def test_the_first_paint_shows_what_the_server_wrote_into_the_page(
    site: Served, document: Document, person: Callable[..., Person]
) -> None:
    """The flag server answers late: the old flow must not flash up, neither before nor after its answer."""
    document.switch(on=True)
    flow(person().open(site.url), "new")  # the server has read the document
    visitor = person()
    visitor.context.add_init_script(RECORD)
    waiting: list[Any] = []
    visitor.context.route("**/ofrep/v1/evaluate/flags", lambda route: waiting.append(route))  # noqa: PLW0108 (Playwright counts parameters)
    tab = visitor.open(site.url)
    flow(tab, "new")
    assert waiting, "the page asks the flag server, too"
    for request in waiting:
        request.continue_()
    until(tab, "Object.keys(localStorage).some((key) => key.startsWith('ofrep'))")  # the answer was used
    assert [name for name, _ in tab.evaluate("shown")] == ["new"]


def test_a_page_from_a_static_host_asks_and_keeps_the_answer_for_the_next_visit(
    site: Served, document: Document, person: Callable[..., Person], react_page: Path
) -> None:
    document.switch(on=True)
    visitor = person()
    visitor.context.route(site.url + "/", lambda route: route.fulfill(path=react_page / "index.html"))
    flow(visitor.open(site.url + "/"), "new")
    visitor.context.route("**/ofrep/**", lambda route: route.abort("internetdisconnected"))
    tab = visitor.open(site.url + "/")
    flow(tab, "new")


def test_the_last_values_count_while_the_flag_server_is_down(
    site: Served, document: Document, person: Callable[..., Person]
) -> None:
    document.switch(on=True)
    visitor = person()
    tab = visitor.open(site.url)
    flow(tab, "new")
    visitor.context.route("**/ofrep/**", lambda route: route.fulfill(status=500))
    tab.reload()
    flow(tab, "new")
    assert not tab.is_disabled("text=Next"), "a page that can't reach its flags keeps working"


def test_a_change_during_a_gap_of_the_event_stream_is_shown_after_it(
    site: Served, document: Document, person: Callable[..., Person]
) -> None:
    tab = person().open(site.url)
    flow(tab, "old")
    site.stop()
    document.switch(on=True)
    tab.wait_for_timeout(300)
    flow(tab, "old")
    site.start()
    flow(tab, "new")
    assert len(tab.evaluate("performance.getEntriesByType('navigation')")) == 1


def test_each_user_gets_the_own_answer_and_no_rule(
    site: Served, document: Document, person: Callable[..., Person]
) -> None:
    variants = [{"name": "on", "enabled": True, "rule": '(in $userId ["ada"])'}, {"name": "off", "enabled": False}]
    document.write(**{FLAG: {"_variants": variants}})
    visitor = person()
    first = visitor.open(f"{site.url}?user=ada")
    flow(first, "new")
    first.close()
    with visitor.context.expect_event("response", lambda it: "evaluate" in it.url and it.status == 200) as caught:
        tab = visitor.open(f"{site.url}?user=ben")
    flow(tab, "old")
    received = tab.content() + caught.value.text()
    assert FLAG in received
    assert HIDDEN not in received
    assert "ada" not in received


def test_a_value_cannot_leave_the_element_that_it_is_in(
    site: Served, document: Document, person: Callable[..., Person]
) -> None:
    document.write(quest_button={"enabled": True, "value": "</script><script>alert(1)</script><!--"})
    tab = person().open(f"{site.url}?user=</script><script>alert(2)</script>")
    flow(tab, "old")
    assert tab.get_attribute("text=Start the quest", "class") == "</script><script>alert(1)</script><!--"


def test_a_page_that_the_flag_server_refuses_works_with_its_defaults(
    example: ModuleType, document: Document, person: Callable[..., Person]
) -> None:
    document.switch(on=True)
    settings = OfrepSettings(api_keys=["a-key-that-the-page-lacks"])
    with Flags.connect(f"file:{document.path}") as flags, Served(example.create_app(flags, settings)) as served:
        visitor = person()
        statuses: list[int] = []
        visitor.context.on("response", lambda answer: statuses.append(answer.status))
        tab = visitor.open(served.url)
        flow(tab, "old")
        until(tab, "performance.getEntriesByType('resource').some((entry) => entry.name.includes('/ofrep/'))")
        assert tab.is_enabled("text=Send")
        assert statuses.count(401) == 1, "it does not ask again and again"


def test_a_flag_server_on_another_origin(
    example: ModuleType, document: Document, person: Callable[..., Person], react_page: Path
) -> None:
    site, server = Served(), Served()
    known = {"server": server.url, "context": {"targetingKey": "user-1"}, "flags": []}
    html = (react_page / "index.html").read_text("utf-8").replace(">null</script>", f">{json.dumps(known)}</script>")
    files = Mount("/", StaticFiles(directory=react_page))
    site.app = Starlette(routes=[Route("/", lambda _: HTMLResponse(html)), files])
    visitor = person()
    statuses: list[tuple[str, int]] = []
    visitor.context.on("response", lambda answer: statuses.append((answer.request.method, answer.status)))
    with Flags.connect(f"file:{document.path}") as flags:
        server.app = example.create_app(flags, OfrepSettings(origins=[site.url]))
        with site, server:
            tab = visitor.open(site.url)
            flow(tab, "old")
            until(tab, "performance.getEntriesByType('resource').some((entry) => entry.name.includes('evaluate'))")
            document.switch(on=True)
            flow(tab, "new")
            tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the provider asks again
            tab.wait_for_timeout(500)
    asked = [status for method, status in statuses if method == "POST"]
    assert asked.count(200) == 2
    assert asked.count(304) >= 1, "the page can read the ETag"


def test_seven_tabs(example: ModuleType, document: Document, person: Callable[..., Person]) -> None:
    """A browser opens six connections to a host over HTTP/1.1; a stream holds one: streams get a host name."""
    site = Served()
    stream_url = site.url.replace("127.0.0.1", "localhost") + "/ofrep/v1/events"
    visitor = person(bypass_csp=True)
    with Flags.connect(f"file:{document.path}") as flags:
        site.app = example.create_app(flags, OfrepSettings(stream_url=stream_url, origins=[site.url]))
        with site:
            tabs = [visitor.open(site.url) for _ in range(7)]
            for tab in tabs:
                flow(tab, "old")
            document.switch(on=True)
            for tab in tabs[:6]:
                flow(tab, "new")
            flow(tabs[6], "old")  # no connection was left for its stream; it asks as soon as somebody looks at it again
            tabs[6].evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            flow(tabs[6], "new")
