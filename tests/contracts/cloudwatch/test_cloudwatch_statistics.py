"""Statistics and extended statistics. Facts: lambda-canary.md §2.3 and captures of AWS that it cites."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from canary.testing.cloudwatch.bins import BASE, Bin, bin_edges, bin_index
from canary.testing.cloudwatch.statistics import compute, parse_statistic


@pytest.mark.parametrize(
    ("stat", "value"),
    [
        ("p90", 9.974797183077614),
        ("tc90", 4.5),
        ("ts90", 28.924448962219458),
        ("tm90", 6.427655324937657),
        ("wm90", 6.784889792443892),
        ("IQM", 7.5604922241921155),
        ("PR(2:10)", 100.0),
    ],
)
def test_extended_statistics_equal_those_of_aws(put, ask, stat, value):
    """Captured: [stackd] metrics, extended-trimmed-statistics and data-extended, for 2, 2, 10, 10, 10."""
    put(0, Values=[2, 10], Counts=[2, 3])
    assert ask(stat)["09:00"] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "edges"),
    [
        (500, (490.37, 539.41)),
        (1000, (955.59, 1051.15)),
        (1500, (1399.08, 1538.99)),
        (2000, (1862.18, 2048.40)),
        (3000, (2999.06, 3298.97)),
        (5000, (4830.02, 5313.02)),
    ],
)
def test_bins_have_their_edges_at_powers_of_1_1(value, edges):
    """lambda-canary.md §2.3, the table."""
    assert bin_edges(bin_index(value)) == pytest.approx(edges, abs=0.005)


def test_neighbouring_floats_at_an_edge_fall_into_different_bins():
    """[stackd] exact_bin_boundaries: 1.21 and 1.2100000000000002 are told apart."""
    assert bin_index(1.21) == 1
    assert bin_index(1.2100000000000002) == 2
    assert bin_index(1.0) == 0


def latencies():
    """114 samples: 9 above 2,000 of which 8 are above 2,048.4."""
    return [100 + 15 * number for number in range(105)] + [2010] + [2100 + 50 * number for number in range(8)]


def test_a_count_above_a_bin_edge_is_exact(put, ask):
    """lambda-canary.md §2.3: TC(2048.4002145:) is exact, TC(2000:) is interpolated inside its bin."""
    put(0, Values=latencies())
    assert sum(value > 2000 for value in latencies()) == 9
    assert ask("TC(2048.4002145:)")["09:00"] == pytest.approx(8, abs=1e-6)
    interpolated = ask("TC(2000:)")["09:00"]
    in_the_bin = sum(1862.18 <= value < 2048.40 for value in latencies())
    assert interpolated == pytest.approx(
        8 + in_the_bin * (2048.4002145 - 2000) / (2048.4002145 - 1862.1820131), abs=1e-4
    )
    assert interpolated != pytest.approx(9, abs=0.1)


def test_pr_is_tc_as_a_percentage(put, ask):
    """lambda-canary.md §2.3: PR = percent, TC = count."""
    put(0, Values=latencies())
    assert ask("PR(2048.4002145:)")["09:00"] == pytest.approx(800 / 114, abs=1e-6)
    assert ask("PR(:2048.4002145)")["09:00"] == pytest.approx(100 - 800 / 114, abs=1e-6)


def test_bounds_are_exclusive_below_and_inclusive_above(put, ask):
    """Statistics-definitions: fixed bounds are (exclusive lower, inclusive upper]; seen where a bin has one value."""
    put(0, Values=[7], Counts=[5])
    assert ask("TC(7:)")["09:00"] == 0
    assert ask("TC(:7)")["09:00"] == 5
    assert ask("TC(6.9:7)")["09:00"] == 5


def test_counts_over_minutes_add_up(put, ask):
    """lambda-canary.md §2.3: sums are additive; a longer period gives the same count as its minutes."""
    for minute, value in enumerate([100, 2500, 2600, 90]):
        put(minute, Values=[value], Counts=[minute + 1])
    by_minute = ask("TC(2048.4002145:)")
    assert sum(by_minute.values()) == 5
    assert ask("TC(2048.4002145:)", period=300)["09:00"] == pytest.approx(5)


def test_zeros_count(put, ask):
    """Explicit zero errors are samples: lambda-canary.md §2.1."""
    put(0, Values=[0], Counts=[9])
    put(0, Value=1)
    assert ask("SampleCount") == {"09:00": 10}
    assert ask("p50") == {"09:00": 0}
    assert ask("TC(0:)") == {"09:00": 1}
    assert ask("TC(:0)") == {"09:00": 9}
    assert ask("Minimum") == {"09:00": 0}


@pytest.mark.parametrize("stat", ["p90", "TC(0:)", "PR(:1)", "tm90", "WM(1:2)", "IQM"])
def test_negative_values_and_statistic_sets_have_no_distribution(put, ask, stat):
    """Statistics-definitions; captured: [stackd] metrics, data-extended, id negative."""
    put(0, Values=[-1, 3])
    put(1, StatisticValues={"SampleCount": 3, "Sum": 15, "Minimum": 1, "Maximum": 9})
    put(2, Value=7)
    assert set(ask(stat)) <= {"09:02"}
    assert set(ask("Sum")) == {"09:00", "09:01", "09:02"}


def test_statistic_sets_of_equal_samples_have_a_distribution(put, ask):
    """API_StatisticSet: SampleCount 1, or Minimum and Maximum equal with a fitting Sum."""
    put(0, StatisticValues={"SampleCount": 3, "Sum": 21, "Minimum": 7, "Maximum": 7})
    put(1, StatisticValues={"SampleCount": 1, "Sum": 9, "Minimum": 9, "Maximum": 9})
    assert ask("p90") == {"09:00": 7, "09:01": 9}
    assert ask("TC(6:8)") == {"09:00": 3, "09:01": 0}


def test_huge_and_tiny_values_have_percentiles(put, ask):
    """API_MetricDatum: up to 2^360; [stackd] extreme_bin_boundaries: the smallest bin is 1.1^-7000."""
    put(0, Values=[2.0**360, 2.0**359])
    put(1, Values=[1e-200, 1e-300])
    assert ask("p99")["09:00"] == pytest.approx(2.0**360, rel=0.1)
    assert ask("p1")["09:01"] == pytest.approx(1e-300, rel=0.1)
    assert bin_index(5e-324) == -7000


@pytest.mark.parametrize(
    "stat",
    [
        "p101",
        "p",
        "tm0",
        "TC(:)",
        "TC(1%:2)",
        "TC(3:2)",
        "PR(1%:2%)",
        "TC(101%:)",
        "p1.12345678901",
        "not-a-stat",
        "sum",
    ],
)
def test_names_that_are_no_statistic_are_refused(ask, stat):
    """Captured: data-invalid-stat; ten decimals at most: lambda-canary.md §2.5."""
    with pytest.raises(ClientError) as caught:
        ask(stat)
    assert caught.value.response["Error"] == {
        "Code": "ValidationError",
        "Message": "The value for parameter MetricDataQueries.member.1.MetricStat.Stat is not a valid statistic.",
        "QueryErrorCode": "ValidationError",
        "Type": "Sender",
    }


@pytest.mark.parametrize(
    "stat", ["p0", "p100", "p99.9", "tm5.5", "TC(10%:90%)", "TC(:0.5)", "PR(10:)", "TS(10%:)", "WM(:1)"]
)
def test_names_of_statistics_are_understood(stat):
    """lambda-canary.md §2.3, syntax."""
    assert parse_statistic(stat) is not None


def bin_of(*values):
    data = Bin()
    for value in values:
        data.add(value)
    return data


def test_percentiles_stay_between_the_extremes():
    """A histogram knows its smallest and largest sample (captured: p90 of equal samples is the sample)."""
    data = bin_of(100, 101, 102)
    assert compute(parse_statistic("p0"), data) == 100
    assert compute(parse_statistic("p100"), data) == 102
    assert 100 < compute(parse_statistic("p50"), data) < 102


def test_percentiles_are_within_a_tenth_of_the_sample():
    """lambda-canary.md §2.3: about 10 % relative error."""
    values = [float(number) for number in range(1, 2001)]
    for percent in (1, 25, 50, 90, 95, 99):
        exact = values[percent * 20 - 1]
        assert compute(parse_statistic(f"p{percent}"), bin_of(*values)) == pytest.approx(exact, rel=BASE - 1)


def test_trimmed_means_and_winsorised_means_of_fixed_bounds():
    """Statistics-definitions: TM leaves samples outside the bounds away, WM sets them to the bounds."""
    data = bin_of(*[10.0] * 8, 1000.0, 1000.0)
    assert compute(parse_statistic("TM(:50)"), data) == pytest.approx(10, rel=0.1)
    assert compute(parse_statistic("TS(:50)"), data) == pytest.approx(80, rel=0.1)
    assert compute(parse_statistic("WM(:50)"), data) == pytest.approx((8 * 10 + 2 * 50) / 10, rel=0.1)
    assert compute(parse_statistic("TM(2000:)"), data) is None


def test_fewer_than_one_sample_has_no_percentile():
    """lambda-canary.md §2.5: subunit counts are omitted."""
    data = Bin()
    data.add(5, 0.5)
    assert compute(parse_statistic("p90"), data) is None
    assert compute(parse_statistic("Sum"), data) == 2.5


def test_an_average_of_nothing_is_missing():
    """Zero counts keep extremes, but there is nothing to divide by."""
    data = Bin()
    data.add(5, 0)
    assert compute(parse_statistic("Average"), data) is None
    assert compute(parse_statistic("Maximum"), data) == 5
