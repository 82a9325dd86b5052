"""The processes, against the check values of statistics.md §4.16 and the formulas of its section 4."""

from __future__ import annotations

import math

import pytest

from benchmarks.releases.optional import minute_bet_path
from benchmarks.releases.paths import all_paths, attributed_path
from canary.core.stats import grids
from canary.core.stats.bounds import interval
from canary.core.stats.dispersion import NOTHING_KNOWN, Dispersion, estimate_dispersion, temper_absolute, temper_ratio
from canary.core.stats.mixture import (
    first_crossing,
)
from canary.core.stats.processes import (
    Counts,
    absolute_path,
    ratio_path,
    relative_crossing,
    swap,
)
from canary.core.stats.safe import clean_requests_needed, requests_needed, safe_ln_e
from canary.core.stats.share import share_ln_e, share_over_steps

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


@pytest.mark.parametrize(
    ("requests", "bad", "evidence"), [(3, 3, 531), (6, 3, 21.8), (6, 4, 430), (60, 10, 28.3), (60, 12, 426)]
)
def test_the_absolute_process_after_one_minute(requests: int, bad: int, evidence: float) -> None:
    (ln_e,) = absolute_path([Counts(requests, bad)], 0.05, H)
    assert float(f"{math.exp(ln_e):.3g}") == evidence


def test_65_clean_requests_are_safe_and_64_are_not() -> None:
    assert math.exp(safe_ln_e(0.05, 64, 0)) == pytest.approx(19.25, abs=0.005)
    assert math.exp(safe_ln_e(0.05, 65, 0)) == pytest.approx(20.20, abs=0.005)
    assert clean_requests_needed(0.05, 0.05) == 65


def test_a_shared_outage_is_forgiven_by_attribution_only() -> None:
    assert [math.exp(v) for v in absolute_path(OUTAGE, 0.05, H)] == pytest.approx([1.8e7, 3.5e15], rel=0.03)
    assert [math.exp(v) for v in attributed_path(OUTAGE, 0.05, 1.5, H)] == pytest.approx([0.517, 0.487], abs=5e-4)


def test_a_silent_base_gives_no_attributed_evidence() -> None:
    silent = [Counts(60, 18)] * 2
    assert [math.exp(v) for v in attributed_path(silent, 0.05, 1.5, H)] == pytest.approx([0.923, 0.920], abs=5e-4)


def test_a_silent_base_leaves_the_decision_to_the_absolute_process_when_asked() -> None:
    silent = [Counts(60, 18)] * 2
    path = attributed_path(silent, 0.05, 1.5, H, absolute_when_silent=True)
    assert path == absolute_path(silent, 0.05, H)


TABLE = (
    (-0.569465, -0.433754, -0.304783, -0.569465, -0.143956),
    (-0.663169, -0.558857, -0.479506, -0.663169, -0.292476),
    (-0.653140, 0.352478, 1.699615, -0.653140, -0.243233),
    (-0.448042, 4.585098, 11.300004, -0.448042, -0.115773),
    (0.773239, 11.556755, 24.490469, 0.740031, 0.115283),
)


def test_five_minutes_give_the_table_to_its_last_digit() -> None:
    minutes = [Counts(*row) for row in FIVE_MINUTES]
    columns = (
        absolute_path(minutes, 0.05, H),
        ratio_path(minutes, 1.5, H),
        absolute_path(minutes, 0.01, H),
        attributed_path(minutes, 0.05, 1.5, H),
        minute_bet_path(minutes, 0.05, H),
    )
    for computed, printed in zip(zip(*columns, strict=True), TABLE, strict=True):
        assert computed == pytest.approx(printed, abs=5.1e-7)


def test_tempered_minutes_give_the_tempered_values() -> None:
    minutes = [Counts(*row, 2.0, 1.5) for row in FIVE_MINUTES]
    paths = all_paths(minutes, 0.05, 1.5, 0.01, H)
    last = (paths.literal[-1], paths.ratio[-1], paths.floor[-1], paths.attributed[-1])
    assert last == pytest.approx((-0.177717, 6.863196, 10.009688, -0.177717), abs=5.1e-7)


def test_the_relative_rule_fires_when_both_have_crossed_at_any_time() -> None:
    minutes = [Counts(*row) for row in FIVE_MINUTES]
    paths = all_paths(minutes, 0.05, 1.5, 0.01, H)
    bound = math.log(200)
    assert first_crossing(paths.floor, bound) == 3
    assert relative_crossing(paths.ratio, paths.floor, bound) == 4
    assert relative_crossing((6.0, 0.0, 0.0), (0.0, 0.0, 6.0), bound) == 2
    assert relative_crossing((6.0, 6.0), (0.0, 0.0), bound) is None


def test_bounds_are_where_the_processes_reach_the_bound() -> None:
    """The printed values are met within a tenth of a point: the bound itself is exact (E = 20 there)."""
    for (requests, bad), (lower, upper) in {(60, 6): (2.3, 26.3), (600, 12): (0.71, 4.39), (65, 0): (0, 4.98)}.items():
        found = interval(requests, bad, 0.05)
        assert 100 * found.lower == pytest.approx(lower, abs=0.05)
        assert 100 * found.upper == pytest.approx(upper, abs=0.1)
        assert math.exp(safe_ln_e(found.upper, requests, bad)) == pytest.approx(20, rel=1e-6)


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
    found = estimate_dispersion([(500, 5), (520, 4), (480, 20), (510, 6), (490, 5), (0, 0)])
    assert found.rate == pytest.approx(0.016)
    assert found.phi == pytest.approx(6.2835, abs=5e-5)
    assert found.rho == pytest.approx(0.010588, abs=5e-7)
    assert (found.minutes, found.mean_requests) == (5, 500)


def test_a_short_or_thin_history_tempers_by_the_source_only() -> None:
    short = estimate_dispersion([(500, 5), (480, 20)] * 20)
    assert not short.is_usable
    assert temper_absolute(short, 50, 3.0) == 3.0
    assert temper_ratio(short, 50, 450, 3.0) == 3.0
    assert estimate_dispersion([(1, 0)] * 100).phi == 1.0
    assert not estimate_dispersion([(1, 0)] * 100).is_usable
    assert estimate_dispersion([(50, 1)]).phi == 1.0
    assert estimate_dispersion([]) == NOTHING_KNOWN
    assert temper_ratio(NOTHING_KNOWN, 0, 0, 1.0) == 1.0


def test_a_history_without_errors_tempers_nothing() -> None:
    clean = estimate_dispersion([(500, 0)] * 60)
    assert clean.is_usable
    assert temper_absolute(clean, 5000, 1.0) == 1.0


def test_clustered_history_tempers_more_the_more_requests_a_minute_has() -> None:
    clustered = Dispersion(rate=0.02, phi=6.0, rho=0.01, mean_requests=501, minutes=180)
    assert temper_absolute(clustered, 51, 1.0) == pytest.approx(1.5)
    assert temper_absolute(clustered, 0, 1.0) == 1.0
    assert temper_ratio(clustered, 51, 451, 1.0) == pytest.approx((451 * 1.5 + 51 * 5.5) / 502)


def test_a_minute_without_requests_is_neutral() -> None:
    empty = Counts(0, 0, 540, 5)
    assert absolute_path([empty], 0.05, H) == pytest.approx([0.0])
    assert ratio_path([empty], 1.5, H) == pytest.approx([0.0])
    assert minute_bet_path([empty], 0.05, H) == pytest.approx([0.0])
    assert attributed_path([empty], 0.05, 1.5, H) == pytest.approx([0.0])


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
