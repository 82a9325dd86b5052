"""Terminal, lines, JSON, markdown and page all show the one view model."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from canary.core.events import CanaryStarted, Event, Origin
from canary.core.plan import StagePlan
from canary.view import plain, terminal
from canary.view.build import view_of_events
from canary.view.charts import describe
from canary.view.html import canary_report, page
from canary.view.model import Bar, BarsView, CanaryView, Chapter, Note, Rate, Report, StreamView, Tone, data


class Document(HTMLParser):
    """Notes elements, references and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and value:
                self.references.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        self.text += text


@pytest.fixture
def bad(rolled_back: tuple[Event, ...], stage: StagePlan) -> CanaryView:
    return view_of_events(rolled_back, stage).view()


@pytest.fixture
def good(promoted: tuple[Event, ...], stage: StagePlan) -> CanaryView:
    return view_of_events(promoted, stage).view()


def screen(view: CanaryView) -> str:
    console = Console(width=140, no_color=True, record=True, file=__import__("io").StringIO())
    console.print(terminal.live(view))
    return console.export_text()


def test_the_page_is_well_formed_and_refers_to_nothing_outside(bad: CanaryView) -> None:
    text = page(canary_report(bad))
    document = Document(text)
    assert document.open == []
    assert document.references == []
    assert "url(" not in text
    assert "<script" not in text
    assert len(document.ids) == len(set(document.ids))
    assert "prefers-color-scheme:dark" in text


def test_every_picture_has_a_title_and_a_description(bad: CanaryView) -> None:
    text = page(canary_report(bad))
    assert text.count("<svg") == text.count('role="img"') == text.count("<desc")
    assert "rolled back" in text
    words = describe(bad)
    assert "10 % from 09:00:00" in words
    assert "the limit is 5 %" in words


def test_names_from_outside_are_escaped() -> None:
    report = Report("<b>&", "x", (Chapter("<script>alert(1)</script>", "a < b", code="<i>"),))
    text = page(report)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;i&gt;" in text


def test_the_page_of_a_promoted_canary_shows_every_step(good: CanaryView) -> None:
    text = page(canary_report(good))
    for label in ("10 %", "50 %", "100 %", "promoted"):
        assert f">{label}</text>" in text


def test_a_canary_that_saw_no_traffic_still_has_a_page(held: tuple[Event, ...], stage: StagePlan) -> None:
    view = view_of_events(held[:2], stage).view()
    document = Document(page(canary_report(view)))
    assert document.open == []
    assert "served no request" not in document.text


def test_bars_mark_what_was_asked_for() -> None:
    chart = BarsView("Shares", "two bars", (Bar("off", 0.0, 0.0, "0 of 9"), Bar("on", 1.0, None, "9 of 9", True)))
    text = page(Report("t", "l", (Chapter("h", "", bars=(chart, chart)),), facts=(("a", "b"),), footer="f"))
    assert text.count('class="chart-expected"') == 4  # wide and narrow
    assert text.count('class="chart-bar chart-strong"') == 4
    assert "<h3>Shares</h3>" in text


def test_the_live_view_shows_both_versions_and_the_reason(bad: CanaryView) -> None:
    text = screen(bad)
    for part in (
        "canary on staging · rolled back",
        "api:live",
        "version 1 (baseline)  ──▶  version 2 (new)",
        "✗ 10 %",
        "○ 50 %",
        "errors",
    ):
        assert part in text
    assert "against the new" in text


def test_the_live_view_of_a_promoted_canary_is_complete(good: CanaryView) -> None:
    text = screen(good)
    assert "● 10 % ── ● 50 % ── ● 100 %" in text


def test_the_live_view_shows_when_a_decision_may_come(held: tuple[Event, ...], stage: StagePlan) -> None:
    builder = view_of_events(held[:4], stage)
    text = screen(builder.view())
    assert "canary on staging" in text


