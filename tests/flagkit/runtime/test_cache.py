"""The last good document on disk: whole or not at all, and for its owner only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flagkit import Flags, State
from flagkit.errors import SourceUnavailableError
from flagkit.runtime.cache import DiskCache
from flagkit.sources import Document, DocumentKind
from flagkit.testing import ScriptedSource, VirtualClock

DOCUMENT = Document(b'{"version":"1","values":{"a":{"enabled":true}}}', "7", "v7", DocumentKind.FREEFORM)


def test_what_was_saved_is_loaded(tmp_path):
    cache = DiskCache(tmp_path / "new" / "dir", "appconfig://a/b/c")
    assert cache.load() is None
    assert cache.save(DOCUMENT)
    assert cache.load() == DOCUMENT
    assert DiskCache(tmp_path / "new" / "dir", "appconfig://a/b/other").load() is None


def test_the_file_is_its_owners_alone_and_nothing_else_is_left_behind(tmp_path):
    cache = DiskCache(tmp_path / "dir", "x:")
    cache.save(DOCUMENT)
    assert Path(cache.path).stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "dir").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"{}\n{}", b'[1]\n{"version":"1"}'])
def test_a_damaged_file_is_not_served(tmp_path, damage, caplog):
    cache = DiskCache(tmp_path, "x:")
    cache.save(DOCUMENT)
    Path(cache.path).write_bytes(damage)
    assert cache.load() is None
    assert "damaged" in caplog.text


def test_a_shortened_file_is_not_served(tmp_path):
    cache = DiskCache(tmp_path, "x:")
    cache.save(DOCUMENT)
    kept = Path(cache.path)
    kept.write_bytes(kept.read_bytes()[:-1])
    assert cache.load() is None


def test_a_disk_that_refuses_is_logged_and_does_no_harm(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert not DiskCache(tmp_path / "file", "x:").save(DOCUMENT)
    assert "can't be cached" in caplog.text


def test_a_start_without_the_source_serves_what_was_kept(tmp_path):
    with Flags(ScriptedSource({"a": True}), clock=VirtualClock(), cache_dir=tmp_path):
        pass
    source = ScriptedSource(SourceUnavailableError("down"), {"a": False})
    flags = Flags(source, clock=VirtualClock(), cache_dir=tmp_path, fallback={"a": False})
    assert flags.is_enabled("a")
    assert (flags.status().state, flags.status().origin) == (State.STALE, "cache")
    assert not flags.wait_until_ready(0)
    flags.refresh()
    assert not flags.is_enabled("a")
    assert (flags.status().state, flags.status().origin) == (State.READY, "source")


WRITER = """
import sys
from flagkit.runtime.cache import DiskCache
from flagkit.sources import Document
cache = DiskCache(sys.argv[1], "x:")
big = b"x" * 200_000
cache.save(Document(big, "first"))
for number in range(1_000_000):
    cache.save(Document(big, str(number)))
    print(number, flush=True)
"""


def test_a_process_that_is_killed_while_writing_leaves_a_whole_document(tmp_path):
    for saves in (1, 3, 10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(saves):
            assert writer.stdout.readline()
        writer.kill()
        writer.communicate()
        document = DiskCache(tmp_path, "x:").load()
        assert document.content == b"x" * 200_000


def test_a_file_of_another_user_is_not_served(tmp_path, monkeypatch, caplog):
    cache = DiskCache(tmp_path, "x:")
    cache.save(DOCUMENT)
    monkeypatch.setattr("os.getuid", lambda: 987_654)
    assert cache.load() is None
    assert "belongs to another user" in caplog.text
