"""The list of flags: what it shows, what it leaves out, and what it survives."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path

import pytest

from flagkit.admin.evaluations import Evaluations
from flagkit.console import ConsoleSettings, create_app
from flagkit.errors import SourceUrlError, UsageError
from tests.flagkit.console.conftest import DOCUMENT

EXAMPLE = Path(__file__).parents[3] / "examples" / "console" / "flagkit.toml"


def test_the_list_shows_state_and_audience_apart_and_environments_side_by_side(console) -> None:
    prod = copy.deepcopy(DOCUMENT)
    prod["values"]["button"]["enabled"] = False
    del prod["flags"]["plain"], prod["values"]["plain"]
    page = console(dev=DOCUMENT, prod=prod).get("/").text
    assert '<span class="badge state-partial">25 %</span>' in page
    assert "25 % of users (where country = US)" in page
    row = page[page.index("/e/dev/flags/button") : page.index("/e/dev/flags/new_flow")]
    assert "state-on" in row
    assert "state-off" in row
    assert 'tone-production"><span class="tone-chip">prod' in page


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("?q=page+instead", {"new_flow"}),
        ("?owner=payments", {"new_flow"}),
        ("?tag=q3", {"new_flow"}),
        ("?state=off", {"plain"}),
        ("?state=on&sort=changed", {"button"}),
        ("?q=%3Cscript%3E", set()),
        ("?state=nonsense&sort=nonsense&in=nonsense&page=%F0%9F%98%80", {"new_flow", "button", "plain"}),
        ("?page=999999999999", {"new_flow", "button", "plain"}),
    ],
)
def test_the_list_is_searched_and_filtered(console, query: str, keys: set[str]) -> None:
    page = console().get(f"/{query}")
    assert page.status_code == 200
    assert {key for key in DOCUMENT["flags"] if f"/flags/{key}" in page.text} == keys
    assert ("No matching flags" in page.text) == (not keys)
    assert "<script>" not in page.text


def test_hostile_texts_are_escaped(console) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    document = copy.deepcopy(DOCUMENT)
    document["flags"]["plain"] = {"name": hostile[:64], "description": hostile}
    page = console(flags=document).get("/?q=plain").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_every_answer_forbids_what_comes_from_elsewhere(console) -> None:
    client = console()
    for path in ("/", "/nowhere", "/static/console.css"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in answer.headers["content-security-policy"]


def test_no_template_holds_a_script_a_style_or_an_address_elsewhere(console) -> None:
    page = console().get("/").text
    assert " style=" not in page
    assert "<style" not in page
    assert " on" + "click=" not in page
    assert "https://" not in page


def test_a_source_that_is_lost_leaves_the_others_readable(console, tmp_path) -> None:
    client = console(dev=DOCUMENT, prod=DOCUMENT)
    (tmp_path / "prod.json").unlink()
    page = client.get("/")
    assert page.status_code == 200
    assert "source_not_found" in page.text
    assert '<span class="muted">unknown</span>' in page.text
    assert "new_flow" in page.text


def test_an_unknown_path_is_a_page_with_a_code(console) -> None:
    answer = console().get("/%3Cscript%3E")
    assert answer.status_code == 404
    assert "http_404" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("sources", "error"),
    [((), UsageError), (("file:a.json", "file:b/a.json"), UsageError), (("",), SourceUrlError)],
)
def test_sources_that_can_t_be_shown_are_refused(sources: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        create_app(ConsoleSettings(sources))


@pytest.mark.enable_socket
def test_the_command_reads_its_sources_and_settings(tmp_path, monkeypatch, capsys) -> None:
    from flagkit.cli import run
    from flagkit.console import serving

    (tmp_path / "flags.json").write_text(json.dumps(DOCUMENT))
    monkeypatch.chdir(tmp_path)
    served = []
    monkeypatch.setattr(
        serving, "serve", lambda app, taken: served.append((app.state.settings, serving.address_of(taken)))
    )
    assert run(["console", "--port", "0"]) == 0
    assert run(["console", "--port", "0", "-s", "prod=flags.json", "-s", "appconfig://shop/dev/flags"]) == 0
    assert [settings.sources for settings, _ in served] == [
        ("file:flags.json",),
        ("prod=flags.json", "appconfig://shop/dev/flags"),
    ]
    assert served[0][0].base_url == served[0][1]
    assert run(["console", "--port", "0", "--host", "0.0.0.0"]) == 2
    assert "other machines" in capsys.readouterr().err
    (tmp_path / "flagkit.toml").write_text(EXAMPLE.read_text())
    assert run(["console", "--port", "0", "--host", "0.0.0.0"]) == 0
    assert served[2][0].hosts[-1] == "flags.example.com"


def test_the_last_evaluation_is_shown_when_it_is_known(console, monkeypatch) -> None:
    known = Evaluations({"new_flow": dt.date(2026, 1, 31)}, dt.date(2026, 1, 1))
    monkeypatch.setattr("flagkit.console.workspace.evaluations_of_source", lambda *_, **__: known)
    client = console()
    pages = (client.get("/").text for _ in range(200))  # it is asked for beside the requests
    page = next(page for page in pages if "2026-01-31" in page)
    assert page.count(">never<") == 2
    assert "2026-01-31" in client.get("/e/flags/flags/new_flow").text


def test_what_a_schedule_changes_is_shown_without_a_new_version(console, clock) -> None:
    document = copy.deepcopy(DOCUMENT)
    opens = clock.now() + dt.timedelta(hours=1)
    rule = f"(gte $now {opens:%Y-%m-%dT%H:%M:%SZ})"
    document["values"]["plain"] = {
        "_variants": [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
    }
    client = console(flags=document)
    assert "state-scheduled" in client.get("/").text
    clock.advance(7200)
    assert "state-scheduled" not in client.get("/").text