def test_lines_say_the_same(bad: CanaryView) -> None:
    text = "\n".join(plain.status_lines(bad))
    assert "api:live: version 1 (baseline) → version 2 (new), 0 %" in text
    assert "steps: 10 % failed, 50 % ahead" in text
    line = plain.gate_line(bad, bad.streams[0])
    assert line.startswith("09:04:00   api:live errors unhealthy: ")
    assert ", baseline " in line
    assert ", limit 5 %, evidence " in line


def test_a_note_is_one_line_with_a_sign_for_those_who_see_no_colour(bad: CanaryView) -> None:
    note = Note(4.0, bad.started_at, Tone.BAD, "unhealthy", "12 % failed")
    assert plain.note_line(note) == "09:00:00 ! unhealthy: 12 % failed"
    assert terminal.note(note).plain == "09:00:00  unhealthy: 12 % failed"


def test_nothing_counted_is_said_in_words() -> None:
    errors = StreamView("api:live", "errors", "failed requests", 0.05, (), Rate(0, 0), Rate(0, 0))
    assert plain.rate_texts(errors) == ("no requests", "no requests")


def test_a_gauge_counts_minutes_not_requests() -> None:
    queue = StreamView("", "dlq", "dlq", 0.01, (), Rate(1, 9), Rate(0, 0), status="suspect", unit="minutes")
    assert plain.stream_text(queue) == "dlq suspect: broke its limit in 1 of 9 min, evidence none"
    assert plain.rate_texts(replace(queue, candidate=Rate(0, 0))) == ("no values", "–")


def test_the_summary_for_github_is_a_table(bad: CanaryView) -> None:
    text = plain.markdown(bad)
    assert text.startswith("### ⛔ Canary on staging: rolled back")
    assert "| api:live | failed requests | 5 % |" in text


def test_json_keeps_every_field(bad: CanaryView) -> None:
    shown = data(bad)
    assert isinstance(shown, dict)
    again = json.loads(json.dumps(shown))
    assert again["phase"] == "rolled back"
    assert again["tone"] == "bad"
    assert again["started_at"] == "2026-01-05T09:00:00+00:00"
    assert again["streams"][0]["minutes"][0]["candidate"]["requests"] > 0


def test_every_event_becomes_json(rolled_back: tuple[Event, ...]) -> None:
    for event in rolled_back:
        shown = data(event)
        assert isinstance(shown, dict)
        assert json.loads(json.dumps(shown))["event"] == event.event


def test_names_from_a_plan_never_become_markup(bad: CanaryView) -> None:
    hostile = "<script>alert(1)</script>"
    streams = tuple(replace(stream, title=hostile, gate=hostile, function=hostile) for stream in bad.streams)
    text = page(canary_report(replace(bad, stage=hostile, streams=streams)))
    assert hostile not in text
    assert "&lt;script&gt;" in text


def test_the_page_names_functions_gates_origin_and_plan(rolled_back: tuple[Event, ...], stage: StagePlan) -> None:
    started = rolled_back[0]
    assert isinstance(started, CanaryStarted)
    origin = Origin("0123456789abcdef", "main", "Amira <b>", "ci")
    events = (replace(started, origin=origin), *rolled_back[1:])
    text = page(canary_report(view_of_events(events, stage).view()))
    assert "Commit 0123456789ab, branch main, author Amira &lt;b&gt;, started by ci." in text
    for part in (
        "2026-01-05 09:00 to 09:0",
        "Rolls back at any time if:",
        '<td data-label="gate">errors: failed requests',
    ):
        assert part in text
    assert text.count('<td data-label="gate">') == 2
    assert "Commit" not in page(canary_report(view_of_events(rolled_back, stage).view()))


def test_the_end_is_summarised_with_the_next_command(
    bad: CanaryView, held: tuple[Event, ...], stage: StagePlan
) -> None:
    lines = list(plain.summary_lines(bad))
    assert lines[0] == "staging: rolled back. The baseline serves all traffic."
    assert lines[1] == "  api:live: version 1 (baseline) → version 2 (new), 0 %"
    assert "rollback took: " in lines[3]
    waiting = list(plain.summary_lines(view_of_events(held, stage).view()))
    assert waiting[-1] == "  next: `canary promote staging` or `canary rollback staging`"
