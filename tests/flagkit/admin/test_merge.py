"""Two people edit one document: different flags merge, the same flag is a conflict that names it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flagkit.admin import edits
from flagkit.admin.entries import EMPTY, is_same
from flagkit.admin.merge import merge
from flagkit.authoring import FlagSource, decompile, edit_flag
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import ConflictError

BASE = FlagDocument.parse(
    {"version": "1", "flags": {"a": {}, "b": {}, "c": {}}, "values": {key: {"enabled": False} for key in "abc"}}
)


def with_words(document, key, **words):
    return edit_flag(document, key, lambda _: FlagSource.parse(words))


def on(document, key, user="1"):
    return Snapshot.from_document(document.to_dict()).evaluate(key, user).enabled


def test_edits_of_different_flags_are_both_there_in_any_order():
    ours, theirs = edits.rollout(BASE, "a", 20), edits.delete(edits.create(BASE, "d"), "b")
    merged = merge(BASE, ours, theirs)
    assert is_same(merged, merge(BASE, theirs, ours))
    assert decompile(merged).flags["a"].percent == 200_000
    assert set(merged.values) == {"a", "c", "d"}


def test_one_side_alone_is_taken_as_it_is():
    ours = edits.switch_on(BASE, "a")
    assert merge(BASE, ours, BASE) is ours
    assert merge(BASE, BASE, ours) is ours
    assert merge(BASE, ours, edits.switch_on(BASE, "a")) is ours


@pytest.mark.parametrize("theirs", [edits.rollout(BASE, "a", 10), edits.delete(BASE, "a")])
def test_the_same_flag_twice_is_a_conflict(theirs):
    with pytest.raises(ConflictError, match="flag a"):
        merge(BASE, edits.switch_on(BASE, "a"), theirs)


def test_percentage_and_record_of_a_rollout_are_merged_together_with_edits_of_other_flags():
    """A driver saves while somebody edits another flag, or another driver rolls another one out."""
    ours = edits.put_rollout(edits.expose(BASE, "a", Decimal(10)), "a", "ours")
    theirs = edits.put_rollout(edits.rollout(BASE, "c", 40), "b", "theirs")
    for merged in (merge(BASE, ours, theirs), merge(BASE, theirs, ours)):
        assert edits.exposed_percent(merged, "a") == 10
        assert (edits.rollout_record(merged, "a"), edits.rollout_record(merged, "b")) == ("ours", "theirs")
    ended = edits.put_rollout(ours, "a", None)
    assert edits.rollout_record(merge(ours, ended, edits.rollout(ours, "c", 40)), "a") is None


@pytest.mark.parametrize(
    "theirs",
    [
        edits.put_rollout(BASE, "a", "theirs"),
        edits.rollout(BASE, "a", 40),
        edits.switch_on(BASE, "a"),
        edits.delete(BASE, "a"),
    ],
)
def test_the_record_of_a_rollout_is_never_written_over_a_change_of_its_flag(theirs):
    with pytest.raises(ConflictError, match=r"(flag|rollout of) a"):
        merge(BASE, edits.put_rollout(BASE, "a", "ours"), theirs)


def test_new_segments_of_both_are_there():
    merged = merge(BASE, edits.put_segment(BASE, "x", users=["1"]), edits.put_segment(BASE, "y", users=["2"]))
    assert set(edits.list_segments(merged)) == {"x", "y"}
    with pytest.raises(ConflictError, match="segment x"):
        merge(BASE, edits.put_segment(BASE, "x", users=["1"]), edits.put_segment(BASE, "x", users=["2"]))


def test_a_flag_that_begins_to_use_a_segment_gets_its_new_members():
    start = edits.put_segment(edits.rollout(edits.switch_on(BASE, "a"), "a", 0), "x", users=["1"])
    ours = edits.target(start, "a", segments=["x"])
    theirs = edits.put_segment(start, "x", users=["2"])
    for merged in (merge(start, ours, theirs), merge(start, theirs, ours)):
        assert on(merged, "a", "2")
        assert not on(merged, "a", "1")


def test_a_segment_in_use_outlives_its_deletion():
    start = edits.put_segment(edits.rollout(edits.switch_on(BASE, "a"), "a", 0), "x", users=["1"])
    merged = merge(start, edits.delete_segment(start, "x"), edits.target(start, "a", segments=["x"]))
    assert on(merged, "a", "1")


def test_a_prerequisite_follows_the_other_side():
    start = edits.switch_on(BASE, "a")
    ours = with_words(start, "b", requires=["a"], percent=100)
    theirs = edits.switch_off(start, "a")
    for merged in (merge(start, ours, theirs), merge(start, theirs, ours)):
        assert not on(merged, "b")
        assert on(edits.switch_on(merged, "a"), "b")


def test_a_prerequisite_that_the_other_side_deleted_is_a_conflict():
    ours = with_words(BASE, "b", requires=["a"], percent=100)
    with pytest.raises(ConflictError):
        merge(BASE, ours, edits.delete(BASE, "a"))
    with pytest.raises(ConflictError):
        merge(BASE, edits.delete(BASE, "a"), ours)


def test_a_circle_made_by_both_is_a_conflict():
    ours = with_words(BASE, "a", requires=["b"], percent=100)
    theirs = with_words(BASE, "b", requires=["a"], percent=100)
    with pytest.raises(ConflictError):
        merge(BASE, ours, theirs)


def test_from_nothing():
    ours, theirs = edits.create(EMPTY, "a"), edits.create(EMPTY, "b")
    assert set(merge(EMPTY, ours, theirs).values) == {"a", "b"}
