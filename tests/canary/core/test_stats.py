"""The processes, against the check values of statistics.md §4.16 and the formulas of its section 4."""

from __future__ import annotations

import math

import pytest

from canary.core.stats import dispersion, grids
from canary.core.stats.bounds import interval
from canary.core.stats.dispersion import NOTHING_KNOWN, Dispersion, estimate_dispersion, temper_absolute, temper_ratio
from canary.core.stats.mixture import restart_path
from canary.core.stats.processes import (
    Counts,
    absolute_factors,
    absolute_path,
    not_worse_ln_e,
    ratio_path,
    regression_path,
    swap,
)
from canary.core.stats.safe import clean_requests_needed, requests_needed, safe_ln_e
from canary.core.stats.share import share_ln_e, share_over_steps
from tests.canary.core import naive_processes as naive

H = 30
FIVE_MINUTES = ((60, 1, 540, 6), (60, 0, 540, 4), (60, 5, 540, 5), (60, 7, 540, 6), (60, 8, 540, 5))
OUTAGE = [Counts(60, 18, 540, 162)] * 2


def test_the_grids_are_those_of_the_specification() -> None:
    assert grids.above(0.05)[:3] == pytest.approx((0.05763, 0.07560, 0.09859), abs=5e-6)
    assert grids.above(0.05)[-1] == pytest.approx(0.98)
    assert grids.ratios(1.5)[:3] == pytest.approx((1.7428, 2.0326, 2.3707), abs=5e-5)
    assert grids.ratios(1.5)[-1] == pytest.approx(60)
    assert grids.FALLING[:3] == pytest.approx((0.12366, 0.10913, 0.09631), abs=5e-6)
    assert grids.FALLING[-1] == pytest.approx(0.00698, abs=5e-6)
    assert math.fsum(grids.FALLING) == pytest.approx(1)
    assert grids.below(0.05)[0] == pytest.approx(0.0001)
    assert grids.logit(grids.below(0.05)[-1]) == pytest.approx(grids.logit(0.05) - 0.15)


@pytest.mark.parametrize(
    ("grid", "limit"),
    [
        (grids.above, 0.9769),
        (grids.above, 0.0),
        (grids.above, 1.0),
        (grids.below, 0.000116),
        (grids.below, 0.0),
        (grids.below, 1.0),
        (grids.ratios, 51.65),
        (grids.ratios, 0.0),
        (grids.above, math.nan),
    ],
)
def test_a_limit_without_alternatives_is_refused(grid: object, limit: float) -> None:
    assert callable(grid)
    with pytest.raises(ValueError, match="limit"):
        grid(limit)


def test_limits_just_inside_the_range_have_alternatives() -> None:
    assert grids.above(0.976)[0] < grids.above(0.976)[-1]
    assert grids.below(0.000117)[0] <= grids.below(0.000117)[-1]
    assert grids.ratios(51.6)[0] < grids.ratios(51.6)[-1]


MINUTES = [Counts(*row) for row in FIVE_MINUTES]
TEMPERED = [Counts(*row, 2.0, 1.5) for row in FIVE_MINUTES]
QUIET = [Counts(6, x, 54, 1) for x in (0, 0, 1, 0, 2, 0, 1, 1, 0, 3, 2, 1, 0, 2)]


@pytest.mark.parametrize(
    "minutes", [MINUTES, TEMPERED, QUIET, [*MINUTES, *QUIET], [Counts(0, 0), *MINUTES, Counts(9, 1)]]
)
@pytest.mark.parametrize("horizon", [1, 4, 30])
def test_each_process_is_the_one_of_the_specification(minutes: list[Counts], horizon: int) -> None:
    weights = naive.falling(3, 24)
    expected = naive.path(minutes, naive.absolute(0.05), weights, horizon)
    assert absolute_path(minutes, 0.05, horizon) == pytest.approx(expected, abs=1e-9)
    expected = naive.path(minutes, naive.ratio(1.5), [1 / 24] * 24, horizon)
    assert ratio_path(minutes, 1.5, horizon) == pytest.approx(expected, abs=1e-9)
    for limit in (0.05, 0.002):
        expected = naive.regression(minutes, limit, 1.1, horizon)
        found = regression_path(minutes, limit, 1.1, horizon)
        # The observed share is rounded up by at most 1.6 %, which makes E smaller.
        assert all(mine <= other + 1e-9 for mine, other in zip(found, expected, strict=True))
        assert found == pytest.approx(expected, abs=0.03, rel=0.05)


