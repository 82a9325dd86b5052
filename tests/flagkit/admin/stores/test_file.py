"""A flags file: crashes at every step, other writers, changes by hand, rights."""

from __future__ import annotations

import json
import os
import threading

import pytest

from flagkit.admin import edits
from flagkit.admin.history import history
from flagkit.admin.stores import Note
from flagkit.admin.stores.disk import Disk, locked
from flagkit.admin.stores.file import OUTSIDE, FileStore
from flagkit.errors import (
    AccessDeniedError,
    DocumentError,
    SourceBusyError,
    SourceError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from flagkit.runtime.clock import SystemClock


class Died(BaseException):
    """The process is gone: nothing catches this."""


class FailingDisk(Disk):
    """Fails at the nth write, before or after it happened, or in the middle of an append."""

    def __init__(self, at, how, error=Died):
        self.at, self.how, self.error, self.writes = at, how, error, 0

    def append(self, path, content, *, at):
        self._write(lambda part: super(FailingDisk, self).append(path, part, at=at), content)

    def replace(self, path, content):
        self._write(lambda part: super(FailingDisk, self).replace(path, part), content, whole=True)

    def _write(self, write, content, *, whole=False):
        self.writes += 1
        if self.writes != self.at:
            write(content)
            return
        if self.how == "after":
            write(content)
        elif self.how == "torn" and not whole:
            write(content[: len(content) // 2])
        raise self.error


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flags.json"


@pytest.fixture
def store(path, virtual_clock):
    return FileStore(path, clock=virtual_clock)


def change(store, edit, key, note=None, **words):
    base = store.read(missing_ok=True)
    return store.save(base, edit(base.document, key, **words), note or Note(author="alice"))


def history_of(path):
    return path.with_name("flags.json.history.jsonl")


@pytest.mark.parametrize("how", ["before", "torn", "after"])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("error", [Died, OSError("disk")])
def test_a_crash_at_any_step_loses_nothing_and_repeats_nothing(path, virtual_clock, at, how, error):
    change(FileStore(path, clock=virtual_clock), edits.create, "a")
    before = path.read_bytes()
    note = Note("once", author="bob")
    store = FileStore(path, clock=virtual_clock, disk=FailingDisk(at, how, error))
    with pytest.raises((Died, SourceUnavailableError)):
        change(store, edits.switch_on, "a", note)
    if (at, how) != (2, "after"):
        assert path.read_bytes() == before
    after = FileStore(path, clock=virtual_clock)
    receipt = change(after, edits.create, "b")
    assert "b" in receipt.document.values
    # Repeated with the same note: done now, or done already; never twice.
    change(after, edits.switch_on, "a", note)
    versions = list(after.versions())
    assert [item.edit_id for item in versions].count(note.edit_id) <= 1
    assert after.read().document.values["a"].enabled is True
    assert [item.number for item in versions] == list(range(len(versions), 0, -1))
    for item in versions:
        after.read(item.number)


def test_a_crash_before_the_first_file_exists(path, virtual_clock):
    with pytest.raises(Died):
        change(FileStore(path, clock=virtual_clock, disk=FailingDisk(2, "before")), edits.create, "a")
    store = FileStore(path, clock=virtual_clock)
    assert store.read(missing_ok=True).version.number == 0
    change(store, edits.create, "b")
    assert set(store.read().document.values) == {"a", "b"}


def test_between_line_and_file_the_file_is_the_truth(path, virtual_clock):
    change(FileStore(path, clock=virtual_clock), edits.create, "a")
    with pytest.raises(Died):
        change(FileStore(path, clock=virtual_clock, disk=FailingDisk(2, "before")), edits.switch_on, "a")
    store = FileStore(path, clock=virtual_clock)
    assert (store.read().version.number, store.read().document.values["a"].enabled) == (1, False)


def test_a_change_by_hand_becomes_a_version(store, path):
    change(store, edits.create, "a")
    content = json.loads(path.read_text())
    content["values"]["a"]["enabled"] = True
    path.write_text(json.dumps(content, indent=2))
    assert [(item.number, item.remark) for item in store.versions()] == [(2, OUTSIDE), (1, None)]
    assert store.read().version.remark == OUTSIDE
    change(store, edits.create, "b")
    assert [item.number for item in store.versions()] == [3, 2, 1]
    assert store.read(1).document.values["a"].enabled is False
    assert store.read(2).document.values["a"].enabled is True


def test_reformatting_by_hand_is_no_version(store, path):
    change(store, edits.create, "a")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=8))
    change(store, edits.switch_on, "a")
    assert [item.number for item in store.versions()] == [2, 1]
    assert path.read_text().startswith('{\n        "')
    assert not path.read_text().endswith("\n")


@pytest.mark.parametrize("indent", [2, 4, "\t", None])
def test_a_file_keeps_its_shape(store, path, indent):
    change(store, edits.create, "a")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=indent) + "\n")
    before = path.read_text().splitlines()
    change(store, edits.switch_on, "a")
    after = path.read_text().splitlines()
    assert len(before) == len(after)
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1


