"""A shared incident: both versions break the limit (statistics.md §3.9, §4.14). Finds it; decides no policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canary.core.stats.grids import FALLING
from canary.core.stats.mixture import first_crossing, mean_path, restart_path
from canary.core.verdict.scoring import Path, Score

WINDOW = 2
"""Minutes whose pooled rates say whether a limit is still broken; the minute of the crossing soon drops out."""


LEAST_FAILURES = 2
"""One failed request of the new version in such a window is no limit broken, however few requests there are."""


@dataclass(frozen=True, slots=True)
class Incident:
    """The incident that is under way, or what past ones left behind.

    Attributes:
        began: index of the minute in which the literal rule fired; None when none is under way.
        above: whether the limit is still broken; None when the latest minutes don't tell.
        persisted: index of the first minute in which it was still broken after the grace; None when it wasn't.
        recovered: index after the last incident that passed; evidence for health starts anew there.
        hot: the streams that broke their limit.
    """

    began: int | None = None
    above: bool | None = None
    persisted: int | None = None
    recovered: int = 0
    hot: tuple[Score, ...] = ()


def _is_above(score: Score, minute: int) -> bool | None:
    """Whether a stream still breaks its limit: both versions together (there is more to count), and the candidate.

    None when only one of them does, or too little was counted.
    """
    window = score.counts[max(0, minute - WINDOW + 1) : minute + 1]
    n_c, x_c = sum(m.n_c for m in window), sum(m.x_c for m in window)
    requests, bad = n_c + sum(m.n_b for m in window), x_c + sum(m.x_b for m in window)
    if requests == 0:
        return None
    if bad <= score.limit * requests:
        return False
    return True if x_c >= LEAST_FAILURES and x_c > score.limit * n_c else None


def _any_above(hot: Sequence[Score], minute: int) -> bool | None:
    answers = [_is_above(score, minute) for score in hot]
    if True in answers:
        return True
    return None if None in answers else False


def _fresh_paths(scores: Sequence[Score], begin: int, horizon: int) -> list[Path]:
    if begin == 0:
        return [score.processes.literal or () for score in scores]
    return [
        restart_path(score.processes.absolute[begin:], FALLING, horizon)
        if score.processes.absolute
        else (score.processes.literal or ())[: len(score.counts) - begin]
        for score in scores
    ]


def find_incident(scores: Sequence[Score], ln_bound: float, grace_minutes: int | None, horizon: int) -> Incident:
    """Walk through the minutes for the incident that is under way.

    One begins where the mean of the literal processes reaches the bound, and is over in the first minute whose window
    is back within the limit. After that the literal processes start again.

    Args:
        scores: streams with a literal process.
        ln_bound: ln of the bound.
        grace_minutes: minutes after the beginning from which a limit still broken counts as persisting; 0 for at once,
            None for never.
        horizon: H.
    """
    count = len(scores[0].counts) if scores else 0
    begin = 0
    while begin < count:
        paths = _fresh_paths(scores, begin, horizon)
        crossing = first_crossing(mean_path(paths), ln_bound)
        if crossing is None:
            break
        began = begin + crossing
        values = [path[crossing] for path in paths]
        # At least one stream reaches the mean, and with it the bound.
        hot = tuple(score for score, value in zip(scores, values, strict=True) if value >= min(ln_bound, max(values)))
        above: bool | None = True
        persisted: int | None = began if grace_minutes == 0 else None
        for minute in range(began + 1, count):
            above = _any_above(hot, minute)
            if above is False:
                break
            if above and persisted is None and grace_minutes is not None and minute - began >= grace_minutes:
                persisted = minute
        if above is not False:
            return Incident(began, above, persisted, begin, hot)
        if persisted is not None:  # an outage that outlasted the grace stays on record, whenever a tick looks
            return Incident(None, False, persisted, minute, hot)
        begin = minute + 1
    return Incident(recovered=begin)
