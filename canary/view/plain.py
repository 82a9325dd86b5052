"""Plain lines for logs, pipes and step summaries; it shows the view model and must not know about terminals."""

from __future__ import annotations

from collections.abc import Iterator

from canary.view.labels import odds, percent
from canary.view.model import CanaryView, Note, Rate, StreamView, Tone

_SIGNS = {Tone.GOOD: "+", Tone.BAD: "!", Tone.WARN: "~", Tone.PLAIN: " "}


def note_line(note: Note) -> str:
    """One thing that happened: `  4.2 min ! seen          12.1 % of 248 requests failed …`."""
    return f"{note.at_min:6.1f} min {_SIGNS[note.tone]} {note.title:<13} {note.text}".rstrip()


def tick_line(view: CanaryView) -> str:
    """One look at the evidence: weight, shares of both versions, evidence of the stream that says most."""
    streams = " | ".join(stream_text(stream) for stream in view.streams if stream.candidate.requests)
    return f"{view.elapsed_min:6.1f} min   {view.weight_percent:>3g} %         {streams or 'no settled minute yet'}"


def stream_text(stream: StreamView) -> str:
    """`errors 12.1 % of 248, base 1.1 % of 2,230, evidence 1:3,400`."""
    return (
        f"{stream.gate} {rate_text(stream.candidate)}, base {rate_text(stream.baseline)}, "
        f"evidence against: {odds(stream.against_log10)}"
    )


def rate_text(rate: Rate) -> str:
    """`12.1 % of 248`, or `no request`."""
    return "no request" if rate.ratio is None else f"{percent(rate.ratio)} of {rate.requests:,}"


def interval_text(rate: Rate) -> str:
    """`8.0 % to 17.3 %`."""
    return f"{percent(rate.low_ratio)} to {percent(rate.high_ratio)}"


def status_lines(view: CanaryView) -> Iterator[str]:
    """A canary as it stands, for `canary status` without a terminal."""
    yield f"canary {view.canary_id} on {view.stage}: {view.phase}, minute {view.elapsed_min:.1f}"
    for function in view.functions:
        yield (
            f"  {function.name}:{function.alias}  version {function.baseline_version} to version "
            f"{function.candidate_version}, {function.weight_percent:g} %"
        )
    if view.steps:
        yield "  steps " + " ".join(f"{step.percent:g}%:{step.state}" for step in view.steps)
    for stream in view.streams:
        yield f"  {stream.function or 'stage'}: {stream_text(stream)} (interval {interval_text(stream.candidate)})"
    yield f"  {view.headline}"
    if view.evidence:
        yield f"  {view.evidence}"
    if view.decision_min is not None:
        yield f"  decision in about {view.decision_min:.0f} min if it stays so"


def markdown(view: CanaryView) -> str:
    """A summary for a pull request or a workflow's step summary (GitHub markdown)."""
    sign = {Tone.GOOD: "✅", Tone.BAD: "⛔", Tone.WARN: "⚠️", Tone.PLAIN: "▶️"}[view.tone]
    rows = [
        f"### {sign} Canary on {view.stage}: {view.phase}",
        "",
        view.headline,
        "",
        f"> {view.evidence}" if view.evidence else "",
        "",
        "| gate | limit | " + view.candidate_name + " | interval | " + view.baseline_name + " |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {stream.title} ({stream.function or 'stage'}) | {percent(stream.limit_ratio)} "
        f"| {rate_text(stream.candidate)} | {interval_text(stream.candidate)} | {rate_text(stream.baseline)} |"
        for stream in view.streams
    ]
    rows += ["", " · ".join(f"{label}: **{value}**" for label, value in view.facts)]
    return "\n".join(rows) + "\n"
