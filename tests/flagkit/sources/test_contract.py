"""What every source keeps to, whatever it reads from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import boto3
import pytest

from flagkit import Flags
from flagkit.core.entries import MAX_CONTENT_BYTES
from flagkit.errors import SourceError, SourceNotFoundError
from flagkit.sources import DocumentKind, connect
from flagkit.sources.static import StaticSource, short_form
from flagkit.testing import AppConfigFlags, VirtualClock


class FileHarness:
    def __init__(self, tmp_path):
        self.path = tmp_path / "flags.json"

    def put(self, flags):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(short_form(flags)))
        fresh.replace(self.path)

    def source(self):
        return connect(f"file:{self.path}")

    def wait(self):
        pass


class StaticHarness:
    def __init__(self):
        self.made = StaticSource({})

    def put(self, flags):
        self.made.replace(flags)

    def source(self):
        return self.made

    def wait(self):
        pass


class AppConfigHarness:
    def __init__(self, aws, *, feature_flags):
        self.aws = aws
        self.feature_flags = feature_flags
        self.profile = AppConfigFlags(boto3.Session(), feature_flags=feature_flags)
        self.labels = iter(range(1_000))

    def put(self, flags):
        self.profile.deploy(flags, label=f"v{next(self.labels)}")

    def source(self):
        return connect(self.profile.url)

    def wait(self):
        self.aws.clock.advance(60)


class HostedHarness(AppConfigHarness):
    def source(self):
        return connect("hosted://shop/flags")


@pytest.fixture(params=["file", "static", "freeform", "feature_flags", "hosted"])
def harness(request, tmp_path):
    if request.param == "file":
        return FileHarness(tmp_path)
    if request.param == "static":
        return StaticHarness()
    aws = request.getfixturevalue("aws")
    if request.param == "hosted":
        return HostedHarness(aws, feature_flags=False)
    return AppConfigHarness(aws, feature_flags=request.param == "feature_flags")


def enabled(document, key):
    content = json.loads(document.content)
    return (content if document.kind is DocumentKind.FEATURE_FLAGS else content["values"])[key]["enabled"]


def test_the_first_fetch_delivers_the_document(harness):
    harness.put({"a": True})
    document = harness.source().fetch()
    assert enabled(document, "a") is True
    assert document.version
    assert document.warning == ""


def test_an_unchanged_document_is_not_delivered_again(harness):
    harness.put({"a": True})
    source = harness.source()
    source.fetch()
    for _ in range(3):
        harness.wait()
        assert source.fetch() is None


def test_a_change_is_delivered_once_and_a_change_back_is_a_change(harness):
    source = harness.source()
    versions = []
    for value in (True, False, True):
        harness.put({"a": value})
        harness.wait()
        document = source.fetch()
        assert enabled(document, "a") is value
        versions.append(document.version)
        harness.wait()
        assert source.fetch() is None
    assert versions[0] != versions[1]


def test_after_a_reset_the_whole_document_is_delivered(harness):
    harness.put({"a": True})
    source = harness.source()
    source.fetch()
    source.reset()
    assert enabled(source.fetch(), "a") is True


def test_a_source_says_where_it_reads_and_how_often_to_ask(harness):
    source = harness.source()
    assert ":" in source.url
    assert source.poll_interval_s > 0
    source.close()


def test_nothing_there_is_a_source_error_and_no_other(tmp_path, aws):
    AppConfigFlags(boto3.Session())
    for url in (
        f"file:{tmp_path / 'missing.json'}",
        f"file:{tmp_path}",
        "appconfig://nothing/test/flags",
        "appconfig://shop/nothing/flags",
        "appconfig://shop/test/nothing",
        "hosted://nothing/flags",
        "hosted://shop/nothing",
        "hosted://shop/flags",
        "hosted://shop/flags@7",
        "hosted://shop/flags@v7",
    ):
        with pytest.raises(SourceNotFoundError) as caught:
            connect(url).fetch()
        assert isinstance(caught.value, SourceError)
        assert caught.value.hint


def test_a_version_that_only_looks_like_a_number_is_a_label(aws):
    AppConfigFlags(boto3.Session()).save({"a": True})
    with pytest.raises(SourceNotFoundError, match="no version with the label"):
        connect("hosted://shop/flags@²").fetch()


def test_half_a_character_in_a_given_document_is_for_the_reader():
    flags = Flags(StaticSource("\ud800"), clock=VirtualClock())
    assert flags.status().error.code == "document_invalid"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SourceNotFoundError, match="is not a regular file"):
        connect(f"file:{path}").fetch()
    with pytest.raises(SourceNotFoundError, match="is not a regular file"):
        connect("file:/dev/zero").fetch()


def test_no_more_is_read_of_a_file_than_a_document_may_have(tmp_path):
    path = tmp_path / "flags.json"
    with path.open("wb") as file:
        file.truncate(10 * MAX_CONTENT_BYTES)
    assert len(connect(f"file:{path}").fetch().content) == MAX_CONTENT_BYTES + 1


def test_a_file_that_was_only_touched_is_unchanged(tmp_path):
    path: Path = tmp_path / "flags.json"
    path.write_text("{}")
    source = connect(f"file:{path}")
    source.fetch()
    os.utime(path, ns=(1, 1))
    assert source.fetch() is None


@pytest.mark.parametrize("read_before", [True, False])
def test_a_change_in_place_of_the_same_size_and_time_is_seen_at_the_next_fetch(tmp_path, read_before):
    path = tmp_path / "flags.json"
    path.write_text("[1]")
    os.utime(path, ns=(5, 5))
    source = connect(f"file:{path}")
    source.fetch()
    if read_before:
        assert source.fetch() is None
    with path.open("r+") as file:
        file.write("[2]")
    os.utime(path, ns=(5, 5))
    assert source.fetch().content == b"[2]"
    assert source.fetch() is None


def test_an_old_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "flags.json"
    path.write_text("[1]")
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)
    source = connect(f"file:{path}")
    assert source.fetch().content == b"[1]"
    assert source._seen is not None
    assert source.fetch() is None


def test_a_change_of_the_same_size_and_time_is_seen_by_its_inode(tmp_path):
    path = tmp_path / "flags.json"
    path.write_text("[1]")
    os.utime(path, ns=(5, 5))
    source = connect(f"file:{path}")
    source.fetch()
    fresh = tmp_path / "fresh"
    fresh.write_text("[2]")
    os.utime(fresh, ns=(5, 5))
    fresh.replace(path)
    assert source.fetch().content == b"[2]"