def test_a_file_that_was_there_before_is_the_first_version(store, path):
    path.write_text('{"version":"1","flags":{"a":{}},"values":{"a":{"enabled":false}}}')
    assert (store.read().version.number, store.read().version.remark) == (1, OUTSIDE)
    change(store, edits.switch_on, "a")
    assert [item.number for item in store.versions()] == [2, 1]
    assert "\n" not in path.read_text()  # compact as it was


def test_a_deleted_file_begins_again(store, path):
    change(store, edits.create, "a")
    change(store, edits.switch_on, "a")
    path.unlink()
    with pytest.raises(SourceNotFoundError):
        store.read()
    change(store, edits.create, "b")
    assert set(store.read().document.values) == {"b"}
    assert store.read(2).document.values["a"].enabled is True


def test_an_empty_file_is_an_empty_document(store, path):
    path.write_text("\n")
    change(store, edits.create, "a")
    assert set(store.read().document.values) == {"a"}


def test_a_file_that_is_no_flag_document_is_left_alone(store, path):
    path.write_text("[not flags")
    with pytest.raises(DocumentError):
        change(store, edits.create, "a")
    assert path.read_text() == "[not flags"


def test_a_damaged_history_is_named_with_its_line(store, path):
    change(store, edits.create, "a")
    change(store, edits.switch_on, "a")
    history = history_of(path)
    history.write_bytes(b'{"half": \n' + history.read_bytes())
    with pytest.raises(SourceError, match="damaged at line 1"):
        store.read()


def test_a_link_stays_a_link_and_rights_stay(tmp_path, virtual_clock):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    change(FileStore(real, clock=virtual_clock), edits.create, "a")
    real.chmod(0o640)
    link.symlink_to(real)
    change(FileStore(link, clock=virtual_clock), edits.switch_on, "a")
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert [item.number for item in FileStore(real, clock=virtual_clock).versions()] == [2, 1]
    assert not list(tmp_path.glob(".*"))


def test_another_writer_is_waited_for_and_then_named(path, virtual_clock):
    store = FileStore(path, clock=virtual_clock, lock_wait_s=2)
    with locked(history_of(path), virtual_clock, 1), pytest.raises(SourceBusyError, match="another writer"):
        change(store, edits.create, "a")
    assert virtual_clock.monotonic() >= 2
    change(store, edits.create, "a")


def test_threads_do_not_lose_each_others_edits(path):
    stores = [FileStore(path, clock=SystemClock()) for _ in range(4)]
    failures = []

    def work(index):
        try:
            for number in range(5):
                change(stores[index], edits.create, f"f{index}-{number}")
        except Exception as error:  # the test fails below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(stores[0].read().document.values) == 20
    assert len(list(stores[0].versions())) == 20


def test_a_missing_folder_is_named(tmp_path, virtual_clock):
    store = FileStore(tmp_path / "nowhere" / "flags.json", clock=virtual_clock)
    with pytest.raises(SourceNotFoundError, match="no folder"):
        change(store, edits.create, "a")


