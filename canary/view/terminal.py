"""The live view on a terminal (rich); it shows the view model and must not compute, fetch or wait."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from canary.view.labels import odds, percent
from canary.view.model import CanaryView, Note, StepState, StreamView, Tone
from canary.view.plain import interval_text, rate_text

_STYLES = {Tone.GOOD: "green", Tone.BAD: "red", Tone.WARN: "yellow", Tone.PLAIN: "cyan"}
_STEP_SIGNS = {
    StepState.DONE: ("●", "green"),
    StepState.CURRENT: ("◉", "bold yellow"),
    StepState.FAILED: ("✗", "bold red"),
    StepState.AHEAD: ("○", "dim"),
}
_SPARKS = "▁▂▃▄▅▆▇█"


def live(view: CanaryView) -> RenderableType:
    """The whole live view: where it stands, the steps, both versions' shares, what the evidence says."""
    parts: list[RenderableType] = [_functions(view), _steps(view)]
    if any(stream.minutes for stream in view.streams):
        parts += [Text(), _streams(view)]
    parts += [Text(), Text(view.evidence or view.headline)]
    if view.decision_min is not None:
        parts.append(Text(f"decision in about {view.decision_min:.0f} min if it stays so", style="dim"))
    style = _STYLES[view.tone]
    return Panel(
        Group(*parts),
        title=Text(f"canary on {view.stage} · {view.phase}", style=f"bold {style}"),
        subtitle=Text(f"{view.canary_id} · minute {view.elapsed_min:.1f}", style="dim"),
        title_align="left",
        subtitle_align="right",
        border_style=style,
        padding=(1, 2),
    )


def note(entry: Note) -> Text:
    """One thing that happened, as a line above the live view."""
    style = _STYLES[entry.tone]
    return Text.assemble(
        (f"{entry.at_min:6.1f} min ", "dim"), (f" {entry.title:<13}", f"bold {style}"), (entry.text, "")
    )


def _functions(view: CanaryView) -> Text:
    text = Text()
    for index, function in enumerate(view.functions):
        text.append("\n" if index else "")
        text.append(f"{function.name}:{function.alias}", style="bold")
        text.append(f"   version {function.baseline_version} ", style="blue")
        text.append("──▶", style="dim")
        text.append(f" version {function.candidate_version}", style="yellow")
        text.append(f"   {function.weight_percent:g} %", style="bold yellow")
    return text


def _steps(view: CanaryView) -> Text:
    text = Text()
    for index, step in enumerate(view.steps):
        sign, style = _STEP_SIGNS[step.state]
        text.append(" ── " if index else "", style="dim")
        text.append(f"{sign} {step.percent:g} %", style=style)
    everything = view.weight_percent >= 100
    text.append(" ── ", style="dim")
    text.append(f"{'●' if everything else '○'} 100 %", style="green" if everything else "dim")
    return text


def _streams(view: CanaryView) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", expand=False)
    table.add_column("gate")
    table.add_column(view.candidate_name, style="yellow")
    table.add_column("interval", style="dim")
    table.add_column("each minute", style="yellow", no_wrap=True)
    table.add_column(view.baseline_name, style="blue")
    table.add_column("limit", justify="right")
    table.add_column("evidence against", justify="right")
    several = len({stream.function for stream in view.streams}) > 1
    for stream in view.streams:
        last = stream.against_log10
        table.add_row(
            f"{stream.function} {stream.gate}" if several else stream.gate,
            rate_text(stream.candidate),
            interval_text(stream.candidate),
            spark(stream),
            rate_text(stream.baseline),
            percent(stream.limit_ratio),
            Text(odds(last), style="bold red" if last is not None and last >= view.bound_log10 else ""),
        )
    return table


def spark(stream: StreamView, width: int = 16) -> str:
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