@pytest.mark.parametrize(
    ("requests", "bad", "evidence"), [(3, 3, 717), (6, 3, 29.1), (6, 4, 581), (60, 10, 37.9), (60, 12, 574)]
)
def test_the_absolute_process_after_one_minute(requests: int, bad: int, evidence: float) -> None:
    (ln_e,) = absolute_path([Counts(requests, bad)], 0.05, H)
    assert float(f"{math.exp(ln_e):.3g}") == evidence


TABLE = (
    (-0.882209, -0.644553, -0.896096, -0.517954),
    (-1.023113, -0.835050, -1.075917, -0.802393),
    (-0.989912, 0.276730, -1.042279, 0.100028),
    (-0.760304, 4.437067, -0.723395, 4.182284),
    (0.309399, 11.194163, 0.701884, 11.630965),
)


def test_five_minutes_give_the_check_values() -> None:
    columns = (
        absolute_path(MINUTES, 0.05, H),
        ratio_path(MINUTES, 1.5, H),
        regression_path(MINUTES, 0.05, 1.1, H),
        regression_path(MINUTES, 0.018, 1.1, H),
    )
    for computed, printed in zip(zip(*columns, strict=True), TABLE, strict=True):
        assert computed == pytest.approx(printed, abs=5.1e-7)


def test_65_clean_requests_are_healthy_and_64_are_not() -> None:
    assert math.exp(safe_ln_e(0.05, 64, 0)) == pytest.approx(19.25, abs=0.005)
    assert math.exp(safe_ln_e(0.05, 65, 0)) == pytest.approx(20.20, abs=0.005)
    assert clean_requests_needed(0.05, 0.05) == 65


def test_a_shared_outage_is_explained_by_the_baseline() -> None:
    assert absolute_path(OUTAGE, 0.05, H)[-1] > 30
    assert max(regression_path(OUTAGE, 0.018, 1.1, H)) < 0


def test_a_silent_baseline_leaves_no_evidence_of_a_regression() -> None:
    assert max(regression_path([Counts(60, 18)] * 12, 0.05, 1.1, H)) <= 1e-12
    assert absolute_path([Counts(60, 18)] * 2, 0.05, H)[-1] > 10


def test_an_outage_gives_no_credit_to_a_small_difference_below_the_limit() -> None:
    """J6: the outage breaks the limit, the rest is below it; no block has both (0.3 % against 0.1 % at 200 rps)."""
    minutes = (
        [Counts(1200, 4, 10800, 11)] * 10 + [Counts(1200, 360, 10800, 3240)] * 2 + [Counts(1200, 4, 10800, 11)] * 10
    )
    assert max(regression_path(minutes, 0.01, 1.1, H)) < 0


def test_evidence_of_a_warm_up_is_limited_and_what_follows_counts_from_there() -> None:
    bad = [Counts(60, 12, 540, 5)] * 6
    limited = regression_path(bad, 0.05, 1.1, H, [math.log(5)] * 2 + [math.inf] * 4)
    free = regression_path(bad, 0.05, 1.1, H)
    assert limited[1] <= math.log(6) < free[0]
    assert math.log(100) < limited[3] < free[3]
    literal = restart_path(absolute_factors(bad, 0.05), grids.FALLING, H, [math.log(5)] * 2 + [math.inf] * 4)
    assert literal[1] <= math.log(6) < literal[2]


