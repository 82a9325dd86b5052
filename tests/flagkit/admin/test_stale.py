"""Flags that can go: code against document, and flags that never change."""

from __future__ import annotations

import datetime as dt

import pytest

from flagkit.admin import edits
from flagkit.admin.entries import EMPTY
from flagkit.admin.stale import find_stale, scan
from flagkit.authoring import FlagSource, edit_flag

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
OLD = NOW - dt.timedelta(days=120)

PYTHON = """
if flags.is_enabled("used", user_id): ...
KEY = "mentioned"
flags.evaluate(key="also_used")
other("not a key")
is_enabled("bare")
"""
SCRIPT = """
const on = client.getBooleanValue('used', false);
useFlag<boolean>("also_used");
const KEY = `mentioned`;
"""


def document(*keys, **enabled):
    found = EMPTY
    for key in keys:
        found = edits.create(found, key, enabled=enabled.get(key, False))
    return found


@pytest.mark.parametrize(("path", "text"), [("app/main.py", PYTHON), ("web/app.ts", SCRIPT)])
def test_calls_and_mentions_are_found_with_their_lines(path, text):
    found = {reference.key: reference for reference in scan(path, text)}
    assert (found["used"].line, found["used"].is_call) == (2, True)
    assert found["also_used"].is_call
    assert not found["mentioned"].is_call
    assert "not a key" not in found


def test_python_that_does_not_parse_is_searched():
    assert scan("old.py", "print 'x'; flags.is_enabled('used')")[-1].is_call


def test_code_against_document():
    references = [*scan("main.py", PYTHON)]
    found = find_stale(document("used", "also_used", "mentioned", "forgotten"), references, {}, now=NOW)
    assert [(item.key, item.finding) for item in found] == [("bare", "missing"), ("forgotten", "unused")]
    assert "main.py:6" in found[0].reason


def test_a_prerequisite_is_used():
    start = document("base", "used")
    linked = edit_flag(start, "used", lambda _: FlagSource.parse({"requires": ["base"], "percent": 10}))
    assert find_stale(linked, scan("main.py", 'is_enabled("used")'), {}, now=NOW) == ()


def test_flags_that_never_change_are_found_by_their_history():
    start = document("on", "off", "fresh", "unknown", "partly", on=True, partly=True)
    start = edits.rollout(start, "partly", 10)
    changed = {"on": OLD, "off": OLD, "fresh": NOW, "unknown": None, "partly": OLD}
    found = find_stale(start, scan("main.py", 'is_enabled("on")'), changed, now=NOW)
    settled = {item.key: item for item in found if item.finding.startswith("always")}
    assert {key: item.finding for key, item in settled.items()} == {"on": "always_on", "off": "always_off"}
    assert settled["on"].reason == "on for all users since 2026-02-01 (120 days)"
    assert settled["on"].places[0].path == "main.py"
    assert find_stale(start, (), changed, now=NOW, days=365) == ()


def test_flags_past_their_day_are_found():
    start = edits.create(EMPTY, "late", remove_by=dt.date(2026, 5, 1))
    start = edits.create(start, "later", remove_by=dt.date(2026, 7, 1))
    (found,) = find_stale(start, (), {}, now=NOW)
    assert (found.key, found.finding) == ("late", "overdue")


def test_an_archived_flag_is_only_stale_where_code_still_reads_it():
    archived = edits.archive(document("used", "quiet"), "used")
    archived = edits.archive(archived, "quiet")
    found = find_stale(archived, scan("app/main.py", PYTHON), {"quiet": OLD, "used": OLD}, now=NOW)
    named = [(item.key, item.finding) for item in found if item.key in {"used", "quiet"}]
    assert named == [("used", "archived")]
