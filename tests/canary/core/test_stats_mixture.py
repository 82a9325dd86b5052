"""The restart mixture (statistics.md §4.6), the mean of streams (§4.9) and alpha-spending (§4.11)."""

from __future__ import annotations

import math
from random import Random

import pytest

from canary.core.stats import grids
from canary.core.stats.mixture import (
    ln,
    ln_sum_exp,
    mean_path,
    onset_weight,
    restart_path,
    unspent_weight,
)

H = 30


@pytest.mark.parametrize("horizon", [1, 2, 7, 67])
def test_onset_weights_sum_to_one_and_never_run_out(horizon: int) -> None:
    """J2: what began after the horizon got no weight, and took 25 minutes to find at minute 300."""
    spent = 0.0
    for minute in range(1, 20 * horizon):
        spent += onset_weight(minute, horizon)
        assert onset_weight(minute, horizon) > 0
        assert unspent_weight(minute, horizon) == pytest.approx(1 - spent)
    assert onset_weight(1, 7) == pytest.approx(0.675)
    assert onset_weight(1, 1) == pytest.approx(0.9)


def _by_log_sum_exp(minutes: list[list[float]], weights: tuple[float, ...], horizon: int) -> list[float]:
    """§4.6 as it is written, in logs: slow and plain."""
    state = [-math.inf] * len(weights)
    path = []
    for t, factors in enumerate(minutes, start=1):
        w = onset_weight(t, horizon)
        onset = math.log(w) if w else -math.inf
        grown = [max(a, onset) + math.log1p(math.exp(-abs(a - onset))) if onset > -math.inf else a for a in state]
        state = [a + factor for a, factor in zip(grown, factors, strict=True)]
        terms = [math.log(pi) + a for pi, a in zip(weights, state, strict=True)]
        unspent = unspent_weight(t, horizon)
        path.append(ln_sum_exp([*terms, math.log(unspent)] if unspent else terms))
    return path


def test_the_fast_mixture_is_the_one_of_the_specification() -> None:
    random = Random(7)
    for horizon in (1, 5, 40):
        minutes = [[random.gauss(0, 3) for _ in grids.FALLING] for _ in range(12)]
        fast = restart_path(minutes, grids.FALLING, horizon)
        assert fast == pytest.approx(_by_log_sum_exp(minutes, grids.FALLING, horizon), rel=1e-9)


def test_evidence_beyond_floats_stays_exact() -> None:
    minutes = [[900.0] * 24, [800.0] * 24, [-400.0] * 24]
    assert restart_path(minutes, grids.EQUAL, H) == pytest.approx(_by_log_sum_exp(minutes, grids.EQUAL, H), rel=1e-9)


def test_evidence_that_collapses_starts_again_from_what_is_unspent() -> None:
    path = restart_path([[900.0] * 24, [-1e6] * 24, [1.0] * 24], grids.EQUAL, H)
    assert path[0] == pytest.approx(900 + math.log(0.675))
    assert path[1] == pytest.approx(math.log(unspent_weight(2, H)))
    assert path[2] > path[1]


def test_the_mean_of_streams_is_never_weaker_than_bonferroni() -> None:
    quiet, loud = (0.0, -1.0), (0.0, 9.0)
    mean = mean_path([quiet, quiet, loud])
    assert mean[1] >= 9.0 - math.log(3)
    assert mean_path([loud]) == loud
    assert mean_path([]) == ()


def test_logarithms_of_nothing_are_finite() -> None:
    assert ln(0.0) == -745.0
