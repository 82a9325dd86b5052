"""One self-contained HTML page from a report: no scripts, no fonts, no addresses; it must not compute anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from html import escape

from canary.core.words import shown
from canary.view.charts import bars, shown_streams, timeline
from canary.view.labels import odds, percent, span_text
from canary.view.model import CanaryView, Chapter, Report, StreamView
from canary.view.plain import bounds_text, clock, limit_text, look_text, rate_texts
from canary.view.svg import element

CHART_CSS = """
.chart{display:block;width:100%;height:auto;font:12.5px system-ui,-apple-system,"Segoe UI",sans-serif}
:where(.chart) text{fill:var(--ink)}
.chart-tick{fill:var(--muted);font-size:12px;font-variant-numeric:tabular-nums}
.chart-title{fill:var(--muted);font-size:12.5px;font-weight:600}
.chart-panel{fill:none}
.chart-grid{stroke:var(--grid);stroke-width:1}
.chart-inside{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.chart-value{font-weight:600;font-size:12px;font-variant-numeric:tabular-nums}
.chart-weight-area{fill:var(--candidate-soft)}.chart-weight-line{fill:none;stroke:var(--candidate);stroke-width:2}
.chart-candidate-line{fill:none;stroke:var(--candidate);stroke-width:2.4;stroke-linejoin:round}
.chart-baseline-line{fill:none;stroke:var(--baseline);stroke-width:2;stroke-linejoin:round;stroke-dasharray:7 3}
.chart-candidate-whisker{stroke:var(--candidate);stroke-width:1.4;opacity:.7}
.chart-baseline-whisker{stroke:var(--baseline);stroke-width:1.4;opacity:.7}
.chart-candidate-area{fill:var(--candidate-soft)}.chart-baseline-area{fill:var(--baseline-soft)}
.chart-candidate-dot{fill:var(--candidate);stroke:var(--card);stroke-width:1.2}
.chart-baseline-dot{fill:var(--card);stroke:var(--baseline);stroke-width:1.6}
.chart-candidate-text{fill:var(--candidate)}.chart-baseline-text{fill:var(--baseline)}
.chart-limit-text{fill:var(--limit)}
.chart-limit{stroke:var(--limit);stroke-width:1.3;stroke-dasharray:3 4}
.chart-evidence{fill:none;stroke:var(--candidate);stroke-width:2.2;stroke-linejoin:round}
.chart-settling{fill:var(--grid);opacity:.55}
.chart-mark{stroke:var(--muted);stroke-width:1;opacity:.55}
.chart-mark.chart-good{stroke:var(--good)}.chart-mark.chart-bad{stroke:var(--bad);stroke-width:1.6;opacity:.9}
.chart-mark.chart-warn{stroke:var(--warn)}
.chart-mark-text{font-weight:600;fill:var(--muted)}.chart-mark-text.chart-good{fill:var(--good)}
.chart-mark-text.chart-bad{fill:var(--bad)}.chart-mark-text.chart-warn{fill:var(--warn)}
.chart-track{fill:var(--grid)}.chart-bar{fill:var(--baseline)}.chart-bar.chart-strong{fill:var(--accent)}
.chart-expected{stroke:var(--ink);stroke-width:2}
.chart-narrow{display:none}
@media (max-width:640px){.chart-wide{display:none}.chart-narrow{display:block}}
"""
"""The rules of the charts; the variables for colours come from the page around them."""

CSS = """
:root{color-scheme:light dark;--page:#f6f5f1;--card:#fff;--ink:#1b1f27;--muted:#5d6675;--rule:#e4e2da;--grid:#eceae4;
--candidate:#b36b00;--candidate-soft:#f6c64455;--baseline:#3f6ea8;--baseline-soft:#7fa6d633;--limit:#b3261e;--good:#1a7441;
--bad:#b3261e;--warn:#9a5b00;--good-soft:#e3f3e8;--bad-soft:#fbe9e7;--warn-soft:#fff1d6;--accent:#f5b800}
@media (prefers-color-scheme:dark){:root{--page:#101318;--card:#171b22;--ink:#e9ecf1;--muted:#9aa5b5;--rule:#2a303a;
--grid:#232933;--candidate:#ffc93c;--candidate-soft:#ffc93c2b;--baseline:#7fb0ec;--baseline-soft:#7fb0ec24;--limit:#ff8a80;
--good:#5fd38d;--bad:#ff8a80;--warn:#ffb95c;--good-soft:#12301f;--bad-soft:#3a1917;--warn-soft:#35260d;--accent:#ffc93c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1040px;margin:0 auto;padding:56px 28px 80px}
h1{font-size:34px;line-height:1.2;letter-spacing:-.02em;margin:0 0 12px;text-wrap:balance}
h1::before{content:"";display:block;width:44px;height:6px;border-radius:3px;background:var(--accent);margin-bottom:22px}
h2{font-size:21px;line-height:1.3;letter-spacing:-.01em;margin:0}
h3{font-size:15px;margin:22px 0 4px}
.lead{font-size:18px;color:var(--muted);max-width:44em;margin:0 0 28px}
section{background:var(--card);border:1px solid var(--rule);border-radius:14px;padding:26px 30px;margin:0 0 22px}
.head{display:flex;gap:14px;align-items:baseline;justify-content:space-between;flex-wrap:wrap}
.prose{max-width:46em;margin:8px 0 0;color:var(--muted)}
.verdict{font-size:13px;font-weight:650;padding:3px 12px;border-radius:99px;white-space:nowrap;background:var(--grid)}
.verdict.good{color:var(--good);background:var(--good-soft)}
.verdict.bad{color:var(--bad);background:var(--bad-soft)}
.verdict.warn{color:var(--warn);background:var(--warn-soft)}
.evidence-text{margin:18px 0 4px;padding:12px 16px;border-left:4px solid var(--accent);background:var(--page);
border-radius:0 8px 8px 0;max-width:52em}
.evidence-text.caution{border-color:var(--warn)}
section>.facts:first-child{margin-top:0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:6px 26px;margin:20px 0 0}
.facts div{border-top:1px solid var(--rule);padding-top:8px}
dt{font-size:13px;color:var(--muted)}dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
dl{margin:0}
.scroll{overflow-x:auto;margin:22px 0 0}
details{margin:16px 0 0;color:var(--muted)}summary{cursor:pointer;font-size:14px}
table{border-collapse:collapse;margin-top:16px;font-size:14px;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}
@media (min-width:641px){.gates td:not(:nth-child(2)){white-space:nowrap}}
th{font-weight:600;color:var(--muted)}td.n,th.n{text-align:right}
pre{background:var(--page);border-radius:8px;padding:14px 16px;overflow-x:auto;
font:13.5px/1.55 ui-monospace,Menlo,monospace}
footer{color:var(--muted);font-size:14px;margin-top:30px}
@media (max-width:640px){main{padding:32px 14px}section{padding:20px 16px}h1{font-size:27px}
.stacked thead{display:none}.stacked tr{display:block;padding:8px 0;border-bottom:1px solid var(--rule)}
.stacked td{display:flex;justify-content:space-between;gap:16px;border:0;padding:2px 0;text-align:right}
.stacked td::before{content:attr(data-label);color:var(--muted);text-align:left}
th,td{padding-right:8px;font-size:13px}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""


def page(report: Report) -> str:
    """The whole page as text."""
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
        f"<title>{escape(report.title)}</title><style>{CSS}{CHART_CSS}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def canary_report(view: CanaryView) -> Report:
    """A report about one canary."""
    chapter = Chapter(
        heading=f"{view.stage}: {view.words.heading((view.baseline_name, view.candidate_name))}",
        prose=view.headline,
        tone=view.tone,
        verdict=f"{view.phase}, not watched" if view.is_driven is False else view.phase,
        canary=view,
    )
    started = f"{view.started_at:%Y-%m-%d %H:%M} to {view.now:%H:%M} UTC"
    return Report(
        title=f"Canary on {view.stage}: {view.phase}",
        lead=f"{started}, {span_text(view.elapsed_min)}.{_origin(view)}",
        chapters=(chapter,),
        footer=f"Canary {view.canary_id}. Intervals are valid at every evaluation, not only at the last.",
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
        parts += [element("p", escape(caution), class_="evidence-text caution") for caution in view.cautions]
        if look := look_text(view):
            parts.append(element("p", escape(f"{look[0].upper()}{look[1:]}."), class_="prose"))
        parts.append(element("div", timeline(view), class_="scroll"))
        parts.append(_facts(view.facts) if view.facts else "")
        parts += [_functions(view), _gates(view), _plan(view), _minutes(view), _notes(view)]
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


def _origin(view: CanaryView) -> str:
    """Where the code comes from, as far as that is known."""
    origin = view.origin
    parts = [
        f"commit {origin.commit[:12]}" if origin.commit else "",
        f"branch {origin.branch}" if origin.branch else "",
        f"author {origin.author}" if origin.author else "",
        f"started by {origin.started_by}" if origin.started_by else "",
    ]
    known = ", ".join(part for part in parts if part)
    return f" {known[:1].upper()}{known[1:]}." if known else ""


def _functions(view: CanaryView) -> str:
    labels = view.words.columns
    rows = [
        (
            f.shown_name, f.alias, f.baseline_name, f.candidate_name,
            f"{f.weight_percent:g} %" + (f" ({f.serves})" if f.serves else ""),
        )
        for f in view.functions
    ]  # fmt: skip
    return _stacked(labels, rows)


def _gates(view: CanaryView) -> str:
    """One row for each gate of each function."""
    labels = view.words.gate_columns
    rows = [
        (
            shown(stream.function) or "stage",
            f"{stream.gate}: {stream.title}",
            stream.status,
            rate_texts(stream)[0],
            bounds_text(stream),
            rate_texts(stream)[1],
            limit_text(stream),
            odds(stream.against_log10),
        )
        for stream in view.streams
    ]
    return _stacked(labels, rows, "stacked gates") if rows else ""


def _stacked(labels: Sequence[str], rows: Sequence[Sequence[str]], class_: str = "stacked") -> str:
    """A table whose rows become cards on narrow screens."""
    head = element("tr", *(element("th", escape(label), scope="col") for label in labels))
    body = (
        element("tr", *(element("td", escape(text), data_label=label) for label, text in zip(labels, row, strict=True)))
        for row in rows
    )
    return element("table", element("thead", head), element("tbody", *body), class_=class_)


def _plan(view: CanaryView) -> str:
    if not view.plan:
        return ""
    return element("details", element("summary", "Plan"), element("pre", escape("\n".join(view.plan))))


def _scrolled(table: str) -> str:
    return element("div", table, class_="scroll")


def _minutes(view: CanaryView) -> str:
    tables = "".join(_table(view, stream) for stream in shown_streams(view))
    if not tables:
        return ""
    return element("details", element("summary", "Counts by minute"), _scrolled(tables))


def _table(view: CanaryView, stream: StreamView) -> str:
    head = "".join(
        element("th", escape(label), class_="n", scope="col")
        for label in (
            "until",
            f"{view.candidate_name}: bad",
            "of",
            "share",
            f"{view.baseline_name}: bad",
            "of",
            "share",
        )
    )
    rows = []
    for point in stream.minutes:
        cells = [f"{view.started_at + timedelta(minutes=point.at_min):%H:%M}"]
        for rate in (point.candidate, point.baseline):
            cells += [f"{rate.bad:,}", f"{rate.requests:,}", "–" if rate.ratio is None else percent(rate.ratio)]
        rows.append(element("tr", *(element("td", cell, class_="n") for cell in cells)))
    caption = element("caption", escape(f"{shown(stream.function)}: {stream.title}"))
    return element("table", caption, element("thead", element("tr", head)), element("tbody", *rows))


def _notes(view: CanaryView) -> str:
    if not view.notes:
        return ""
    rows = "".join(
        element(
            "tr",
            element("td", clock(note.at), class_="n"),
            element("td", escape(note.title)),
            element("td", escape(note.text)),
        )
        for note in view.notes
    )
    return element("details", element("summary", "Events"), element("table", element("tbody", rows)))
