"""The processes that can roll a canary back (statistics.md §4.3-4.6), as log factors per minute. Arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from canary.core.stats.grids import EQUAL, FALLING, binomial_above, ratios
from canary.core.stats.mixture import Factors, restart_path


class Counts(NamedTuple):
    """One scored minute: requests and bad ones of canary and base, and what the evidence is divided by (§4.7)."""

    n_c: int
    x_c: int
    n_b: int = 0
    x_b: int = 0
    d_a: float = 1.0
    d_r: float = 1.0


def absolute_factors(minutes: Sequence[Counts], limit: float) -> list[Factors]:
    """LA_i: the canary against "its failure probability is at most `limit`"."""
    grid = binomial_above(limit)
    alternatives = tuple(zip(grid.bad, grid.good, strict=True))
    factors: list[Factors] = []
    for n_c, x_c, _, _, d_a, _ in minutes:
        if n_c == 0:
            factors.append(None)
            continue
        bad, good = x_c / d_a, (n_c - x_c) / d_a
        factors.append([bad * ln_bad + good * ln_good for ln_bad, ln_good in alternatives])
    return factors


@lru_cache(maxsize=64)
def _ratio_grid(kappa: float) -> tuple[tuple[float, float], ...]:
    return tuple((ratio, math.log(ratio / kappa)) for ratio in ratios(kappa))


def ratio_factors(minutes: Sequence[Counts], kappa: float) -> list[Factors]:
    """LR_i: the canary against "it fails at most `kappa` times as often as the base in the same minute".

    Uses the observed counts, never the nominal weight. Holds for counts of events too (x may exceed n), since the
    bound in §4.4 is an equality for Poisson counts.
    """
    grid = _ratio_grid(kappa)
    factors: list[Factors] = []
    for n_c, x_c, n_b, x_b, _, d_r in minutes:
        if n_c == 0 or n_b == 0:
            factors.append(None)
            continue
        canary, both = x_c / d_r, (x_c + x_b) / d_r
        ln_null = math.log(kappa * n_c + n_b)
        factors.append([canary * ln_ratio + both * (ln_null - math.log(r * n_c + n_b)) for r, ln_ratio in grid])
    return factors


def attributed_factors(
    absolute: Sequence[Factors], ratio: Sequence[Factors], *, absolute_when_silent: bool = False
) -> list[Factors]:
    """LM_i = min(LA_i, LR_i): an outage of both versions is forgiven, a canary bad on its own is not (§4.5).

    Args:
        absolute: log factors of the absolute process.
        ratio: log factors of the ratio process; None marks a minute in which one version was silent.
        absolute_when_silent: take LA_i where the base is silent, instead of min(LA_i, 0). Which minutes are silent is
            known before their outcomes, so the process stays valid for "in every minute p_c <= limit, or the base had
            traffic and p_c <= kappa p_b". It is what §4.5 asks for such minutes and after 100 %.
    """
    factors: list[Factors] = []
    for own, relative in zip(absolute, ratio, strict=True):
        if own is None or (relative is None and absolute_when_silent):
            factors.append(own)
        elif relative is None:
            factors.append([min(value, 0.0) for value in own])
        else:
            factors.append(list(map(min, own, relative)))
    return factors


def absolute_path(minutes: Sequence[Counts], limit: float, horizon: int) -> tuple[float, ...]:
    """Ln E of the absolute process after every minute (§4.3); with `limit` = floor, of the floor process (§4.4)."""
    return restart_path(absolute_factors(minutes, limit), FALLING, horizon)


def ratio_path(minutes: Sequence[Counts], kappa: float, horizon: int) -> tuple[float, ...]:
    """Ln E of the ratio process after every minute (§4.4)."""
    return restart_path(ratio_factors(minutes, kappa), EQUAL, horizon)


def swap(minutes: Sequence[Counts]) -> tuple[Counts, ...]:
    """Canary and base in exchanged roles: "less is worse" becomes "the base has too much more"."""
    return tuple(Counts(n_b, x_b, n_c, x_c, d_a, d_r) for n_c, x_c, n_b, x_b, d_a, d_r in minutes)


def relative_crossing(ratio: Sequence[float], floor: Sequence[float], ln_bound: float) -> int | None:
    """First minute by which ratio and floor process have both reached the bound, each at its own time (§4.4)."""
    seen_ratio = seen_floor = False
    for index, (by_ratio, by_floor) in enumerate(zip(ratio, floor, strict=True)):
        seen_ratio |= by_ratio >= ln_bound
        seen_floor |= by_floor >= ln_bound
        if seen_ratio and seen_floor:
            return index
    return None
