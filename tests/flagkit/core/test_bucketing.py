"""Buckets and thresholds (decision 0003)."""

from decimal import Decimal

import pytest

from flagkit.core.bucketing import BUCKETS, bucket, threshold


def test_the_bucket_is_murmur3_of_seed_colon_value():
    # The first is mmh3's own documented MurmurHash3 x86 32-bit of "abc:1"; a second implementation agrees in the laws.
    assert bucket("abc", "1") == 123_846_914
    assert bucket("", "") == bucket("", "")
    assert bucket("a", "b:c") == bucket("a:b", "c"), "frozen as it is: seed and value are joined by a colon"


def test_text_is_hashed_as_utf8():
    assert bucket("é", "😀") != bucket("e", "😀")
    with pytest.raises(UnicodeEncodeError):
        bucket("s", "\ud800")


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (0, 0),
        (100, BUCKETS),
        (25, 2**30),
        ("0.0001", 4294),
        (Decimal("33.3333"), 1_431_654_333),
        ("12.5", 2**29),
        ("1e-30", 0),
        ("99.99999999999999999999", BUCKETS - 1),
        ("1E+2", BUCKETS),
        ("0." + "3" * 300, threshold("0.33333333333333333333333333333333333333")),
    ],
)
def test_a_threshold_is_the_exact_floor(percent, expected):
    assert threshold(percent) == expected


@pytest.mark.parametrize("percent", [-1, 101, "100.0001", "-0.0001", "nan", "inf", "ten", ""])
def test_what_is_no_percentage_is_refused(percent):
    with pytest.raises(ValueError, match=r"not a (valid )?percentage"):
        threshold(percent)
