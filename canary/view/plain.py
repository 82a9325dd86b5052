"""Plain lines for logs, pipes and step summaries; it shows the view model and must not know about terminals.

A log has one line for each event and one for each gate of each function when its status changes, then a summary.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from canary.core.words import shown, words_of
from canary.view.labels import odds, percent, span_text
from canary.view.model import CanaryView, FunctionView, Note, Rate, StreamView, Tone

_SIGNS = {Tone.GOOD: "+", Tone.BAD: "!", Tone.WARN: "~", Tone.PLAIN: " "}


def note_line(note: Note) -> str:
    """One event: `09:04:30 ! unhealthy: 12.1 % of 248 requests failed on version 7, …`."""
    return f"{clock(note.at)} {_SIGNS[note.tone]} {note.title}{f': {note.text}' if note.text else ''}"


def gate_line(view: CanaryView, stream: StreamView) -> str:
    """One gate of one function: `09:05:00   api:live errors healthy: 0 % of 148, baseline 0.9 % of 1,240, …`."""
    where = f"{shown(stream.function)} " if stream.function else ""
    return f"{clock(view.now)}   {where}{stream_text(stream)}"


def clock(at: datetime) -> str:
    """`09:04:30`: the time of day in UTC."""
    return f"{at:%H:%M:%S}"


def stream_text(stream: StreamView) -> str:
    """`errors unhealthy: 12.1 % of 248, baseline 1.1 % of 2,230, limit 5 %, evidence 3,400:1`."""
    candidate, baseline = rate_texts(stream)
    if stream.unit == "minutes":
        return f"{stream.label} {stream.status}: {candidate}, evidence {odds(stream.against_log10)}"
    return (
        f"{stream.label} {stream.status}: {candidate}, {words_of(stream.function).rest} {baseline}, "
        f"limit {limit_text(stream)}, evidence {odds(stream.against_log10)}"
    )


def rate_texts(stream: StreamView) -> tuple[str, str]:
    """Both versions: `12.1 % of 248`, or `no requests`; a gauge has only one: `broke its limit in 1 of 9 min`."""
    rate = stream.candidate
    if stream.unit == "minutes":
        return f"broke its limit in {rate.bad} of {rate.requests} min" if rate.requests else "no values", "–"
    if stream.unit == "means":
        means = stream.means
        return (
            _mean_text(means.candidate if means else None, rate.requests),
            _mean_text(means.baseline if means else None, stream.baseline.requests),
        )
    return _rate_text(stream.candidate, stream.unit), _rate_text(stream.baseline, stream.unit)


def _rate_text(rate: Rate, unit: str) -> str:
    return f"no {unit}" if rate.ratio is None else f"{percent(rate.ratio)} of {rate.requests:,}"


def _mean_text(mean: float | None, users: int) -> str:
    return f"{users:,} users" if mean is None or not users else f"{mean:.3g} ({users:,} users)"


def bounds_text(stream: StreamView) -> str:
    """The interval of the new version's share, or of two means `difference -0.4 to +1.2`."""
    if stream.unit != "means":
        return interval_text(stream.candidate)
    means = stream.means
    return "–" if means is None or means.low is None else f"difference {means.low:+.2g} to {means.high:+.2g}"


def limit_text(stream: StreamView) -> str:
    """`5 %`, or `90 % of that` where means are compared."""
    return f"{percent(stream.limit_ratio)}{' of that' if stream.unit == 'means' else ''}"


def interval_text(rate: Rate) -> str:
    """`8.0 % to 17.3 %`."""
    return f"{percent(rate.low_ratio)} to {percent(rate.high_ratio)}"


def function_text(function: FunctionView) -> str:
    """`api:live: version 6 (baseline) → version 7 (new), 10 %`."""
    arms = function.baseline_name, function.candidate_name
    return f"{function.title}: {words_of(function.key).line(arms, f'{function.weight_percent:g} %')}"


