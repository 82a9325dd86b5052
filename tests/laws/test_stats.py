"""Laws of the processes: for any counts, and on average under their null hypotheses."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.stats.bounds import interval
from canary.core.stats.dispersion import estimate_dispersion, temper_absolute, temper_ratio
from canary.core.stats.processes import Counts, absolute_path, not_worse_ln_e, ratio_path, regression_path
from canary.core.stats.safe import safe_ln_e
from canary.core.stats.share import share_ln_e

H = 40


@st.composite
def counts(draw: st.DrawFn, largest: int = 10**7) -> Counts:
    n_c = draw(st.integers(0, largest))
    n_b = draw(st.integers(0, largest))
    tempers = st.floats(1.0, 100.0)
    return Counts(n_c, draw(st.integers(0, n_c)), n_b, draw(st.integers(0, n_b)), draw(tempers), draw(tempers))


minutes = st.lists(counts(), min_size=1, max_size=12)
limits = st.floats(0.001, 0.9)


@settings(deadline=None)
@given(minutes, limits, st.floats(1.0, 20.0), st.integers(1, 100))
def test_no_counts_break_a_process(rows: list[Counts], limit: float, kappa: float, horizon: int) -> None:
    for path in (
        absolute_path(rows, limit, horizon),
        ratio_path(rows, kappa, horizon),
        regression_path(rows, limit, kappa, horizon),
        regression_path(rows, limit, kappa, horizon, [math.log(5)] * len(rows)),
    ):
        assert len(path) == len(rows)
        assert all(math.isfinite(value) for value in path)
    assert math.isfinite(not_worse_ln_e(rows, kappa + 0.2))


@settings(deadline=None)
@given(st.lists(counts(2000), min_size=1, max_size=8), limits)
def test_a_ceiling_only_ever_takes_evidence_away(rows: list[Counts], limit: float) -> None:
    free = regression_path(rows, limit, 1.1, H)
    ceilings = [math.log(5)] * 3 + [math.inf] * len(rows)
    limited = regression_path(rows, limit, 1.1, H, ceilings)
    assert all(mine <= other + 1e-6 for mine, other in zip(limited, free, strict=True))
    assert all(value <= math.log(6) for value in limited[:3])


@settings(deadline=None)
@given(st.lists(counts(2000), min_size=1, max_size=8), limits, st.integers(0, 7))
def test_one_more_bad_request_never_weakens_the_evidence(rows: list[Counts], limit: float, at: int) -> None:
    index = at % len(rows)
    row = rows[index]
    if row.x_c == row.n_c:
        return
    worse = [*rows[:index], row._replace(x_c=row.x_c + 1), *rows[index + 1 :]]
    assert absolute_path(worse, limit, H)[-1] >= absolute_path(rows, limit, H)[-1] - 1e-9
    assert regression_path(worse, limit, 1.1, H)[-1] >= regression_path(rows, limit, 1.1, H)[-1] - 1e-6
    assert ratio_path(worse, 1.5, H)[-1] >= ratio_path(rows, 1.5, H)[-1] - 1e-9


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1, 50))
def test_tempering_never_speeds_a_decision(requests: int, share: float, dispersion: float) -> None:
    """Above 1 evidence is only ever divided: LR^(1/d) of a mixture is at least the mixture of LR^(1/d)."""
    bad = round(requests * share)
    plain = absolute_path([Counts(requests, bad)], 0.05, 1)[-1]
    tempered = absolute_path([Counts(requests, bad, d_a=dispersion)], 0.05, 1)[-1]
    assert tempered <= max(plain / dispersion, 0.0) + 1e-6
    assert safe_ln_e(0.05, requests, bad, dispersion) <= max(safe_ln_e(0.05, requests, bad) / dispersion, 0.0) + 1e-6


@settings(deadline=None)
@given(st.integers(0, 10**5), st.floats(0, 1), st.sampled_from([0.005, 0.05]))
def test_the_interval_holds_the_observed_rate(requests: int, share: float, alpha: float) -> None:
    bad = round(requests * share)
    found = interval(requests, bad, alpha)
    assert 0.0 <= found.lower <= found.upper <= 1.0
    if requests:
        assert found.lower <= bad / requests + 1e-9
        assert found.upper >= bad / requests - 1e-9


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=70))
def test_dispersion_is_never_below_binomial(rows: list[tuple[int, float]]) -> None:
    found = estimate_dispersion((n, round(n * share)) for n, share in rows)
    assert found.phi >= 1.0
    assert 0.0 <= found.rho <= 1.0
    assert temper_absolute(found, 100, 1.0) >= 1.0
    assert temper_ratio(found, 100, 900, 1.0) >= 1.0


@settings(deadline=None)
@given(st.floats(0.001, 0.999), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_share_check_takes_any_counts(weight: float, n_c: int, n_b: int) -> None:
    assert math.isfinite(share_ln_e(weight, n_c, n_b))


def _mean_and_crossings(scenario: Callable[[Random], float], runs: int) -> tuple[float, float]:
    random = Random(11)
    values = [scenario(random) for _ in range(runs)]
    return math.fsum(map(math.exp, values)) / runs, sum(value >= math.log(20) for value in values) / runs


def _binomial(random: Random, n: int, p: float) -> int:
    return sum(random.random() < p for _ in range(n))


def _regression_null(random: Random) -> float:
    """Each block (60 requests at 5 %) has one null: the rate is at the limit, or the baseline fails nearly as much."""
    rows = []
    for _ in range(3):
        shared = random.random() < 0.5
        p_c, p_b = (0.33, 0.3) if shared else (0.05, 0.001)
        rows += [Counts(20, _binomial(random, 20, p_c), 60, _binomial(random, 60, p_b)) for _ in range(3)]
    return regression_path(rows, 0.05, 1.1, 9)[-1]


def _not_worse_null(random: Random) -> float:
    rows = [Counts(20, _binomial(random, 20, 0.25), 60, _binomial(random, 60, 0.1)) for _ in range(6)]
    return not_worse_ln_e(rows, 2.5)


def _absolute_null(random: Random) -> float:
    return absolute_path([Counts(20, _binomial(random, 20, 0.05)) for _ in range(6)], 0.05, 6)[-1]


def _ratio_null(random: Random) -> float:
    rows = [Counts(20, _binomial(random, 20, 0.15), 60, _binomial(random, 60, 0.1)) for _ in range(6)]
    return ratio_path(rows, 1.5, 6)[-1]


def _safe_null(random: Random) -> float:
    return safe_ln_e(0.05, 120, _binomial(random, 120, 0.05))


def _share_null(random: Random) -> float:
    n_c = _binomial(random, 200, 0.1)
    return share_ln_e(0.1, n_c, 200 - n_c)


@pytest.mark.parametrize(
    "scenario", [_regression_null, _not_worse_null, _absolute_null, _ratio_null, _safe_null, _share_null]
)
def test_under_its_null_a_process_is_1_on_average(scenario: Callable[[Random], float]) -> None:
    """E[E_t] <= 1, and by Ville's inequality a bound of 20 is met in at most 5 % of runs (Monte-Carlo, seeded)."""
    mean, crossed = _mean_and_crossings(scenario, 1500)
    assert mean <= 1.25
    assert crossed <= 0.05
