"""Allocating and reallocating ranges of buckets, and computing who moves."""

from decimal import Decimal

import pytest

from flagkit.authoring.ranges import (
    STEPS,
    BucketRange,
    allocate,
    ranges,
    read_percent,
    reallocate,
    show_percent,
    sizes,
    without,
)
from flagkit.errors import EditError


@pytest.mark.parametrize(
    ("percent", "steps"),
    [(0, 0), (100, STEPS), (25, 250_000), ("33.3333", 333_333), (33.3333, 333_333), (Decimal("0.0001"), 1), (1e-4, 1)],
)
def test_percentages_are_exact_to_a_ten_thousandth(percent, steps):
    assert read_percent(percent) == steps
    assert read_percent(show_percent(steps)) == steps


@pytest.mark.parametrize("percent", [-1, 100.0001, "many", "nan", "inf", "٣٠", "1_0", 0.00001, "33.33333"])
def test_other_percentages_are_refused(percent):
    with pytest.raises(EditError):
        read_percent(percent)


@pytest.mark.parametrize(
    ("steps", "text"), [(250_000, "25"), (333_333, "33.3333"), (1_000_000, "100"), (100_000, "10")]
)
def test_percentages_are_shown_without_trailing_zeros_or_exponents(steps, text):
    assert str(show_percent(steps)) == text


def test_ranges_must_be_on_the_line_and_forward():
    for start, end in ((5, 5), (6, 5), (-1, 5), (0, STEPS + 1)):
        with pytest.raises(EditError):
            BucketRange(start, end)


def test_a_first_allocation_is_contiguous():
    assert allocate({"a": 300_000, "none": 0, "b": 200_000}) == {
        "a": (BucketRange(0, 300_000),),
        "none": (),
        "b": (BucketRange(300_000, 500_000),),
    }


def test_more_than_one_hundred_percent_is_refused():
    with pytest.raises(EditError, match=r"100\.0001 %"):
        allocate({"a": STEPS, "b": 1})


def test_a_negative_share_is_refused():
    with pytest.raises(EditError, match="b is negative"):
        allocate({"a": 5, "b": -1})


def test_overlapping_ranges_are_refused():
    with pytest.raises(EditError, match=r"overlap at 0\.5 %"):
        list(ranges({"a": (BucketRange(0, 10_000),), "b": (BucketRange(5_000, 20_000),)}))


def test_a_rising_percentage_stays_one_range_and_keeps_all_users():
    """Nobody who has the flag loses it."""
    grown = reallocate(allocate({"on": 100_000}), {"on": 250_000})
    assert grown == {"on": (BucketRange(0, 250_000),)}


def test_a_fourth_equal_variant_moves_nobody_between_the_old_ones():
    three = allocate(dict.fromkeys("abc", 333_333))
    four = reallocate(three, dict.fromkeys("abcd", 250_000))
    assert sizes(four) == dict.fromkeys("abcd", 250_000)
    for name in "abc":
        assert not [piece for span in four[name] for piece in without(span, three[name])]


def test_a_removed_variant_gives_its_users_to_the_others_only():
    three = allocate({"a": 400_000, "b": 300_000, "c": 300_000})
    two = reallocate(three, {"a": 500_000, "c": 500_000})
    for name in "ac":
        assert not [piece for span in three[name] for piece in without(span, two[name])]


def test_many_reweightings_keep_few_ranges():
    """The rule of a variant stays short: 30 random edits leave about as many ranges as edits, not more."""
    present = allocate(dict.fromkeys("abc", 333_333))
    numbers = iter([(n * 7919 + 13) % 100 for n in range(90)])
    for _ in range(30):
        raw = [next(numbers) + 1 for _ in range(3)]
        total = sum(raw)
        present = reallocate(present, {name: STEPS * part // total for name, part in zip("abc", raw, strict=True)})
    assert sum(len(ranges) for ranges in present.values()) <= 30


def test_an_unchanged_allocation_stays():
    present = allocate({"a": 250_000, "b": 750_000})
    assert reallocate(present, sizes(present)) == present
