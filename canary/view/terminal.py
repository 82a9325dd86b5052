"""The live view on a terminal (rich); it shows the view model and must not compute, fetch or wait."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from canary.core.words import shown
from canary.view.labels import odds
from canary.view.model import CanaryView, Note, StepState, StreamView, Tone
from canary.view.plain import age_text, bounds_text, clock, facts_text, limit_text, look_text, rate_texts

_STYLES = {Tone.GOOD: "green", Tone.BAD: "red", Tone.WARN: "yellow", Tone.PLAIN: "cyan"}
_STEP_SIGNS = {
    StepState.DONE: ("●", "green"),
    StepState.CURRENT: ("◉", "bold yellow"),
    StepState.FAILED: ("✗", "bold red"),
    StepState.AHEAD: ("○", "dim"),
}
_STATUS_STYLES = {"healthy": "green", "unhealthy": "bold red", "suspect": "yellow", "unknown": "yellow"}
_SPARKS = "▁▂▃▄▅▆▇█"


def live(view: CanaryView) -> RenderableType:
    """The whole live view: the functions, the steps, one row for each gate and function, and the next action."""
    parts: list[RenderableType] = [_functions(view), Text(), _steps(view)]
    if view.streams:
        parts += [Text(), _streams(view)]
    if view.flag and view.facts:
        parts += [Text(), Text(facts_text(view), style="dim")]
    parts += [Text(), Text(view.evidence or view.headline)]
    if view.evidence and view.is_driven is False:
        parts.append(Text(view.headline, style="bold yellow"))
    parts += [Text(f"warning: {caution}", style="yellow") for caution in view.cautions]
    if look := look_text(view):
        parts.append(Text(look, style="dim"))
    if view.next_action:
        parts.append(Text(f"next: {view.next_action}", style="dim"))
    style = _STYLES[view.tone]
    return Panel(
        Group(*parts),
        title=Text(f"canary on {view.stage} · {view.phase}", style=f"bold {style}"),
        subtitle=Text(f"{view.canary_id} · {clock(view.now)} UTC · {age_text(view)}", style="dim"),
        title_align="left",
        subtitle_align="right",
        border_style=style,
        padding=(1, 2),
    )


def note(entry: Note) -> Text:
    """One event, as a line above the live view."""
    style = _STYLES[entry.tone]
    text = f": {entry.text}" if entry.text else ""
    return Text.assemble((f"{clock(entry.at)}  ", "dim"), (entry.title, f"bold {style}"), (text, ""))


def _functions(view: CanaryView) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for function in view.functions:
        table.add_row(
            Text(function.title, style="bold"),
            Text(function.baseline_name, style="blue"),
            Text("──▶", style="dim"),
            Text(function.candidate_name, style="yellow"),
            Text(f"{function.weight_percent:g} %", style="bold yellow"),
        )
    return table


def _steps(view: CanaryView) -> Text:
    text = Text()
    for step in view.steps:
        sign, style = _STEP_SIGNS[step.state]
        text.append(f"{sign} {step.percent:g} %", style=style)
        text.append(" ── ", style="dim")
    everything = view.weight_percent >= 100
    text.append(f"{'●' if everything else '○'} 100 %", style="green" if everything else "dim")
    return text


def _streams(view: CanaryView) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    several = len({stream.function for stream in view.streams}) > 1
    if several:
        table.add_column(view.words.subject, no_wrap=True)
    table.add_column("gate", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column(view.candidate_name, style="yellow", no_wrap=True)
    table.add_column("interval", style="dim", no_wrap=True)
    table.add_column("by minute", style="yellow", no_wrap=True)
    table.add_column(view.baseline_name, style="blue", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column(f"odds (rolls back at {odds(view.bound_log10)})", justify="right")
    for stream in view.streams:
        last = stream.against_log10
        table.add_row(
            *([shown(stream.function) or "stage"] if several else []),
            stream.label,
            Text(stream.status, style=_STATUS_STYLES.get(stream.status, "dim")),
            rate_texts(stream)[0],
            bounds_text(stream),
            spark(stream),
            rate_texts(stream)[1],
            limit_text(stream),
            Text(odds(last), style="bold red" if last is not None and last >= view.bound_log10 else ""),
        )
    return table


def spark(stream: StreamView, width: int = 12) -> str:
    """The new version's share in each of the last minutes, as small bars up to twice the limit."""
    signs = []
    for point in stream.minutes[-width:]:
        ratio = point.candidate.ratio
        if ratio is None:
            signs.append("·")
            continue
        level = min(ratio / (2 * stream.limit_ratio), 1.0) if stream.limit_ratio else 0.0
        signs.append(_SPARKS[round(level * (len(_SPARKS) - 1))])
    return "".join(signs)
