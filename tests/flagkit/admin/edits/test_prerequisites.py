"""Prerequisites: another flag must be on, give a variant, or be off; in `requires` and in conditions."""

from __future__ import annotations

import pytest

from flagkit import EditError, Snapshot, UnknownFlagError
from flagkit.admin import edits
from flagkit.admin.code import plan, pull
from flagkit.admin.diff import compare
from flagkit.authoring import FlagDocument, compile_document, decompile

EMPTY = FlagDocument.parse({"version": "1"})
USERS = [str(number) for number in range(300)]
ENTRIES = ["base", "base=on", "base = off", "base =blue", "base= red"]


@pytest.fixture
def document() -> FlagDocument:
    """`base` is split red 30, blue 30; `f` is on."""
    made = edits.split(edits.create(EMPTY, "base", enabled=True), "base", {"red": 30, "blue": 30})
    made = edits.rollout(edits.target(made, "base", users=["7"], variant="blue"), "base", 80)
    return edits.create(made, "f", enabled=True)


def users_with(document: FlagDocument, key: str = "f", **context: str) -> set[str]:
    snapshot = Snapshot.from_document(document.to_dict())
    return {user for user in USERS if snapshot.evaluate(key, user, context).enabled}


def fulfilled(document: FlagDocument, entry: str) -> set[str]:
    """Who fulfils a prerequisite, by the answers of the other flag."""
    snapshot = Snapshot.from_document(document.to_dict())
    answers = {user: snapshot.evaluate("base", user, {"country": "US"}) for user in USERS}
    wanted = entry.partition("=")[2].strip() or "on"
    if wanted in {"on", "off"}:
        return {user for user, answer in answers.items() if answer.enabled is (wanted == "on")}
    return {user for user, answer in answers.items() if answer.variant == wanted}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_flag_is_on_for_those_who_fulfil_its_prerequisite(document: FlagDocument, entry: str) -> None:
    changed = edits.require(document, "f", [entry])
    assert users_with(changed) == fulfilled(document, entry)
    assert compile_document(decompile(changed)) == changed
    assert not plan(changed, pull(changed)).diff
    assert edits.require(changed, "f", [entry.replace(" ", "")], remove=True) == document


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_condition_may_require_a_flag(document: FlagDocument, entry: str) -> None:
    when = f"country = US and requires {entry}"
    limited = edits.rollout(document, "f", 100, where=when)
    ruled = edits.add_rule(edits.rollout(document, "f", 0), "f", when=when)
    for changed in (limited, ruled):
        assert users_with(changed, country="US") == fulfilled(document, entry)
        assert users_with(changed) == set()
        assert compile_document(decompile(changed)) == changed
        assert f"requires base{'' if entry in {'base', 'base=on'} else ' ='}" in pull(changed)


def test_a_prerequisite_follows_the_other_flag(document: FlagDocument) -> None:
    for changed in (
        edits.require(document, "f", ["base = blue"]),
        edits.add_rule(edits.rollout(document, "f", 0), "f", when="requires base = blue"),
    ):
        moved = edits.split(changed, "base", {"red": 10, "blue": 90})
        assert users_with(moved) == fulfilled(moved, "base = blue") > users_with(changed)
        assert users_with(edits.kill(moved, "base")) == set()
        assert [flag.kind for flag in compare(changed, moved).flags] == ["changed", "follows"]


def test_a_flag_that_is_off_fulfils_off_and_no_variant(document: FlagDocument) -> None:
    killed = edits.kill(document, "base")
    assert users_with(edits.require(killed, "f", ["base = off"])) == set(USERS)
    assert users_with(edits.require(killed, "f", ["base = blue"])) == set()


def test_a_variant_that_is_required_cannot_be_removed(document: FlagDocument) -> None:
    for entry in ({"others": ["base = red"]}, None):
        needed = (
            edits.require(document, "f", **entry)
            if entry
            else edits.add_rule(edits.rollout(document, "f", 0), "f", when="requires base = red")
        )
        with pytest.raises(EditError, match="base has no variant red; its variants are blue, default"):
            edits.split(needed, "base", {"blue": 50}, remove=["red"])
        with pytest.raises(EditError, match="base is required by f"):
            edits.delete(needed, "base")


@pytest.mark.parametrize(
    ("entry", "error", "said"),
    [
        ("base = nope", EditError, "base has no variant nope; its variants are red, blue, default"),
        ("plain = red", EditError, "plain has no variant red; it has no variants"),
        ("bsae", UnknownFlagError, "there is no flag bsae"),
        ("f = off", EditError, "in a circle: f → f"),
        ("= red", EditError, "is not of the form FLAG, FLAG = VARIANT or FLAG = off"),
        ("base =", EditError, "is not of the form FLAG, FLAG = VARIANT or FLAG = off"),
    ],
)
def test_a_prerequisite_that_names_nothing_is_refused(
    document: FlagDocument, entry: str, error: type[EditError], said: str
) -> None:
    document = edits.create(document, "plain")
    with pytest.raises(error, match=said):
        edits.require(document, "f", [entry])
    if entry == "= red":
        return  # a condition on an attribute of that name
    with pytest.raises(EditError):
        edits.add_rule(edits.rollout(document, "f", 0), "f", when=f"requires {entry}")


def test_a_segment_cannot_require_a_flag() -> None:
    with pytest.raises(EditError, match="a segment can't require a flag"):
        edits.put_segment(EMPTY, "s", where="requires base")