def test_missing_rights_are_named_and_the_file_is_unchanged(store, path, monkeypatch):
    change(store, edits.create, "a")
    before = path.read_bytes()
    refused = FileStore(path, clock=store._clock, disk=FailingDisk(1, "before", PermissionError(13, "no", str(path))))
    with pytest.raises(AccessDeniedError, match="permission denied"):
        change(refused, edits.switch_on, "a")
    assert path.read_bytes() == before


def test_a_file_changed_by_hand_is_in_the_history_as_that(store, path):
    """A file without a history, and one that was edited after its last version."""
    path.write_text('{"version": "1", "values": {"a": {"enabled": true}}}')
    assert [(entry.version.remark, entry.problem, entry.diff.of("a").kind) for entry in history(store)] == [
        (OUTSIDE, "", "created")
    ]
    assert [version.changes for version in store.versions()] == [None]
    base = store.read()
    store.save(base, edits.switch_off(base.document, "a"), Note())
    assert [version.changes for version in store.versions()] == [{"a": "changed"}, None]
    path.write_text('{"version": "1", "values": {"a": {"enabled": true}, "b": {"enabled": true}}}')
    newest, *_ = history(store)
    assert (newest.version.number, newest.version.remark, newest.problem) == (3, OUTSIDE, "")
    assert newest.diff.of("a").audience == ("All users get it.",)


def test_an_edit_that_was_undone_by_hand_stays_undone(store, path):
    """The same bytes as before the edit, as `git checkout flags.json` writes them; a crash leaves them, too."""
    base = store.read(missing_ok=True)
    store.save(base, edits.create(base.document, "a"), Note())
    earlier = path.read_bytes()
    base = store.read()
    store.save(base, edits.switch_on(base.document, "a"), Note())
    path.write_bytes(earlier)
    later = path.with_name("flags.json.history.jsonl").stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    base = store.read()
    assert (base.version.number, base.version.remark) == (3, OUTSIDE)
    receipt = store.save(base, edits.create(base.document, "b"), Note())
    assert receipt.document.values["a"].enabled is False


@pytest.mark.skipif(not hasattr(os, "chown"), reason="the system has no owners")
class TestOwner:
    def save(self, store):
        base = store.read(missing_ok=True)
        key = f"f{len(base.document.values)}"
        store.save(base, edits.create(base.document, key), Note())

    def test_permissions_stay_and_the_history_is_as_private_as_the_flags(self, store, path):
        path.write_text('{"version": "1"}')
        path.chmod(0o600)
        self.save(store)
        self.save(store)
        history_file = path.with_name("flags.json.history.jsonl")
        assert [item.stat().st_mode & 0o777 for item in (path, history_file)] == [0o600, 0o600]

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
    def test_root_leaves_the_flags_to_their_owner(self, store, path):
        path.write_text('{"version": "1"}')
        path.chmod(0o600)
        os.chown(path, 1234, 1234)
        self.save(store)
        history_file = path.with_name("flags.json.history.jsonl")
        assert [(item.stat().st_uid, item.stat().st_gid) for item in (path, history_file)] == [(1234, 1234)] * 2

    def test_a_file_whose_owner_can_not_be_kept_is_written_in_place(self, store, path, monkeypatch):
        path.write_text('{"version": "1"}' + " " * 10_000)
        inode = path.stat().st_ino

        monkeypatch.setattr("flagkit.admin.stores.disk._owned_like", lambda *_: False)
        self.save(store)
        assert path.stat().st_ino == inode
        assert json.loads(path.read_text())["values"] == {"f0": {"enabled": False}}
        assert [item.name for item in path.parent.iterdir() if "tmp" in item.name] == []


def test_what_killed_writers_left_behind_is_removed_by_the_next_one(store, path):
    base = store.read(missing_ok=True)
    store.save(base, edits.create(base.document, "a"), Note())
    for number in range(3):
        path.with_name(f".flags.json.{number}.flagkit-tmp").write_text("half")
    path.with_name(".flags.json.swp").write_text("an editor's")
    base = store.read()
    store.save(base, edits.create(base.document, "b"), Note())
    assert sorted(item.name for item in path.parent.iterdir()) == [
        ".flags.json.swp",
        "flags.json",
        "flags.json.history.jsonl",
    ]
