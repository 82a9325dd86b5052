"""Numbers, scales and odds as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary.core.phases import Phase
from canary.view.charts import clock_ticks
from canary.view.labels import odds, percent, span_text
from canary.view.model import data
from canary.view.streams import interval
from canary.view.svg import Scale, element, nice_top, number, path


def test_a_scale_keeps_what_lies_outside_at_its_border() -> None:
    scale = Scale(0, 10, 100, 200)
    assert [scale(-1), scale(0), scale(5), scale(11)] == [100, 100, 150, 200]
    assert Scale(1, 1, 5, 9)(1) == 5


def test_attributes_are_escaped_and_renamed() -> None:
    assert element("a", "x", class_='"', aria_label="b", id=None) == '<a class="&quot;" aria-label="b">x</a>'
    assert element("rect", x=1.26) == '<rect x="1.3"/>'


def test_coordinates_carry_one_digit() -> None:
    assert number(2.0) == "2"
    assert path([(0, 0), (1.25, 2)], closed=True) == "M0 0L1.2 2Z"
    assert path([]) == ""


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0, "0 %"), (0.12, "12 %"), (0.1214, "12.1 %"), (0.0005, "0.05 %"), (0.9999, "100 %"), (1, "100 %")],
)
def test_shares_carry_the_digits_that_matter(ratio: float, shown: str) -> None:
    assert percent(ratio) == shown


@pytest.mark.parametrize(
    ("log10", "shown"),
    [(None, "none"), (-1.0, "none"), (0.5, "3.2:1"), (3.5315, "3,400:1"), (9.2, "10^9:1"), (900.0, "10^900:1")],
)
def test_odds_are_readable_at_any_size(log10: float | None, shown: str) -> None:
    assert odds(log10) == shown


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (0.75, "45 s"),
        (140 / 60, "2 min 20 s"),
        (30, "30 min"),
        (65.5, "1 h 5 min"),
        (120, "2 h"),
    ],
)
def test_a_span_has_minutes_and_seconds(minutes: float, shown: str) -> None:
    assert span_text(minutes) == shown


def test_ticks_are_round_minutes() -> None:
    start = datetime(2026, 1, 5, 9, 3, 30, tzinfo=UTC)
    assert clock_ticks(start, 3) == [(0.5, "09:04"), (1.5, "09:05"), (2.5, "09:06")]
    assert [label for _, label in clock_ticks(start, 28)] == ["09:05", "09:10", "09:15", "09:20", "09:25", "09:30"]
    assert clock_ticks(start, 0.1) == []
    assert len(clock_ticks(start, 9_000)) < 25


def test_the_axis_ends_at_a_round_share_or_where_the_data_end() -> None:
    assert nice_top(0.09, (0.05, 0.1)) == 0.1
    assert nice_top(0.3, (0.05, 0.1)) == 0.3


def test_intervals_hold_the_share_and_know_nothing_without_requests() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(5, 3) == (0.0, 1.0)
    low, high = interval(30, 248)
    assert low < 30 / 248 < high


def test_plain_values_become_json() -> None:
    assert data(Decimal("2.5")) == 2.5
    assert data(timedelta(seconds=90)) == 90.0
    assert data(Phase.BAKING) == "baking"
    assert data({1: (None, True)}) == {"1": [None, True]}
    assert data(object) == str(object)
