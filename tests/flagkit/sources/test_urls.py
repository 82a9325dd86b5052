"""An address names its source, or is refused with the forms that exist."""

from __future__ import annotations

import pytest

from flagkit import Flags
from flagkit.cli.context import source_url
from flagkit.errors import SourceUrlError
from flagkit.sources import connect
from flagkit.sources.urls import parse


def test_paths_may_be_relative_absolute_and_hold_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "a b?c.json"
    odd.write_text("{}")
    assert connect("file:a b?c.json").fetch().content == b"{}"
    assert connect(f"file:{odd}").fetch().content == b"{}"
    assert connect(f"file://{odd}").fetch().content == b"{}"


def test_a_text_without_a_scheme_is_a_file_for_clients_and_commands_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags.json").write_text('{"version": "1", "values": {"a": {"enabled": true}}}')
    assert parse("flags.json") == parse("file:flags.json")
    assert parse(r"C:\flags.json").scheme == "file"
    monkeypatch.setenv("FLAGKIT_SOURCE", "flags.json")
    with Flags.connect() as flags:
        assert flags.is_enabled("a")
    assert source_url(None) == "file:flags.json"


def test_names_are_percent_decoded_and_options_are_read(aws):
    source = connect("appconfig://my%20shop/test/flags?region=eu-west-1&interval=120")
    assert source.names == "my shop/test/flags"
    assert source.poll_interval_s == 120
    assert source._client.meta.region_name == "eu-west-1"


def test_a_static_address_holds_the_document():
    assert b"true" in connect('static:{"version":"1","values":{"a":{"enabled":true}}}').fetch().content


@pytest.mark.parametrize(
    "url",
    ["", "file:", "ftp://x/y", "appconfig://only/two", "appconfig://a//c", "appconfig://a/b/c/d", "s3:x"],
)
def test_what_can_not_be_read_is_refused_with_the_forms_that_exist(url):
    with pytest.raises(SourceUrlError) as caught:
        connect(url)
    assert "appconfig://APPLICATION/ENVIRONMENT/PROFILE" in caught.value.hint


@pytest.mark.parametrize("interval", ["0", "-5", "soon", "nan", "90000"])
def test_an_interval_is_a_number_of_seconds_up_to_a_day(interval):
    with pytest.raises(SourceUrlError):
        connect(f"appconfig://a/b/c?interval={interval}")


def test_an_unknown_region_is_named(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SourceUrlError, match="region"):
        connect("appconfig://a/b/c")
