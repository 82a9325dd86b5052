"""What a simulation found, in lines, as bars and as data for programs; it must not simulate."""

from __future__ import annotations

from collections.abc import Iterator

from canary.simulator import Comparison, Summary
from canary.simulator.comparison import OURS
from canary.view.labels import percent
from canary.view.model import Bar, BarsView, Chapter, Report

_BINS = 12
_BAR_CELLS = 40


def comparison_data(found: Comparison) -> dict[str, object]:
    """The keys that programs read: runs, promoted_ratio, …, and the peers under `peers`."""
    return {
        "stage": found.stage,
        "seed": found.seed,
        "scenario": found.scenario,
        **_data(found.canary),
        "left_out": found.left_out,
        "healthy_runs": found.healthy_runs,
        "false_rollback_ratio": found.false_rollback_ratio[OURS],
        "peers": {
            name: {**_data(summary), "false_rollback_ratio": found.false_rollback_ratio[name]}
            for name, summary in found.peers.items()
        },
    }


def _data(summary: Summary) -> dict[str, object]:
    return {
        "runs": summary.runs,
        "promoted_ratio": summary.promoted_ratio,
        "rolled_back_ratio": summary.rolled_back_ratio,
        "inconclusive_ratio": summary.inconclusive_ratio,
        "minutes_to_rollback": summary.minutes_to_rollback,
        "failed_requests": summary.failed_requests,
    }


def comparison_lines(found: Comparison) -> Iterator[str]:
    """The comparison as a table and a histogram of characters."""
    yield scenario_text(found)
    yield ""
    yield (
        f"{'rule':<26}{'promoted':>10}{'rolled back':>13}{'held':>8}{'minutes to rollback':>22}{'failed requests':>20}"
        f"{'false alarms':>15}"
    )
    for name, summary in _rows(found):
        minutes = summary.minutes_to_rollback
        failed = summary.failed_requests
        spread = f"{minutes.mean:.1f} (p95 {minutes.p95:.0f})" if summary.rolled_back_ratio else "–"
        yield (
            f"{name:<26}{percent(summary.promoted_ratio):>10}{percent(summary.rolled_back_ratio):>13}"
            f"{percent(summary.inconclusive_ratio):>8}{spread:>22}{f'{failed.mean:.1f} (p95 {failed.p95:.0f})':>20}"
            f"{percent(found.false_rollback_ratio[name]):>15}"
        )
    yield ""
    yield from histogram_lines(found.rollback_minutes)
    yield (
        f"False alarms: share of {found.healthy_runs:,} further releases that were rolled back although the new "
        "version was as good as the old one."
    )
    yield "Other tools' rules as they implement them, emulated on the same requests and the same delay of metrics."


def histogram_lines(minutes: tuple[float, ...]) -> Iterator[str]:
    """Minutes to rollback as bars of characters."""
    if not minutes:
        yield "No release was rolled back."
        return
    low, high = int(min(minutes)), int(max(minutes)) + 1
    width = max(1, -(-(high - low) // _BINS))
    counts: dict[int, int] = {}
    for value in minutes:
        counts[(int(value) - low) // width] = counts.get((int(value) - low) // width, 0) + 1
    most = max(counts.values())
    yield "Minutes to rollback:"
    for index in range(max(counts) + 1):
        count = counts.get(index, 0)
        start = low + index * width
        label = f"{start}" if width == 1 else f"{start}–{start + width - 1}"
        yield f"  {label:>7} {'█' * round(_BAR_CELLS * count / most)} {count}"


def comparison_report(found: Comparison) -> Report:
    """The comparison as a page."""
    rows = list(_rows(found))
    rolled = tuple(
        Bar(name, summary.rolled_back_ratio, None, percent(summary.rolled_back_ratio), emphasised=name == OURS)
        for name, summary in rows
    )
    most = max((summary.failed_requests.mean for _, summary in rows), default=0.0) or 1.0
    failed = tuple(
        Bar(
            name,
            summary.failed_requests.mean / most,
            None,
            f"{summary.failed_requests.mean:,.1f} on average",
            emphasised=name == OURS,
        )
        for name, summary in rows
    )
    longest = max((summary.minutes_to_rollback.mean for _, summary in rows), default=0.0) or 1.0
    minutes = tuple(
        Bar(
            name,
            summary.minutes_to_rollback.mean / longest,
            None,
            f"{summary.minutes_to_rollback.mean:.1f} min on average" if summary.rolled_back_ratio else "never",
            emphasised=name == OURS,
        )
        for name, summary in rows
    )
    false = tuple(
        Bar(name, ratio, None, percent(ratio), emphasised=name == OURS)
        for name, ratio in found.false_rollback_ratio.items()
    )
    chapter = Chapter(
        heading=f"{found.canary.runs:,} releases to {found.stage}",
        prose=scenario_text(found),
        bars=(
            _bars("Releases that were rolled back", rolled),
            _bars("Minutes until the rollback, where there was one", minutes),
            _bars("Requests that failed on the new version until the end", failed),
            _bars("False alarms: rollbacks of a version that is as good as the old one", false),
        ),
        code="\n".join(histogram_lines(found.rollback_minutes)),
    )
    return Report(
        title=f"What would a canary on {found.stage} do?",
        lead="The same release played many times in invented worlds, each rule in the same worlds.",
        chapters=(chapter,),
        footer=f"Seed {found.seed}. Rules of other tools as they implement them, emulated on counts per minute.",
    )


def scenario_text(found: Comparison) -> str:
    """What was assumed, in one sentence."""
    assumed = found.scenario
    left_out = f" Gates taken to be content: {', '.join(found.left_out)}." if found.left_out else ""
    begins = f" from minute {assumed.from_minute:g}" if assumed.from_minute else ""
    return (
        f"{found.canary.runs:,} releases to {found.stage} at {assumed.requests_per_s:g} requests a second: "
        f"{percent(assumed.candidate_errors)} fail on the new version{begins}, "
        f"{percent(assumed.baseline_errors)} on the old one.{left_out}"
    )


def _rows(found: Comparison) -> Iterator[tuple[str, Summary]]:
    yield OURS, found.canary
    yield from found.peers.items()


def _bars(title: str, bars: tuple[Bar, ...]) -> BarsView:
    return BarsView(title, "; ".join(f"{bar.label}: {bar.text}" for bar in bars), bars)
