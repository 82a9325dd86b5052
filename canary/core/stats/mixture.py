"""From log factors per minute and alternative to one e-process (statistics.md §4.6, §4.9). Arithmetic only.

An e-process is a nonnegative process that starts at 1 and is expected never to grow while its null hypothesis is
true; it ever reaches 1/alpha with probability at most alpha (J. Ville, "Étude critique de la notion de collectif",
1939; A. Ramdas, P. Grünwald, V. Vovk and G. Shafer, "Game-theoretic statistics and safe anytime-valid inference",
Statistical Science, 2023). A weighted mean of e-processes is one again: that is how onsets, alternatives and gates are
combined here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import add, mul, sub

Factors = Sequence[float] | None
"""Log factors of one minute, one per alternative; None is a minute without evidence (all 0)."""

_FIRST = 0.75
_WITHIN = 0.9
_LARGE = 1e200
_SMALL = 1e-200
_LOWEST_LN = -745.0
"""ln of the smallest float: below it a process is 0 for every purpose."""


def ln(value: float) -> float:
    """Natural logarithm that takes 0: the result is never below -745 and never NaN."""
    return math.log(value) if value > 0.0 else _LOWEST_LN


@lru_cache(maxsize=4096)
def onset_weight(minute: int, horizon: int) -> float:
    """w_t: the share of the mixture that bets on a regression beginning in this minute (1 is the first).

    0.9 of the stake lies within the horizon, three quarters of it on the first minute; the rest is spread over later
    blocks of `horizon` minutes as 1/((k-1) k), which sums to 1: a bet on a late onset never runs out (statistics.md
    §4.6).
    """
    if minute <= horizon:
        if minute == 1:
            return _WITHIN * (1.0 if horizon == 1 else _FIRST)
        return _WITHIN * (1.0 - _FIRST) / (horizon - 1)
    block = (minute - 1) // horizon + 1
    return (1.0 - _WITHIN) / ((block - 1) * block * horizon)


@lru_cache(maxsize=4096)
def unspent_weight(minute: int, horizon: int) -> float:
    """u_t: the share that still waits for a later onset."""
    if minute <= horizon:
        within = _WITHIN * (1.0 - _FIRST) * (horizon - minute) / (horizon - 1) if horizon > 1 else 0.0
        return within + (1.0 - _WITHIN)
    whole, part = divmod(minute, horizon)
    return (1.0 - _WITHIN) * (1.0 / whole - part / (whole * (whole + 1) * horizon))


def _exponentials(logs: Sequence[float], scale: float) -> tuple[list[float], float]:
    """Exp of the log factors, and the scale after what would overflow has gone into it."""
    top = max(logs)
    if top <= 300.0:
        return list(map(math.exp, logs)), scale
    return [math.exp(value - top) for value in logs], scale + top


def restart_path(
    minutes: Iterable[Factors],
    weights: Sequence[float],
    horizon: int,
    ceilings: Iterable[float] = itertools.repeat(math.inf),
) -> tuple[float, ...]:
    """Ln E_t after every minute of the restart mixture.

    A_i(t) = (A_i(t-1) + w_t) exp(l_i(t)) is kept as a_i exp(scale) with scale >= 0. Small numbers may vanish: next to
    w_t they don't count. Only onsets inside a stretch where E exceeds 1e200 can be lost, which makes E smaller, hence
    the statement stays valid.

    Args:
        minutes: log factors per minute, oldest first.
        weights: the alternatives' weights, sum 1.
        horizon: planned minutes H, fixed for the run.
        ceilings: ln of what E may be at most after each minute; what is above is given up, which keeps an e-process.
    """
    state = [0.0] * len(weights)
    scale = 0.0
    path: list[float] = []
    for minute, (logs, ceiling) in enumerate(zip(minutes, ceilings, strict=False), start=1):
        onset = onset_weight(minute, horizon) * math.exp(-scale)
        if logs is None:
            state = [value + onset for value in state]
        else:
            factors, scale = _exponentials(logs, scale)
            state = [(value + onset) * factor for value, factor in zip(state, factors, strict=True)]
        total = sum(map(mul, weights, state))
        if total == 0.0:
            scale = 0.0  # all that was above is lost, which makes E smaller
        elif total > _LARGE or (scale > 0.0 and total < _SMALL):
            # exp(700) is the largest that fits: a larger shift takes more than one minute.
            shift = max(math.log(total), -scale, -700.0)
            state = [value * math.exp(-shift) for value in state]
            total *= math.exp(-shift)
            scale += shift
        excess = scale + ln(total) - ceiling
        if excess > 0.0:
            state = [value * math.exp(-excess) for value in state]
            total *= math.exp(-excess)
        path.append(scale + ln(total + unspent_weight(minute, horizon) * math.exp(-scale)))
    return tuple(path)


def ln_sum_exp(values: Sequence[float]) -> float:
    """Ln of the sum of exponentials, without overflow."""
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def mean_path(paths: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Ln of the mean of e-values, minute by minute; empty when there is no path (statistics.md §4.9).

    Valid under any dependence between the streams, and never weaker than Bonferroni.
    """
    if len(paths) == 1:
        return tuple(paths[0])
    count = math.log(len(paths)) if paths else 0.0
    tops = list(map(max, *paths)) if paths else []
    sums = [0.0] * len(tops)
    for path in paths:
        sums = list(map(add, sums, map(math.exp, map(sub, path, tops))))
    return tuple(top + math.log(value) - count for top, value in zip(tops, sums, strict=True))


def first_crossing(path: Sequence[float], ln_bound: float) -> int | None:
    """Index of the first minute at which the process has reached the bound; None when it never has."""
    return next((index for index, value in enumerate(path) if value >= ln_bound), None)
