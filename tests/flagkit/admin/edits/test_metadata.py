"""What is written about a flag, beside what it answers: owner, tags, kind, removal date, archive."""

from __future__ import annotations

import datetime as dt

import pytest

from flagkit.admin import edits
from flagkit.admin.diff import compare
from flagkit.admin.entries import EMPTY
from flagkit.authoring import compile_document, decompile, read_toml, write_toml
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError

DAY = dt.date(2027, 3, 1)


def made(**about: object) -> FlagDocument:
    return edits.create(EMPTY, "pay", **about)  # type: ignore[arg-type] # each test gives its own


def flag(document: FlagDocument):
    return decompile(document).flags["pay"]


OWNED = made(description="Pay later", owner="payments", tags=["eu", "q3"], kind="release", remove_by=DAY)


def test_a_flag_is_created_with_everything_that_is_written_about_it():
    found = flag(OWNED)
    assert (found.description, found.owner, found.tags, found.kind) == (
        "Pay later",
        "payments",
        ("eu", "q3"),
        "release",
    )
    assert found.remove_by == DAY
    assert OWNED.flags["pay"].description == "Pay later [flagkit owner: payments; tags: eu, q3; kind: release]"


def test_every_edit_keeps_what_is_written():
    edited = edits.switch_on(edits.rollout(OWNED, "pay", 25), "pay")
    edited = edits.describe(edited, "pay", name="Pay")
    edited = edits.add_rule(edited, "pay", when='(eq $country "US")', percent=50)
    assert (flag(edited).owner, flag(edited).tags, flag(edited).remove_by) == ("payments", ("eu", "q3"), DAY)


def test_texts_are_set_and_removed_one_by_one():
    changed = edits.describe(OWNED, "pay", owner="growth", add_tags=["new", "eu"], remove_tags=["q3"], kind="")
    assert (flag(changed).owner, flag(changed).tags, flag(changed).kind) == ("growth", ("eu", "new"), None)
    assert flag(changed).description == "Pay later"
    bare = edits.describe(changed, "pay", owner="", description="", remove_tags=["eu", "new"], remove_by=False)
    assert bare.flags["pay"].description is None
    with pytest.raises(EditError, match="pay has no tag q3"):
        edits.describe(changed, "pay", remove_tags=["q3"])


@pytest.mark.parametrize(
    "about", [{"owner": "a;b"}, {"owner": " a"}, {"tags": ["a,b"]}, {"tags": ["\u202e"]}, {"description": "x" * 1020}]
)
def test_what_cant_be_kept_is_refused(about):
    with pytest.raises(EditError):
        edits.create(EMPTY, "pay", **{"owner": "payments", **about})


def test_a_difference_names_what_is_written_and_that_no_user_is_concerned():
    diff = compare(OWNED, edits.describe(OWNED, "pay", owner="growth", add_tags=["new"]))
    (found,) = diff.flags
    assert [change.to_text() for change in found.changes] == ["owner: payments → growth", "tags: eu, q3 → eu, q3, new"]
    assert not found.has_effect


def test_toml_carries_everything():
    archived = edits.archive(OWNED, "pay")
    text = write_toml(decompile(archived))
    assert 'owner = "payments"\ntags = ["eu", "q3"]\nkind = "release"\nremove_by = 2027-03-01\narchived = true' in text
    assert compile_document(read_toml(text)).flags == archived.flags


def test_an_archived_flag_stays_off():
    archived = edits.archive(OWNED, "pay")
    with pytest.raises(EditError, match="archived flag must be off") as refused:
        edits.switch_on(archived, "pay")
    assert refused.value.hint == "`flagkit archive pay --undo` takes it out of the archive."
    live = edits.switch_on(edits.archive(archived, "pay", undo=True), "pay")
    assert not flag(live).is_off
    with pytest.raises(EditError, match="pay is on"):
        edits.archive(live, "pay")
    assert flag(edits.rollout(archived, "pay", 25)).archived


def test_a_flag_that_another_tool_archived_while_it_is_on_can_be_switched_off():
    flags = {"pay": {"description": "[flagkit archived]"}}
    broken = FlagDocument.parse({"version": "1", "flags": flags, "values": {"pay": {"enabled": True}}})
    assert flag(edits.kill(broken, "pay")).is_off
    assert not flag(edits.archive(edits.kill(broken, "pay"), "pay", undo=True)).archived


def test_a_copy_takes_what_is_written_and_keeps_the_archive_of_its_own():
    live = edits.switch_on(made(owner="payments"), "pay")
    archived = edits.archive(made(), "pay")
    assert flag(edits.copy(EMPTY, ["pay"], archived)).archived
    kept = flag(edits.copy(archived, ["pay"], live))
    assert (kept.archived, kept.is_off, kept.owner) == (True, True, "payments")
    kept = flag(edits.copy(live, ["pay"], archived))
    assert (kept.archived, kept.is_off, kept.owner) == (False, False, None)
    assert flag(edits.copy(live, ["pay"], archived, with_state=True)).archived
