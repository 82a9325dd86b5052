"""Holdouts: the same users stay out of all flags that share one, whatever rules and percentages say."""

from __future__ import annotations

import pytest

from flagkit import ConflictError, EditError, Snapshot, UnknownFlagError
from flagkit.admin import edits
from flagkit.admin.code import plan, pull
from flagkit.admin.diff import compare
from flagkit.admin.merge import merge
from flagkit.authoring import FlagDocument, compile_document, decompile

EMPTY = FlagDocument.parse({"version": "1"})
USERS = [str(number) for number in range(1000)]


def users_with(document: FlagDocument, key: str, **context: str) -> set[str]:
    snapshot = Snapshot.from_document(document.to_dict())
    return {user for user in USERS if snapshot.evaluate(key, user, context).enabled}


@pytest.fixture
def document() -> FlagDocument:
    """`a` and `b` are on; 10 % of the users are held out of `a`."""
    made = edits.create(edits.create(EMPTY, "a", enabled=True), "b", enabled=True)
    return edits.holdout(made, "a", "q1", percent=10)


def test_the_same_users_are_held_out_of_all_flags_of_a_holdout(document: FlagDocument) -> None:
    held = set(USERS) - users_with(document, "a")
    assert 70 < len(held) < 130
    both = edits.holdout(document, "b", "q1")
    assert set(USERS) - users_with(both, "b") == held
    ruled = edits.add_rule(edits.rollout(both, "b", 0), "b", when="country = US")
    assert set(USERS) - users_with(ruled, "b", country="US") == held
    split = edits.split(edits.split(both, "b", {"red": 50, "blue": 50}), "b", {"red": 20, "blue": 80})
    assert set(USERS) - users_with(split, "b") == held
    named = edits.target(both, "b", users=[min(held)])
    assert set(USERS) - users_with(named, "b") == held - {min(held)}
    for made in (both, ruled, split, named):
        assert compile_document(decompile(made)) == made
        assert not plan(made, pull(made)).diff


def test_another_percentage_is_that_of_all_its_flags_and_the_difference_names_it(document: FlagDocument) -> None:
    both = edits.holdout(document, "b", "q1")
    wider = edits.holdout(both, "b", "q1", percent=20)
    assert users_with(wider, "a") == users_with(wider, "b") < users_with(both, "a")
    found = compare(both, wider)
    assert [(flag.key, flag.kind) for flag in found.flags] == [
        ("holdout q1", "changed"),
        ("a", "follows"),
        ("b", "follows"),
    ]
    assert "percent: 10 → 20" in found.to_text()


def test_a_flag_keeps_on_and_off_and_comes_back_out_of_a_holdout(document: FlagDocument) -> None:
    assert users_with(edits.holdout(document, "a", "q1", remove=True), "a") == set(USERS)
    off = edits.holdout(edits.kill(document, "b"), "b", "q1")
    assert users_with(off, "b") == set()
    assert users_with(edits.switch_on(off, "b"), "b") == users_with(off, "a")
    assert edits.holdout(off, "b", "q1", remove=True) == edits.kill(document, "b")


def test_two_edits_of_holdouts_are_merged_or_in_conflict(document: FlagDocument) -> None:
    both = edits.holdout(document, "b", "q1")
    wider = edits.holdout(both, "a", "q1", percent=20)
    other = edits.describe(edits.target(both, "b", users=["7"]), "a", description="x")
    merged = merge(both, wider, other)
    assert merged == merge(both, other, wider)
    assert (
        users_with(merged, "a")
        == users_with(wider, "a")
        == users_with(merged, "b") - {"7"} | (users_with(wider, "a") & {"7"})
    )
    with pytest.raises(ConflictError, match="holdout q1"):
        merge(both, wider, edits.holdout(both, "a", "q1", percent=30))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("b", "q2"), EditError, "there is no holdout q2"),
        (("a", "q2"), EditError, "a is in holdout q1"),
        (("nope", "q1"), UnknownFlagError, "there is no flag nope"),
        (("b", " "), EditError, "is not a valid name of a holdout"),
        (("b", "a\nb"), EditError, "is not a valid name of a holdout"),
    ],
)
def test_what_is_no_holdout_is_refused(
    document: FlagDocument, arguments: tuple[str, str], error: type[EditError], said: str
) -> None:
    with pytest.raises(error, match=said):
        edits.holdout(document, *arguments)
    with pytest.raises(EditError, match="b is not in holdout q1"):
        edits.holdout(document, "b", "q1", remove=True)