def test_regressions_of_any_size_and_traffic_stay_within_floats() -> None:
    for n in (10**3, 10**6, 10**8):
        path = regression_path(
            [Counts(n, n, n, 0)] * 3 + [Counts(n, 0, n, n)] * 5 + [Counts(n, n // 2, n, 0)] * 2, 0.05, 1.1, H
        )
        assert all(math.isfinite(value) for value in path)
        assert path[2] > 100


def test_not_worse_than_the_baseline_is_shown_for_equal_rates_only() -> None:
    equal, double, triple = ([Counts(300, x, 300, 12)] * 10 for x in (12, 24, 36))
    assert not_worse_ln_e(equal, 2.5) > math.log(20)
    assert not_worse_ln_e(double, 2.5) < math.log(20)
    assert not_worse_ln_e(triple, 2.5) < 0
    assert not_worse_ln_e([Counts(300, 12), Counts(0, 0, 300, 12)], 2.5) == pytest.approx(0)
    assert not_worse_ln_e([], 2.5) == pytest.approx(0)
    with pytest.raises(ValueError, match="not_worse_than"):
        not_worse_ln_e(equal, 1.1)


def test_bounds_are_where_the_processes_reach_the_bound() -> None:
    """The printed values are met within a tenth of a point: the bound itself is exact (E = 20 there)."""
    for (requests, bad), (lower, upper) in {(60, 6): (2.3, 26.3), (600, 12): (0.71, 4.39), (65, 0): (0, 4.98)}.items():
        found = interval(requests, bad, 0.05)
        assert 100 * found.lower == pytest.approx(lower, abs=0.05)
        assert 100 * found.upper == pytest.approx(upper, abs=0.1)
        assert math.exp(safe_ln_e(found.upper, requests, bad)) == pytest.approx(20, rel=1e-6)
    many = interval(10**9, 10**6, 0.05)
    assert safe_ln_e(many.upper, 10**9, 10**6) == pytest.approx(math.log(20), abs=1e-4)
    assert many.lower < 0.001 < many.upper


@pytest.mark.parametrize(
    ("requests", "bad", "lower", "upper"),
    [(0, 0, 0.0, 1.0), (1, 0, 0.0, 1.0), (1, 1, 0.0, 1.0), (10, 30, 0.0, 1.0)],
)
def test_next_to_nothing_bounds_nothing(requests: int, bad: int, lower: float, upper: float) -> None:
    found = interval(requests, bad, 0.005)
    assert found.lower == pytest.approx(lower, abs=0.01)
    assert found.upper == pytest.approx(upper, abs=0.01)


def test_all_bad_bounds_from_below_within_the_grid() -> None:
    found = interval(10_000, 10_000, 0.005)
    assert 0.95 < found.lower <= 0.976
    assert found.upper == 1.0


def test_tempering_widens_the_interval() -> None:
    plain, tempered = interval(600, 12, 0.05), interval(600, 12, 0.05, 3.0)
    assert tempered.lower < plain.lower < 0.02 < plain.upper < tempered.upper


def test_the_sample_ratio_check_values() -> None:
    assert share_ln_e(0.1, 100, 900) == pytest.approx(-1.2066, abs=5e-5)
    assert share_ln_e(0.1, 150, 850) == pytest.approx(9.8671, abs=5e-5)
    assert share_over_steps([(0.1, 100, 900), (0.1, 150, 850)]) == pytest.approx(-1.2066 + 9.8671, abs=1e-4)
    assert share_over_steps([]) == 0.0


def test_the_dispersion_check_values() -> None:
    found = estimate_dispersion([(500, 5), (520, 4), (480, 20), (510, 6), (490, 5)] * 12)
    assert found.rate == pytest.approx(0.016, abs=1e-4)
    assert found.phi == pytest.approx(5.11, abs=5e-3)
    assert (found.minutes, found.mean_requests) == (60, 500)


@pytest.mark.parametrize("outage", [1, 5, 30])
def test_an_outage_in_the_history_does_not_weaken_evidence(outage: int) -> None:
    """J1: five minutes at 50 % two hours ago made d = 83, and a ten times worse version was never found."""
    calm = [(600, 6), (600, 4), (600, 7), (600, 6), (600, 5), (600, 8)] * 30
    dirty = [*calm[:60], *[(600, 300)] * outage, *calm[60 + outage :]]
    assert estimate_dispersion(dirty).phi == pytest.approx(estimate_dispersion(calm).phi, abs=0.05)
    assert estimate_dispersion(dirty).rate == pytest.approx(0.01, abs=5e-4)


def test_clusters_that_recur_are_counted() -> None:
    calm = [(600, 6)] * 180
    twice = [(600, 60) if number in {40, 120} else row for number, row in enumerate(calm)]
    assert estimate_dispersion(twice).phi > 2


def test_failures_in_batches_do_not_thin_with_the_weight() -> None:
    batches = estimate_dispersion([(600, 60) if number % 10 == 0 else (600, 0) for number in range(180)])
    assert batches.phi > 20
    assert batches.at(6.0) == batches.at(60.0) == min(batches.phi, 30.0)
    assert batches.at(6000.0) > 100


def test_rows_that_are_no_counts_are_left_out() -> None:
    rows = [(600, 6)] * 180
    assert estimate_dispersion([*rows, (-5, 0), (600, -1), (600, 601), (0, 0)]) == estimate_dispersion(rows)


def test_the_upper_bound_of_the_rate_is_wilsons() -> None:
    clean = estimate_dispersion([(600, 6)] * 180)
    assert clean.upper_rate == pytest.approx(0.01056, abs=2e-5)
    assert estimate_dispersion([(600, 0)] * 180).upper_rate == pytest.approx(2.7 / 90_000, rel=0.05)
    assert estimate_dispersion([(600, 6)] * 30).upper_rate is None


def test_a_short_or_thin_history_tempers_by_the_source_only() -> None:
    short = estimate_dispersion([(500, 5), (480, 20)] * 20)
    assert not short.is_usable
    assert temper_absolute(short, 50, 3.0) == 3.0
    assert temper_ratio(short, 50, 450, 3.0) == 3.0
    assert estimate_dispersion([(1, 0)] * 100).phi == 1.0
    assert not estimate_dispersion([(1, 0)] * 100).is_usable
    assert estimate_dispersion([(50, 1)]).phi == 1.0
    dispersion._estimated.cache_clear()  # another test may have asked already
    assert estimate_dispersion([]) == NOTHING_KNOWN
    assert temper_ratio(NOTHING_KNOWN, 0, 0, 1.0) == 1.0


def test_a_history_without_errors_tempers_nothing() -> None:
    clean = estimate_dispersion([(500, 0)] * 60)
    assert clean.is_usable
    assert temper_absolute(clean, 5000, 1.0) == 1.0


def test_clustered_history_tempers_more_the_more_requests_a_minute_has() -> None:
    clustered = Dispersion(rate=0.02, phi=1.2, rho=0.01, mean_requests=501, minutes=180)
    assert temper_absolute(clustered, 51, 1.0) == pytest.approx(1.5)
    assert temper_absolute(clustered, 0, 1.0) == 1.2
    assert temper_ratio(clustered, 51, 451, 1.0) == pytest.approx((451 * 1.5 + 51 * 5.5) / 502)


def test_a_minute_without_requests_is_neutral() -> None:
    empty = Counts(0, 0, 540, 5)
    assert absolute_path([empty], 0.05, H) == pytest.approx([0.0])
    assert ratio_path([empty], 1.5, H) == pytest.approx([0.0])
    assert regression_path([empty], 0.05, 1.1, H) == pytest.approx([0.0])


def test_requests_needed_counts_on_the_rate_seen() -> None:
    assert requests_needed(0.05, 0.05) == 65
    assert requests_needed(0.05, 0.05, requests=65) == 0
    assert requests_needed(0.05, 0.05, requests=60) == 5
    at_one_percent = requests_needed(0.05, 0.05, rate=0.01)
    assert at_one_percent is not None
    assert at_one_percent > 65
    assert safe_ln_e(0.05, at_one_percent, 0.01 * at_one_percent) >= math.log(20)
    assert safe_ln_e(0.05, at_one_percent - 1, 0.01 * (at_one_percent - 1)) < math.log(20)
    assert requests_needed(0.05, 0.05, rate=0.06) is None
    assert clean_requests_needed(0.05, 0.05, 2.0) == 130


def test_a_limit_that_nothing_can_prove_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of clean requests"):
        clean_requests_needed(0.000117, 0.05, 1e6)


def test_less_is_worse_by_swapping_the_versions() -> None:
    minutes = [Counts(100, 2, 900, 90, 1.0, 2.0)]
    assert swap(minutes) == (Counts(900, 90, 100, 2, 1.0, 2.0),)
    assert ratio_path(swap(minutes * 6), 1.25, H)[-1] > math.log(200)
    assert ratio_path(minutes * 6, 1.25, H)[-1] < 0


def test_without_minutes_nothing_is_known_of_their_dispersion() -> None:
    assert estimate_dispersion([]) == NOTHING_KNOWN


def test_versions_that_are_nearly_the_same_have_no_ratios() -> None:
    with pytest.raises(ValueError, match="not 1"):
        grids.below_ratio(1.1)
    assert len(grids.below_ratio(1.3717)) == grids.NOT_WORSE
