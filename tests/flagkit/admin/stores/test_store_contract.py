"""What every place that keeps flags guarantees: a file, a FeatureFlags profile, a Freeform profile."""

from __future__ import annotations

import json

import boto3
import pytest

from flagkit.admin import edits
from flagkit.admin.entries import is_same
from flagkit.admin.stores import Note, open_store
from flagkit.core.documents import MAX_BYTES, FlagDocument
from flagkit.errors import ConflictError, DocumentError, EditError, SourceNotFoundError, SourceUrlError
from flagkit.testing import AppConfigFlags


@pytest.fixture(params=["file", "flags", "freeform"])
def url(request, tmp_path, aws):
    if request.param == "file":
        return f"file:{tmp_path}/flags.json"
    return AppConfigFlags(boto3.Session(), feature_flags=request.param == "flags").url


@pytest.fixture
def store(url, virtual_clock):
    return open_store(url, clock=virtual_clock)


def make(store, *keys):
    """A document with these flags, saved."""
    base = store.read(missing_ok=True)
    document = base.document
    for key in keys:
        document = edits.create(document, key)
    store.save(base, document, Note("start", author="alice"))
    return store.read()


def test_an_edit_is_saved_as_a_version_with_author_reason_and_time(store, virtual_clock):
    base = make(store, "a")
    receipt = store.save(base, edits.switch_on(base.document, "a"), Note("launch “now”\nreally", author="bob"))
    version = receipt.version
    assert receipt.is_new
    assert (version.number, version.author, version.reason) == (2, "bob", "launch “now”\nreally")
    assert version.at == virtual_clock.now()
    assert store.read().version == version
    assert [item.number for item in store.versions()] == [2, 1]


def test_saving_the_same_makes_no_version(store):
    """Acceptance: reading and writing back without an edit makes no new version."""
    base = make(store, "a", "b")
    before = store.read().content
    receipt = store.save(base, base.document, Note())
    assert (receipt.is_new, receipt.version.number) == (False, 1)
    assert store.read().content == before
    assert len(list(store.versions())) == 1


def test_edits_of_different_flags_merge(store):
    base = make(store, "a", "b")
    store.save(base, edits.switch_on(base.document, "a"), Note(author="alice"))
    receipt = store.save(base, edits.switch_on(base.document, "b"), Note(author="bob"))
    assert receipt.version.number == 3
    values = store.read().document.values
    assert (values["a"].enabled, values["b"].enabled) == (True, True)
    assert is_same(receipt.document, store.read().document)


def test_the_same_flag_edited_twice_is_a_conflict_and_nothing_is_saved(store):
    base = make(store, "a")
    store.save(base, edits.switch_on(base.document, "a"), Note())
    with pytest.raises(ConflictError, match="flag a"):
        store.save(base, edits.rollout(base.document, "a", 10), Note())
    assert store.read().version.number == 2


def test_the_same_edit_by_two_people_makes_one_version(store):
    base = make(store, "a")
    store.save(base, edits.switch_on(base.document, "a"), Note())
    assert not store.save(base, edits.switch_on(base.document, "a"), Note()).is_new


def test_an_edit_id_is_saved_once(store):
    base = make(store, "a")
    note, document = Note(), edits.switch_on(base.document, "a")
    first = store.save(base, document, note)
    assert store.save(base, document, note).version == first.version
    later = store.read()
    store.save(later, edits.switch_off(later.document, "a"), Note())
    assert store.save(base, document, note).version == first.version
    assert store.read().document.values["a"].enabled is False


def test_old_versions_are_read(store):
    base = make(store, "a")
    store.save(base, edits.switch_on(base.document, "a"), Note())
    assert is_same(store.read(1).document, base.document)
    with pytest.raises(SourceNotFoundError):
        store.read(9)


def test_nothing_there_is_an_error_or_an_empty_document(store):
    with pytest.raises(SourceNotFoundError):
        store.read()
    assert store.read(missing_ok=True).version.number == 0
    assert list(store.versions()) == []


def test_a_reason_that_aws_can_not_keep_is_refused(store):
    base = make(store, "a")
    if store.deployments is not None:
        with pytest.raises(EditError, match="too long"):
            store.save(base, edits.switch_on(base.document, "a"), Note("x" * 1100))
    with pytest.raises(EditError, match="not a valid edit id"):
        store.save(base, edits.switch_on(base.document, "a"), Note(edit_id="a b"))
    assert store.read().version.number == 1


def test_a_document_that_gets_too_large_is_refused(store):
    base = make(store, "a")
    content = base.document.to_dict()
    attributes = {f"a{n}": {"description": "x" * 1024} for n in range(25)}
    content["flags"] |= {f"f{n}": {"attributes": attributes} for n in range(70)}
    store.save(base, FlagDocument.parse(content), Note())
    stored = store.read()
    content["flags"] |= {f"g{n}": {"attributes": attributes} for n in range(13)}
    with pytest.raises(DocumentError):
        store.save(stored, FlagDocument.parse(content), Note())
    assert store.read().version.number == 2


def test_addresses_that_can_not_be_changed_are_refused():
    with pytest.raises(SourceUrlError, match="can't be changed"):
        open_store("agent://a/b/c")


def test_what_flagkit_does_not_know_stays_in_a_freeform_document(aws, virtual_clock):
    """Only the changed flag is written again; unknown keys, order and other flags' bytes stay."""
    profile = AppConfigFlags(boto3.Session())
    flags = {"z": {"name": "z", "owner": "team"}, "a": {"name": "a"}}
    content = {
        "$schema": "s",
        "version": "1",
        "values": {"z": {"enabled": False}, "a": {"enabled": True}},
        "flags": flags,
    }
    profile.save(json.dumps(content).encode())
    store = open_store(profile.url, clock=virtual_clock)
    base = store.read()
    store.save(base, edits.describe(base.document, "z", description="d"), Note())
    written = json.loads(store.read().content)
    flags["z"] = {"owner": "team", "description": "d", "name": "z"}
    assert written == content
    assert list(written) == list(content)


def test_the_size_that_is_refused_is_the_size_that_is_stored(store):
    """Text in Cyrillic is stored as UTF-8; escaped it would have three times the bytes."""
    flags = {f"f{number}": {"name": "f", "description": "о" * 1000} for number in range(400)}
    base = store.read(missing_ok=True)
    document = FlagDocument.parse(json.dumps({"version": "1", "flags": flags, "values": {}}, ensure_ascii=False))
    assert len(json.dumps(document.to_dict())) > MAX_BYTES
    store.save(base, document, Note())
    saved = store.read()
    store.save(saved, edits.describe(saved.document, "f1", description="short"), Note())
    assert len(store.read().content) < MAX_BYTES // 2


def test_an_edit_without_a_reason_keeps_its_author_and_time(store, virtual_clock):
    base = make(store, "a")
    store.save(base, edits.switch_on(base.document, "a"), Note(author="bob"))
    newest = next(iter(store.versions()))
    assert (newest.author, newest.at, newest.reason) == ("bob", virtual_clock.now(), None)


def test_a_version_names_the_flags_that_it_changed(store):
    base = make(store, "a", "b")
    document = edits.delete(edits.switch_on(base.document, "a"), "b")
    receipt = store.save(base, edits.create(document, "c"), Note())
    newest, first = store.versions()
    assert newest.changes == {"a": "changed", "b": "deleted", "c": "created"} == receipt.version.changes
    assert first.changes == {"a": "created", "b": "created"}
