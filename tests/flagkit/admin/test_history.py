"""Who changed what, when and why; undoing as a new version."""

from __future__ import annotations

import datetime as dt

import boto3
import pytest

from flagkit.admin import edits
from flagkit.admin.entries import is_same
from flagkit.admin.history import history, last_changes, revert_document
from flagkit.admin.stores import Note, open_store
from flagkit.errors import EditError, SourceNotFoundError, UnknownFlagError
from flagkit.testing import AppConfigFlags


@pytest.fixture(params=["file", "freeform"])
def store(request, tmp_path, aws, virtual_clock):
    url = f"file:{tmp_path}/flags.json" if request.param == "file" else AppConfigFlags(boto3.Session()).url
    return open_store(url, clock=virtual_clock)


def save(store, edit, reason="", author="alice", **words):
    base = store.read(missing_ok=True)
    return store.save(base, edit(base.document, **words), Note(reason, author=author))


@pytest.fixture
def lived(store, virtual_clock):
    save(store, edits.create, key="a", enabled=True, reason="new")
    virtual_clock.advance(3600)
    save(store, edits.create, key="b")
    save(store, edits.rollout, key="a", percent=25, reason="a quarter", author="bob")
    save(store, edits.rollout, key="a", percent=40, reason="more")
    save(store, edits.describe, key="b", description="words")
    return store


def test_each_version_says_who_what_and_why(lived, virtual_clock):
    entries = list(history(lived))
    assert [entry.version.number for entry in entries] == [5, 4, 3, 2, 1]
    assert (entries[2].version.author, entries[2].version.reason) == ("bob", "a quarter")
    assert entries[1].diff.of("a").audience == ("25 % → 40 %: about 15 % of users now get it, none lose it.",)
    assert entries[0].version.at == virtual_clock.now()


def test_the_history_of_one_flag(lived):
    assert [entry.version.number for entry in history(lived, "a")] == [4, 3, 1]
    assert [entry.version.number for entry in history(lived, "a", limit=1)] == [4]
    assert list(history(lived, "c")) == []


def test_a_flag_goes_back_to_a_version_or_undoes_its_last_change(lived):
    stored, document = revert_document(lived, "a", to=3)
    assert edits.rollout(document, "a", 25) == document
    receipt = lived.save(stored, document, Note("back"))
    assert receipt.version.number == 6
    assert lived.read().document.flags["b"].description == "words"
    stored, document = revert_document(lived, "a")
    assert is_same(edits.rollout(document, "a", 40), document)


def test_everything_goes_back(lived):
    _, document = revert_document(lived)
    assert document.flags["b"].description is None
    _, document = revert_document(lived, to=1)
    assert set(document.values) == {"a"}


def test_a_deleted_flag_comes_back(lived):
    save(lived, edits.delete, key="b")
    _, document = revert_document(lived, "b")
    assert document.flags["b"].description == "words"


def test_what_can_not_be_undone_is_refused(lived, store):
    with pytest.raises(UnknownFlagError):
        revert_document(lived, "nope")
    with pytest.raises(SourceNotFoundError):
        revert_document(lived, "a", to=99)


def test_nothing_to_undo(tmp_path, virtual_clock):
    (tmp_path / "flags.json").write_text('{"version": "1"}')
    store = open_store(f"file:{tmp_path}/flags.json", clock=virtual_clock)
    with pytest.raises(EditError, match="no changes to undo"):
        revert_document(store)


def test_when_a_flag_last_changed_its_answer(lived, virtual_clock):
    changes = last_changes(lived)
    assert changes == {"a": virtual_clock.now(), "b": virtual_clock.now()}
    virtual_clock.advance(86_400)
    save(lived, edits.describe, key="a", description="only words")
    assert last_changes(lived)["a"] == virtual_clock.now() - dt.timedelta(days=1)


def test_a_flag_changes_when_its_segment_does(lived, virtual_clock):
    base = lived.read()
    segment = edits.put_segment(base.document, "staff", users=["1"])
    lived.save(base, edits.target(segment, "a", segments=["staff"]), Note())
    virtual_clock.advance(86_400)
    save(lived, lambda document: edits.change_segment(document, "staff", users=["2"]))
    assert last_changes(lived)["a"] == virtual_clock.now()


def test_versions_of_other_tools_are_part_of_it(aws, virtual_clock):
    profile = AppConfigFlags(boto3.Session())
    store = open_store(profile.url, clock=virtual_clock)
    save(store, edits.create, key="a")
    profile.save(b"{not json")
    profile.save({"a": True}, label="by-hand")
    save(store, edits.switch_off, key="a")
    entries = list(history(store))
    assert [entry.version.number for entry in entries] == [4, 3, 2, 1]
    assert entries[1].version.label == "by-hand"
    assert "not valid JSON" in entries[1].problem
    assert "not valid JSON" in entries[2].problem
    _, document = revert_document(store, "a")
    assert document.values["a"].enabled is True