def status_lines(view: CanaryView) -> Iterator[str]:
    """A canary as it stands, for `canary status` without a terminal."""
    for function in view.functions:
        if function.serves:
            since = f" since {clock(function.serves_since)} UTC" if function.serves_since else ""
            yield f"{function.title} {function.serves}{since}"
    yield f"{view.stage}: canary {view.canary_id} is {view.phase}, {age_text(view)}"
    for function in view.functions:
        yield f"  {function_text(function)}"
    if view.steps:
        yield "  steps: " + ", ".join(f"{step.percent:g} % {step.state}" for step in view.steps)
    for stream in view.streams:
        where = f"{shown(stream.function)} " if stream.function else ""
        yield f"  {where}{stream_text(stream)} (interval {bounds_text(stream)})"
    if view.flag and view.facts:
        yield f"  {facts_text(view)}"
    yield f"  {view.headline}"
    if view.evidence:
        yield f"  {view.evidence}"
    yield from (f"  warning: {caution}" for caution in view.cautions)
    if look := look_text(view):
        yield f"  {look}"
    if view.next_action:
        yield f"  next: {view.next_action}"


def facts_text(view: CanaryView) -> str:
    """Users of both arms, sample ratio and failures, in a line."""
    return ", ".join(f"{label[:1].lower()}{label[1:]}: {value}" for label, value in view.facts)


def age_text(view: CanaryView) -> str:
    """`2 min 20 s after its start`: how long it has been running, or ran."""
    return f"{span_text(view.elapsed_min)} after its start"


def look_text(view: CanaryView) -> str:
    """When and by whom the canary was evaluated last; empty where that isn't known."""
    if view.last_look_at is None:
        return ""
    return f"last evaluated at {clock(view.last_look_at)} UTC" + (
        f" by {view.last_look_by}" if view.last_look_by else ""
    )


def summary_lines(view: CanaryView) -> Iterator[str]:
    """How a canary ended, for the end of a log."""
    yield f"{view.stage}: {view.phase}. {view.headline}"
    for function in view.functions:
        yield f"  {function_text(function)}"
    if view.evidence and view.evidence not in view.headline:
        yield f"  {view.evidence}"
    yield from (f"  warning: {caution}" for caution in view.cautions)
    if view.facts:
        yield f"  {facts_text(view)}"
    if view.warnings:
        yield f"  {view.warnings} {'warning' if view.warnings == 1 else 'warnings'} above"
    if view.next_action:
        yield f"  next: {view.next_action}"


def markdown(view: CanaryView) -> str:
    """A summary for a pull request or a workflow's step summary (GitHub markdown)."""
    sign = {Tone.GOOD: "✅", Tone.BAD: "⛔", Tone.WARN: "⚠️", Tone.PLAIN: "▶️"}[view.tone]
    rows = [
        f"### {sign} Canary on {_cell(view.stage)}: {view.phase}",
        "",
        _cell(view.headline),
        "",
        f"> {_cell(view.evidence)}" if view.evidence else "",
        "",
        *(f"- {_cell(function_text(function))}" for function in view.functions),
        "",
        f"| {view.words.subject} | gate | limit | {view.candidate_name} | interval | {view.baseline_name} | evidence |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {_cell(shown(stream.function) or 'stage')} | {_cell(stream.title)} | {percent(stream.limit_ratio)} "
        f"| {rate_texts(stream)[0]} | {bounds_text(stream)} | {rate_texts(stream)[1]} "
        f"| {odds(stream.against_log10)} |"
        for stream in view.streams
    ]
    rows += ["", " · ".join(f"{label}: **{value}**" for label, value in view.facts)]
    rows += ["", *(f"⚠️ {_cell(caution)}" for caution in view.cautions)] if view.cautions else []
    if view.next_action:
        rows += ["", f"Next: {_cell(view.next_action)}"]
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """Text from outside can't start a row, a tag or a link of the summary."""
    flat = " ".join(text.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("[", "\\[")
