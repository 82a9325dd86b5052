"""What `split` promises: exact shares, growth without loss, independent seeds, no bias, the same everywhere."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.core.bucketing import BUCKETS, bucket, threshold

VECTORS = json.loads((Path(__file__).parents[2] / "conformance" / "bucketing.json").read_text(encoding="utf-8"))
SEEDS = ["new_checkout", "button", "a", "b", "layer:checkout", "seed-1", "seed-2", "é"]

percents = st.decimals(0, 100, places=4)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def murmur3(data: bytes) -> int:
    """Second, slow implementation, straight from the published algorithm."""
    mask = 0xFFFFFFFF
    value = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        mixed = int.from_bytes(block, "little") * 0xCC9E2D51 & mask
        mixed = (mixed << 15 | mixed >> 17) * 0x1B873593 & mask
        value ^= mixed
        if len(block) == 4:
            value = ((value << 13 | value >> 19) & mask) * 5 + 0xE6546B64 & mask
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & mask
    return value ^ value >> 16


def test_ten_thousand_vectors_are_published():
    assert sum(len(VECTORS[part]) for part in ("hashes", "thresholds", "splits")) == 10_000


def test_the_published_buckets_hold():
    """With the compiled hash and with the slow one: the same on every platform and Python."""
    for seed, value, expected in VECTORS["hashes"]:
        assert bucket(seed, value) == expected == murmur3(f"{seed}:{value}".encode())


def test_the_published_thresholds_hold():
    for percent, expected in VECTORS["thresholds"]:
        assert threshold(percent) == expected == math.floor(Fraction(percent) / 100 * BUCKETS)


def test_the_published_decisions_hold():
    for percent, seed, value, expected in VECTORS["splits"]:
        assert (bucket(seed, value) < threshold(percent)) is expected


def test_the_vectors_hold_hard_inputs():
    values = {value for _, value, _ in VECTORS["hashes"]}
    assert {"", " ", "\x00", '"', "\\", "42", "é", "e\u0301", "😀", "x" * 1000, "a:b", "true", "NaN"} <= values
    assert any(percent == 0 for percent in (Decimal(percent) for percent, _ in VECTORS["thresholds"]))
    answers = [answer for *_, answer in VECTORS["splits"]]
    assert 400 < sum(answers) < 600


@given(texts, texts)
def test_any_text_has_the_documented_bucket(seed, value):
    assert bucket(seed, value) == murmur3(f"{seed}:{value}".encode())


@pytest.mark.parametrize("percent", ["0.01", "0.1", "1", "5", "25", "33.3333", "50", "90", "99.9"])
def test_a_share_is_within_binomial_bounds(percent):
    """100,000 sequential ids: the hardest kind for a weak hash. Five standard deviations, fixed inputs."""
    users, share = 100_000, float(percent) / 100
    for seed in SEEDS[:3]:
        below = threshold(percent)
        found = sum(bucket(seed, str(number)) < below for number in range(users))
        assert abs(found - users * share) <= 5 * math.sqrt(users * share * (1 - share))


@given(percents, percents, st.sampled_from(SEEDS), st.lists(texts, max_size=30))
def test_growing_never_takes_anybody_out(one, other, seed, users):
    low, high = sorted((one, other))
    assert threshold(low) <= threshold(high)
    assert {u for u in users if bucket(seed, u) < threshold(low)} <= {
        u for u in users if bucket(seed, u) < threshold(high)
    }


def test_zero_is_nobody_and_a_hundred_everybody():
    assert threshold(0) == 0
    assert threshold(100) == BUCKETS
    assert all(0 <= bucket(seed, str(number)) < BUCKETS for seed in SEEDS for number in range(1000))


def test_thresholds_are_exact_to_a_ten_thousandth_of_a_percent():
    """Each of the million steps has its own threshold, 4,294 or 4,295 buckets above the one before."""
    steps = [*range(1000), *range(1000, 999_000, 101), *range(999_000, 1_000_001)]
    for step in steps:
        assert threshold(Decimal(step).scaleb(-4)) == step * BUCKETS // 1_000_000
    for step in range(0, 1_000_000, 997):
        width = threshold(Decimal(step + 1).scaleb(-4)) - threshold(Decimal(step).scaleb(-4))
        assert width in {4294, 4295}


@given(st.decimals(0, 100, places=30))
def test_no_share_is_off_by_a_whole_bucket(percent):
    """No modulo, so no bias: a share of the buckets is the percentage, rounded down to one bucket."""
    error = Fraction(percent) / 100 - Fraction(threshold(percent), BUCKETS)
    assert 0 <= error < Fraction(1, BUCKETS)


def test_users_fill_the_line_evenly():
    """Chi-square over 1,000 equal stretches (no power of two) for 300,000 sequential ids, within five deviations."""
    cells, users = 1000, 300_000
    for seed in ("new_checkout", "a"):
        counts = [0] * cells
        for number in range(users):
            counts[bucket(seed, f"user-{number}") * cells >> 32] += 1
        expected = users / cells
        chi = sum((count - expected) ** 2 for count in counts) / expected
        assert abs(chi - (cells - 1)) < 5 * math.sqrt(2 * (cells - 1))


def test_different_seeds_are_independent():
    """101,025 pairs of similar seeds: the users that two quarters share are as many as chance gives."""
    users, quarter = 2_000, threshold(25)
    members = []
    for number in range(450):
        prefix = f"flag-{number}"
        bits = 0
        for user in range(users):
            bits = bits << 1 | (bucket(prefix, f"u{user}") < quarter)
        members.append((bits, bits.bit_count()))
    scores = []
    for (one, size_one), (other, size_other) in combinations(members, 2):
        # Given both sizes, the overlap of independent sets is hypergeometric.
        mean = size_one * size_other / users
        variance = mean * (users - size_one) * (users - size_other) / (users * (users - 1))
        scores.append(((one & other).bit_count() - mean) / math.sqrt(variance))
    assert len(scores) > 100_000
    assert abs(sum(scores) / len(scores)) < 0.02
    assert 0.95 < sum(score**2 for score in scores) / len(scores) < 1.05
    assert max(abs(score) for score in scores) < 6
    assert sum(abs(score) > 3 for score in scores) / len(scores) < 0.004
