"""The result of a simulation as lines, as bars and as data for programs; it must not simulate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from canary.core.words import Words, words_of
from canary.view.labels import percent
from canary.view.model import Bar, BarsView, Chapter, Report

if TYPE_CHECKING:
    from canary.simulator import Comparison, Scenario, Summary

_BINS = 12
_BAR_CELLS = 40


def comparison_data(found: Comparison) -> dict[str, object]:
    """The keys that programs read."""
    return {
        "stage": found.stage,
        "seed": found.seed,
        "scenario": found.scenario,
        **_data(found.summary),
        "left_out": found.left_out,
        "probes_per_minute": found.probes_per_minute,
        "is_refused": found.is_refused,
        "healthy": _data(found.healthy),
        "false_rollback_ratio": found.healthy.rolled_back_ratio,
    }


def _data(summary: Summary) -> dict[str, object]:
    return {
        "runs": summary.runs,
        "promoted_ratio": summary.promoted_ratio,
        "rolled_back_ratio": summary.rolled_back_ratio,
        "inconclusive_ratio": summary.inconclusive_ratio,
        "promoted_interval": summary.promoted_interval,
        "rolled_back_interval": summary.rolled_back_interval,
        "minutes_to_rollback": summary.minutes_to_rollback,
        "failed_requests": summary.failed_requests,
        "in_time_ratio": summary.in_time_ratio,
    }


def comparison_lines(found: Comparison) -> Iterator[str]:
    """The result as a table and a histogram of characters."""
    words = words_of(found.target)
    yield scenario_text(found)
    yield ""
    yield (
        f"{words.candidate.removeprefix('the '):<24}{'promoted':>20}{'rolled back':>20}{'inconclusive':>14}"
        f"{'minutes to rollback':>21}"
        f"{'failed requests':>18}"
    )
    for name, summary in _rows(found):
        minutes = summary.minutes_to_rollback
        failed = summary.failed_requests
        spread = f"{minutes.mean:.1f} (p95 {minutes.p95:.0f})" if summary.rolled_back_ratio else "–"
        yield (
            f"{name:<24}{_with_interval(summary.promoted_ratio, summary.promoted_interval):>20}"
            f"{_with_interval(summary.rolled_back_ratio, summary.rolled_back_interval):>20}"
            f"{percent(summary.inconclusive_ratio):>14}{spread:>21}{f'{failed.mean:.1f} (p95 {failed.p95:.0f})':>18}"
        )
    yield ""
    yield from histogram_lines(found.rollback_minutes, words.run)
    yield (
        f"False rollbacks: {_with_interval(found.healthy.rolled_back_ratio, found.healthy.rolled_back_interval)} of "
        f"{found.healthy.runs:,} further {words.run}s {words.harmless} (95 % intervals); "
        f"{percent(found.healthy.in_time_ratio)} of them are promoted without a hold."
    )
    if found.is_refused:
        yield f"`canary deploy` refuses such a {words.run} without --hotfix: {words.already_unhealthy}."


def _with_interval(ratio: float, interval: tuple[float, float]) -> str:
    """A share with its 95 % interval: "98 % (94–100 %)"."""
    return f"{percent(ratio)} ({100 * interval[0]:.3g}–{100 * interval[1]:.3g} %)"


def histogram_lines(minutes: tuple[float, ...], run: str = "release") -> Iterator[str]:
    """Minutes to rollback as bars of characters."""
    if not minutes:
        yield f"No {run} was rolled back."
        return
    bins = list(_bins(minutes))
    most = max(count for _, count in bins)
    yield "Minutes to rollback:"
    for label, count in bins:
        yield f"  {label:>7} {'█' * round(_BAR_CELLS * count / most)} {count}"


def _bins(minutes: tuple[float, ...]) -> Iterator[tuple[str, int]]:
    """How many releases were rolled back in each span of minutes."""
    if not minutes:
        return
    low, high = int(min(minutes)), int(max(minutes)) + 1
    width = max(1, -(-(high - low) // _BINS))
    counts: dict[int, int] = {}
    for value in minutes:
        counts[(int(value) - low) // width] = counts.get((int(value) - low) // width, 0) + 1
    for index in range(max(counts) + 1):
        start = low + index * width
        yield f"{start}" if width == 1 else f"{start}–{start + width - 1}", counts.get(index, 0)


def _histogram(minutes: tuple[float, ...], run: str) -> Iterator[BarsView]:
    """Minutes to rollback as drawn bars; nothing without a rollback."""
    bins = list(_bins(minutes))
    most = max((count for _, count in bins), default=1)
    bars = tuple(Bar(f"{label} min", count / most, None, f"{count:,} {run}s") for label, count in bins)
    if bars:
        yield _bars("Minutes to rollback", bars)


def comparison_report(found: Comparison) -> Report:
    """The result as a page."""
    rows, words = list(_rows(found)), words_of(found.target)
    most = max((summary.failed_requests.mean for _, summary in rows), default=0.0) or 1.0
    ends = tuple(
        Bar(f"{name}: {label}", ratio, None, percent(ratio), emphasised=label == "rolled back")
        for name, summary in rows
        for label, ratio in (
            ("promoted", summary.promoted_ratio),
            ("rolled back", summary.rolled_back_ratio),
            ("inconclusive", summary.inconclusive_ratio),
        )
    )
    failed = tuple(
        Bar(name, summary.failed_requests.mean / most, None, f"{summary.failed_requests.mean:,.1f} on average")
        for name, summary in rows
    )
    chapter = Chapter(
        heading=f"{found.summary.runs:,} {words.run}s {words.of_stage} {found.stage}",
        prose=scenario_text(found),
        bars=(
            _bars(f"How the {words.run}s ended", ends),
            _bars(f"Failed requests {words.at_candidate}", failed),
            *_histogram(found.rollback_minutes, words.run),
        ),
    )
    return Report(
        title=f"Simulated canary {words.run}s {words.of_stage} {found.stage}",
        lead=f"The same {words.run}, simulated many times with synthetic {words.synthetic}.",
        chapters=(chapter,),
        footer=f"Seed {found.seed}.",
    )


def scenario_text(found: Comparison) -> str:
    """The assumptions in one sentence."""
    assumed = found.scenario
    left_out = f" Gates without synthetic data, left out: {', '.join(found.left_out)}." if found.left_out else ""
    probes = f"; {found.probes_per_minute:,} pairs of probes per minute" if found.probes_per_minute else ""
    words = words_of(found.target)
    begins = f" from minute {assumed.from_minute:g}" if assumed.from_minute else ""
    return (
        f"{found.summary.runs:,} {words.run}s {words.of_stage} {found.stage} "
        f"at {assumed.requests_per_s:g} requests per second: "
        f"{100 * assumed.candidate_errors:.6g} % fail {words.at_candidate}{begins}, "
        f"{100 * assumed.baseline_errors:.6g} % {words.at_rest}"
        f"{_bursts(assumed, words)}{probes}{_users(assumed)}.{left_out}"
    )


def _users(assumed: Scenario) -> str:
    users = assumed.users
    if users is None:
        return ""
    return f"; {users.number:,} users may come, {percent(users.broken)} of them broken with and without the variant"


def _bursts(assumed: Scenario, words: Words) -> str:
    bursts = (
        ("an outage two hours before", assumed.history_outage),
        (f"an outage of {words.both}", assumed.shared_outage),
        ("cold starts after each step", assumed.cold_start),
    )
    return "".join(
        f"; {name} ({burst.minutes:g} min at {percent(burst.failing)})" for name, burst in bursts if burst is not None
    )


def _rows(found: Comparison) -> Iterator[tuple[str, Summary]]:
    yield "as described", found.summary
    yield words_of(found.target).as_good, found.healthy


def _bars(title: str, bars: tuple[Bar, ...]) -> BarsView:
    return BarsView(title, "; ".join(f"{bar.label}: {bar.text}" for bar in bars), bars)
