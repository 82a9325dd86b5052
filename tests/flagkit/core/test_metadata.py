"""What is written about a flag lives in its description and comes out of it as it went in."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flagkit.core.metadata import KINDS, Metadata, is_past, problem_of_name, read_metadata, write_metadata

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
descriptions = (
    st.none()
    | _texts
    | st.sampled_from(
        [
            "[flagkit]",
            "x [flagkit]",
            "x [flagkit owner: a]",
            "[flagkit archived] [flagkit]",
            "a\nb",
            " ",
            "[flagkit who: x]",
        ]
    )
)
owners = _texts.filter(lambda text: problem_of_name(text) is None) | st.sampled_from(["team: a, b", "a@example.com"])
tags = st.lists(_texts.filter(lambda text: problem_of_name(text, is_tag=True) is None), unique=True, max_size=4)
metadata = st.builds(
    Metadata,
    descriptions.map(lambda text: text or None),
    st.none() | owners,
    tags.map(tuple),
    st.none() | st.sampled_from(KINDS),
    st.booleans(),
    st.booleans(),
)


@given(metadata)
@example(Metadata("x [flagkit owner: a]"))
@example(Metadata(" ", "a"))
def test_what_is_written_is_read_again(about: Metadata) -> None:
    assert read_metadata(write_metadata(about)) == about


@given(_texts)
def test_nothing_of_any_stored_description_is_lost(text: str) -> None:
    about = read_metadata(text)
    assert read_metadata(write_metadata(about)) == about
    if "[flagkit" not in text:
        assert about == Metadata(text or None)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("Checkout [flagkit owner: payments; tags: eu, q3; kind: release]", ("Checkout", "payments", ("eu", "q3"))),
        ("[flagkit  tags:eu ,q3;owner:payments]", (None, "payments", ("eu", "q3"))),  # as typed in AWS's console
        ("Checkout [flagkit owner: a; owner: b]", ("Checkout [flagkit owner: a; owner: b]", None, ())),
        ("Checkout [flagkit tags: a,,b]", ("Checkout [flagkit tags: a,,b]", None, ())),
        ("Checkout [flagkit kind: toy]", ("Checkout [flagkit kind: toy]", None, ())),
        ("Checkout [flagkit owner: a] now", ("Checkout [flagkit owner: a] now", None, ())),
    ],
)
def test_an_end_that_isnt_metadata_stays_text(text: str, about: tuple[object, ...]) -> None:
    found = read_metadata(text)
    assert (found.description, found.owner, found.tags) == about


def test_names_that_would_break_the_form_are_refused() -> None:
    assert problem_of_name("payments, EU") is None
    for name in ("", " a", "a;b", "a]", "a\nb", "a\u202eb", "a" * 65):
        assert problem_of_name(name) is not None
    assert problem_of_name("a,b", is_tag=True) is not None


def test_a_removal_date_is_past_on_the_day_after() -> None:
    now = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
    assert [is_past(day, now) for day in ("2026-01-04", "2026-01-05", "2026-99-99")] == [True, False, False]
