"""One self-contained HTML page from a report: no scripts, no fonts, no addresses; it must not compute anything."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from canary.view.bars import bars
from canary.view.model import CanaryView, Chapter, Report, StreamView
from canary.view.style import CSS
from canary.view.svg import element, percent
from canary.view.timeline import shown_streams, timeline


def page(report: Report) -> str:
    """The whole page as text. Since 0.1."""
    body = [
        element("h1", escape(report.title)),
        element("p", escape(report.lead), class_="lead"),
        *(_chapter(chapter) for chapter in report.chapters),
        element("footer", escape(report.footer)) if report.footer else "",
    ]
    if report.facts:
        body.insert(2, element("section", _facts(report.facts)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{CSS}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def canary_report(view: CanaryView) -> Report:
    """A report about one canary. Since 0.1."""
    chapter = Chapter(
        heading=f"{view.stage}: {view.base_name} to {view.candidate_name}",
        prose=view.headline,
        tone=view.tone,
        verdict=view.phase,
        canary=view,
    )
    started = f"{view.started_at:%Y-%m-%d %H:%M} UTC"
    return Report(
        title=f"Canary on {view.stage}: {view.phase}",
        lead=f"Started {started}, {view.elapsed_min:.0f} minutes.",
        chapters=(chapter,),
        footer=f"Canary {view.canary_id}. Intervals hold at every look, not only at the last.",
    )


def _chapter(chapter: Chapter) -> str:
    badge = element("span", escape(chapter.verdict), class_=f"verdict {chapter.tone}") if chapter.verdict else ""
    parts = [
        element("div", element("h2", escape(chapter.heading)), badge, class_="head"),
        element("p", escape(chapter.prose), class_="prose") if chapter.prose else "",
    ]
    view = chapter.canary
    if view is not None:
        if view.evidence:
            parts.append(element("p", escape(view.evidence), class_="evidence-text"))
        parts.append(element("div", timeline(view), class_="scroll"))
        parts.append(_facts(view.facts) if view.facts else "")
        parts.append(_minutes(view))
        parts.append(_notes(view))
    for chart in chapter.bars:
        parts.append(element("h3", escape(chart.title)) if len(chapter.bars) > 1 else "")
        parts.append(element("div", bars(chart), class_="scroll"))
    if chapter.facts:
        parts.append(_facts(chapter.facts))
    if chapter.code:
        parts.append(element("pre", element("code", escape(chapter.code))))
    return element("section", *parts)


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = (element("div", element("dt", escape(label)), element("dd", escape(value))) for label, value in facts)
    return element("dl", *rows, class_="facts")


def _minutes(view: CanaryView) -> str:
    tables = "".join(_table(view, stream) for stream in shown_streams(view))
    if not tables:
        return ""
    return element("details", element("summary", "Every minute in numbers"), tables)


def _table(view: CanaryView, stream: StreamView) -> str:
    head = "".join(
        element("th", escape(label), class_="n", scope="col")
        for label in ("minute", f"{view.candidate_name}: bad", "of", "share", f"{view.base_name}: bad", "of", "share")
    )
    rows = []
    for point in stream.minutes:
        cells = [f"{point.at_min:g}"]
        for rate in (point.candidate, point.base):
            cells += [f"{rate.bad:,}", f"{rate.requests:,}", "–" if rate.ratio is None else percent(rate.ratio)]
        rows.append(element("tr", *(element("td", cell, class_="n") for cell in cells)))
    caption = element("caption", escape(f"{stream.function}: {stream.title}"))
    return element("table", caption, element("thead", element("tr", head)), element("tbody", *rows))


def _notes(view: CanaryView) -> str:
    if not view.notes:
        return ""
    rows = "".join(
        element(
            "tr",
            element("td", f"{note.at_min:.1f}", class_="n"),
            element("td", escape(note.title)),
            element("td", escape(note.text)),
        )
        for note in view.notes
    )
    return element("details", element("summary", "What happened, in order"), element("table", element("tbody", rows)))
